"""One patient of the fairness study as MTATE sees it: what was measured, and where its three attentions go."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from experiments.mtate.domains import domain
from experiments.mtate.marks import nothing
from experiments.mtate.styles import style
from experiments.report import style as palette
from experiments.report.cells import MINUS, number

SPAN = 3.0  # Standard deviations at which the colours of values end.
_MASKED = "#d3d6db"
_RECEIVED = LinearSegmentedColormap.from_list("received", ["#fff6ec", style("mtate").color, "#5c2500"])
# Inches. Places are computed rather than found by matplotlib, whose layout would leave room above the measurements for
# the domains' names beside them.
_WIDTH, _ROW, _DOMAIN, _LETTER = 8.4, 0.165, 0.23, 0.061


def patient(values: pd.DataFrame, hours: pd.DataFrame, variables: pd.DataFrame, domains: pd.DataFrame) -> Figure:
    """Measurements by hour, above them attention by hour, beside them by variable, below them the domains.

    A row for each variable that was measured at least once; hours without a measurement are white, though the network
    is given the last value. Feature attention is grey where the domain's mask took the variable away. Of each domain
    the lower left panel shows the classifier's probability between the names of the two groups, the patient's own as a
    filled mark at its end.

    Args:
      values: hour, variable, value, standardized.
      hours: hour, attention.
      variables: domain, variable, attention.
      domains: domain, group, probability, weight, id, risk.
    """
    measured = values[values["value"].notna()]
    names = [name for name in values["variable"].unique() if (measured["variable"] == name).any()]
    if not names or domains.empty:
        drawing = Figure(figsize=(8.4, 3.0), layout="constrained")
        lacking = "no measurements" if not names else "no domains"
        nothing(drawing.subplots(), f"this run's table of one patient has {lacking}")
        return drawing
    keys = list(domains["domain"])
    titles = [domain(key).title for key in keys]
    groups = [domain(key).groups for key in keys]
    left = max(_LETTER * max(map(len, names)) + 0.15, 0.85)
    beside = max(0.27 * len(keys), 1.0)
    heat = (left, _WIDTH - left - 0.85 - beside - 0.15)
    high = max(0.75, _LETTER * max(map(len, titles)) - 0.25)
    rows = _ROW * max(len(names), 4)
    lowest = _DOMAIN * max(len(keys), 2)
    names_at = [_LETTER * max(len(pair[side]) for pair in groups) + 0.2 for side in (0, 1)]
    title_at = _LETTER * max(map(len, titles)) + 0.15
    free = _WIDTH - sum(names_at) - title_at - 0.35
    below = (names_at[0], 0.58 * free)
    weights = (sum(names_at) + below[1] + 0.1 + title_at, 0.42 * free)
    # From below, each with what is written under it.
    bottom = {"domains": 0.5}
    bottom["bar"] = bottom["domains"] + lowest + 0.85
    bottom["heat"] = bottom["bar"] + 0.55
    bottom["top"] = bottom["heat"] + rows + 0.22
    height = bottom["top"] + high + 0.4
    drawing = Figure(figsize=(_WIDTH, height))

    def panel(across: tuple[float, float], from_below: str, tall: float) -> Axes:
        return drawing.add_axes(
            (across[0] / _WIDTH, bottom[from_below] / height, across[1] / _WIDTH, tall / height)
        )  # fmt: skip

    side = (_WIDTH - 0.15 - beside, beside)
    measurements, received = panel(heat, "heat", rows), panel(side, "heat", rows)
    top = panel(heat, "top", high)
    bars = panel((left + 0.15 * heat[1], 0.7 * heat[1]), "bar", 0.09), panel(side, "bar", 0.09)
    times = np.sort(values["hour"].unique())
    _heat(measurements, bars[0], measured, names, times)
    _hours(top, hours, times)
    _received(received, bars[1], variables, names, keys)
    _classified(panel(below, "domains", lowest), domains, groups)
    _weighted(panel(weights, "domains", lowest), domains, titles)
    first = domains.iloc[0]
    title = f"Patient {first['id']}: predicted risk {number(first['risk'])}"
    drawing.suptitle(title, x=0.015, y=1 - 0.12 / height, ha="left", va="top", fontweight="bold", fontsize=10)
    never = [name for name in values["variable"].unique() if name not in names]
    if never:
        text = ", ".join(never) if len(never) < 5 else f"{', '.join(never[:4])} and {len(never) - 4} more"
        measurements.set_xlabel(f"hours since admission (never measured: {text})")
    return drawing


def _heat(axes: Axes, bar_axes: Axes, measured: pd.DataFrame, names: list[str], times: np.ndarray) -> None:
    """Standardised values by hour; at the right the range of what was measured, in its own unit."""
    wide = measured.pivot(index="variable", columns="hour", values="standardized").reindex(names).reindex(columns=times)
    colors = matplotlib.colormaps["coolwarm"].with_extremes(bad="white")  # Grey in the middle: white is missing.
    edges = np.append(times, times[-1] + 1)
    scale = Normalize(-SPAN, SPAN)
    image = axes.pcolormesh(edges, np.arange(len(names) + 1) - 0.5, wide.to_numpy(float), cmap=colors, norm=scale)
    axes.set_yticks(range(len(names)), names, fontsize=7.5)
    axes.set(ylim=(len(names) - 0.5, -0.5), xlim=(edges[0], edges[-1]), xlabel="hours since admission")
    axes.grid(visible=False)
    axes.hlines(np.arange(1, len(names)) - 0.5, edges[0], edges[-1], color="#e6e8ec", linewidth=0.5)
    ends = measured.groupby("variable")["value"].agg(["min", "max"]).loc[names]
    right = axes.twinx()
    right.set_yticks(range(len(names)), [_range(*pair) for pair in ends.to_numpy(float)], fontsize=6.5)
    right.set_ylim(len(names) - 0.5, -0.5)
    right.tick_params(length=0, pad=2)
    right.grid(visible=False)
    right.spines["right"].set_visible(False)
    right.set_title("measured", loc="right", fontsize=6.5, fontweight="normal", color=palette.FAINT, pad=3)
    bar = axes.figure.colorbar(image, cax=bar_axes, orientation="horizontal", extend="both")
    bar.set_label("value in standard deviations from the mean; white: not measured", fontsize=7.5)


def _range(low: float, high: float) -> str:
    ends = [f"{end:.3g}" if abs(end) < 1000 else f"{end:.0f}" for end in (low, high)]
    return (ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}").replace("-", MINUS)


def _hours(axes: Axes, hours: pd.DataFrame, times: np.ndarray) -> None:
    rows = hours[np.isfinite(hours["attention"].to_numpy(float))]
    axes.set_ylabel("temporal\nattention")
    axes.tick_params(labelbottom=False)
    axes.set_xlim(times[0], times[-1] + 1)
    if rows.empty:
        axes.text(0.5, 0.5, "no temporal attention", transform=axes.transAxes, ha="center", color=palette.ALARM)
        return
    axes.bar(rows["hour"], rows["attention"], width=1, align="edge", color=style("mtate").color, edgecolor="white",
             linewidth=0.5)  # fmt: skip
    axes.axhline(1 / len(times), color=palette.FAINT, linewidth=0.8, linestyle=":")
    axes.text(1.005, 1 / len(times), "equal", transform=axes.get_yaxis_transform(), fontsize=6.5, va="center",
              color=palette.FAINT)  # fmt: skip
    axes.grid(visible=False, axis="x")


def _received(axes: Axes, bar_axes: Axes, variables: pd.DataFrame, names: list[str], keys: list[str]) -> None:
    wide = variables.pivot(index="variable", columns="domain", values="attention").reindex(names).reindex(columns=keys)
    attention = wide.to_numpy(float)
    colors = _RECEIVED.with_extremes(bad=_MASKED)
    largest = np.nanmax(attention) if np.isfinite(attention).any() else 1.0
    edges = np.arange(len(keys) + 1) - 0.5, np.arange(len(names) + 1) - 0.5
    image = axes.pcolormesh(
        *edges, attention, cmap=colors, norm=Normalize(0, largest), edgecolors="white", linewidth=0.6
    )
    axes.set(ylim=(len(names) - 0.5, -0.5), yticks=[])
    axes.set_xticks(range(len(keys)), [domain(name).title for name in keys], rotation=90, fontsize=7.5)
    axes.tick_params(axis="x", labeltop=True, labelbottom=False, top=True, bottom=False, length=0)
    axes.grid(visible=False)
    bar = axes.figure.colorbar(image, cax=bar_axes, orientation="horizontal")
    bar.set_label("feature attention;\ngrey: masked", fontsize=7.5)
    bar.ax.locator_params(nbins=3)


def _classified(axes: Axes, domains: pd.DataFrame, groups: list[tuple[str, str]]) -> None:
    """The classifiers' probabilities of group 1, from the name of group 0 at the left to that of group 1."""
    color = style("mtate").color
    right = axes.twinx()
    for place, row in enumerate(domains.itertuples()):
        axes.axhline(place, color="#d5d8de", linewidth=0.8, zorder=1)
        known = row.group in (0, 1)
        if known:
            axes.plot(row.group, place, "s", color=palette.INK, markersize=5, clip_on=False, zorder=3)
        if known and np.isfinite(row.probability):
            axes.plot([row.group, row.probability], [place, place], color=color, linewidth=2, alpha=0.45, zorder=2)
        if np.isfinite(row.probability):
            axes.plot(row.probability, place, "o", color=color, markersize=5, clip_on=False, zorder=4)
        else:
            axes.text(0.5, place, "undefined", color=palette.ALARM, fontsize=7, ha="center", va="bottom")
    for own, side in ((axes, 0), (right, 1)):
        own.set_yticks(range(len(groups)), [pair[side] for pair in groups], fontsize=7.5)
        own.set_ylim(len(groups) - 0.5, -0.5)
        own.tick_params(length=0, pad=6)
        own.grid(visible=False, axis="y")
        for label, group in zip(own.get_yticklabels(), domains["group"], strict=True):
            label.set(fontweight="bold" if group == side else "normal", color=palette.INK)
    right.grid(visible=False)
    axes.set(xlim=(0, 1), xlabel="probability of the group at the right")
    axes.set_title("Domain classifiers: ■ own group, ● prediction", fontsize=8)


def _weighted(axes: Axes, domains: pd.DataFrame, titles: list[str]) -> None:
    weights = domains["weight"].to_numpy(float)
    axes.barh(range(len(weights)), np.nan_to_num(weights), color=style("mtate").color, height=0.65)
    for place, weight in enumerate(weights):
        finite = np.isfinite(weight)
        text = f" {weight:.2f}" if finite else " undefined"
        look = {"color": palette.INK if finite else palette.ALARM, "fontsize": 7, "va": "center"}
        axes.text(weight if finite else 0, place, text, **look)
    axes.set_yticks(range(len(weights)), titles, fontsize=7.5)
    axes.set(ylim=(len(weights) - 0.5, -0.5), xlim=(0, 1.2 * max(np.nan_to_num(weights).max(), 0.01)))
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_title("Representation-wise attention", fontsize=8, loc="right")
