"""How well scores separate two classes, at one threshold and over all thresholds.

All functions read `metric(predictions, targets, mask=None, weights=None)`: scores and 0/1 labels
`[..., example]` in, `[...]` out, batched over the leading axes. Masked examples may hold anything, also NaN. A
weight of 2 counts an example twice. What is not defined is NaN: a sensitivity without positives, or any
metric of a row in which a NaN counts.

Predicted positive means `predictions >= threshold`; the default of 0.5 is for probabilities, logits want 0. NumPy's
float64 and large whole numbers are compared and ranked as such, before JAX rounds them to float32 (`float64`).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxfair.metrics.counted import counted, ratio
from jaxfair.metrics.float64 import prepared_by, ranked_predictions, sides
from jaxfair.metrics.ranks import weight_below_and_through


class Confusion(NamedTuple):
    """Total weight of each outcome, `[...]` each."""

    true_positives: jax.Array
    false_positives: jax.Array
    true_negatives: jax.Array
    false_negatives: jax.Array


@prepared_by(sides)
def confusion(predictions, targets, mask=None, weights=None, *, threshold=0.5) -> Confusion:
    """Counts the four outcomes of a decision at `threshold`.

    Args:
      predictions: Scores `[..., example]`, higher for positive.
      targets: `[..., example]`, 1 for positive and 0 for negative.
      mask: `[..., example]`, true where an example counts.
      weights: `[..., example]`, not negative.
      threshold: The lowest score that is called positive.

    Returns:
      The four totals, `[...]` each.
    """
    predictions, targets, weights = counted(predictions, targets, mask, weights)
    called, positive = predictions >= threshold, targets > 0.5

    outcomes = called & positive, called & ~positive, ~called & ~positive, ~called & positive
    # A single sum for all four, since each is several kernels that XLA compiles one by one.
    totals = jnp.sum(jnp.stack([weights * outcome for outcome in outcomes]), axis=-1)
    # A NaN weight must reach all four totals, wherever it stands: compiled, NaN times false may be 0.
    return Confusion(*jnp.where(jnp.any(jnp.isnan(weights), axis=-1), jnp.nan, totals))


@prepared_by(sides)
def accuracy(predictions, targets, mask=None, weights=None, *, threshold=0.5) -> jax.Array:
    """The share of right decisions. Compare it with `majority_share`, which needs no model at all.

    Args: as `confusion`. Returns `[...]`, NaN where no example counts.
    """
    tp, fp, tn, fn = confusion(predictions, targets, mask, weights, threshold=threshold)
    return ratio(tp + tn, tp + fp + tn + fn)


@prepared_by(sides)
def majority_share(predictions, targets, mask=None, weights=None) -> jax.Array:
    """The share of the larger class: the accuracy of the best constant answer.

    Args: as `confusion`; of `predictions` only the shape is used, so that it is called like the others.
    Returns `[...]`, NaN where no example counts.
    """
    _, targets, weights = counted(targets, targets, mask, weights)
    positives = jnp.sum(weights * (targets > 0.5), axis=-1)
    negatives = jnp.sum(weights * ~(targets > 0.5), axis=-1)
    share = ratio(jnp.maximum(positives, negatives), positives + negatives)
    return jnp.broadcast_to(share, jnp.broadcast_shapes(share.shape, jnp.shape(predictions)[:-1]))


@prepared_by(sides)
def sensitivity(predictions, targets, mask=None, weights=None, *, threshold=0.5) -> jax.Array:
    """The share of positives that are found, TP / (TP + FN); also recall, true positive rate.

    Args: as `confusion`. Returns `[...]`, NaN where no positive counts.
    """
    outcomes = confusion(predictions, targets, mask, weights, threshold=threshold)
    return ratio(outcomes.true_positives, outcomes.true_positives + outcomes.false_negatives)


@prepared_by(sides)
def specificity(predictions, targets, mask=None, weights=None, *, threshold=0.5) -> jax.Array:
    """The share of negatives that are left alone, TN / (TN + FP); 1 - false positive rate.

    Args: as `confusion`. Returns `[...]`, NaN where no negative counts.
    """
    outcomes = confusion(predictions, targets, mask, weights, threshold=threshold)
    return ratio(outcomes.true_negatives, outcomes.true_negatives + outcomes.false_positives)


@prepared_by(sides)
def precision(predictions, targets, mask=None, weights=None, *, threshold=0.5) -> jax.Array:
    """The share of positive calls that are right, TP / (TP + FP); it moves with the prevalence.

    Args: as `confusion`. Returns `[...]`, NaN where nothing is called positive.
    """
    outcomes = confusion(predictions, targets, mask, weights, threshold=threshold)
    return ratio(outcomes.true_positives, outcomes.true_positives + outcomes.false_positives)


@prepared_by(sides)
def f1(predictions, targets, mask=None, weights=None, *, threshold=0.5) -> jax.Array:
    """The harmonic mean of precision and sensitivity, 2 TP / (2 TP + FP + FN), of the positive class.

    Args: as `confusion`. Returns `[...]`, NaN where nothing is positive and nothing called so.
    """
    tp, fp, _, fn = confusion(predictions, targets, mask, weights, threshold=threshold)
    return ratio(2 * tp, 2 * tp + fp + fn)


@prepared_by(sides)
def g_mean(predictions, targets, mask=None, weights=None, *, threshold=0.5) -> jax.Array:
    """The geometric mean of sensitivity and specificity: 0 as soon as one class is given up.

    Args: as `confusion`. Returns `[...]`, NaN where a class is absent.

    References:
      Kubat and Matwin, Addressing the curse of imbalanced training sets, ICML 1997.
    """
    found = sensitivity(predictions, targets, mask, weights, threshold=threshold)
    return jnp.sqrt(found * specificity(predictions, targets, mask, weights, threshold=threshold))


@prepared_by(sides)
def balanced_accuracy(predictions, targets, mask=None, weights=None, *, threshold=0.5) -> jax.Array:
    """The arithmetic mean of sensitivity and specificity: 0.5 for every constant answer.

    Args: as `confusion`. Returns `[...]`, NaN where a class is absent.
    """
    found = sensitivity(predictions, targets, mask, weights, threshold=threshold)
    return (found + specificity(predictions, targets, mask, weights, threshold=threshold)) / 2


def macro_recall(decisions, targets, num_classes: int, mask=None) -> jax.Array:
    """The mean over classes of the share of their examples that are decided rightly: balanced accuracy of many classes.

    Classes without an example do not count.

    Args:
      decisions: `[..., example]`, integers; one that is no class (−1) is wrong.
      targets: `[..., example]`, integers, 0 to `num_classes` - 1.
      num_classes: Static.
      mask: `[..., example]` boolean, which examples count.

    Returns:
      `[...]`, NaN where no example counts.

    Raises:
      ValueError: The last axes differ in length.
    """
    decisions, targets = (_class_numbers(values, num_classes) for values in (decisions, targets))
    mask = jnp.asarray(True if mask is None else mask)
    if decisions.shape[-1:] != targets.shape[-1:]:
        shapes = {"decisions": decisions.shape, "targets": targets.shape}
        raise ValueError(f"macro_recall needs the same examples on the last axis of all its arguments, got {shapes}.")
    counts = mask[..., None] & (targets[..., None] == jnp.arange(num_classes))
    right = (counts & (decisions == targets)[..., None]).sum(-2)
    number = counts.sum(-2)
    recalls = jnp.where(number > 0, right / jnp.maximum(number, 1), 0).sum(-1)
    return ratio(recalls, (number > 0).sum(-1).astype(recalls.dtype))


def _class_numbers(values, num_classes):
    """As JAX's integers, in which 2 ** 32 would be class 0."""
    if isinstance(values, jax.Array) or np.asarray(values).dtype.kind not in "iu":
        return jnp.asarray(values)
    values = np.asarray(values)
    return jnp.asarray(np.where((values >= 0) & (values < num_classes), values, -1))


@prepared_by(ranked_predictions)
def roc_auc(predictions, targets, mask=None, weights=None) -> jax.Array:
    """Area under the receiver operating characteristic, by the trapezoid rule.

    It is the chance that a positive scores higher than a negative, a tie counting one half (Mann-Whitney):
    `sum_i w_i [weight of negatives below score i + half of those equal] / (P N)` over positives i. It depends
    on the order of the scores alone, so logits and probabilities give the same as long as the
    probabilities have not rounded to ties (float32 sigmoids do above 17).

    Args: as `confusion`, without a threshold. Returns `[...]`, NaN where a class is absent.

    References:
      Hanley and McNeil, Radiology 143, 1982; Fawcett, Pattern Recognition Letters 27, 2006, algorithm 2.
    """
    predictions, targets, weights = counted(predictions, targets, mask, weights)
    positives, negatives = weights * (targets > 0.5), weights * ~(targets > 0.5)
    below, through = weight_below_and_through(predictions, negatives)
    # Shares of the negatives, not weights: the product of two large totals would not be exact in float32.
    beaten = ratio((below + through) / 2, jnp.sum(negatives, axis=-1, keepdims=True))
    return ratio(jnp.sum(positives * beaten, axis=-1), jnp.sum(positives, axis=-1))


@prepared_by(ranked_predictions)
def pr_auc(predictions, targets, mask=None, weights=None) -> jax.Array:
    """Area under the precision-recall curve as average precision, `sum_k (R_k - R_{k-1}) P_k`.

    The sum runs over the distinct scores as thresholds. There is no interpolation between them: the
    trapezoid rule is too optimistic on this curve. Chance is the prevalence, not 0.5.

    Args: as `confusion`, without a threshold. Returns `[...]`, NaN where no positive counts.

    References:
      Davis and Goadrich, ICML 2006, section 4; scikit-learn, `average_precision_score`.
    """
    predictions, targets, weights = counted(predictions, targets, mask, weights)
    positives = weights * (targets > 0.5)
    # Of the negated scores, the weight through each value is the weight called positive at that threshold.
    _, called = weight_below_and_through(-predictions, weights)
    _, right = weight_below_and_through(-predictions, positives)
    precisions = right / jnp.where(called > 0, called, 1)
    return ratio(jnp.sum(positives * precisions, axis=-1), jnp.sum(positives, axis=-1))
