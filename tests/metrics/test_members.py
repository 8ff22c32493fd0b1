"""Summaries over members and pairs with a control, against pandas and SciPy."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from jaxfair.metrics import minus_control, mode, summarize


def test_summary_equals_scipys_interval_group_by_group():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"arm": list("aaaabbbc"), "fold": [0, 0, 1, 1, None, None, None, 2], "value": rng.normal(size=8)}
    )
    summary = summarize(frame, ["arm", "fold"])
    assert summary["arm"].tolist() == ["a", "a", "b", "c"]
    assert summary["n"].tolist() == [2, 2, 3, 1]
    values = frame["value"].to_numpy()
    for row, own in zip(summary.itertuples(), (values[:2], values[2:4], values[4:7]), strict=False):
        low, high = stats.t.interval(0.95, len(own) - 1, own.mean(), stats.sem(own))
        np.testing.assert_allclose([row.mean, row.sd, row.low, row.high], [own.mean(), own.std(ddof=1), low, high])
    assert summary.loc[3, "mean"] == values[7]
    assert summary.loc[3, ["sd", "low", "high"]].isna().all()


def test_summary_counts_what_is_not_finite_instead_of_hiding_it():
    frame = pd.DataFrame({"arm": ["a"] * 4 + ["b"], "value": [1.0, np.nan, np.inf, 3.0, np.nan]})
    summary = summarize(frame, ["arm"])
    assert summary[["mean", "n", "missing"]].iloc[0].tolist() == [2.0, 2, 2]
    assert np.isnan(summary["mean"][1])
    assert summary["missing"][1] == 1


def test_summary_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"arm": rng.integers(0, 5, 60), "value": rng.normal(size=60)})
    plain = summarize(frame, ["arm"]).sort_values("arm", ignore_index=True)
    mixed = summarize(frame.sample(frac=1, random_state=2), ["arm"]).sort_values("arm", ignore_index=True)
    pd.testing.assert_frame_equal(plain, mixed)


def test_summary_names_the_column_that_is_lacking():
    with pytest.raises(ValueError, match="no column 'fold'"):
        summarize(pd.DataFrame({"value": [1.0]}), ["fold"])


def test_an_arm_minus_its_control_is_paired_by_what_both_know():
    arm = pd.DataFrame({"seed": [0, 1, 2], "fold": pd.NA, "metric": "auc", "value": [0.9, 0.8, 0.7], "arm": "ncov"})
    control = pd.DataFrame({"seed": [2, 0, 0], "fold": pd.NA, "metric": "auc", "value": [0.6, 0.5, 0.1]})
    found = minus_control(arm, control)
    assert found["seed"].tolist() == [0, 2]
    np.testing.assert_allclose(found["value"], [0.4, 0.1])
    assert set(found["arm"]) == {"ncov"}
    other_metric = control.assign(metric="accuracy")
    assert minus_control(arm, other_metric).empty


def test_the_mode_is_the_most_frequent_and_of_several_the_smallest():
    assert mode(np.array([0.9, 0.8, 0.9, 0.7])) == (0.9, 2)
    assert mode(np.array([0.9, 0.8])) == (0.8, 1)
