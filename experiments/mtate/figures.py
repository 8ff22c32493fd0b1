"""The fairness study's figures; a method has one colour and one marker in all of them.

`front.py` draws all methods in one picture, `calibration.py` reliability, `patient_figure.py` one patient.
"""

import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from experiments.mtate import kinds
from experiments.mtate.domains import domain
from experiments.mtate.published import BEST_RATE
from experiments.mtate.styles import in_order, style
from experiments.report import style as palette
from experiments.report.cells import number
from experiments.report.frames import frame_of_means
from jaxfair.metrics import summarize

PANELS = {
    "The paper's methods": kinds.PAPER,
    "Other models, and models of MTATE's representation": ("gru_d", *kinds.SUMMARIES, *kinds.DOWNSTREAM),
    "LSTM with a method for fairness": (*kinds.FAIR_LSTMS, *kinds.RELABELLED),
    "MTATE without one of its parts, or chosen otherwise": (*kinds.ABLATIONS, *kinds.LEFT_OPEN),
    "MTATE by masking rate": kinds.MASKING,
}
PAPERS_RATE = BEST_RATE / 10
MASKING = {
    "Detection": {
        ("", "roc_auc"): ("ROC AUC", palette.BLUE, "o"),
        ("", "pr_auc"): ("PR AUC", palette.GREEN, "s"),
        ("", "accuracy"): ("accuracy", palette.ORANGE, "^"),
    },
    "Between groups": {
        ("all", "mean_equalized_odds_difference"): ("mean equalized odds difference", palette.VERMILION, "D"),
    },
}
_ATTENTION = ListedColormap(matplotlib.colormaps["viridis_r"](np.linspace(0.08, 1, 256)))


def in_words(metric: str) -> str:
    """A metric's name as it stands on an axis."""
    return metric.replace("_", " ").replace("roc auc", "ROC AUC").replace("pr auc", "PR AUC")


def nothing(axes: Axes, text: str) -> None:
    """Says in the middle of a panel what it lacks."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=palette.ALARM)
    axes.grid(visible=False)
    axes.set(xticks=[], yticks=[])


def by_domain(intervals: pd.DataFrame, metric: str, split: str = "evaluate") -> Figure:
    """The paper's Figures 3 and A2: a metric of every method in every domain, with 95 % intervals over patients.

    A panel for each kind of method; in those without MTATE a line is MTATE's value. A value that is not defined, as
    where a group has no deaths, is a cross on the axis.

    Args:
      intervals: Of the study: method, split, task (the domain, "all" for their mean), metric, estimate, low, high.
      metric: "mean_equalized_odds_difference" (Figure 3), "pr_auc_difference" (A2), or any other of a domain.
      split: The test set.
    """
    rows = intervals[(intervals["metric"] == metric) & (intervals["split"] == split) & (intervals["task"] != "")]
    domains = [name for name in rows["task"].unique() if name != "all"]
    domains += ["all"] * bool((rows["task"] == "all").any())
    methods = in_order(rows["method"])
    others = [name for name in methods if not any(name in panel for panel in PANELS.values())]
    panels = {title: [name for name in methods if name in panel] for title, panel in PANELS.items()}
    panels = {title: names for title, names in (panels | {"Others": others}).items() if names}
    drawing = Figure(figsize=(8.4, 0.75 + 2.05 * max(len(panels), 1)), layout="constrained")
    grid = drawing.subplots(max(len(panels), 1), 1, squeeze=False, sharex=True, sharey=True)[:, 0]
    if not panels:
        nothing(grid[0], f"this run has no {in_words(metric)} by domain")
        return drawing
    values = rows.set_index(["method", "task"])[["estimate", "low", "high"]]
    for axes, (title, names) in zip(grid, panels.items(), strict=True):
        axes.set(title=title, ylabel=in_words(metric).replace(" odds ", " odds\n"))
        axes.grid(visible=False, axis="x")
        if "all" in domains:
            axes.axvspan(len(domains) - 1.5, len(domains) - 0.5, color="#f1f3f6", zorder=-2, linewidth=0)
        for place in range(1, len(domains)):
            axes.axvline(place - 0.5, color="#d5d8de", linewidth=0.6, zorder=-1)
        if "mtate" in methods and "mtate" not in names:
            own = values.loc["mtate"].reindex(domains)["estimate"].to_numpy()
            center = np.arange(len(domains))
            drawn = {"color": style("mtate").color, "linewidth": 0.9, "alpha": 0.7, "label": "MTATE, as above"}
            axes.hlines(own, center - 0.46, center + 0.46, **drawn)
        undefined = _dodged(axes, values, names, domains)
        handles, _ = axes.get_legend_handles_labels()
        if undefined:
            handles.append(_undefined())
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.005, 1.03), fontsize=7.5, borderpad=0)
    finite = values[np.isfinite(values["estimate"])]
    low, high = finite.min(axis=None), finite.max(axis=None)
    if len(finite):
        margin = 0.05 * max(high - min(low, 0), 0.02)
        grid[0].set_ylim(0 if low >= 0 else low - margin, high + margin)
    labels = ["mean" if name == "all" else domain(name).title for name in domains]
    grid[-1].set_xticks(range(len(domains)), labels)
    if len(domains) > 6:
        grid[-1].tick_params(axis="x", labelrotation=25)
        for label in grid[-1].get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    grid[-1].set_xlim(-0.5, len(domains) - 0.5)
    return drawing


def _dodged(axes: Axes, values: pd.DataFrame, names: Sequence[str], domains: Sequence[str]) -> bool:
    """Each method's marks side by side; whether one of them is not defined."""
    undefined = False
    for name, offset in zip(names, 0.8 * (np.arange(len(names)) + 0.5) / len(names) - 0.4, strict=True):
        drawn = style(name)
        found = values.loc[name].reindex(domains)
        here = np.isin(domains, values.loc[name].index)
        at = np.arange(len(domains)) + offset
        estimate, low, high = found.to_numpy(dtype=float).T
        known = np.isfinite(low) & np.isfinite(high)
        # Not as error bars: a gap is biased upwards in resamples, so that its interval may lie above it.
        axes.vlines(at[known], low[known], high[known], color=drawn.color, linewidth=1, alpha=0.6)
        axes.plot(at, estimate, label=textwrap.fill(drawn.label, 24), zorder=3, **mark(name, 4.5))
        undefined |= _crosses(axes, at[here & ~np.isfinite(estimate)])
    return undefined


def mark(name: str, size: float) -> dict[str, Any]:
    """How a method's marker is drawn: MTATE's is larger, and one that is nothing but strokes has broad ones."""
    drawn = style(name)
    strokes = drawn.marker in {"1", "2", "3", "4", "_", "|"}
    size *= 1.35 if name == "mtate" else 1.6 if strokes else 1
    look = {"marker": drawn.marker, "color": drawn.color, "ls": ""}
    return look | {"markersize": size, "markeredgewidth": 1.8 if strokes else 0.5}


def _crosses(axes: Axes, at: np.ndarray) -> bool:
    """A cross on the axis for each value that is not defined; whether there is one."""
    if len(at):
        look = {"marker": "x", "ls": "", "color": palette.ALARM, "markersize": 4.5, "zorder": 4, "gid": "undefined"}
        axes.plot(at, np.full(len(at), 0.03), transform=axes.get_xaxis_transform(), **look)
    return len(at) > 0


def _undefined() -> Line2D:
    return Line2D([], [], color=palette.ALARM, marker="x", ls="", label="undefined")


def attention_correlation(table: pd.DataFrame) -> pd.DataFrame:
    """Pearson's correlation of representation-wise attention and domain loss: domain, r, folds, examples.

    The mean over folds of the correlation within each: folds have different models, of which one may look at a domain
    that another leaves aside, and pooled they would show a correlation that none of them has.
    """
    rows = []
    for name, own in table.groupby("domain", sort=False):
        own = own[np.isfinite(own["domain_loss"]) & np.isfinite(own["weight"])]
        found = [
            np.corrcoef(part["domain_loss"], part["weight"])[0, 1]
            for _, part in own.groupby("fold")
            if len(part) > 2 and part["domain_loss"].std() > 0 and part["weight"].std() > 0
        ]
        rows.append((name, np.mean(found) if found else np.nan, len(found), len(own)))
    return pd.DataFrame(rows, columns=["domain", "r", "folds", "examples"])


def attention(table: pd.DataFrame) -> Figure:
    """The paper's Figure 4: outcome loss against domain loss, coloured by representation-wise attention.

    The line is the running mean of the outcome loss over a tenth of the examples; r is `attention_correlation`.

    Args:
      table: domain, fold, outcome_loss, domain_loss, weight.
    """
    correlation = attention_correlation(table)
    if correlation.empty:
        drawing = Figure(figsize=(8.4, 3.2), layout="constrained")
        nothing(drawing.subplots(), "this run has no table of MTATE's attention")
        return drawing
    columns = min(3, len(correlation))
    height = -(-len(correlation) // columns)
    drawing = Figure(figsize=(8.4, 0.5 + 2.5 * height), layout="constrained")
    grid = drawing.subplots(height, columns, squeeze=False, sharey=True).ravel()
    scale = Normalize(0, np.nanmax(table["weight"]) if table["weight"].notna().any() else 1)
    for axes, (name, r, _, _) in zip(grid, correlation.itertuples(index=False), strict=False):
        rows = table[table["domain"] == name]
        rows = rows[np.isfinite(rows[["outcome_loss", "domain_loss", "weight"]]).all(axis=1)]
        axes.set_title(domain(name).title.capitalize(), pad=15)
        axes.set_xlabel("domain loss")
        if rows.empty:
            nothing(axes, "no finite loss")
            continue
        rows = rows.sample(frac=1, random_state=0)  # In the table's order one fold would lie on another.
        few = len(rows) < 3000
        axes.scatter(
            rows["domain_loss"], rows["outcome_loss"], c=rows["weight"], cmap=_ATTENTION, norm=scale,
            s=9 if few else 4, alpha=0.55 if few else 0.35, linewidths=0, rasterized=True,
        )  # fmt: skip
        axes.set_xlim(0, None)
        x, y = running_mean(rows["domain_loss"].to_numpy(float), rows["outcome_loss"].to_numpy(float))
        halo = [patheffects.Stroke(linewidth=3, foreground="white"), patheffects.Normal()]
        axes.plot(x, y, color=palette.INK, linewidth=1.4, path_effects=halo)
        axes.text(
            0, 1.025, f"r = {number(r)}, n = {len(rows):,}", transform=axes.transAxes, color="#333a45", fontsize=7.5
        )
    for axes in grid[len(correlation) :]:
        axes.set_axis_off()
    for axes in grid[::columns]:
        axes.set_ylabel("outcome loss")
    shown = matplotlib.cm.ScalarMappable(scale, _ATTENTION)
    drawing.colorbar(shown, ax=grid, label="representation-wise attention", aspect=30, pad=0.015)
    handles = [
        Line2D([], [], color=palette.INK, label="running mean of the outcome loss, over a tenth of the examples"),
        Line2D([], [], ls="", label="r: correlation of attention and domain loss, mean over folds"),
    ]
    drawing.legend(handles=handles, loc="outside lower center", ncols=2)
    return drawing


def running_mean(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of x and of y over each tenth of the examples that are neighbours in x."""
    order = np.argsort(x, kind="stable")
    width = max(len(x) // 10, 1)
    ones = np.ones(width) / width
    return np.convolve(x[order], ones, "valid"), np.convolve(y[order], ones, "valid")


def masking(results: pd.DataFrame) -> Figure:
    """The paper's Figure A3: detection, and beside it the gap between groups, by masking rate.

    Means over seeds; bars are 95 % intervals of these.

    Args:
      results: The run's, of which the rows of arms `masking_0` to `masking_9` on the whole test set count.
    """
    rates = {name: tenths / 10 for tenths, name in enumerate(kinds.MASKING)}
    rows = results[(results["stage"] == "evaluation") & (results["split"] == "evaluate")]
    rows = rows[rows["method"].isin(list(rates))]
    rows = rows.assign(task=rows["task"].astype(object).where(rows["task"].notna(), ""))
    drawing = Figure(figsize=(8.4, 3.3), layout="constrained")
    panels = drawing.subplots(1, len(MASKING))
    absent = [f"{rate:.1f}" for name, rate in rates.items() if not (rows["method"] == name).any()]
    undefined = False
    for axes, (title, lines) in zip(panels, MASKING.items(), strict=True):
        axes.set(title=title, xlabel="masking rate")
        if len(absent) == len(rates):
            nothing(axes, "this run has no arm by masking rate")
            continue
        means, ends = [], []
        for (task, metric), (label, color, marker) in lines.items():
            own = rows[(rows["task"] == task) & (rows["metric"] == metric)]
            # A gap is a distance: it is not negative, as other differences may be.
            found = summarize(own, ["method"], bounds=(0, 1)).set_index("method")[["mean", "low", "high"]]
            found = found.reindex(list(rates)).to_numpy(dtype=float).T
            at = np.array(list(rates.values()))
            mean, low, high = found
            known = np.isfinite(low)
            axes.vlines(at[known], low[known], high[known], color=color, linewidth=1)
            axes.plot(at, mean, marker=marker, color=color, markersize=5, label=label)
            undefined |= _crosses(axes, at[np.isin(list(rates), own["method"]) & ~np.isfinite(mean)])
            means.extend(mean)
            ends.extend([*mean, *low, *high])
        ends = np.array(ends)[np.isfinite(ends)]
        if len(ends):
            low, high = frame_of_means(means, (ends.min(), ends.max()))
            margin = 0.06 * max(high - low, 0.02)
            axes.set_ylim(low - margin, high + margin)
        axes.axvline(PAPERS_RATE, color=palette.FAINT, linewidth=0.8, linestyle=":", zorder=0)
        axes.text(PAPERS_RATE, 1.0, " the paper's choice", transform=axes.get_xaxis_transform(), fontsize=7, va="top",
                  color=palette.FAINT)  # fmt: skip
        axes.set_xticks(list(rates.values()))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.1f}"))
        axes.set_xlim(-0.05, 0.95)
    if 0 < len(absent) < len(rates):
        text = f"not in this run: {', '.join(absent)}"
        drawing.suptitle(text, x=0.01, ha="left", fontsize=7.5, color=palette.ALARM)
    handles = [handle for axes in panels for handle in axes.get_legend_handles_labels()[0]]
    handles += [_undefined()] * undefined
    if handles:
        drawing.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return drawing
