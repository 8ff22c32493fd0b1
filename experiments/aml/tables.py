"""The age study's tables: arms by metric, arms against their controls, and the paper's figures beside ours."""

import pandas as pd

from experiments.aml.styles import control_of, style
from experiments.report.blocks import Table
from experiments.report.tables import Published, control_table, published_table

# From the paper's section 3.
PAPER = (
    Published("baseline", "accuracy", "accuracy", "fraction", 0.87),
    Published("baseline", "sensitivity", "sensitivity", "fraction", 0.88),
    Published("baseline", "specificity", "specificity", "fraction", 0.87),
    Published("age_head", "age_pearson", "correlation with age", "correlation", 0.67),
    Published("reversed_mse", "accuracy", "accuracy", "fraction", 0.82),
    Published("reversed_mse", "age_pearson", "correlation with age", "correlation", -0.78),
    Published("ncov", "accuracy", "accuracy", "fraction", 0.85),
    Published("ncov", "age_pearson", "correlation with age", "correlation", -0.03),
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


def differences(values: pd.DataFrame, arms: pd.DataFrame, caption: str) -> Table:
    """Each arm minus its control, paired by seed and fold."""
    pairs = []
    for arm in arms.itertuples():
        name, other = control_of(values, arm.method)
        pairs.append((arm.arm, values[values["arm"] == arm.arm], name, other))
    return control_table(pairs, DIFFERENCES, caption)


def paper_table(shown: pd.DataFrame, counts: pd.DataFrame, intervals: pd.DataFrame) -> Table:
    """The paper's figures beside ours, with the interval over members and the one over subjects."""
    caption = (
        "The paper's figures, of one run and one split, beside ours: mean ± SD over n members. The interval over "
        "members says how far another seed may lead; the one over subjects (bootstrap, ends averaged over members; "
        "none of fewer than two subjects) how far other patients may."
    )
    arms = counts[counts["shown"]].set_index("method")
    by_subject = interval_means(intervals, shown).set_index(["method", "metric"])
    labels = {published.method: style(published.method).label for published in PAPER}
    return published_table(PAPER, shown, arms, labels, by_subject, caption)


def interval_means(intervals: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    rows = intervals.drop_duplicates(["member", "method", "metric"], keep="last")
    keys = ["member", "method", "metric"]
    rows = rows.merge(values[[*keys, "arm", "unit"]].drop_duplicates(keys), on=keys)
    order = ["arm", "method", "metric", "unit"]
    means = rows.groupby(order, sort=False)[["estimate", "low", "high"]].mean()
    return means.assign(n=rows.groupby(order, sort=False)["estimate"].count()).reset_index()
