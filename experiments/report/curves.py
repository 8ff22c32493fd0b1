"""Training curves, the same way in every report."""

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.report.cells import number
from experiments.report.style import Style, own_style
from jaxfair.metrics import bounds_of, summarize

SPLITS = {"evaluate": "-", "validate": ":", "train": "--"}


def training_curves(
    curves: pd.DataFrame,
    styles: Mapping[str, Style],
    titles: Mapping[str, str],
    diverged: Collection[tuple[int, str]] = (),
) -> Figure:
    """Mean ± SD over members by epoch, cut at the bounds of the metric: a row for each metric, a column for each stage.

    Args:
      curves: Result rows with an epoch.
      styles: By method, in the order of the legend; a method that is not among them gets a style of its own.
      titles: By metric that is to be drawn, the name of its axis.
      diverged: (member, method) of those that diverged; a cross marks their last finite value.
    """
    curves = curves[curves["metric"].isin(list(titles))]
    styles = dict(styles) | {name: own_style(name) for name in curves["method"].unique() if name not in styles}
    metrics = [metric for metric in titles if (curves["metric"] == metric).any()]
    stages = list(curves["stage"].unique())
    size = (8.4, 0.9 + 1.45 * len(metrics))
    drawing = Figure(figsize=size, layout="constrained")
    grid = drawing.subplots(len(metrics), len(stages), squeeze=False, sharex="col")
    for column, stage in enumerate(stages):
        for row, metric in enumerate(metrics):
            axes = grid[row, column]
            part = curves[(curves["metric"] == metric) & (curves["stage"] == stage)]
            if part.empty:
                axes.set_axis_off()
                continue
            _curves(axes, part, styles, diverged)
        grid[0, column].set_title(str(stage).replace("_", " ").capitalize())
    for row, metric in enumerate(metrics):
        next(axes for axes in grid[row] if axes.axison).set_ylabel(titles[metric])
    for column in grid.T:
        lowest = [axes for axes in column if axes.axison][-1]
        lowest.set_xlabel("epoch")
        lowest.tick_params(labelbottom=True)
    methods = [method for method in styles if (curves["method"] == method).any()]
    handles = [Line2D([], [], color=styles[method].color, label=styles[method].label) for method in methods]
    drawn = [split for split in SPLITS if (curves["split"] == split).any()]
    handles += [Line2D([], [], color="#555c68", ls=SPLITS[split], label=split) for split in drawn]
    if diverged:
        handles.append(Line2D([], [], color="#a63a1c", marker="x", ls="", label="a member diverges"))
    drawing.legend(handles=handles, loc="outside lower center", ncols=4)
    return drawing


def _curves(axes: Axes, rows: pd.DataFrame, styles: Mapping[str, Style], diverged: Collection) -> None:
    """One panel; its frame follows the arms that hold, and says how far another one leaves it."""
    held, outside = [], {}
    lines = summarize(rows, ["method", "split", "epoch"])
    bounds = bounds_of(rows["metric"].iloc[0])
    unstable = {method for _, method in diverged}
    for (method, split), line in lines.groupby(["method", "split"], sort=False):
        line = line.sort_values("epoch")
        low, high = ((line["mean"] + sign * line["sd"].fillna(0)).clip(*bounds) for sign in (-1, 1))
        axes.plot(line["epoch"], line["mean"], color=styles[method].color, ls=SPLITS.get(split, "-."), zorder=2)
        if split in ("evaluate", "validate"):
            axes.fill_between(line["epoch"], low, high, color=styles[method].color, alpha=0.15, linewidth=0)
        if method in unstable:  # Its mean alone: no accuracy was ever above 1.
            outside.setdefault(method, []).extend([line["mean"].min(), line["mean"].max()])
        else:
            held.append((low.min(), high.max()))
    for member, method in diverged:
        own = rows[(rows["member"] == member) & (rows["method"] == method) & (rows["split"] == "evaluate")]
        own = own[np.isfinite(own["value"].to_numpy(dtype=float))].sort_values("epoch")
        if len(own):
            axes.plot(own["epoch"].iloc[-1], own["value"].iloc[-1], "x", color="#a63a1c", markersize=5, zorder=3)
    frame = np.array([pair for pair in held if np.all(np.isfinite(pair))])
    if len(frame) and outside:
        margin = 0.35 * max(frame.max() - frame.min(), 1e-3)
        low, high = frame.min() - margin, frame.max() + margin
        axes.set_ylim(low, high)
        for method, values in outside.items():
            beyond = [value for value in values if np.isfinite(value) and not low <= value <= high]
            if beyond:
                farthest = max(beyond, key=lambda value: max(low - value, value - high))
                text = f"{styles[method].label} to {number(farthest)}"
                axes.text(0.97, 0.9, text, transform=axes.transAxes, ha="right", fontsize=7, color="#a63a1c")
