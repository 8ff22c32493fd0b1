"""How MTATE's attention to its domains goes together with their losses, as a figure."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.mtate.domains import domain
from experiments.mtate.marks import nothing
from experiments.report import style as palette
from experiments.report.cells import number

_ATTENTION = ListedColormap(matplotlib.colormaps["viridis_r"](np.linspace(0.08, 1, 256)))


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
