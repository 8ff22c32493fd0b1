"""MTATE by masking rate, as a figure."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from experiments.mtate.kinds import MASKING
from experiments.mtate.marks import crosses, nothing, undefined_handle
from experiments.mtate.published import BEST_RATE
from experiments.report import style as palette
from experiments.report.frames import frame_of_means
from jaxfair.metrics import summarize

PAPERS_RATE = BEST_RATE / 10
PANELS = {
    "Detection": {
        ("", "roc_auc"): ("ROC AUC", palette.BLUE, "o"),
        ("", "pr_auc"): ("PR AUC", palette.GREEN, "s"),
        ("", "accuracy"): ("accuracy", palette.ORANGE, "^"),
    },
    "Between groups": {
        ("all", "mean_equalized_odds_difference"): ("mean equalized odds difference", palette.VERMILION, "D"),
    },
}


def masking(results: pd.DataFrame) -> Figure:
    """The paper's Figure A3: detection, and beside it the gap between groups, by masking rate.

    Means over seeds; bars are 95 % intervals of these.

    Args:
      results: The run's, of which the rows of arms `masking_0` to `masking_9` on the whole test set count.
    """
    rates = {name: tenths / 10 for tenths, name in enumerate(MASKING)}
    rows = results[(results["stage"] == "evaluation") & (results["split"] == "evaluate")]
    rows = rows[rows["method"].isin(list(rates))]
    rows = rows.assign(task=rows["task"].astype(object).where(rows["task"].notna(), ""))
    drawing = Figure(figsize=(8.4, 3.3), layout="constrained")
    panels = drawing.subplots(1, len(PANELS))
    absent = [f"{rate:.1f}" for name, rate in rates.items() if not (rows["method"] == name).any()]
    undefined = False
    for axes, (title, lines) in zip(panels, PANELS.items(), strict=True):
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
            undefined |= crosses(axes, at[np.isin(list(rates), own["method"]) & ~np.isfinite(mean)])
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
    handles += [undefined_handle()] * undefined
    if handles:
        drawing.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return drawing
