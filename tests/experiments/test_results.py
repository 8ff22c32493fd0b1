import os

import numpy as np
import pandas as pd
import pytest
import small_disk

from experiments import results

COLUMNS = ["experiment", "unit", "member", "seed", "fold", "backbone"]
COLUMNS += ["method", "stage", "epoch", "split", "metric", "value"]


@pytest.fixture
def members():
    return pd.DataFrame({"member": [3, 4], "seed": [0, 1], "method": "ncov"})


def test_long_has_the_contract_s_columns_and_types(members):
    values = {"roc_auc": np.float32([0.5, np.nan]), "age_pearson": np.array([1, 0])}
    table = results.long("aml", members, values, stage="adversarial", split="evaluate")
    assert list(table.columns) == COLUMNS
    assert table["value"].dtype == np.float64
    assert table["metric"].tolist() == ["roc_auc", "roc_auc", "age_pearson", "age_pearson"]
    assert table["member"].tolist() == [3, 4, 3, 4]
    assert table["unit"].tolist() == ["fraction", "fraction", "correlation", "correlation"]
    np.testing.assert_array_equal(table["value"], [0.5, np.nan, 1, 0])
    for name in ("fold", "backbone", "epoch"):
        assert table[name].isna().all()
    assert (table["stage"] == "adversarial").all()


def test_columns_of_different_tables_fit_together_in_a_file(members, tmp_path):
    one = results.long("aml", members, {"loss": np.ones(2)}, epoch=1)
    other = results.long("aml", members.assign(fold=[1, 2], seed=pd.NA), {"r2": np.ones(2)})
    results.write_table(tmp_path / "new" / "results.parquet", pd.concat([one, other], ignore_index=True))
    read = pd.read_parquet(tmp_path / "new" / "results.parquet")
    assert read["epoch"].tolist() == [1, 1, pd.NA, pd.NA]
    assert read["fold"].tolist() == [pd.NA, pd.NA, 1, 2]
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
    assert results.unit_of(metric) == unit


def test_a_part_is_computed_once_and_one_cut_short_again(tmp_path):
    parts, calls = results.Parts(tmp_path), []

    def compute():
        calls.append(1)
        return {"members": pd.DataFrame({"member": [len(calls)]})}

    def cut_short():
        compute()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        parts.once("ncov", cut_short)
    parts.once("ncov", compute)
    parts.once("ncov", compute)
    results.Parts(tmp_path).once("ncov", compute)
    assert len(calls) == 2
    assert parts.read("ncov")["members"]["member"].tolist() == [2]


def test_join_keeps_the_order_and_what_only_some_parts_have(tmp_path):
    parts = results.Parts(tmp_path)
    parts.once("b", lambda: {"members": pd.DataFrame({"member": [1]}), "cohort": pd.DataFrame({"step": ["all"]})})
    parts.once("a", lambda: {"members": pd.DataFrame({"member": [0]})})
    parts.join(["b", "a"])
    assert pd.read_parquet(tmp_path / "members.parquet")["member"].tolist() == [1, 0]
    assert pd.read_parquet(tmp_path / "cohort.parquet")["step"].tolist() == ["all"]
    parts.remove()
    assert sorted(os.listdir(tmp_path)) == ["cohort.parquet", "members.parquet"]


def test_a_full_disk_leaves_the_table_before(tmp_path):
    before = pd.DataFrame({"value": [1.0]})
    after = pd.DataFrame({"value": np.random.default_rng(0).random(100_000)})
    with small_disk.mounted(tmp_path / "disk", megabytes=2) as disk:
        path = disk.folder / "results.parquet"
        results.write_table(path, before)
        parts = results.Parts(disk.folder)
        disk.fill(leave=65536)
        with pytest.raises(OSError, match="No space left on device"):
            results.write_table(path, after)
        pd.testing.assert_frame_equal(pd.read_parquet(path), before)
        with pytest.raises(OSError, match="No space left on device"):
            parts.once("ncov", lambda: {"results": after})
        disk.free()
        parts.once("ncov", lambda: {"results": after})
        pd.testing.assert_frame_equal(parts.read("ncov")["results"], after)
