"""Which values a figure can take: the bounds of each metric, by its name, and of a difference of two values."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Bounds(NamedTuple):
    """The least and the largest value that a figure can take, infinite where there is none."""

    low: float
    high: float


UNBOUNDED = Bounds(-np.inf, np.inf)
FRACTION = Bounds(0.0, 1.0)
CORRELATION = Bounds(-1.0, 1.0)
AT_MOST_ONE = Bounds(-np.inf, 1.0)
NOT_NEGATIVE = Bounds(0.0, np.inf)

# Each metric of this package by its name; below, words that studies' names of figures are made of.
BOUNDS = {
    "accuracy": FRACTION,
    "balanced_accuracy": FRACTION,
    "distance_correlation": FRACTION,
    "f1": FRACTION,
    "g_mean": FRACTION,
    "macro_recall": FRACTION,
    "majority_share": FRACTION,
    "pearson": CORRELATION,
    "pr_auc": FRACTION,
    "precision": FRACTION,
    "r2": AT_MOST_ONE,
    "roc_auc": FRACTION,
    "sensitivity": FRACTION,
    "spearman": CORRELATION,
    "specificity": FRACTION,
    # Rates by group and gaps between groups (`fairness`): a difference of them has bounds of its own, by its last word.
    "calibration_bias": CORRELATION,
    "demographic_parity": FRACTION,
    "demographic_parity_ratio": FRACTION,
    "equal_opportunity": FRACTION,
    "equal_opportunity_ratio": FRACTION,
    "equalized_odds": FRACTION,
    "equalized_odds_ratio": FRACTION,
    "expected_calibration_error": FRACTION,
    "false_negative_rate": FRACTION,
    "false_positive_rate": FRACTION,
    "positive_predictive_value": FRACTION,
    "predictive_parity": FRACTION,
    "predictive_parity_ratio": FRACTION,
    "selection_rate": FRACTION,
    "true_negative_rate": FRACTION,
    "true_positive_rate": FRACTION,
    "xauc": FRACTION,
    "error_rate": FRACTION,
    "success": FRACTION,
    "norm": NOT_NEGATIVE,
    "norm_ratio": NOT_NEGATIVE,
    "std": NOT_NEGATIVE,
    # Named, so that the loss or the ratio of a bounded figure is not taken for the figure itself.
    "loss": UNBOUNDED,
    "ratio": UNBOUNDED,
}


def bounds_of(metric: str | Callable) -> Bounds:
    """The bounds of a metric by its name, or by the last words of the name that have some: `BOUNDS` is the list.

    `score_age_pearson_healthy` is a `pearson`, `probe_ridge_r2` an `r2`, `counterfactual_norm_ratio` a `norm_ratio` and
    no `norm`. `X_difference` is a difference of two X (`minus_control` names it so). A name without a known word has no
    bounds: nothing is cut or bent that is not declared.

    Args:
      metric: A name as it stands in a table of results, its words joined by underscores; or a function of this package.
    """
    words = getattr(metric, "__name__", str(metric)).split("_")
    if "difference" in words[1:]:
        return difference_bounds(bounds_of("_".join(words[: words.index("difference", 1)])))
    for end in range(len(words), 0, -1):
        for start in range(end):
            name = "_".join(words[start:end])
            if name in BOUNDS:
                return BOUNDS[name]
    return UNBOUNDED


def difference_bounds(bounds: tuple[float, float]) -> Bounds:
    """The bounds of a difference of two values that have `bounds` each: [-1, 1] for two fractions."""
    low, high = bounds
    return Bounds(low - high, high - low)
