"""How well the fairness study's risks are calibrated, as a figure."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.mtate.domains import domain
from experiments.mtate.marks import nothing
from experiments.mtate.published import TABLE_A1
from experiments.mtate.styles import style
from experiments.report import style as palette
from experiments.report.cells import number

MAIN = (*TABLE_A1, "gru_d", "logistic_regression", "gradient_boosting")
BY_GROUP = ("mtate", "lstm")
NUM_BINS = 10
_COLUMNS = 4
_GROUP_COLORS = (palette.GREEN, palette.PURPLE)


class Reliability(NamedTuple):
    """Of ten bins with equally many predictions each.

    Attributes:
      predicted: `[seed, bin]`, mean predicted risk; NaN of a bin that equal predictions leave empty.
      observed: `[seed, bin]`, the share of positives.
      error: `[seed]`, the expected calibration error: the mean over examples of their bin's |observed - predicted|.
    """

    predicted: np.ndarray
    observed: np.ndarray
    error: np.ndarray


def reliability(rows: pd.DataFrame) -> Reliability:
    """Each seed's reliability; the bins are its own quantiles, and equal predictions are in one bin.

    Args:
      rows: Of one method: seed, prediction, target. Rows whose prediction is not finite are left out.
    """
    rows = rows[np.isfinite(rows["prediction"].to_numpy(dtype=float))]
    found = []
    for _, own in rows.groupby("seed"):
        risk, target = own["prediction"].to_numpy(dtype=float), own["target"].to_numpy(dtype=float)
        inner = np.quantile(risk, np.arange(1, NUM_BINS) / NUM_BINS)
        place = np.searchsorted(inner, risk)
        count = np.bincount(place, minlength=NUM_BINS)
        with np.errstate(invalid="ignore"):
            predicted, observed = (np.bincount(place, each, NUM_BINS) / count for each in (risk, target))
        error = np.nansum(count * np.abs(observed - predicted)) / len(risk)
        found.append((predicted, observed, error))
    if not found:
        return Reliability(np.empty((0, NUM_BINS)), np.empty((0, NUM_BINS)), np.empty(0))
    return Reliability(*(np.array(part) for part in zip(*found, strict=True)))


def calibration(predictions: pd.DataFrame) -> Figure:
    """Observed share against mean predicted risk in ten bins: the main methods, and two of them by group.

    Lines are means over seeds, bands reach from the lowest to the highest seed, the dotted line is perfect calibration.
    Groups are those of the first domain that the table has.

    Args:
      predictions: method, seed, target, prediction, and domain_NAME with 0, 1 or NaN.
    """
    methods = [name for name in MAIN if (predictions["method"] == name).any()]
    column = next((name for name in predictions if name.startswith("domain_")), None)
    grouped = [name for name in BY_GROUP if name in methods] if column else []
    height = -(-len(methods) // _COLUMNS) + bool(grouped)
    drawing = Figure(figsize=(8.4, 0.4 + 2.1 * max(height, 1.3)), layout="constrained")
    if not methods:
        nothing(drawing.subplots(), "this run has no predictions of " + ", ".join(style(name).label for name in MAIN))
        return drawing
    grid = drawing.subplots(height, _COLUMNS, squeeze=False, sharex=True, sharey=True)
    used = []
    for axes, name in zip(grid.ravel(), methods, strict=False):
        drawn = style(name)
        axes.set_title(drawn.label)
        rows = predictions[predictions["method"] == name]
        _curves(axes, [(rows, drawn.color, drawn.marker, "")])
        used.append(axes)
    for axes, name in zip(grid[-1], grouped, strict=False):
        asked = domain(column.removeprefix("domain_"))
        rows = predictions[predictions["method"] == name]
        axes.set_title(f"{style(name).label}, by {asked.title}")
        parts = zip((0, 1), _GROUP_COLORS, "os", asked.groups, strict=True)
        _curves(axes, [(rows[rows[column] == value], *look, f"{label} ") for value, *look, label in parts])
        used.append(axes)
    for axes in set(grid.ravel()) - set(used):
        axes.set_axis_off()
    _frame(grid, used)
    if grouped:
        handles = [
            Line2D([], [], color=color, marker=marker, markersize=4, label=label)
            for color, marker, label in zip(_GROUP_COLORS, "os", asked.groups, strict=True)
        ]
        drawing.legend(handles=handles, loc="outside lower center", ncols=2)
    return drawing


def _curves(axes: Axes, curves: Sequence[tuple[pd.DataFrame, str, str, str]]) -> None:
    """One panel; curves are (rows, color, marker, what their calibration error is named by)."""
    lines = []
    for rows, color, marker, label in curves:
        found = reliability(rows)
        if not len(found.error):
            lines.append((f"{label}no finite prediction", palette.ALARM))
            continue
        some = np.isfinite(found.predicted).any(axis=0)
        predicted, observed = (np.nanmean(each[:, some], axis=0) for each in (found.predicted, found.observed))
        if len(found.error) > 1:
            ends = (np.nanmin(found.observed[:, some], axis=0), np.nanmax(found.observed[:, some], axis=0))
            axes.fill_between(predicted, *ends, color=color, alpha=0.18, linewidth=0)
        axes.plot(predicted, observed, color=color, marker=marker, markersize=3.5, linewidth=1.2)
        lines.append((f"{label}ECE {number(found.error.mean())}", color))
    for place, (text, color) in enumerate(lines):
        at = {"x": 0.04, "y": 0.96 - 0.1 * place, "transform": axes.transAxes}
        axes.text(s=text, color=color if len(lines) > 1 else palette.INK, va="top", fontsize=7.5, **at)


def _frame(grid: np.ndarray, used: Sequence[Axes]) -> None:
    """One frame and the diagonal for all panels, and the names of the axes at the outer ones."""
    ends = [np.nanmax(line.get_xydata()) for axes in used for line in axes.lines if len(line.get_xdata())]
    end = min(1.05 * max(ends, default=1.0), 1.0)
    for axes in used:
        axes.axline((0, 0), slope=1, color=palette.FAINT, linewidth=0.8, linestyle=":", zorder=1)
        axes.set(xlim=(0, end), ylim=(0, end))
    for row in grid:
        row[0].set_ylabel("observed share")
    for column in grid.T:
        lowest = [axes for axes in column if axes in used]
        if lowest:
            lowest[-1].set_xlabel("predicted risk")
            lowest[-1].tick_params(labelbottom=True)
