"""The age study through its real command line: every variant, what it leaves behind, and what cannot disturb it."""

import fcntl
import json
import shutil

import launching
import numpy as np
import pandas as pd
import pytest
import small_disk
from sklearn.metrics import accuracy_score, roc_auc_score

FILES = [f"{name}.parquet" for name in ("members", "results", "predictions", "intervals", "cohort", "rejected")]
FILES += ["config.json", "environment.json", "parts.json", "report.html", "checkpoints", "tensorboard", "figures"]
SECTIONS = ["Cohort", "Arms", "Detection against what is left of age", "Age in the MI score", "Simple methods"]
SECTIONS += ["Training", "Uncertainty from the subjects", "Records not used"]


@pytest.fixture(scope="module")
def ptbxl(folder):
    """A PTB-XL folder, and its records that a run has to leave out: of age 300, and damaged."""
    with launching.first_only(folder, "ptb-xl") as first:
        if first:
            (folder / "left_out.json").write_text(json.dumps(launching.write_ptbxl(folder / "ptb-xl")))
    return folder / "ptb-xl", *json.loads((folder / "left_out.json").read_text())


@pytest.fixture(scope="module")
def default_run(folder):
    """The default variant, with few arms; what it printed is beside its workdir."""
    with launching.first_only(folder, "default") as first:
        if first:
            launch(folder, "default", *launching.FEW_ARMS)
    return folder / "default"


def launch(folder, name, *arguments, variant=""):
    """A run to its end in `folder / name`, with what it prints in `name.out`."""
    done = launching.start(
        folder, launching.variant(variant), *launching.TINY, f"--workdir={folder / name}", *arguments
    )
    (folder / f"{name}.out").write_text(done.stdout)
    assert done.returncode == 0, done.stderr
    return done


def assert_keeps_the_contract(workdir):
    """Everything that design and report promise of a finished run, whichever its variant."""
    assert [name for name in FILES if not (workdir / name).exists()] == []
    assert not [path for path in workdir.rglob("*.part")]
    assert list((workdir / "figures").glob("*.png"))
    tables = launching.read(workdir)
    results, members, predictions = tables["results"], tables["members"], tables["predictions"]
    assert list(results.columns) == launching.COLUMNS
    assert set(results["unit"]) <= launching.UNITS
    assert set(results["experiment"]) == {"aml"}
    assert results["metric"].str.fullmatch("[a-z][a-z0-9_]*").all()
    assert results["backbone"].isna().all()
    assert results["fold"].isna().all() == (json.loads((workdir / "config.json").read_text())["split"] != "folds")
    assert results.loc[results["member"].isna(), "stage"].eq("reference").all()
    assert members["member"].is_unique
    assert set(results["member"].dropna()) == set(members["member"])
    final = results[results["epoch"].isna()]
    assert not final.duplicated(["member", "fold", "method", "stage", "split", "metric"]).any()
    for member, rows in predictions.groupby("member"):
        mine = final[final["member"] == member].set_index("metric")["value"]
        accuracy = accuracy_score(rows["target"], rows["prediction"] > 0.5)
        assert mine["accuracy"] == pytest.approx(accuracy, abs=1e-6)
        both = rows["target"].nunique() == 2  # A small fold may hold one class only.
        auc = roc_auc_score(rows["target"], rows["prediction"]) if both else np.nan
        assert mine["roc_auc"] == pytest.approx(auc, abs=1e-6, nan_ok=True)
        assert not rows["id"].duplicated().any()
    intervals = tables["intervals"].dropna(subset=["estimate", "low", "high"])
    assert len(intervals)
    assert (intervals["low"] <= intervals["high"]).all()
    mine = (
        final.dropna(subset=["member"]).drop_duplicates(["member", "metric"]).set_index(["member", "metric"])["value"]
    )
    estimates = tables["intervals"].set_index(["member", "metric"])["estimate"]
    np.testing.assert_allclose(estimates, mine[estimates.index], rtol=1e-5, atol=1e-6)
    page = (workdir / "report.html").read_text()
    assert [section for section in SECTIONS if section not in page] == []
    for absent in ("wrote no", "holds no", "has no fresh"):
        assert absent not in page
    environment = json.loads((workdir / "environment.json").read_text())
    assert environment["width"].keys() >= {"baseline"}
    assert environment["versions"]["jax"]


def test_the_default_variant_keeps_the_contract(default_run):
    assert_keeps_the_contract(default_run)
    members = launching.read(default_run)["members"]
    arms = members["method"].value_counts().to_dict()
    assert arms == {"baseline": 2, "no_adversary": 2, "ncov": 2, "joint_control": 2, "joint_hsic": 2}
    out = default_run.with_suffix(".out").read_text()
    assert f"Report: {default_run / 'report.html'}" in out
    assert "joint_hsic" in out


def test_a_finished_run_started_again_prints_the_same_and_does_nothing(default_run, folder):
    def stamps():
        return {path: path.stat().st_mtime_ns for path in default_run.rglob("*") if path.name != ".lock"}

    before = stamps()
    code, out, error = launching.start_one(folder, *launching.TINY, *launching.FEW_ARMS, f"--workdir={default_run}")
    assert code == 0, error
    assert out == default_run.with_suffix(".out").read_text()
    assert stamps() == before


def test_another_configuration_or_process_in_the_same_workdir_is_refused(default_run, folder, tmp_path):
    workdir = shutil.copytree(default_run, tmp_path / "run")
    arguments = [*launching.TINY, *launching.FEW_ARMS, "--config.age_epochs=3", f"--workdir={workdir}"]
    (workdir / "error.txt").write_text("Of the run that is alive.")
    with open(workdir / ".lock") as lock:
        other, _, other_error = launching.start_one(folder, *arguments)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        second, _, second_error = launching.start_one(folder, *arguments)
    assert (other, second) == (1, 1)
    assert "holds a run of another configuration (age_epochs was 2, is 3); use another --workdir" in other_error
    assert "is running there; wait for it, or use another --workdir." in second_error
    assert (workdir / "error.txt").read_text() == "Of the run that is alive."
    assert "Traceback (most" not in other_error + second_error


@pytest.mark.slow  # tests/sweeps/test_kill.py kills a sweep ten times among the fast ones.
def test_killed_twice_and_out_of_disk_a_run_ends_as_an_undisturbed_one(default_run, folder, tmp_path):
    with small_disk.mounted(tmp_path / "disk", megabytes=16) as disk:
        workdir = disk.folder / "run"
        arguments = [*launching.TINY, *launching.FEW_ARMS, f"--workdir={workdir}"]
        assert launching.kill_when(folder, lambda: any(workdir.glob("checkpoints/baseline/1")), *arguments) == -9
        disk.fill(leave=20_000)
        full = launching.start(folder, *arguments)
        assert full.returncode == 1
        assert "ree some space and start the same command again" in full.stderr.replace("\n", " ")
        assert "Traceback (most" not in full.stderr, full.stderr
        disk.free()
        assert launching.kill_when(folder, lambda: any(workdir.glob("checkpoints/adversarial/1")), *arguments) == -9
        done = launching.start(folder, *arguments)
        assert done.returncode == 0, done.stderr
        for name, table in launching.read(default_run).items():
            pd.testing.assert_frame_equal(pd.read_parquet(workdir / f"{name}.parquet"), table, check_exact=True)
        # All but the last two lines, which say how long it took and where the report is.
        assert done.stdout.splitlines()[:-2] == default_run.with_suffix(".out").read_text().splitlines()[:-2]


@pytest.mark.slow
def test_ptbxl_adam_runs_on_a_folder_with_a_few_bad_records(folder, ptbxl, default_run):
    source, hidden, damaged = ptbxl
    arms = [*launching.FEW_ARMS, "--config.seeds=1", *launching.NO_JOINT]
    launch(folder, "ptbxl_adam", f"--config.data_dir={source}", *arms, variant="ptbxl_adam")
    assert_keeps_the_contract(folder / "ptbxl_adam")
    tables = launching.read(folder / "ptbxl_adam")
    assert str(damaged) in tables["rejected"].set_index("reason").loc[["truncated"], "id"].tolist()
    assert not {hidden, damaged} & set(tables["predictions"]["id"])
    assert "cut_lr.dat ends after" in (folder / "ptbxl_adam" / "report.html").read_text()
    steps = tables["cohort"].set_index("step")["records"]
    (age,) = (step for step in steps.index if step.startswith("age known and below 90"))
    assert steps.shift()[age] - steps[age] == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "arguments", "arms"),
    [
        ("", ["--config.seeds=1"], 8),
        ("ptbxl", ["--config.seeds=1", *launching.NO_JOINT], 6),
        ("ptbxl_40", ["--config.seeds=3", "--config.arms=('ncov',)", *launching.NO_JOINT], 2),
        ("folds", ["--config.arms=('ncov_healthy',)", *launching.NO_JOINT], 2),
        ("pareto", ["--config.seeds=1", "--config.arms=('ncov',)", "--config.boosting_seeds=0"], 4),
    ],
)
def test_every_variant_keeps_the_contract(folder, ptbxl, variant, arguments, arms):
    data = [f"--config.data_dir={ptbxl[0]}"] if variant else []
    name = f"slow-{variant or 'default'}"
    launch(folder, name, *data, *arguments, variant=variant)
    assert_keeps_the_contract(folder / name)
    members = launching.read(folder / name)["members"]
    assert members["method"].nunique() == arms
    if variant == "pareto":
        assert members.groupby("method")["alpha"].nunique()["ncov"] == 6
    if variant == "folds":
        assert sorted(members.loc[members["method"] == "ncov_healthy", "fold"]) == list(range(1, 11))
