"""The fairness study through its real command line: what it leaves behind, and what cannot disturb it."""

import itertools
import json

import launching
import mtate_folders
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from jaxfair.metrics import fairness

pytestmark = pytest.mark.slow

TINY = [
    "--config.arms=('lstm', 'mtate')",
    "--config.downstream=('svm',)",
    "--config.seeds=1",
    "--config.epochs=1",
    "--config.patience=1",
    "--config.bootstrap_resamples=20",
    "--config.batch_size=16",
]
STAYS = "--config.simulated.stays=160"
TABLES = {"members", "results", "predictions", "intervals", "groups", "comparisons", "choices", "cohort", "attention"}
TABLES |= {f"patient_{name}" for name in ("values", "hours", "variables", "domains")}
DERIVED = {"mtate_unlabelled", "lstm_group_thresholds", "lstm_threshold_optimizer"}
METHODS = DERIVED | {"lstm", "mtate", "logistic_regression", "gradient_boosting", "mtate_svm"}
RULES = ("roc_auc", "worst_group", "closest_to_ideal")
COMPARED = 6  # Metrics, in `evaluation.COMPARED`.


def launch(folder, name, *arguments, variant=""):
    """A run to its end in `folder / name`, with what it prints in `name.out`."""
    where = f"--workdir={folder / name}"
    own = {flag.partition("=")[0] for flag in arguments}  # A tuple's flag that is given twice adds to the first.
    tiny = [flag for flag in TINY if flag.partition("=")[0] not in own]
    done = launching.start(folder, launching.variant(variant, "mtate"), *tiny, where, *arguments, study="mtate")
    (folder / f"{name}.out").write_text(done.stdout)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def default_run(folder):
    with launching.first_only(folder, "mtate") as first:
        if first:
            launch(folder, "mtate", STAYS)
    return folder / "mtate"


def assert_keeps_the_contract(workdir, methods=METHODS, *, candidates=2, other_set=False):
    """Everything that a finished run of two folds promises, whichever its variant.

    Where another set is judged, two seeds of the folds choose, and all of the training set trains once more. With one
    candidate an arm there is no other rule.
    """
    seeds = range(2 if other_set else 1)
    rules = RULES[:1] if other_set or candidates == 1 else RULES
    tables = launching.read(workdir)
    assert set(tables) == TABLES
    for name in ("config.json", "environment.json", "report.html", "tensorboard", "finished.json"):
        assert (workdir / name).exists()
    assert not [path for path in workdir.rglob("*.part")]
    results, members, predictions = tables["results"], tables["members"], tables["predictions"]
    assert list(results.columns) == launching.COLUMNS
    assert set(results["experiment"]) == {"mtate"}
    assert results["metric"].str.fullmatch("[a-z][a-z0-9_]*").all()
    assert set(results["unit"]) <= {"fraction", "probability squared", "nats"}
    of_folds = members[members["fold"].notna()]
    assert members["member"].tolist() == list(range(len(members)))
    assert len(of_folds) == 2 * candidates * 2 * len(seeds)  # Arms, candidates, folds.
    assert set(of_folds["fold"]) == {1, 2}
    assert len(members) - len(of_folds) == (2 if other_set else 0)
    assert set(of_folds["member"]) <= set(results["member"].dropna()) <= set(members["member"])
    final = results[results["stage"] == "evaluation"]
    assert not final.duplicated(["seed", "method", "split", "task", "metric"]).any()
    splits = {"evaluate", "evaluate_1_to_4", "evaluate_1_to_1"}
    assert {split for split in final["split"] if "_by_" not in split} == splits
    own = final[final["split"] == "evaluate"]
    assert set(own["method"]) == set(predictions["method"]) == methods
    assert_is_of_its_predictions(own, predictions, json.loads((workdir / "config.json").read_text())["domains"])
    intervals = tables["intervals"]
    assert not intervals.duplicated(["method", "split", "task", "metric"]).any()
    one = own[own["seed"] == 0].assign(task=own["task"].fillna("")).set_index(["method", "task", "metric"])["value"]
    estimates = intervals[intervals["split"] == "evaluate"].set_index(["method", "task", "metric"])["estimate"]
    # With one seed the mean over seeds is its own.
    np.testing.assert_allclose(estimates, one[estimates.index], rtol=1e-6)
    known = intervals.dropna(subset=["low"])
    assert (known["low"] <= known["high"]).all()
    assert (known["undefined"] < 20).all()
    comparisons = tables["comparisons"]
    assert set(comparisons["base"]) == {"mtate"}
    assert len(comparisons) == COMPARED * (len(methods - {"optimum"}) - 1)
    assert (comparisons["p_holm"].isna() | (comparisons["p_holm"] >= comparisons["p"])).all()
    difference = (
        one[[("mtate", task, metric) for task, metric in comparisons[["task", "metric"]].to_numpy()]].to_numpy()
        - one[[tuple(row) for row in comparisons[["method", "task", "metric"]].to_numpy()]].to_numpy()
    )
    np.testing.assert_allclose(comparisons["difference"], difference, atol=1e-6)
    choices = tables["choices"][["rule", "method", "seed", "fold"]]
    expected = itertools.product(RULES, ("lstm", "mtate"), seeds, (1, 2))
    assert sorted(map(tuple, choices.to_numpy())) == sorted(expected)
    by_rule = {split.partition("_by_")[2] or "roc_auc" for split in final["split"]}
    assert by_rule == set(rules)
    attention = tables["attention"]
    assert attention[["weight", "domain_loss", "outcome_loss"]].notna().all(axis=None)
    np.testing.assert_allclose(attention.groupby(["fold", "id", "end"])["weight"].sum(), 1, atol=1e-5)
    assert "wrote no" not in (workdir / "report.html").read_text()


def assert_is_of_its_predictions(own, predictions, domains):
    """Figures of the natural test set, from the table of predictions alone."""
    values = own.assign(task=own["task"].fillna("")).set_index(["method", "seed", "task", "metric"])["value"]
    for (method, seed), rows in predictions.groupby(["method", "seed"]):
        assert not rows.duplicated(["fold", "id", "end"]).any()
        by_fold = [part for _, part in rows.groupby("fold")]
        for metric, function in (("roc_auc", roc_auc_score), ("pr_auc", average_precision_score)):
            expected = np.mean([function(part["target"], part["prediction"]) for part in by_fold])
            assert values[method, seed, "", metric] == pytest.approx(expected, abs=1e-5)
        decision, target = rows["decision"].to_numpy(), rows["target"].to_numpy()
        expected = np.where(target == 1, decision, 1 - decision).mean()  # NaN where a decision is.
        assert values[method, seed, "", "accuracy"] == pytest.approx(expected, abs=1e-6, nan_ok=True)
        if method in DERIVED - {"mtate_unlabelled"}:  # A decision for each domain.
            continue
        for domain in domains:
            codes = rows[f"domain_{domain}"].fillna(-1).to_numpy(np.int32)
            for gap in ("demographic_parity_difference", "mean_equalized_odds_difference", "worst_group_accuracy"):
                expected = fairness.gap(gap, decision.astype(np.float32), target, codes, 2)
                assert values[method, seed, domain, gap] == pytest.approx(float(expected), abs=1e-5, nan_ok=True)


def test_the_default_variant_keeps_the_contract(default_run):
    assert_keeps_the_contract(default_run, METHODS | {"optimum"})
    out = default_run.with_suffix(".out").read_text()
    assert f"Report: {default_run / 'report.html'}" in out


def test_a_finished_run_started_again_prints_the_same_and_does_nothing(default_run, folder):
    before = (default_run / "results.parquet").stat().st_mtime_ns
    arguments = [*TINY, STAYS, f"--workdir={default_run}"]
    code, out, error = launching.start_one(folder, *arguments, study="mtate")
    assert code == 0, error
    assert out == default_run.with_suffix(".out").read_text()
    assert (default_run / "results.parquet").stat().st_mtime_ns == before


@pytest.mark.parametrize("reached", ["checkpoints/lstm/fold-2", "checkpoints/mtate/fold-2", "parts/mtate"])
def test_killed_a_run_ends_as_an_undisturbed_one(default_run, folder, tmp_path, reached):
    arguments = [*TINY, STAYS, f"--workdir={tmp_path / 'run'}"]
    killed = launching.kill_when(folder, (tmp_path / "run" / reached).exists, *arguments, study="mtate")
    assert killed == -9
    assert not (tmp_path / "run" / "finished.json").exists()
    done = launching.start(folder, *arguments, study="mtate")
    assert done.returncode == 0, done.stderr
    for name, table in launching.read(default_run).items():
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "run" / f"{name}.parquet"), table, check_exact=True)


@pytest.mark.parametrize("variant", ["challenge2012", "rolling", "set-b", "eicu_demo", "mimic"])
def test_every_source_keeps_the_contract(folder, tmp_path, variant):
    """Folders so small that groups without deaths occur, which must be undefined and stop nothing."""
    own = []
    if variant in ("eicu_demo", "mimic"):
        data = {"eicu_demo": mtate_folders.eicu, "mimic": mtate_folders.mimic}[variant](tmp_path / "data")
        own = ["--config.window=12"] if variant == "eicu_demo" else ["--config.window=24", "--config.most_windows=4"]
    else:
        data = mtate_folders.challenge(tmp_path / "data", "a")
        if variant == "set-b":
            mtate_folders.challenge(data, "b", stays=40)
            own = ["--config.evaluate_on=set-b"]
    name = "challenge2012" if variant == "set-b" else variant
    downstream = {"mtate_svm"} if variant == "set-b" else set()
    launch(folder, f"mtate-{variant}", f"--config.data_dir={data}", "--config.folds=2", *own, variant=name)
    kept = {"candidates": 1 if variant == "rolling" else 2, "other_set": variant == "set-b"}
    assert_keeps_the_contract(folder / f"mtate-{variant}", METHODS - downstream, **kept)
    values = pd.read_parquet(folder / f"mtate-{variant}" / "results.parquet")
    accuracy = values[(values["metric"] == "accuracy") & (values["method"] == "mtate")]["value"]
    assert accuracy.between(0, 1).all()


def test_ablations_and_masking_rates_run(folder, tmp_path):
    data = mtate_folders.challenge(tmp_path / "data", "a")
    for variant, arms in (
        ("ablation", ("mtate", "without_feature", "without_representation_wider", "without_domain_loss")),
        ("masking", ("masking_0", "masking_9")),
    ):
        flags = [f"--config.data_dir={data}", "--config.folds=2", f"--config.arms={arms}", "--config.downstream=()"]
        launch(folder, f"mtate-{variant}", *flags, variant=variant)
        tables = launching.read(folder / f"mtate-{variant}")
        assert set(tables["members"]["method"]) == set(arms)
        assert set(tables["members"]["status"]) == {"finished"}
        scores = tables["results"].query("stage == 'evaluation' and metric == 'roc_auc'")
        assert set(arms) <= set(scores["method"])
        assert scores["value"].notna().all()
