"""Metrics `metric(predictions, targets, mask=None, weights=None)`, batched over leading axes, with intervals."""

from jaxfair.metrics import fairness as fairness
from jaxfair.metrics.bootstrap import Interval, bootstrap_interval, resample_subjects
from jaxfair.metrics.bounds import Bounds, bounds_of, difference_bounds
from jaxfair.metrics.classification import (
    Confusion,
    accuracy,
    balanced_accuracy,
    confusion,
    f1,
    g_mean,
    macro_recall,
    majority_share,
    pr_auc,
    precision,
    roc_auc,
    sensitivity,
    specificity,
)
from jaxfair.metrics.correlation import distance_correlation, pearson, r2, spearman
from jaxfair.metrics.intervals import MeanInterval, mean_interval
from jaxfair.metrics.members import minus_control, mode, summarize
from jaxfair.metrics.paired import Difference, holm, paired_difference, verdict
from jaxfair.metrics.selection import OneStandardError, one_standard_error

__all__ = [
    "Bounds",
    "Confusion",
    "Difference",
    "Interval",
    "MeanInterval",
    "OneStandardError",
    "accuracy",
    "balanced_accuracy",
    "bootstrap_interval",
    "bounds_of",
    "confusion",
    "difference_bounds",
    "distance_correlation",
    "f1",
    "g_mean",
    "holm",
    "macro_recall",
    "majority_share",
    "mean_interval",
    "minus_control",
    "mode",
    "one_standard_error",
    "paired_difference",
    "pearson",
    "pr_auc",
    "precision",
    "r2",
    "resample_subjects",
    "roc_auc",
    "sensitivity",
    "spearman",
    "specificity",
    "summarize",
    "verdict",
]
