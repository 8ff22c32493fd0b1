"""The results contract: columns, types, units, curves and predictions, and tables that are whole or not there."""

import numpy as np
import pandas as pd
import pytest
import small_disk

from experiments.results import contract
from experiments.results.members import curves, predictions
from jaxfair.sweeps import Result

COLUMNS = ["experiment", "unit", "problem", "task", "member", "seed", "fold", "backbone"]
COLUMNS += ["method", "stage", "epoch", "split", "metric", "value"]
UNITS = {"pearson": "correlation", "spearman": "correlation", "r2": "share of variance", "loss": "nats"}
UNITS |= {"predicted_age_std": "years"}


@pytest.fixture
def members():
    return pd.DataFrame({"member": [3, 4], "seed": [0, 1], "method": "ncov", "epochs_run": [2, 3]})


def test_the_contract_s_columns_and_types(members):
    values = {"roc_auc": np.float32([0.5, np.nan]), "age_pearson": np.array([1, 0])}
    table = contract.conform(contract.long(members, values, stage="adversarial", split="evaluate"), "aml", UNITS)
    assert list(table.columns) == COLUMNS
    assert table["value"].dtype == np.float64
    assert table["metric"].tolist() == ["roc_auc", "roc_auc", "age_pearson", "age_pearson"]
    assert table["member"].tolist() == [3, 4, 3, 4]
    assert table["unit"].tolist() == ["fraction", "fraction", "correlation", "correlation"]
    np.testing.assert_array_equal(table["value"], [0.5, np.nan, 1, 0])
    for name in ("fold", "backbone", "epoch", "problem", "task"):
        assert table[name].isna().all()
    assert (table["stage"] == "adversarial").all()


def test_columns_of_different_tables_fit_together_in_a_file(members, tmp_path):
    one = contract.conform(contract.long(members, {"loss": np.ones(2)}, epoch=1), "aml", UNITS)
    other = contract.long(members.assign(fold=[1, 2], seed=pd.NA, problem="ECG200"), {"r2": np.ones(2)}, task="tau")
    other = contract.conform(other, "aml", UNITS)
    contract.write_table(tmp_path / "new" / "results.parquet", pd.concat([one, other], ignore_index=True))
    read = pd.read_parquet(tmp_path / "new" / "results.parquet")
    assert read["epoch"].tolist() == [1, 1, pd.NA, pd.NA]
    assert read["fold"].tolist() == [pd.NA, pd.NA, 1, 2]
    assert read["problem"].tolist() == [pd.NA, pd.NA, "ECG200", "ECG200"]
    assert read["task"].tolist() == [pd.NA, pd.NA, "tau", "tau"]
    assert read["unit"].tolist() == ["nats", "nats", "share of variance", "share of variance"]


@pytest.mark.parametrize(
    ("metric", "unit"),
    [
        ("accuracy", "fraction"),
        ("loss", "nats"),
        ("predicted_age_std", "years"),
        ("score_age_spearman_healthy", "correlation"),
        ("probe_mlp_r2", "share of variance"),
        ("error_rate_age_00_40", "fraction"),
    ],
)
def test_units(metric, unit):
    assert contract.unit_of(metric, UNITS) == unit


def test_curves_have_a_row_for_every_epoch_that_was_run(members):
    loss, accuracy = np.array([[0.5, np.nan, np.nan], [0.4, 0.3, 0.2]]), np.arange(6.0).reshape(2, 3)
    logs = {"fit": {"train/loss": loss, "accuracy": accuracy}}
    result = Result(None, logs, {"fit": np.array([2, 3])}, np.zeros(2, bool))
    table = curves(result, members)
    assert len(table) == 2 * 5
    rows = table[table["metric"] == "loss"]
    assert list(zip(rows["member"], rows["epoch"], strict=True)) == [(3, 0), (3, 1), (4, 0), (4, 1), (4, 2)]
    np.testing.assert_array_equal(rows["value"], [0.5, np.nan, 0.4, 0.3, 0.2])
    assert set(rows["split"]) == {"train"}
    assert table.loc[table["metric"] == "accuracy", "split"].isna().all()
    assert set(table["stage"]) == {"fit"}
    assert set(curves(result, members, [1])["member"]) == {4}


def test_predictions_are_a_row_per_member_and_evaluated_example(members):
    examples = pd.DataFrame({"id": ["a", "b", "c"], "target": [0.0, 1.0, np.nan]})
    scores = np.arange(6.0).reshape(2, 3)
    every = predictions(members[["member", "seed"]], examples, {"prediction": scores}, split="evaluate")
    assert every["member"].tolist() == [3, 3, 3, 4, 4, 4]
    assert every["id"].tolist() == list("abcabc")
    np.testing.assert_array_equal(every["prediction"], scores.ravel())
    some = predictions(members, examples, {"prediction": scores}, np.array([[True, False, True], [False, True, False]]))
    assert list(zip(some["member"], some["id"], some["prediction"], strict=True)) == [
        (3, "a", 0),
        (3, "c", 2),
        (4, "b", 4),
    ]


def test_a_full_disk_leaves_the_table_before(tmp_path):
    before = pd.DataFrame({"value": [1.0]})
    after = pd.DataFrame({"value": np.random.default_rng(0).random(100_000)})
    with small_disk.mounted(tmp_path / "disk", megabytes=2) as disk:
        path = disk.folder / "results.parquet"
        contract.write_table(path, before)
        disk.fill(leave=65536)
        with pytest.raises(OSError, match="No space left on device"):
            contract.write_table(path, after)
        pd.testing.assert_frame_equal(pd.read_parquet(path), before)
