"""Made-up tables for the fairness study's figures, and what a drawn figure holds."""

import io
import warnings

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg

GAP = "mean_equalized_odds_difference"


def intervals(methods, domains=("age", "sex"), seed=0):
    """Estimates that are all different, with intervals of which one lies above its estimate."""
    rng = np.random.default_rng(seed)
    rows = []
    for method in methods:
        for task, metric in [(task, GAP) for task in (*domains, "all")] + [("", "roc_auc")]:
            estimate = rng.uniform(0.05, 0.3) + (0.5 if metric == "roc_auc" else 0)
            rows.append((method, "evaluate", task, metric, estimate, estimate - 0.03, estimate + 0.05, 0))
    table = pd.DataFrame(rows, columns=["method", "split", "task", "metric", "estimate", "low", "high", "undefined"])
    table.loc[:0, "low"] = table["estimate"] + 0.01
    return table


def results(methods, seeds=3):
    """Result rows of an evaluation: ROC AUC and the like, and the gap over the domains."""
    rng = np.random.default_rng(1)
    asked = [(pd.NA, "roc_auc"), (pd.NA, "pr_auc"), (pd.NA, "accuracy"), ("all", GAP)]
    rows = [
        ("evaluation", "evaluate", method, seed, task, metric, rng.uniform(0.4, 0.6))
        for method in methods
        for seed in range(seeds)
        for task, metric in asked
    ]
    return pd.DataFrame(rows, columns=["stage", "split", "method", "seed", "task", "metric", "value"])


def texts(drawing):
    """Everything that stands in a figure, line breaks as spaces."""
    found = [text.get_text() for axes in drawing.axes for text in axes.texts]
    found += [text.get_text() for text in drawing.texts]
    legends = [*drawing.legends, *(axes.get_legend() for axes in drawing.axes if axes.get_legend())]
    found += [text.get_text() for legend in legends for text in legend.get_texts()]
    found += [axes.get_title(loc) for axes in drawing.axes for loc in ("left", "right")]
    found += [axes.get_xlabel() for axes in drawing.axes]
    if drawing.get_suptitle():
        found.append(drawing.get_suptitle())
    return [text.replace("\n", " ") for text in found if text]


def lines(axes, label):
    return next(line for line in axes.lines if str(line.get_label()).replace("\n", " ") == label)


def crosses(axes):
    return np.concatenate([line.get_xdata() for line in axes.lines if line.get_gid() == "undefined"] or [[]])


def bars(axes):
    """The vertical lines of a panel, `[line, (x, low, high)]`."""
    return bars_of(axes.collections)


def bars_of(collections):
    segments = [part for collection in collections for part in getattr(collection, "get_segments", list)()]
    return np.array([(part[0, 0], part[0, 1], part[1, 1]) for part in segments if part[0, 0] == part[1, 0]])


def drawn(drawing):
    """The figure's bytes, every warning of matplotlib an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FigureCanvasAgg(drawing).print_png(stream := io.BytesIO())
    return stream.getvalue()
