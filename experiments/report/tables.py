"""Tables that studies share: arms by metric, an arm minus its control, and a paper's figures beside ours."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from experiments.report.blocks import Table
from experiments.report.cells import DASH, Cell, cell, interval, interval_of_mean, number
from jaxfair.metrics import minus_control, summarize


class Published(NamedTuple):
    """A figure of a paper.

    Attributes:
      method: Of ours that repeats it.
      metric: Of ours that repeats it.
      what: What it is.
      unit: Of the metric.
      value: The paper's.
    """

    method: str
    metric: str
    what: str
    unit: str
    value: float


def arm_table(
    values: pd.DataFrame, arms: pd.DataFrame, metrics: Mapping[str, tuple[str, str]], caption: str, **options
) -> Table:
    """Arms by metric: mean ± SD over members, below it the 95 % interval of the mean.

    Args:
      values: Final values: arm, metric, value; a row a member and metric.
      arms: A row an arm, in the order of the table: arm, members, diverged.
      metrics: By metric, the column's name and the unit.
      caption: Of the table.
      **options: Of `blocks.Table`.
    """
    summary = summarize(values, ["arm", "metric"]).set_index(["arm", "metric"])
    rows = []
    for arm in arms.itertuples():
        if not any((arm.arm, metric) in summary.index for metric in metrics):
            continue
        ended = Cell(str(arm.members), f"{arm.diverged} diverged", alarm=True) if arm.diverged else str(arm.members)
        cells = []
        for metric, (_, unit) in metrics.items():
            known = summary.loc[(arm.arm, metric)] if (arm.arm, metric) in summary.index else None
            cells.append(cell(known, unit, arm.members, arm.diverged))
        rows.append([arm.arm, ended, *cells])
    return Table(caption, ["arm", "n", *(name for name, _ in metrics.values())], rows, **options)


def control_table(
    pairs: Sequence[tuple[str, pd.DataFrame, str, pd.DataFrame]],
    metrics: Mapping[str, tuple[str, str]],
    caption: str,
) -> Table:
    """Each arm minus its control, paired by problem, seed and fold.

    Args:
      pairs: The arm's name and final values (metric, value, seed, fold, problem), its control's name and final values.
      metrics: By metric, the column's name and the unit.
      caption: Of the table.
    """
    rows = []
    for name, own, control, other in pairs:
        differences = minus_control(own[own["metric"].isin(list(metrics))], other)
        if differences.empty or name == control:
            continue
        summary = summarize(differences, ["metric"]).set_index("metric")
        summary.index = summary.index.str.removesuffix("_difference")
        total = int((summary["n"] + summary["missing"]).max())
        cells = [
            cell(summary.loc[metric] if metric in summary.index else None, unit, total)
            for metric, (_, unit) in metrics.items()
        ]
        rows.append([Cell(name, f"minus {control}"), str(total), *cells])
    return Table(caption, ["arm", "pairs", *(name for name, _ in metrics.values())], rows)


def published_table(
    published: Sequence[Published],
    values: pd.DataFrame,
    arms: pd.DataFrame,
    labels: Mapping[str, str],
    over_subjects: pd.DataFrame,
    caption: str,
) -> Table:
    """A paper's figures beside ours, with the interval over members and the one over subjects.

    Args:
      published: The paper's figures.
      values: Final values: method, metric, value; of one arm a method.
      arms: By method (index): members, diverged.
      labels: By method, its name on the page.
      over_subjects: By method and metric (index): low, high, of the interval over subjects.
      caption: Of the table.
    """
    summary = summarize(values, ["method", "metric"]).set_index(["method", "metric"])
    rows = []
    for method, metric, what, unit, value in published:
        ours = summary.loc[(method, metric)] if (method, metric) in summary.index else None
        total, diverged = (
            int(arms.loc[method, name]) if method in arms.index else 0 for name in ("members", "diverged")
        )
        written = cell(ours, unit, total, diverged)
        known = ours is not None and ours["n"] > 0
        subjects = over_subjects.loc[(method, metric)] if (method, metric) in over_subjects.index else None
        rows.append(
            [
                labels[method],
                what,
                number(value).rstrip("0"),
                Cell(written.main, f"{diverged} of {total} diverged" if diverged else "", written.alarm),
                interval_of_mean(ours, unit) or DASH if known else DASH,
                number(ours["n"] if ours is not None else 0, "count"),
                interval(subjects["low"], subjects["high"], unit) or DASH if subjects is not None else DASH,
                number(ours["mean"] - value, unit) if known else DASH,
            ]
        )
    header = ["model", "figure", "paper", "ours", "95 % over members", "n", "95 % over subjects", "ours − paper"]
    return Table(caption, header, rows, text_columns=2)
