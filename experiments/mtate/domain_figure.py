"""The fairness study's methods by domain, as a figure: how differently each treats the two groups."""

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.mtate import kinds
from experiments.mtate.domains import domain
from experiments.mtate.marks import crosses, mark, nothing, undefined_handle
from experiments.mtate.styles import in_order, style

PANELS = {
    "The paper's methods": kinds.PAPER,
    "Other models, and models of MTATE's representation": ("gru_d", *kinds.SUMMARIES, *kinds.DOWNSTREAM),
    "LSTM with a method for fairness": (*kinds.FAIR_LSTMS, *kinds.RELABELLED),
    "MTATE without one of its parts, or chosen otherwise": (*kinds.ABLATIONS, *kinds.LEFT_OPEN),
    "MTATE by masking rate": kinds.MASKING,
}


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
        nothing(grid[0], f"this run has no {_in_words(metric)} by domain")
        return drawing
    values = rows.set_index(["method", "task"])[["estimate", "low", "high"]]
    for axes, (title, names) in zip(grid, panels.items(), strict=True):
        axes.set(title=title, ylabel=_in_words(metric).replace(" odds ", " odds\n"))
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
            handles.append(undefined_handle())
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
        undefined |= crosses(axes, at[here & ~np.isfinite(estimate)])
    return undefined


def _in_words(metric: str) -> str:
    """A metric's name as it stands on an axis."""
    return metric.replace("_", " ").replace("roc auc", "ROC AUC").replace("pr auc", "PR AUC")
