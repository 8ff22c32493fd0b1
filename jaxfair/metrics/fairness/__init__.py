"""Fairness between groups: rates by group, gaps with intervals, thresholds; `gap(predictions, targets, groups, ...)`.

Pure functions, batched over leading axes, that jit and vmap; only `group_table` and `gap_table` need pandas.
"""

from jaxfair.metrics.fairness.by_group import ByGroup, by_group, cross_group_auc
from jaxfair.metrics.fairness.conditional import ConditionalGap, conditional_gap
from jaxfair.metrics.fairness.continuous import band_codes, distance_correlation, hsic, quantile_bands
from jaxfair.metrics.fairness.gaps import GAPS, Gap, gap
from jaxfair.metrics.fairness.groups import group_codes, intersection
from jaxfair.metrics.fairness.intervals import gap_intervals, paired_gap_intervals
from jaxfair.metrics.fairness.named import (
    accuracy_difference,
    calibration_bias_difference,
    demographic_parity_difference,
    demographic_parity_ratio,
    equal_opportunity_difference,
    equal_opportunity_ratio,
    equalized_odds_difference,
    equalized_odds_ratio,
    expected_calibration_error_difference,
    pr_auc_difference,
    predictive_parity_difference,
    predictive_parity_ratio,
    roc_auc_difference,
    worst_group_accuracy,
    xauc_difference,
)
from jaxfair.metrics.fairness.rates import (
    RATES,
    calibration_bias,
    expected_calibration_error,
    false_negative_rate,
    false_positive_rate,
    selection_rate,
)
from jaxfair.metrics.fairness.table import gap_table, group_table
from jaxfair.metrics.fairness.thresholds import apply_threshold, choose_threshold, group_thresholds

__all__ = [
    "GAPS",
    "RATES",
    "ByGroup",
    "ConditionalGap",
    "Gap",
    "accuracy_difference",
    "apply_threshold",
    "band_codes",
    "by_group",
    "calibration_bias",
    "calibration_bias_difference",
    "choose_threshold",
    "conditional_gap",
    "cross_group_auc",
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "distance_correlation",
    "equal_opportunity_difference",
    "equal_opportunity_ratio",
    "equalized_odds_difference",
    "equalized_odds_ratio",
    "expected_calibration_error",
    "expected_calibration_error_difference",
    "false_negative_rate",
    "false_positive_rate",
    "gap",
    "gap_intervals",
    "gap_table",
    "group_codes",
    "group_table",
    "group_thresholds",
    "hsic",
    "intersection",
    "paired_gap_intervals",
    "pr_auc_difference",
    "predictive_parity_difference",
    "predictive_parity_ratio",
    "quantile_bands",
    "roc_auc_difference",
    "selection_rate",
    "worst_group_accuracy",
    "xauc_difference",
]
