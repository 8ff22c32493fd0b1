"""The age study's front of one metric against another over alpha."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.aml.styles import style
from experiments.report.cells import number
from experiments.report.frames import frame_of_means
from jaxfair.metrics import summarize


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
        low, high = frame_of_means(inside[f"mean_{name}"], (low, high))
        margin = 0.08 * max(high - low, 0.02)
        frame.append((low - margin, high + margin))
    for method, line in points.groupby("method", sort=False):
        line = line.sort_values("alpha")
        drawn = style(method)
        at_x, at_y = (np.clip(line[f"mean_{name}"], *limits) for name, limits in zip("xy", frame, strict=True))
        axes.plot(at_x, at_y, color=drawn.color, linewidth=0.8, alpha=0.6)
        axes.plot([], [], drawn.marker, color=drawn.color, ls="", label=drawn.label)
        labelled: list[np.ndarray] = []
        for (_, point), px, py in zip(line.iterrows(), at_x, at_y, strict=True):
            axes.plot(px, py, drawn.marker, color=drawn.color, markersize=7, clip_on=False, zorder=3)
            axes.plot([point["low_x"], point["high_x"]], [py, py], color=drawn.color, linewidth=1)
            axes.plot([px, px], [point["low_y"], point["high_y"]], color=drawn.color, linewidth=1)
            label = f"α = {point['alpha']:g}" if len(line) > 1 else ""
            if (px, py) != (point["mean_x"], point["mean_y"]):
                label = f"{label} off the frame: {number(point['mean_x'])}, {number(point['mean_y'])}".strip()
            # Neighbours of one arm that would write over each other are named once, by the first alpha.
            here = np.array([px, py - frame[1][0]]) / [np.ptp(frame[0]), np.ptp(frame[1])]
            if any(np.all(np.abs(here - there) < (0.1, 0.04)) for there in labelled):
                continue
            labelled.append(here)
            axes.annotate(label, (px, py), (6, 5), textcoords="offset points", fontsize=7, color="#555c68")
    axes.set(xlabel=axis_titles[0], ylabel=axis_titles[1], xlim=frame[0], ylim=frame[1])
    if len(points):
        drawing.legend(loc="outside right upper")
    else:
        axes.text(0.5, 0.5, "no arm has a finite value of both", transform=axes.transAxes, ha="center", color="#a63a1c")
    return drawing
