"""The age study's figures; a method has one colour and one marker in all of them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import ndimage

from experiments.aml.styles import JOINT, style
from experiments.report.cells import number
from jaxfair.metrics import summarize

HEALTHY, INFARCTION = "#64748b", "#a4243b"
BANDS = {"00_40": "under 40", "40_55": "40-55", "55_70": "55-70", "70_plus": "70 and over"}
LEADS = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
READERS = {
    "Frozen age head": ("age_pearson", None, "o", False),
    "Fresh ridge": ("probe_ridge_pearson", "probe_ridge_pearson_healthy", "s", True),
    "Fresh MLP": ("probe_mlp_pearson", "probe_mlp_pearson_healthy", "^", True),
    "Fresh boosting": ("probe_boosting_pearson", "probe_boosting_pearson_healthy", "D", True),
    "The MI score itself": (None, "score_age_pearson_healthy", "x", True),
}


def _errorbar(axes: Axes, x: float, y: float, row: pd.Series, vertical: bool, **drawn) -> None:
    if np.isfinite(row["low"]):
        ends = [[row["mean"] - row["low"]], [row["high"] - row["mean"]]]
        drawn |= {"yerr" if vertical else "xerr": ends, "elinewidth": 1}
    axes.errorbar(x, y, **drawn)


def readers(values: pd.DataFrame, arms: Sequence[str]) -> Figure:
    """Who reads the age from each arm's representation: the frozen head, fresh probes, and the MI score itself."""
    rows = summarize(values, ["arm", "method", "metric"]).set_index(["arm", "metric"])
    drawing = Figure(figsize=(8.4, 1.3 + 0.44 * len(arms)), layout="constrained")
    panels = drawing.subplots(1, 2, sharey=True)
    for axes, place, title in zip(panels, (0, 1), ("All subjects", "Within the healthy"), strict=True):
        for line, arm in enumerate(arms):
            for offset, entry in zip(np.linspace(-0.26, 0.26, len(READERS)), READERS.values(), strict=True):
                metric, (marker, filled) = entry[place], entry[2:]
                if (arm, metric) not in rows.index or not np.isfinite(rows.loc[(arm, metric), "mean"]):
                    continue
                row = rows.loc[(arm, metric)]
                color = style(row["method"]).color
                face = color if filled else "white"
                drawn = {"color": color, "marker": marker, "markerfacecolor": face, "markersize": 5}
                _errorbar(axes, row["mean"], line + offset, row, vertical=False, **drawn)
            if line % 2:
                axes.axhspan(line - 0.5, line + 0.5, color="#f6f7f9", zorder=-2, linewidth=0)
        axes.axvline(0, color="#555c68", linewidth=0.8)
        axes.set(title=title, xlabel="correlation with the true age", ylim=(len(arms) - 0.5, -0.5))
        low, high = axes.get_xlim()
        axes.set_xlim(max(low, -1), min(high, 1))  # The margins leave what a correlation can be.
        axes.locator_params(axis="x", nbins=6)
        axes.set_yticks(range(len(arms)), arms)
        axes.grid(visible=False, axis="y")
    handles = [
        Line2D(
            [], [], color="#333a45", marker=marker, markerfacecolor="#333a45" if filled else "white", ls="", label=name
        )
        for name, (_, _, marker, filled) in READERS.items()
    ]
    drawing.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return drawing


def true_against_predicted(predictions: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """The paper's Figure 2: one member's predicted against true age, over the density of all members together.

    Args:
      predictions: Rows of the evaluation split: method, member, seed, target, age, predicted_age.
      titles: By method, the panel's title and a second line of what is to be known of it.
    """
    drawing = Figure(figsize=(8.4, 3.35), layout="constrained")
    for axes, (method, title) in zip(drawing.subplots(1, len(titles), squeeze=False)[0], titles.items(), strict=True):
        rows = predictions[predictions["method"] == method]
        rows = rows[np.isfinite(rows["predicted_age"].to_numpy(dtype=float)) & rows["age"].notna()]
        name, remark = title.split("\n")
        axes.set_title(name, pad=17)
        axes.text(0, 1.03, remark, transform=axes.transAxes, color="#333a45")
        axes.set(xlabel="true age (years)", ylabel="predicted age (years)", xlim=(10, 100))
        if rows.empty:
            axes.text(0.5, 0.5, "no finite prediction", transform=axes.transAxes, ha="center", color="#a63a1c")
            axes.set_yticks([])
            continue
        one = rows[rows["member"] == rows.sort_values(["seed", "member"])["member"].iloc[0]]
        for target, color in ((0, HEALTHY), (1, INFARCTION)):
            part = one[one["target"] == target]
            axes.scatter(part["age"], part["predicted_age"], s=5, color=color, alpha=0.35, linewidths=0)
        _density(axes, rows["age"].to_numpy(dtype=float), rows["predicted_age"].to_numpy(dtype=float))
        low, high = one["predicted_age"].min(), one["predicted_age"].max()
        if low < -100 or high > 250:
            text = f"own scale: {number(low, 'years')} to {number(high, 'years')} years"
            axes.text(0.03, 0.03, text, transform=axes.transAxes, color="#a63a1c", fontsize=7.5)
            exponent = int(np.log10(max(-low, high)))
            axes.yaxis.set_major_formatter(lambda value, _, unit=10.0**exponent: f"{value / unit:g}".replace("-", "−"))
            axes.set_ylabel(f"predicted age ($10^{{{exponent}}}$ years)", color="#a63a1c")
        else:
            axes.plot([10, 100], [10, 100], color="#555c68", linewidth=0.8, linestyle=":")
            axes.set_ylim(min(10, low - 3), max(100, high + 3))
    names = (("healthy", HEALTHY), ("infarction", INFARCTION))
    handles = [Line2D([], [], color=color, marker="o", ls="", markersize=4, label=name) for name, color in names]
    handles.append(Line2D([], [], color="#1f2733", linewidth=0.9, label="density of all members"))
    drawing.legend(handles=handles, loc="outside lower center", ncols=3)
    return drawing


def _density(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    # The farthest hundredth would stretch the grid so that the rest falls into a few of its cells.
    low, high = np.quantile(y, [0.005, 0.995])
    if not high > low:
        return
    counts, x_edges, y_edges = np.histogram2d(x, y, bins=70, range=[[10, 100], [low, high]])
    density = ndimage.gaussian_filter(counts, 3)
    ordered = np.sort(density.ravel())[::-1]
    held = np.cumsum(ordered) / ordered.sum()
    levels = np.unique([ordered[np.searchsorted(held, share)] for share in (0.9, 0.6, 0.3)])
    centers = [(edges[1:] + edges[:-1]) / 2 for edges in (x_edges, y_edges)]
    axes.contour(*centers, density.T, levels=levels, colors="#1f2733", linewidths=0.8)


def score_against_age(predictions: pd.DataFrame, labels: Mapping[str, str]) -> Figure:
    """Mean MI score of the healthy by age: flat where the score holds no age; bars are 95 % intervals."""
    rows = predictions[(predictions["target"] == 0) & predictions["age"].notna()]
    band = pd.cut(rows["age"].astype(float), [0, 30, 40, 50, 60, 70, 80, 120], right=False)
    rows = rows.assign(value=rows["prediction"].astype(float), band=band)
    middle = rows.groupby("band", observed=True)["age"].mean()
    members = rows.groupby(["method", "member", "band"], observed=True, sort=False)["value"].mean().reset_index()
    groups = [[method for method in labels if (method in JOINT) == joint] for joint in (False, True)]
    groups = [group for group in groups if group]
    drawing = Figure(figsize=(8.4, 3.9), layout="constrained")
    panels = drawing.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    highest = 0.0
    for axes, group in zip(panels, groups, strict=True):
        for method in group:
            drawn = style(method)
            line = summarize(members[members["method"] == method], ["band"], bounds=(0, 1)).sort_values("band")
            at = middle.loc[line["band"]].to_numpy()
            bars = np.nan_to_num([line["mean"] - line["low"], line["high"] - line["mean"]])
            kind = {"color": drawn.color, "marker": drawn.marker, "markersize": 5, "elinewidth": 1}
            axes.errorbar(at, line["mean"], yerr=bars, label=labels[method], **kind)
            highest = max(highest, line["mean"].max())
        axes.set(xlabel="age (years)", title="Trained jointly" if group[0] in JOINT else "Trained in stages")
    # Two members have an interval of 12.7 SD, which would flatten all the others.
    panels[0].set(ylabel="mean MI score of the healthy", ylim=(0, 1.2 * highest))
    drawing.legend(loc="outside lower center", ncols=2 if len(labels) < 5 else 3)
    return drawing


def error_bands(values: pd.DataFrame, methods: Sequence[str]) -> Figure:
    """Error rate, sensitivity and specificity by age band for each method; bars are 95 % intervals."""
    drawing = Figure(figsize=(8.4, 3.4), layout="constrained")
    kinds = {"error_rate": "Error rate", "sensitivity": "Sensitivity", "specificity": "Specificity"}
    rows = summarize(values, ["method", "metric"]).set_index(["method", "metric"])
    for axes, (kind, title) in zip(drawing.subplots(1, 3), kinds.items(), strict=True):
        for method, offset in zip(methods, np.linspace(-0.32, 0.32, len(methods)), strict=True):
            drawn = style(method)
            for place, band in enumerate(BANDS):
                key = (method, f"{kind}_age_{band}")
                if key in rows.index and np.isfinite(rows.loc[key, "mean"]):
                    kinds_drawn = {"color": drawn.color, "marker": drawn.marker, "markersize": 4}
                    _errorbar(axes, place + offset, rows.loc[key, "mean"], rows.loc[key], vertical=True, **kinds_drawn)
        means = rows.loc[rows.index.isin([(m, f"{kind}_age_{band}") for m in methods for band in BANDS]), "mean"]
        margin = 0.3 * max(np.ptp(means.dropna()), 0.05) if means.notna().any() else 0.5
        low = 0 if kind == "error_rate" else means.min() - margin
        axes.set(title=title, xlabel="age (years)")
        if means.notna().any():  # the means set the frame: the interval of two members would flatten all the others
            axes.set_ylim(low, means.max() + margin)
        axes.set_xticks(range(len(BANDS)), BANDS.values())
        axes.grid(visible=False, axis="x")
    handles = [
        Line2D([], [], color=style(method).color, marker=style(method).marker, ls="", label=style(method).label)
        for method in methods
    ]
    drawing.legend(handles=handles, loc="outside lower center", ncols=4)
    return drawing


def average_beats(beats: pd.DataFrame) -> Figure:
    """The average beat of each class, ± 1 SD over its records, in the layout of a clinical print-out."""
    drawing = Figure(figsize=(8.4, 4.6), layout="constrained")
    grid = drawing.subplots(3, 4, sharex=True, sharey=True)
    for axes, lead in zip(grid.ravel(), np.ravel(LEADS), strict=True):
        for infarction, color in ((0, HEALTHY), (1, INFARCTION)):
            rows = beats[(beats["lead"] == lead) & (beats["infarction"] == infarction)].sort_values("time_ms")
            time, mean, sd = (rows[name].to_numpy(dtype=float) for name in ("time_ms", "mean", "std"))
            axes.fill_between(time, mean - sd, mean + sd, color=color, alpha=0.16, linewidth=0)
            axes.plot(time, mean, color=color)
        axes.set_title(lead)
    for axes in grid[-1]:
        axes.set_xlabel("ms from the QRS mark")
    for axes in grid[:, 0]:
        axes.set_ylabel("mV")
    counts = beats.groupby("infarction")["count"].max()
    names = ((0, "healthy", HEALTHY), (1, "infarction", INFARCTION))
    handles = [
        Line2D([], [], color=color, label=f"{name} ({counts[key]:,.0f} records)")
        for key, name, color in names
        if key in counts
    ]
    drawing.legend(handles=handles, loc="outside lower center", ncols=2)
    return drawing
