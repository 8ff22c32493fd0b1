"""A complete study in one file, through its command line: what it leaves, part by part, and what it refuses."""

import json

import launching
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

FILE = launching.ROOT / "examples" / "own_study.py"
FEW = ["--config.seeds=2", "--config.patients=240"]


# Two runs of the same study: by one process, and by a process a part.
STEPS = {
    "whole": ["--workdir=own"],
    "no seed": ["--workdir=none", "--config.seeds=0"],
    "no number": ["--workdir=none", "--config.alpha=nan"],
    "too early": ["--workdir=parts", "--part=difference"],
    "second": ["--workdir=parts", "--part=without_age"],
    "unknown": ["--workdir=parts", "--part=other"],
    "first": ["--workdir=parts", "--part=plain"],
    "rest": ["--workdir=parts"],
}


@pytest.fixture(scope="module")
def outcomes(folder):
    """By step: exit code, standard output and error; and before the rest of the second run is done, its status."""
    with launching.first_only(folder, "own_study") as first:
        if first:
            cases = {name: [str(FILE), *FEW, *arguments] for name, arguments in STEPS.items()}
            listed = {"status": ["experiments.status", "--workdir=parts"]}
            listed["waiting"] = ["experiments.status", "--workdir=parts", "--waiting"]
            rest = {"rest": cases.pop("rest")}
            done = launching.start_each(folder, cases | listed | rest)
            (folder / "own.json").write_text(json.dumps(done))
    return json.loads((folder / "own.json").read_text())


@pytest.fixture
def whole(folder, outcomes):
    """The first run's folder."""
    assert outcomes["whole"][0] == 0, outcomes["whole"]
    return folder / "own"


def test_the_study_is_short():
    assert len(FILE.read_text().splitlines()) <= 120


def test_the_run_keeps_the_contract(whole):
    tables = launching.read(whole)
    results, members, predictions = tables["results"], tables["members"], tables["predictions"]
    assert list(results.columns) == launching.COLUMNS
    assert set(results["experiment"]) == {"own"}
    assert members["member"].tolist() == list(range(8))
    assert members.groupby(["method", "seed", "fold"]).size().eq(1).all()
    assert (members["status"] == "stopped").any()
    final = results[results["epoch"].isna() & (results["metric"] == "roc_auc")].set_index("member")["value"]
    for member, rows in predictions.groupby("member"):
        assert final[member] == pytest.approx(roc_auc_score(rows["target"], rows["prediction"]), abs=1e-5)
        assert set(rows["subject"] % 3) == {2}
    change = tables["difference"].iloc[0]
    means = members.assign(auc=final[members["member"]].to_numpy()).groupby("method")["auc"].mean()
    assert change["mean"] == pytest.approx(means["without_age"] - means["plain"], abs=1e-6)
    assert change["n"] == 4


def test_early_stopping_looked_at_the_validation_third(whole):
    results, members = pd.read_parquet(whole / "results.parquet"), pd.read_parquet(whole / "members.parquet")
    curves = results[(results["metric"] == "loss") & (results["split"] == "validate")]
    for member, rows in curves.groupby("member"):
        best = rows.set_index("epoch")["value"].idxmin()
        run = members.set_index("member").loc[member, "epochs_run"]
        assert len(rows) == run == min(best + 1 + 8, 60)


def test_the_page_has_its_three_sections_and_what_was_run(whole, outcomes):
    page = (whole / "report.html").read_text()
    for title in ("Arms", "Training", "Members", "What was run", "Where the seconds went"):
        assert title in page
    assert (whole / "figures" / "training.png").exists()
    assert "ROC AUC, without age - plain: " in outcomes["whole"][1]
    assert not (whole / "parts").exists()


def test_parts_by_several_processes_give_the_same_tables(whole, folder, outcomes):
    codes = {name: outcome[0] for name, outcome in outcomes.items()}
    assert codes == dict.fromkeys(codes, 0) | dict.fromkeys(("too early", "unknown", "no seed", "no number"), 1), (
        outcomes
    )
    for name, table in launching.read(whole).items():
        pd.testing.assert_frame_equal(pd.read_parquet(folder / "parts" / f"{name}.parquet"), table, check_exact=True)
    assert outcomes["rest"][1].splitlines()[0] == outcomes["whole"][1].splitlines()[0]


def test_a_part_without_its_needs_and_one_that_is_none_are_refused_in_one_sentence(outcomes):
    early, unknown = outcomes["too early"][2], outcomes["unknown"][2]
    assert "own: --part=difference: needs plain, without_age, which parts does not hold yet; run that first." in early
    assert "own: --part=other: is no part of this run, whose parts are plain, without_age, difference." in unknown
    assert "Traceback (most" not in early + unknown


def test_its_rules_are_looked_at_first(folder, outcomes):
    assert outcomes["no seed"][2] == "own: --config.seeds=0: must be a whole number from 1 to 1,000.\n"
    assert outcomes["no number"][2] == "own: --config.alpha=nan: must be a number from 0 to 1e+06.\n"
    assert not (folder / "none").exists()


def test_status_lists_the_parts(outcomes):
    listed = dict(line.split(maxsplit=1) for line in outcomes["status"][1].splitlines())
    assert listed == {"plain": "done", "without_age": "done", "difference": "ready"}
    assert outcomes["waiting"][1].split() == ["difference"]


def test_where_the_seconds_went_is_kept_by_part(whole):
    environment = json.loads((whole / "environment.json").read_text())
    assert set(environment["seconds"]) == {"plain", "without_age", "difference", "run"}
    assert environment["seconds"]["plain"].keys() >= {"compiling", "training"}
    assert np.isfinite([value for part in environment["seconds"].values() for value in part.values()]).all()
