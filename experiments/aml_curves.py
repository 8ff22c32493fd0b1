"""The age study's curves: training by epoch, and the front of one metric against another over alpha."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.aml_arms import METHODS, style
from experiments.report_tables import number, summarize

SPLITS = {"evaluate": "-", "train": "--"}


def training_curves(curves: pd.DataFrame, diverged: set, titles: Mapping[str, str]) -> Figure:
    """Mean ± SD over members by epoch: a row for each metric, a column for each stage.

    Args:
      curves: Result rows with an epoch.
      diverged: (member, method) of those that diverged; a cross marks their last finite value.
      titles: By metric that is to be drawn, the name of its axis.
    """
    curves = curves[curves["metric"].isin(list(titles))]
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
            _curves(axes, part, diverged)
        grid[0, column].set_title(str(stage).replace("_", " ").capitalize())
    for row, metric in enumerate(metrics):
        next(axes for axes in grid[row] if axes.axison).set_ylabel(titles[metric])
    for column in grid.T:
        lowest = [axes for axes in column if axes.axison][-1]
        lowest.set_xlabel("epoch")
        lowest.tick_params(labelbottom=True)
    methods = [method for method in METHODS if (curves["method"] == method).any()]
    handles = [Line2D([], [], color=style(method).color, label=style(method).label) for method in methods]
    handles += [Line2D([], [], color="#555c68", ls=ls, label=split) for split, ls in SPLITS.items()]
    if diverged:
        handles.append(Line2D([], [], color="#a63a1c", marker="x", ls="", label="a member diverges"))
    drawing.legend(handles=handles, loc="outside lower center", ncols=4)
    return drawing


def _curves(axes: Axes, rows: pd.DataFrame, diverged: set) -> None:
    """One panel; its frame follows the arms that hold, and says how far another one leaves it."""
    held, outside = [], {}
    lines = summarize(rows, ["method", "split", "epoch"])
    unstable = {method for _, method in diverged}
    for (method, split), line in lines.groupby(["method", "split"], sort=False):
        line = line.sort_values("epoch")
        low, high = (line["mean"] + sign * line["sd"].fillna(0) for sign in (-1, 1))
        axes.plot(line["epoch"], line["mean"], color=style(method).color, ls=SPLITS.get(split, ":"), zorder=2)
        if split == "evaluate":
            axes.fill_between(line["epoch"], low, high, color=style(method).color, alpha=0.15, linewidth=0)
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
                text = f"{style(method).label} to {number(farthest)}"
                axes.text(0.97, 0.9, text, transform=axes.transAxes, ha="right", fontsize=7, color="#a63a1c")


def front(values: pd.DataFrame, x: str, y: str, axis_titles: tuple[str, str]) -> Figure:
    """Metric `y` against metric `x`: a point for each arm, joined over alpha; bars are 95 % intervals.

    The frame is that of the arms whose mean lies within it; one that is far off is drawn on its edge with its
    values in words, so that nothing is lost and nothing hides the rest.
    """
    keys = ["arm", "method", "alpha"]
    sides = [summarize(values[values["metric"] == metric], keys) for metric in (x, y)]
    points = sides[0].merge(sides[1], on=keys, suffixes=("_x", "_y"))
    points = points[np.isfinite(points["mean_x"]) & np.isfinite(points["mean_y"])]
    drawing = Figure(figsize=(8.4, 4.4), layout="constrained")
    axes = drawing.subplots()
    inside = points[(points["mean_x"] > -0.5) & (points["mean_y"] > points["mean_y"].max() - 0.15)]
    inside = points if inside.empty else inside
    frame = []
    for name in ("x", "y"):
        low = inside[[f"mean_{name}", f"low_{name}"]].min(axis=None)
        high = inside[[f"mean_{name}", f"high_{name}"]].max(axis=None)
        low, high = (low, high) if np.isfinite([low, high]).all() else (0.0, 1.0)
        margin = 0.08 * max(high - low, 0.02)
        frame.append((low - margin, high + margin))
    for method, line in points.groupby("method", sort=False):
        line = line.sort_values("alpha")
        drawn = style(method)
        at_x, at_y = (np.clip(line[f"mean_{name}"], *limits) for name, limits in zip("xy", frame, strict=True))
        axes.plot(at_x, at_y, color=drawn.color, linewidth=0.8, alpha=0.6)
        axes.plot([], [], drawn.marker, color=drawn.color, ls="", label=drawn.label)
        said_at: list[np.ndarray] = []
        for (_, point), px, py in zip(line.iterrows(), at_x, at_y, strict=True):
            axes.plot(px, py, drawn.marker, color=drawn.color, markersize=7, clip_on=False, zorder=3)
            axes.plot([point["low_x"], point["high_x"]], [py, py], color=drawn.color, linewidth=1)
            axes.plot([px, px], [point["low_y"], point["high_y"]], color=drawn.color, linewidth=1)
            said = f"α = {point['alpha']:g}" if len(line) > 1 else ""
            if (px, py) != (point["mean_x"], point["mean_y"]):
                said = f"{said} off the frame: {number(point['mean_x'])}, {number(point['mean_y'])}".strip()
            # Neighbours of one arm that would write over each other are named once, by the first alpha.
            here = np.array([px, py - frame[1][0]]) / [np.ptp(frame[0]), np.ptp(frame[1])]
            if any(np.all(np.abs(here - there) < (0.1, 0.04)) for there in said_at):
                continue
            said_at.append(here)
            axes.annotate(said, (px, py), (6, 5), textcoords="offset points", fontsize=7, color="#555c68")
    axes.set(xlabel=axis_titles[0], ylabel=axis_titles[1], xlim=frame[0], ylim=frame[1])
    if len(points):
        drawing.legend(loc="outside right upper")
    else:
        axes.text(0.5, 0.5, "no arm has a finite value of both", transform=axes.transAxes, ha="center", color="#a63a1c")
    return drawing
