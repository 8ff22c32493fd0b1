"""How numbers are written, and which values are final."""

import numpy as np
import pandas as pd
import pytest

from data_pipelines.ecg.beats import LEADS
from experiments.aml import figures
from experiments.report import cells
from experiments.report.tables import arm_table, control_table
from experiments.results.summaries import final_values
from jaxfair.metrics import summarize


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
    assert cells.number(value, unit) == text


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
    assert cells.interval(low, high, unit) == text


def test_cells_tell_unmeasured_undefined_and_diverged_apart():
    row = summarize(pd.DataFrame({"arm": 0, "value": [np.nan, np.nan]}), ["arm"]).iloc[0]
    assert cells.cell(None, "fraction", 2) == cells.Cell("–")
    assert cells.cell(row, "fraction", 2) == cells.Cell("NaN", "2 of 2", alarm=True)
    assert cells.cell(row, "fraction", 2, diverged=2) == cells.Cell("diverged", "2 of 2", alarm=True)
    assert cells.cell(None, "fraction", 2, diverged=2).main == "diverged"
    row = summarize(pd.DataFrame({"arm": 0, "value": [0.5, 0.7, np.nan]}), ["arm"]).iloc[0]
    assert cells.cell(row, "fraction", 3, diverged=1) == cells.Cell(
        "0.600 ± 0.141", "[−0.671, 1.871]\nn = 2 of 3", alarm=True
    )


def test_no_interval_of_a_page_leaves_what_the_figure_can_be():
    """Three seeds near the bounds, where Student's plain interval leaves them."""
    planted = {"accuracy": [0.35, 0.9, 0.5], "specificity": [0.96, 0.99, 1.0], "age_pearson": [0.99, 0.2, 0.9]}
    rows = [(m, s, v) for m, values in planted.items() for s, v in enumerate(values)]
    values = pd.DataFrame(rows, columns=["metric", "seed", "value"]).assign(arm="NCOV")
    shown = {name: (name, "fraction") for name in planted}
    arms = pd.DataFrame({"arm": ["NCOV"], "members": 3, "diverged": 0})
    control = values.assign(value=[0.9, 0.1, 0.2, 0.01, 0.02, 0.01, -0.9, -0.3, -0.9])
    own = arm_table(values, arms, shown, "").rows[0][2:]
    against = control_table([("NCOV", values, "none", control)], shown, "").rows[0][2:]
    for row, bounds in ((own, [(0, 1), (0, 1), (-1, 1)]), (against, [(-1, 1), (-1, 1), (-2, 2)])):
        for cell, (low, high) in zip(row, bounds, strict=True):
            ends = [float(end.replace("−", "-")) for end in cell.sub.strip("[]").split(", ")]
            assert low <= ends[0] < ends[1] <= high
    # By hand: mean 0.58333, SE 0.16415, t 4.30265, logit 0.33647 ± 2.90588.
    assert own[0] == cells.Cell("0.583 ± 0.284", "[0.071, 0.962]")


def test_equal_members_are_said_to_be_equal():
    row = summarize(pd.DataFrame({"metric": "accuracy", "value": [1.0, 1.0, 1.0]}), ["metric"]).iloc[0]
    assert cells.cell(row, "fraction", 3) == cells.Cell("1.000 ± 0.000", "all equal")


def test_final_values_are_those_of_the_last_stage_on_the_evaluation_split():
    rows = pd.DataFrame(
        {
            "member": 0, "seed": 0, "fold": None, "backbone": None, "problem": None, "task": None,
            "method": "ncov", "metric": "accuracy",
            "epoch": [None, None, 3, None], "split": ["evaluate", "evaluate", "evaluate", "train"],
            "value": [0.1, 0.2, 0.3, 0.4],
        }
    )  # fmt: skip
    assert final_values(rows)["value"].tolist() == [0.2]


def test_leads_are_in_the_clinical_layout():
    assert np.ravel(figures.LEADS, order="F").tolist() == list(LEADS)
