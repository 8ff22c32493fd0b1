"""Aggregates against SciPy's, and how numbers are written."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from data_pipelines.beats import LEADS
from experiments import aml_figures, report, report_tables


def test_summary_equals_scipys_interval_group_by_group():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"arm": list("aaaabbbc"), "fold": [0, 0, 1, 1, None, None, None, 2], "value": rng.normal(size=8)}
    )
    summary = report.summarize(frame, ["arm", "fold"])
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
    summary = report.summarize(frame, ["arm"])
    assert summary[["mean", "n", "missing"]].iloc[0].tolist() == [2.0, 2, 2]
    assert np.isnan(summary["mean"][1])
    assert summary["missing"][1] == 1


def test_summary_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"arm": rng.integers(0, 5, 60), "value": rng.normal(size=60)})
    plain = report.summarize(frame, ["arm"]).sort_values("arm", ignore_index=True)
    mixed = report.summarize(frame.sample(frac=1, random_state=2), ["arm"]).sort_values("arm", ignore_index=True)
    pd.testing.assert_frame_equal(plain, mixed)


def test_summary_names_the_column_that_is_lacking():
    with pytest.raises(ValueError, match="no column 'fold'"):
        report.summarize(pd.DataFrame({"value": [1.0]}), ["fold"])


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.8735, "fraction", "0.874"),
        (-0.0302, "correlation", "−0.030"),
        (-0.0001, "correlation", "0.000"),
        (58.04, "years", "58.0"),
        (-83_210.0, "years", "−8.3×10⁴"),
        (99_960.0, "years", "1.0×10⁵"),
        (9430, "count", "9,430"),
        (float("nan"), "fraction", "–"),
        (None, "fraction", "–"),
        (pd.NA, "years", "–"),
        (float("-inf"), "years", "−∞"),
    ],
)
def test_numbers_as_written(value, unit, text):
    assert report_tables.number(value, unit) == text


@pytest.mark.parametrize(
    ("low", "high", "unit", "text"),
    [
        (-0.1, 0.2, "fraction", "[−0.100, 0.200]"),
        (-0.00024, 0.0154, "fraction", "[−0.0002, 0.015]"),
        (-0.3, 0.00047, "fraction", "[−0.300, 0.0005]"),
        (-1e-9, 0.0, "fraction", "[0.000, 0.000]"),
        (-0.04, 0.03, "years", "[−0.04, 0.03]"),
        (float("nan"), 0.03, "years", ""),
    ],
)
def test_an_intervals_bounds_show_on_which_side_of_0_they_lie(low, high, unit, text):
    assert report_tables.interval(low, high, unit) == text


def test_cells_tell_unmeasured_undefined_and_diverged_apart():
    row = report.summarize(pd.DataFrame({"arm": 0, "value": [np.nan, np.nan]}), ["arm"]).iloc[0]
    assert report_tables.cell(None, "fraction", 2) == report_tables.Cell("–")
    assert report_tables.cell(row, "fraction", 2) == report_tables.Cell("NaN", "2 of 2", alarm=True)
    assert report_tables.cell(row, "fraction", 2, diverged=2) == report_tables.Cell("diverged", "2 of 2", alarm=True)
    assert report_tables.cell(None, "fraction", 2, diverged=2).main == "diverged"
    row = report.summarize(pd.DataFrame({"arm": 0, "value": [0.5, 0.7, np.nan]}), ["arm"]).iloc[0]
    assert report_tables.cell(row, "fraction", 3, diverged=1) == report_tables.Cell(
        "0.600 ± 0.141", "[−0.671, 1.871]\nn = 2 of 3", alarm=True
    )


def test_final_values_are_those_of_the_last_stage_on_the_evaluation_split():
    rows = pd.DataFrame(
        {
            "member": 0, "seed": 0, "fold": None, "backbone": None, "method": "ncov", "metric": "accuracy",
            "epoch": [None, None, 3, None], "split": ["evaluate", "evaluate", "evaluate", "train"],
            "value": [0.1, 0.2, 0.3, 0.4],
        }
    )  # fmt: skip
    assert report_tables.final_values(rows)["value"].tolist() == [0.2]


def test_leads_are_in_the_clinical_layout():
    assert np.ravel(aml_figures.LEADS, order="F").tolist() == list(LEADS)
