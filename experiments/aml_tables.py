"""The age study's tables: arms by metric, arms against their controls, and the paper's figures beside ours."""

from collections.abc import Mapping

import pandas as pd

from experiments.aml_arms import control_of, style
from experiments.report import Table
from experiments.report_tables import Cell, cell, interval, number, summarize

# (method, metric, what, unit, the paper's value), from its section 3.
PAPER = (
    ("baseline", "accuracy", "accuracy", "fraction", 0.87),
    ("baseline", "sensitivity", "sensitivity", "fraction", 0.88),
    ("baseline", "specificity", "specificity", "fraction", 0.87),
    ("age_head", "age_pearson", "correlation with age", "correlation", 0.67),
    ("reversed_mse", "accuracy", "accuracy", "fraction", 0.82),
    ("reversed_mse", "age_pearson", "correlation with age", "correlation", -0.78),
    ("ncov", "accuracy", "accuracy", "fraction", 0.85),
    ("ncov", "age_pearson", "correlation with age", "correlation", -0.03),
)
PAPER_COUNTS = {"infarction": 1695, "healthy": 7735}

DETECTION = {
    "accuracy": ("accuracy", "fraction"),
    "majority_share": ("majority class", "fraction"),
    "sensitivity": ("sensitivity", "fraction"),
    "specificity": ("specificity", "fraction"),
    "roc_auc": ("ROC AUC", "fraction"),
    "pr_auc": ("PR AUC", "fraction"),
}
HEAD = {
    "age_pearson": ("correlation with age", "correlation"),
    "predicted_age_mean": ("mean prediction (years)", "years"),
    "predicted_age_std": ("SD of predictions (years)", "years"),
}
PROBES = {
    "probe_ridge_r2": ("ridge R²", "r2"),
    "probe_mlp_r2": ("MLP R²", "r2"),
    "probe_boosting_r2": ("boosting R²", "r2"),
}
HEALTHY_PROBES = {f"{name}_healthy": entry for name, entry in PROBES.items()} | {
    "score_age_pearson_healthy": ("MI score and age, r", "correlation")
}
DIFFERENCES = {
    "accuracy": ("accuracy", "fraction"),
    "roc_auc": ("ROC AUC", "fraction"),
    "age_pearson": ("frozen head r", "correlation"),
    "probe_ridge_r2_healthy": ("ridge R², healthy", "r2"),
    "probe_mlp_r2_healthy": ("MLP R², healthy", "r2"),
    "score_age_pearson_healthy": ("score and age r, healthy", "correlation"),
}


def arm_table(values: pd.DataFrame, counts: pd.DataFrame, metrics: Mapping[str, tuple], caption: str, **kept) -> Table:
    summary = summarize(values, ["arm", "metric"]).set_index(["arm", "metric"])
    rows = []
    for arm in counts.itertuples():
        if not any((arm.arm, metric) in summary.index for metric in metrics):
            continue
        ended = Cell(str(arm.members), f"{arm.diverged} diverged", alarm=True) if arm.diverged else str(arm.members)
        cells = [
            cell(
                summary.loc[(arm.arm, metric)] if (arm.arm, metric) in summary.index else None,
                unit,
                arm.members,
                arm.diverged,
            )
            for metric, (_, unit) in metrics.items()
        ]
        rows.append([arm.arm, ended, *cells])
    return Table(caption, ["arm", "n", *(name for name, _ in metrics.values())], rows, **kept)


def differences(values: pd.DataFrame, arms: pd.DataFrame) -> list[list]:
    rows = []
    pair = ["seed", "fold", "metric"]
    for arm in arms.itertuples():
        name, other = control_of(values, arm.method)
        own = values[values["arm"] == arm.arm]
        pairs = own.merge(other.drop_duplicates(pair), on=pair, suffixes=("", "_control"))
        pairs = pairs[pairs["metric"].isin(list(DIFFERENCES))]
        if pairs.empty or name == arm.arm:
            continue
        pairs = pairs.assign(value=pairs["value"] - pairs["value_control"])
        summary = summarize(pairs, ["metric"]).set_index("metric")
        total = int((summary["n"] + summary["missing"]).max())
        cells = [
            cell(summary.loc[metric] if metric in summary.index else None, unit, total)
            for metric, (_, unit) in DIFFERENCES.items()
        ]
        rows.append([Cell(arm.arm, f"minus {name}"), str(total), *cells])
    return rows


def paper_table(shown: pd.DataFrame, counts: pd.DataFrame, intervals: pd.DataFrame) -> Table:
    """The paper's figures beside ours, with the interval over members and the one over subjects."""
    summary = summarize(shown, ["method", "metric"]).set_index(["method", "metric"])
    arms = counts[counts["shown"]].set_index("method")
    by_subject = interval_means(intervals, shown).set_index(["method", "metric"])
    rows = []
    for method, metric, what, unit, paper in PAPER:
        ours = summary.loc[(method, metric)] if (method, metric) in summary.index else None
        total, diverged = (
            int(arms.loc[method, name]) if method in arms.index else 0 for name in ("members", "diverged")
        )
        written = cell(ours, unit, total, diverged)
        known = ours is not None and ours["n"] > 0
        subjects = by_subject.loc[(method, metric)] if (method, metric) in by_subject.index else None
        rows.append(
            [
                style(method).label,
                what,
                number(paper).rstrip("0"),
                Cell(written.main, f"{diverged} of {total} diverged" if diverged else "", written.alarm),
                interval(ours["low"], ours["high"], unit) or "–" if known else "–",
                number(ours["n"] if ours is not None else 0, "count"),
                interval(subjects["low"], subjects["high"], unit) or "–" if subjects is not None else "–",
                number(ours["mean"] - paper, unit) if known else "–",
            ]
        )
    header = ["model", "figure", "paper", "ours", "95 % over members", "n", "95 % over subjects", "ours − paper"]
    caption = (
        "The paper's figures, of one run and one split, beside ours: mean ± SD over n members. The interval over "
        "members says how far another seed may lead; the one over subjects (bootstrap, bounds averaged over members) "
        "how far other patients may."
    )
    return Table(caption, header, rows, text_columns=2)


def interval_means(intervals: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    rows = intervals.drop_duplicates(["member", "method", "metric"], keep="last")
    keys = ["member", "method", "metric"]
    rows = rows.merge(values[[*keys, "arm", "unit"]].drop_duplicates(keys), on=keys)
    order = ["arm", "method", "metric", "unit"]
    means = rows.groupby(order, sort=False)[["estimate", "low", "high"]].mean()
    return means.assign(n=rows.groupby(order, sort=False)["estimate"].count()).reset_index()
