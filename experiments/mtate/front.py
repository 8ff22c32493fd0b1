"""All methods of the fairness study in one picture: how well they detect against how differently they treat groups."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation

from experiments.mtate.kinds import PAPER, RELABELLED
from experiments.mtate.marks import mark, nothing
from experiments.mtate.styles import in_order, style
from experiments.report import style as palette
from experiments.report.frames import frame_of_means

X, Y = ("all", "mean_equalized_odds_difference"), ("", "roc_auc")
SAME_SCORES = ("lstm", *RELABELLED)
_FONT = 7.5
_BESIDE = (7, 11, 17, 25, 35, 47)  # Points between a mark and its label.


def front(results: pd.DataFrame, intervals: pd.DataFrame, split: str = "evaluate") -> Figure:
    """ROC AUC against the mean equalized odds difference over the domains, a mark a method; upper left is better.

    Thin lines are 95 % intervals over patients, dots the seeds of the paper's methods. The faint line
    joins the methods that no other one beats in both; the dotted one those that have the LSTM's scores and differ in
    their decisions only.

    Args:
      results: The run's, for the seeds; may be empty.
      intervals: Of the study: method, split, task, metric, estimate, low, high.
      split: The test set.
    """
    points = _points(intervals, split)
    finite = points[np.isfinite(points["estimate_x"]) & np.isfinite(points["estimate_y"])]
    drawing = Figure(figsize=(8.4, 6.0))
    # A fixed place: labels are set by what is where on the page.
    axes = drawing.add_axes((0.075, 0.135, 0.91, 0.845))
    lost = [style(name).label for name in points.index.difference(finite.index, sort=False)]
    if finite.empty:
        nothing(axes, "no method has both a ROC AUC and a mean equalized odds difference")
        return drawing
    axes.set(xlabel="mean equalized odds difference over the domains (less is better)", ylabel="ROC AUC")
    limits = [_limits(finite, name) for name in ("x", "y")]
    axes.set(xlim=(max(limits[0][0], 0), limits[0][1]), ylim=limits[1])
    _seeds(axes, results, split, [name for name in PAPER if name in finite.index])
    best = pareto(finite["estimate_x"].to_numpy(), finite["estimate_y"].to_numpy())
    line = finite.iloc[best]
    axes.plot(line["estimate_x"], line["estimate_y"], color=palette.FAINT, linewidth=5, alpha=0.15, zorder=1)
    same = finite.loc[[name for name in SAME_SCORES if name in finite.index]]
    if len(same) > 1:
        axes.plot(same["estimate_x"], same["estimate_y"], ":", color=style("lstm").color, linewidth=1, zorder=1)
    bars: list[Line2D] = []
    for name, row in finite.iterrows():
        thin = {"color": style(name).color, "linewidth": 0.8, "alpha": 0.4, "zorder": 2}
        bars += axes.plot([row["low_x"], row["high_x"]], [row["estimate_y"]] * 2, **thin)
        bars += axes.plot([row["estimate_x"]] * 2, [row["low_y"], row["high_y"]], **thin)
        axes.plot(row["estimate_x"], row["estimate_y"], zorder=4, gid=name, **mark(name, 6))
    arrow = {"arrowstyle": "-|>", "color": palette.FAINT}
    place = {"xycoords": "axes fraction", "textcoords": "axes fraction"}
    better = axes.annotate("better", (0.006, 0.992), (0.05, 0.945), arrowprops=arrow, color=palette.FAINT, **place)
    texts = [(style(name).label, style(name).color) for name in finite.index]
    points = finite[["estimate_x", "estimate_y"]].to_numpy()
    place_labels(axes, points, texts, [better], bars)
    if lost:
        drawing.text(0.985, 0.985, f"undefined: {', '.join(lost)}", ha="right", va="top", color=palette.ALARM,
                     fontsize=7.5)  # fmt: skip
    handles = [
        Line2D([], [], color=palette.FAINT, linewidth=0.8, label="95 % interval over patients"),
        Line2D([], [], color=palette.FAINT, marker=".", markersize=4, ls="", label="a seed of the paper's methods"),
        Line2D([], [], color=palette.FAINT, linewidth=5, alpha=0.15, label="none is better in both"),
        Line2D([], [], color=style("lstm").color, ls=":", linewidth=1, label="the LSTM's scores, other decisions"),
    ]
    drawing.legend(handles=handles if len(same) > 1 else handles[:-1], loc="lower center", ncols=4, fontsize=7.5)
    return drawing


def pareto(gap: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Places of the points that no other has at most the gap and at least the score of, and one of them better.

    In the order of the gap.
    """
    beaten = [
        np.any((gap <= own_gap) & (score >= own_score) & ((gap < own_gap) | (score > own_score)))
        for own_gap, own_score in zip(gap, score, strict=True)
    ]
    left = np.flatnonzero(~np.array(beaten, bool))
    return left[np.argsort(gap[left], kind="stable")]


def _points(intervals: pd.DataFrame, split: str) -> pd.DataFrame:
    """By method in the order of the page: estimate, low and high of both axes."""
    rows = intervals[intervals["split"] == split]
    sides = []
    for (task, metric), name in ((X, "_x"), (Y, "_y")):
        own = rows[(rows["task"] == task) & (rows["metric"] == metric)].set_index("method")
        sides.append(own[["estimate", "low", "high"]].astype(float).add_suffix(name))
    both = pd.concat(sides, axis=1)
    return both.loc[in_order(both.index)]


def _limits(finite: pd.DataFrame, name: str) -> tuple[float, float]:
    ends = finite[[f"estimate_{name}", f"low_{name}", f"high_{name}"]]
    low, high = frame_of_means(finite[f"estimate_{name}"], (ends.min(axis=None), ends.max(axis=None)))
    margin = 0.06 * max(high - low, 0.02)
    return low - margin, high + margin


def _seeds(axes: Axes, results: pd.DataFrame, split: str, methods: Sequence[str]) -> None:
    if results.empty:
        return
    rows = results[(results["stage"] == "evaluation") & (results["split"] == split) & results["method"].isin(methods)]
    task = rows["task"].astype(object).where(rows["task"].notna(), "")
    sides = [
        rows[(task == name) & (rows["metric"] == metric)].set_index(["method", "seed"])["value"]
        for name, metric in (X, Y)
    ]
    for name, own in pd.concat(sides, axis=1, keys=["x", "y"], join="inner").groupby(level="method"):
        if len(own) > 1:
            axes.plot(own["x"], own["y"], ".", color=style(name).color, markersize=3, alpha=0.5, zorder=3)


def place_labels(
    axes: Axes,
    points: np.ndarray,
    texts: Sequence[tuple[str, str]],
    others: Sequence[Artist] = (),
    lines: Sequence[Line2D] = (),
) -> list[Annotation]:
    """Writes each point's label beside it, where it covers no mark and no other label, with a line to it if far.

    Labels are placed one after the other, then each anew among all others until none moves.

    Args:
      axes: With its limits and its place on the page.
      points: `[point, 2]`, in the data's units.
      texts: Text and colour of each.
      others: What labels must not cover either.
      lines: What they had better not cover.
    """
    renderer = FigureCanvasAgg(axes.figure).get_renderer()
    pixels = axes.figure.dpi / 72
    frame = axes.get_window_extent(renderer).extents
    at = axes.transData.transform(points)
    marks = np.concatenate([at - 5 * pixels, at + 5 * pixels], axis=1)
    fixed = np.array([artist.get_window_extent(renderer).extents for artist in others]).reshape(-1, 4)
    thin = np.array([line.get_window_extent(renderer).padded(0.4 * pixels).extents for line in lines]).reshape(-1, 4)
    choices = np.array([(distance, angle) for distance in _BESIDE for angle in range(0, 360, 15)])
    places = []
    for point, (text, _) in zip(at, texts, strict=True):
        label = axes.text(0, 0, text, fontsize=_FONT)
        # Letters are broader at the size at which figures are saved, and have a white edge.
        size = label.get_window_extent(renderer).size + np.array([8 * pixels, pixels])
        places.append(np.array([_box(point, size, distance * pixels, angle) for distance, angle in choices]))
        label.remove()
    chosen = np.full(len(texts), -1)
    for _ in range(5):
        before = chosen.copy()
        for number, own in enumerate(places):
            rest = [places[other][place] for other, place in enumerate(chosen) if place >= 0 and other != number]
            taken = np.concatenate([np.array(rest).reshape(-1, 4), fixed, np.delete(marks, number, axis=0)])
            chosen[number] = np.argmin(_cost(own, frame, taken, thin) + choices[:, 0] / 12)
        if np.array_equal(before, chosen):
            break
    labels = []
    for number, (text, color) in enumerate(texts):
        distance, angle = choices[chosen[number]]
        side = _side(angle)
        line = {"arrowstyle": "-", "color": color, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 2}
        line |= {"relpos": ({"left": 0, "center": 0.5, "right": 1}[side], 0.5)}
        labels.append(
            axes.annotate(
                text, points[number], distance * _direction(angle), textcoords="offset points", fontsize=_FONT,
                color=color, zorder=5, ha=side, va="center", arrowprops=line if distance > _BESIDE[1] else None,
                path_effects=[patheffects.Stroke(linewidth=2, foreground="white"), patheffects.Normal()],
            )
        )  # fmt: skip
    return labels


def _direction(angle: float) -> np.ndarray:
    return np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])


def _side(angle: float) -> str:
    """Which side of a label is at its anchor."""
    along = _direction(angle)[0]
    return "center" if abs(along) < 0.3 else "left" if along > 0 else "right"


def _box(at: np.ndarray, size: np.ndarray, distance: float, angle: float) -> np.ndarray:
    """Left, lower, right and upper end of a label of a size that is anchored at a distance and angle from a point."""
    before = {"left": 0, "center": 0.5, "right": 1}[_side(angle)]
    low = at + distance * _direction(angle) - size * (before, 0.5)
    return np.concatenate([low, low + size])


def _cost(places: np.ndarray, frame: np.ndarray, taken: np.ndarray, thin: np.ndarray) -> np.ndarray:
    """What each place covers, as shares of the label; so many times over that a free place far away is better."""
    sizes = _shared(places, places)
    covered = _shared(places[:, None], taken).sum(1)
    crossed = _shared(places[:, None], thin).sum(1)
    outside = sizes - _shared(places, frame)
    return (20 * covered + 100 * outside + 2 * crossed) / sizes + 5 * (covered > 0)


def _shared(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The area that two boxes `[..., 4]` have in common."""
    ends = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    return np.maximum(ends, 0).prod(-1)
