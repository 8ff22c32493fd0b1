"""The Shapley study's figures: removal curves, scores against chance, beats with the contribution of each time step."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from experiments.report.cells import number
from experiments.report.frames import frame_of_means
from experiments.shapley.arms import CONTROLS
from experiments.shapley.styles import REMOVALS, SCORES
from jaxfair.metrics import summarize

CURVES = {
    "accuracy": "accuracy",
    "counterfactual_accuracy_surrogate": "accuracy on\na third model's\ncounterfactuals",
    "counterfactual_norm": "size of DeepFool's\nchange, relative",
}
WIDTH = 8.4


def removal_curves(values: pd.DataFrame, score: str, problems: list[str]) -> Figure:
    """Each metric by the share removed, one column a problem: mean over seeds and its 95 % interval."""
    plain = values[(values["hardening"] == "none") & values["score"].isin(["", score, *CONTROLS])]
    alone = len(problems) == 1  # Then the metrics stand side by side.
    size = (WIDTH, 2.6) if alone else (WIDTH, 0.9 + 1.7 * len(CURVES))
    drawing = Figure(figsize=size, layout="constrained")
    shape = (1, len(CURVES)) if alone else (len(CURVES), len(problems))
    grid = drawing.subplots(*shape, squeeze=False, sharex=True)
    for column, problem in enumerate(problems):
        for row, (metric, title) in enumerate(CURVES.items()):
            axes = grid[0, row] if alone else grid[row, column]
            part = plain[(plain["problem"] == problem) & (plain["metric"] == metric)]
            lines = summarize(part, ["kind", "percent"])
            start = lines[lines["kind"] == "full"]
            for kind, style in REMOVALS.items():
                line = pd.concat([start, lines[lines["kind"] == kind].sort_values("percent")])
                axes.plot(
                    line["percent"], line["mean"], f"{style.marker}-", color=style.color, ms=3.5, label=style.label
                )
                axes.fill_between(line["percent"], line["low"], line["high"], color=style.color, alpha=0.15, lw=0)
            if not row and not alone:
                axes.set_title(_fitted(problem, columns=len(problems)))
            if not column:
                axes.set_ylabel(title)
            if alone or row == len(CURVES) - 1:
                axes.set_xlabel("removed samples (%)")
            axes.set_xticks(sorted(plain["percent"].unique()))
            axes.set_ylim(*frame_of_means(lines["mean"], axes.get_ylim()))
    drawing.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return drawing


def scores_against_random(gaps: pd.DataFrame, problems: list[str]) -> Figure:
    """By score and side, accuracy minus that of a random removal of the same size, with 95 % intervals.

    Args:
      gaps: problem, score, kind (top or bottom), mean, low, high.
      problems: One column each.
    """
    names = [name for name in SCORES if name in set(gaps["score"])]
    drawing = Figure(figsize=(WIDTH, 1.1 + 0.33 * len(names)), layout="constrained")
    grid = drawing.subplots(1, len(problems), squeeze=False, sharey=True)[0]
    for axes, problem in zip(grid, problems, strict=True):
        axes.axvline(0, color="#8a8f98", lw=0.8)
        for offset, kind in ((0.14, "top"), (-0.14, "bottom")):
            rows = gaps[(gaps["problem"] == problem) & (gaps["kind"] == kind)].set_index("score").reindex(names)
            place = np.arange(len(names))[::-1] + offset
            spread = np.stack([rows["mean"] - rows["low"], rows["high"] - rows["mean"]])
            style = REMOVALS[kind]
            axes.errorbar(
                rows["mean"], place, xerr=spread, fmt=style.marker, color=style.color, ms=4, lw=1.2, label=style.label
            )
        means = gaps.loc[gaps["problem"] == problem, "mean"]
        axes.set_xlim(*frame_of_means([0.0, *means], axes.get_xlim()))
        axes.set(
            title=_fitted(problem, columns=len(problems)),
            xlabel="accuracy − random",
            yticks=np.arange(len(names))[::-1],
        )
        axes.set_yticklabels([SCORES[name] for name in names])
    drawing.legend(*grid[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return drawing


def beats(pictures: pd.DataFrame) -> Figure:
    """Of each class of a problem, a training beat coloured by its attribution and a test beat with its twin."""
    classes = list(pictures["class"].drop_duplicates())
    drawing = Figure(figsize=(WIDTH, 4.0), layout="constrained")
    grid = drawing.subplots(2, len(classes), squeeze=False, sharex=True, sharey=True)
    # One sample may hold most of the attribution; a scale up to it would leave all others grey.
    most = max(float(np.nanquantile(np.abs(pictures["contribution"].to_numpy(dtype=float)), 0.98)), 1e-12)
    scale, drawn = TwoSlopeNorm(0, -most, most), None
    for column, name in enumerate(classes):
        part = pictures[pictures["class"] == name]
        own = part[part["picture"] == "attribution"].sort_values("time")
        drawn = _coloured(grid[0, column], own, scale)
        grid[0, column].set_title(_fitted(f"class {name}", str(own["id"].iloc[0]), columns=len(classes)), fontsize=8)
        twin = part[part["picture"] == "counterfactual"].sort_values("time")
        axes = grid[1, column]
        if len(twin):
            axes.plot(twin["time"], twin["changed"], color="#D55E00", lw=1.3, label="DeepFool's twin")
            axes.plot(twin["time"], twin["value"], color="#1f2733", lw=1.1, label="test beat")
            change = 5 * (twin["changed"] - twin["value"])
            axes.plot(twin["time"], change, color="#D55E00", lw=0.8, ls=":", label="the change, times 5")
            size = f"‖r‖/‖x‖ = {twin['relative_norm'].iloc[0]:.3f}"
            title = _fitted(str(twin["id"].iloc[0]), size, columns=len(classes))
            axes.set_title(title, fontweight="normal", fontsize=8)
        else:
            axes.text(
                0.5, 0.5, "no beat fooled\namong the attacked", transform=axes.transAxes, ha="center", color="#8a8f98"
            )
        axes.set_xlabel("sample")
    grid[0, 0].set_ylabel("attribution")
    grid[1, 0].set_ylabel("counterfactual")
    drawing.colorbar(drawn, ax=grid[0], label="contribution to\nits own probability", shrink=0.9, extend="both")
    handles = [axes.get_legend_handles_labels() for axes in grid[1] if axes.get_legend_handles_labels()[0]]
    if handles:
        drawing.legend(*handles[0], loc="outside lower center", ncols=3)
    return drawing


def _coloured(axes: Axes, beat: pd.DataFrame, scale: TwoSlopeNorm) -> LineCollection:
    points = beat[["time", "value"]].to_numpy(dtype=float)
    lines = LineCollection(np.stack([points[:-1], points[1:]], axis=1), cmap="coolwarm", norm=scale, lw=2.2)
    shade = beat["contribution"].to_numpy(dtype=float)
    lines.set_array((shade[1:] + shade[:-1]) / 2)
    axes.plot(*points.T, color="#c9ced6", lw=0.8, zorder=1)
    return axes.add_collection(lines)


def _fitted(*lines: str, columns: int) -> str:
    """The lines of a title, each in at most two, cut where they would reach over the next of so many columns."""
    width = max(8, 92 // columns)
    return "\n".join(
        "\n".join(textwrap.wrap(line, width, max_lines=2, placeholder="…", break_long_words=True)) for line in lines
    )


def valuable(pictures: pd.DataFrame) -> Figure:
    """The training beats with the largest and the smallest score."""
    kinds = ("most valuable", "least valuable")
    count = int(pictures.groupby("picture")["id"].nunique().max())
    drawing = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    grid = drawing.subplots(2, count, squeeze=False, sharex=True, sharey=True)
    for row, kind in enumerate(kinds):
        rows = pictures[pictures["picture"] == kind]
        for axes, (name, beat) in zip(grid[row], rows.groupby("id", sort=False), strict=False):
            beat = beat.sort_values("time")
            axes.plot(beat["time"], beat["value"], color="#D55E00" if not row else "#0072B2", lw=1.1)
            score = f"score {number(beat['score'].iloc[0])}"
            axes.set_title(_fitted(f"{name}, class {beat['class'].iloc[0]}", score, columns=count), fontsize=8)
        grid[row, 0].set_ylabel(kind)
    return drawing
