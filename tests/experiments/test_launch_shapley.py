"""The Shapley study through its real command line: every variant, what it leaves behind, and what cannot disturb it."""

import json
import shlex
import shutil

import launching
import numpy as np
import pandas as pd
import pytest

from experiments.report.page import write_report
from experiments.results.reading import read_workdir
from experiments.shapley.study import STUDY
from jaxfair import manifest

FILES = ["members", "results", "predictions", "values", "removed", "counts", "problems", "depths", "pictures"]
SECTIONS = ["Data", "Accuracy beside published accuracies", "Beats", "Training"]
CONCLUSIONS = ["The hypotheses", "The scores", "Counterfactuals and hardening"]
# Full, 2 shares x (2 controls, top, bottom), 3 scores x 2 sides, and 4 hardened.
ARMS = 1 + 2 * 4 + 3 * 2 + 4


@pytest.fixture(scope="module")
def default_run(folder):
    """The default variant in two blocks of one seed."""
    with launching.first_only(folder, "shapley") as first:
        if first:
            launch(folder, "shapley")
    return folder / "shapley"


def launch(folder, name, *arguments, variant=""):
    """A run to its end in `folder / name`, with what it prints in `name.out`."""
    config = launching.variant(variant, "shapley")
    where = f"--workdir={folder / name}"
    done = launching.start(folder, config, *launching.TINY_SHAPLEY, where, *arguments, study="shapley")
    (folder / f"{name}.out").write_text(done.stdout)
    assert done.returncode == 0, done.stderr
    return done


def assert_keeps_the_contract(workdir):
    """Everything that design and report promise of a finished run, whichever its variant."""
    tables = launching.read(workdir)
    assert set(FILES) <= set(tables)
    for name in ("config.json", "environment.json", "report.html", "checkpoints", "tensorboard"):
        assert (workdir / name).exists()
    assert not [path for path in workdir.rglob("*.part")]
    results, members, predictions = tables["results"], tables["members"], tables["predictions"]
    assert list(results.columns) == launching.COLUMNS
    assert set(results["unit"]) <= launching.UNITS
    assert set(results["experiment"]) == {"shapley"}
    assert results["metric"].str.fullmatch("[a-z][a-z0-9_]*").all()
    assert members["member"].is_unique
    assert set(results["member"]) == set(members["member"])
    final = results[results["epoch"].isna()]
    assert not final.duplicated(["member", "stage", "split", "metric"]).any()
    accuracy = final[(final["metric"] == "accuracy") & (final["stage"] == "classifier")].set_index("member")["value"]
    right = predictions["target"].astype(str) == predictions["prediction"].astype(str)
    right = right.groupby(predictions["member"]).mean()
    np.testing.assert_allclose(right, accuracy[right.index].astype(float), atol=1e-6)
    assert len(right) == len(accuracy)
    # What was removed is what is missing from the number of training samples.
    train = tables["counts"].query("split == 'train'").groupby("problem")["count"].sum()
    own = members[members["member"].isin(accuracy.index)].set_index("member")
    gone = tables["removed"].groupby("member").size().reindex(own.index, fill_value=0)
    np.testing.assert_array_equal(own["num_train"] + gone, train[own["problem"]].to_numpy())
    np.testing.assert_array_equal(gone, [round(share / 100 * 36) for share in own["percent"]])
    residual = final.loc[final["metric"] == "attribution_residual", "value"]
    assert len(residual)
    assert residual.max() < 1e-5
    page = (workdir / "report.html").read_text()
    assert [section for section in SECTIONS if section not in page] == []
    assert "kept no beats" not in page
    environment = json.loads((workdir / "environment.json").read_text())
    assert environment["versions"]["jax"]
    # A shell that is given it starts the same run: it would not take a tuple's brackets without quotes.
    assert "'--config.channels=(4,)'" in environment["command"]
    started = shlex.split(environment["command"])
    assert started[:3] == ["python", "-m", "experiments.shapley"]
    assert set(launching.TINY_SHAPLEY) | {f"--workdir={workdir}"} <= set(started[3:])


def test_the_default_variant_keeps_the_contract(default_run):
    assert_keeps_the_contract(default_run)
    tables = launching.read(default_run)
    members = tables["members"]
    arms = members[members["method"].str.startswith(("full", "without"))]
    assert arms.groupby("seed")["method"].nunique().to_dict() == {0: ARMS, 1: ARMS}
    assert set(tables["planted"].columns) == {"problem", "id", "mislabelled"}
    out = default_run.with_suffix(".out").read_text()
    assert f"Report: {default_run / 'report.html'}" in out
    assert out.startswith(
        "On simulated not above a classifier that looks at no beat, by the 95 % interval: Blend-Res2Net"
    )
    # Six steps are no training.
    assert not any(f"<h2>{section}" in (default_run / "report.html").read_text() for section in CONCLUSIONS)


def test_the_page_of_a_classifier_that_has_learned_has_the_conclusions(default_run, tmp_path):
    """The same run, had all its networks been better by the same amount: differences stay."""
    for path in (*default_run.glob("*.parquet"), default_run / "config.json", default_run / "environment.json"):
        shutil.copy(path, tmp_path)
    results = pd.read_parquet(tmp_path / "results.parquet")
    accuracy = results["metric"].eq("accuracy") & results["stage"].eq("classifier")
    results["value"] = results["value"].mask(accuracy, 0.6 + 0.4 * results["value"])
    results["value"] = results["value"].mask(results["metric"].eq("attribution_residual_of_allowed"), 2.5)
    results.to_parquet(tmp_path / "results.parquet")
    manifest.write(tmp_path)
    page = write_report(tmp_path, STUDY.sections, title=STUDY.title, lead=STUDY.lead).read_text()
    assert "has not learned" not in page
    assert [section for section in (*SECTIONS, *CONCLUSIONS) if section not in page] == []
    assert "2.5 times what rounding allows: these attributions are wrong." in page
    assert {"removal_curves.png", "scores.png"} <= {path.name for path in (tmp_path / "figures").iterdir()}
    assert "simulated (n = 2 seeds): accuracy" in STUDY.summary(read_workdir(tmp_path))


def test_the_top_and_the_bottom_are_those_of_the_values(default_run):
    tables = launching.read(default_run)
    values = tables["values"]
    for seed in (0, 1):
        for score in ("signed_sum", "absolute_sum", "knn_shapley", "data_oob"):
            part = values[(values["score"] == score) & (values["seed"].isna() | (values["seed"] == seed))]
            ranked = part.sort_values("value", ascending=False, kind="stable")["value"].to_numpy()
            for side, end in (("top", ranked[:7]), ("bottom", ranked[::-1][:7])):
                members = tables["members"]
                own = members[(members["seed"] == seed) & (members["method"] == f"without_{side}_20_{score}")]
                gone = tables["removed"][tables["removed"]["member"] == own["member"].item()]["id"].astype(str)
                removed = part.set_index("id")["value"].reindex(gone)
                np.testing.assert_array_equal(np.sort(removed)[::-1] if side == "top" else np.sort(removed), end)


@pytest.mark.slow
def test_the_blocks_of_seeds_do_not_change_a_seed(default_run, folder):
    with launching.first_only(folder, "shapley_at_once") as first:
        if first:
            launch(folder, "shapley_at_once", "--config.seeds_at_once=2")
    ours, theirs = launching.read(default_run), launching.read(folder / "shapley_at_once")
    for name in ("members", "results", "values"):
        order = [column for column in ("member", "seed", "score", "id", "metric", "epoch") if column in ours[name]]
        pair = [tables[name].sort_values(order, kind="stable").reset_index(drop=True) for tables in (ours, theirs)]
        pd.testing.assert_frame_equal(*pair, check_exact=False, rtol=1e-5, atol=1e-6)


def test_a_finished_run_started_again_prints_the_same_and_does_nothing(default_run, folder):
    before = (default_run / "results.parquet").stat().st_mtime_ns
    arguments = [*launching.TINY_SHAPLEY, f"--workdir={default_run}"]
    code, out, error = launching.start_one(folder, *arguments, study="shapley")
    assert code == 0, error
    assert out == default_run.with_suffix(".out").read_text()
    assert (default_run / "results.parquet").stat().st_mtime_ns == before


@pytest.mark.slow
def test_killed_in_a_block_a_run_ends_as_an_undisturbed_one(default_run, folder, tmp_path):
    arguments = [*launching.TINY_SHAPLEY, f"--workdir={tmp_path / 'run'}"]
    reached = tmp_path / "run/checkpoints/simulated/seeds-001-removed"
    assert launching.kill_when(folder, reached.exists, *arguments, study="shapley") == -9
    assert (tmp_path / "run/parts/simulated-seeds-000").is_dir()
    done = launching.start(folder, *arguments, study="shapley")
    assert done.returncode == 0, done.stderr
    for name, table in launching.read(default_run).items():
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "run" / f"{name}.parquet"), table, check_exact=True)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["ECG200", "ucr", "paper"])
def test_every_variant_keeps_the_contract(folder, tmp_path, variant):
    launching.write_ucr(tmp_path / "archive")
    problems = () if variant == "ECG200" else ("ECG200", "TwoLeadECG")
    chosen = [f"--config.problems={problems}"] if problems else []
    small = ["--config.epochs=1", "--config.peer_epochs=1", "--config.peers=('fcn',)", "--config.peer_seeds=1"]
    small += ["--config.momentum=0.9", "--config.pgd_steps=1"]
    launch(folder, f"shapley-{variant}", f"--config.data_dir={tmp_path / 'archive'}", *chosen, *small, variant=variant)
    assert_keeps_the_contract(folder / f"shapley-{variant}")
    page = (folder / f"shapley-{variant}" / "report.html").read_text()
    assert "Ismail Fawaz" in page


@pytest.mark.slow
def test_peers_alone_are_trained_without_a_study(folder, tmp_path):
    launching.write_ucr(tmp_path / "archive")
    peers = ["--config.seeds=0", "--config.peers=('fcn',)", "--config.peer_seeds=2", "--config.peer_epochs=1"]
    where = [f"--config.data_dir={tmp_path / 'archive'}", "--config.problems=('ECG200',)"]
    done = launch(folder, "shapley-peers", *where, *peers, variant="peers")
    tables = launching.read(folder / "shapley-peers")
    assert sorted(tables["members"]["method"]) == ["fcn", "fcn", "nearest_neighbour_dtw"]
    accuracies = tables["results"].query("metric == 'accuracy'").groupby("method")["value"].mean()
    for line in done.stdout.splitlines():
        if line.startswith("FCN on ECG200"):
            assert line.split()[3] == f"{100 * accuracies['fcn']:.2f}"
            break
    else:
        raise AssertionError(done.stdout)
    page = (folder / "shapley-peers" / "report.html").read_text()
    assert "Ismail Fawaz" in page
    assert "removed" not in page.split("</head>")[1]
