"""The rates that groups are compared by, each of a row of examples, with what each of them needs to be defined.

Those that decisions at a threshold decide are functions of the four outcomes, which are summed once for all of them;
the others read `rate(predictions, targets, mask=None, weights=None)` like all metrics of this package.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxfair.metrics.classification import Confusion, confusion, pr_auc, roc_auc
from jaxfair.metrics.counted import counted, ratio
from jaxfair.metrics.float64 import prepared_by, sides


def _selection(outcomes: Confusion) -> jax.Array:
    return ratio(outcomes.true_positives + outcomes.false_positives, sum(outcomes))


def _true_positive(outcomes: Confusion) -> jax.Array:
    return ratio(outcomes.true_positives, outcomes.true_positives + outcomes.false_negatives)


def _false_positive(outcomes: Confusion) -> jax.Array:
    return ratio(outcomes.false_positives, outcomes.false_positives + outcomes.true_negatives)


def _true_negative(outcomes: Confusion) -> jax.Array:
    return ratio(outcomes.true_negatives, outcomes.false_positives + outcomes.true_negatives)


def _false_negative(outcomes: Confusion) -> jax.Array:
    return ratio(outcomes.false_negatives, outcomes.true_positives + outcomes.false_negatives)


def _positive_predictive_value(outcomes: Confusion) -> jax.Array:
    return ratio(outcomes.true_positives, outcomes.true_positives + outcomes.false_positives)


def _accuracy(outcomes: Confusion) -> jax.Array:
    return ratio(outcomes.true_positives + outcomes.true_negatives, sum(outcomes))


def _balanced_accuracy(outcomes: Confusion) -> jax.Array:
    return (_true_positive(outcomes) + _true_negative(outcomes)) / 2


def _f1(outcomes: Confusion) -> jax.Array:
    tp, fp, _, fn = outcomes
    return ratio(2 * tp, 2 * tp + fp + fn)


@prepared_by(sides)
def selection_rate(predictions, targets, mask=None, weights=None, *, threshold=0.5) -> jax.Array:
    """The share of examples that are called positive, whatever they are; of `targets` only whether they are known.

    Args: as `confusion`. Returns `[...]`, NaN where no example counts.
    """
    return _selection(confusion(predictions, targets, mask, weights, threshold=threshold))


@prepared_by(sides)
def false_positive_rate(predictions, targets, mask=None, weights=None, *, threshold=0.5) -> jax.Array:
    """The share of negatives that are called positive, FP / (FP + TN).

    Args: as `confusion`. Returns `[...]`, NaN where no negative counts.
    """
    return _false_positive(confusion(predictions, targets, mask, weights, threshold=threshold))


@prepared_by(sides)
def false_negative_rate(predictions, targets, mask=None, weights=None, *, threshold=0.5) -> jax.Array:
    """The share of positives that are missed, FN / (FN + TP).

    Args: as `confusion`. Returns `[...]`, NaN where no positive counts.
    """
    return _false_negative(confusion(predictions, targets, mask, weights, threshold=threshold))


def calibration_bias(predictions, targets, mask=None, weights=None) -> jax.Array:
    """Calibration in the large: the mean predicted probability minus the observed rate, `sum w (p - t) / sum w`.

    Above 0 the risk is overestimated. A group can have 0 here and be wrong at every level of risk: see
    `expected_calibration_error`.

    Args: as `confusion`; the predictions are probabilities. Returns `[...]` in [-1, 1], NaN where no example counts, or
      a prediction that counts is no probability.
    """
    predictions, targets, weights = _probabilities(predictions, targets, mask, weights)
    return _mean(weights * (predictions - (targets > 0.5)), weights)


def expected_calibration_error(predictions, targets, mask=None, weights=None, *, num_bins: int = 10) -> jax.Array:
    """The mean over examples of how far their bin's mean prediction is from its observed rate.

    `sum_b |sum_{i in b} w_i (p_i - t_i)| / sum_i w_i`, bin b holding the predictions in `[b, b + 1) / num_bins` and the
    last one 1 too. It is biased upwards in small samples, and the more so the smaller: a small group looks worse
    calibrated than a large one with the same model.

    Args: as `calibration_bias`; `num_bins` is static. Returns `[...]` in [0, 1], NaN likewise.

    References:
      Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015.
    """
    predictions, targets, weights = _probabilities(predictions, targets, mask, weights)
    bins = jnp.clip(jnp.floor(predictions * num_bins), 0, num_bins - 1)
    surplus = weights * (predictions - (targets > 0.5))
    inside = bins[..., None, :] == jnp.arange(num_bins)[:, None]
    by_bin = jnp.sum(jnp.where(inside, surplus[..., None, :], 0), axis=-1)
    return ratio(jnp.sum(jnp.abs(by_bin), axis=-1), jnp.sum(weights, axis=-1))


def _probabilities(predictions, targets, mask, weights):
    """As `counted`; a prediction outside [0, 1] that counts spoils its row as NaN does: it is a logit, perhaps."""
    predictions, targets, weights = counted(predictions, targets, mask, weights)
    outside = jnp.any((weights != 0) & ((predictions < 0) | (predictions > 1)), axis=-1, keepdims=True)
    return predictions, targets, jnp.where(outside, jnp.nan, weights)


def _mean(weighted, weights):
    return ratio(jnp.sum(weighted, axis=-1), jnp.sum(weights, axis=-1))


class Rate(NamedTuple):
    """A rate with what it needs.

    Attributes:
      metric: `metric(predictions, targets, mask, weights) -> [...]`; of a rate that reads decisions, the same of their
        `Confusion` alone, which all such rates share.
      needs: Of which examples there must be some: "examples", "positives", "negatives", "called" (called positive) or
        "both" (positives and negatives; their count is that of the fewer).
      reads: What it reads of predictions, which says how float64 is prepared for it: the "decision" at a threshold,
        their "order", or the "value".
    """

    metric: Callable[..., jax.Array]
    needs: str = "examples"
    reads: str = "value"


RATES = {
    "selection_rate": Rate(_selection, "examples", "decision"),
    "true_positive_rate": Rate(_true_positive, "positives", "decision"),
    "false_positive_rate": Rate(_false_positive, "negatives", "decision"),
    "true_negative_rate": Rate(_true_negative, "negatives", "decision"),
    "false_negative_rate": Rate(_false_negative, "positives", "decision"),
    "positive_predictive_value": Rate(_positive_predictive_value, "called", "decision"),
    "accuracy": Rate(_accuracy, "examples", "decision"),
    "balanced_accuracy": Rate(_balanced_accuracy, "both", "decision"),
    "f1": Rate(_f1, "examples", "decision"),
    "roc_auc": Rate(roc_auc, "both", "order"),
    "pr_auc": Rate(pr_auc, "positives", "order"),
    "calibration_bias": Rate(calibration_bias, "examples", "value"),
    "expected_calibration_error": Rate(expected_calibration_error, "examples", "value"),
}


def rate_named(rate: str | Callable) -> Rate:
    """The `Rate` of a name, or of a metric of one's own, which needs examples.

    Raises:
      ValueError: No rate has this name.
    """
    if callable(rate):
        return Rate(rate)
    if rate not in RATES:
        raise ValueError(f"There is no rate {rate!r}; there are {', '.join(RATES)}, or pass a metric.")
    return RATES[rate]
