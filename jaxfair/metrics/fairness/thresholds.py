"""Thresholds chosen on validation data: one for all, or one for each group so that a rate is the same in all.

Choose on validation, apply to test (`apply_threshold`), and measure there: a threshold chosen on the examples it is
measured on makes every gap that it was chosen for look smaller than it is.
"""

import functools
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from jaxfair.metrics.counted import counted, ratio
from jaxfair.metrics.fairness.cohort import array, cohort
from jaxfair.metrics.fairness.groups import coded, members
from jaxfair.metrics.ranks import weight_below_and_through

Equalized = Literal["true_positive_rate", "selection_rate"]


def choose_threshold(predictions, targets, by: str | float = "balanced_accuracy", mask=None, weights=None) -> jax.Array:
    """The threshold that is best by a criterion on these examples.

    Candidates are the scores themselves (the lowest score that is called positive), and infinity, which calls nobody.
    Of equally good ones the highest is taken.

    Args:
      predictions: `[..., example]`; scores are compared in float32.
      targets: `[..., example]`, 1 for positive and 0 for negative.
      by: "balanced_accuracy" or "f1", the largest; or a number from 0 to 1: the selection rate nearest to it.
      mask: `[..., example]` boolean.
      weights: `[..., example]`, not negative.

    Returns:
      `[...]`; NaN where the criterion is not defined (no positives; for balanced accuracy no negatives either).

    Raises:
      ValueError: `by` is none of these, or the last axes differ in length.
    """
    if isinstance(by, str):
        if by not in ("balanced_accuracy", "f1"):
            raise ValueError(f"by is 'balanced_accuracy', 'f1' or a selection rate, got {by!r}.")
        return _best(by, array(predictions), array(targets), array(mask, bool), array(weights, float))
    _check_share("by", by)
    arguments = array(predictions), array(targets), array(mask, bool), array(weights, float)
    return _at_rate("selection_rate", by, *arguments)


def group_thresholds(
    predictions,
    targets,
    groups,
    num_groups: int | None = None,
    mask=None,
    weights=None,
    *,
    equalize: Equalized = "true_positive_rate",
    rate: float | None = None,
    min_count: int = 1,
) -> jax.Array:
    """A threshold for each group, at which its rate is as near as its scores allow to one rate for all.

    This is demographic parity (selection rate) or equal opportunity (true positive rate) by treating groups
    differently: it needs the group of every patient at the time of use, and in many places it is not lawful. It moves
    the errors, it makes no score better. With few examples in a group the nearest rate may be far: rates come in steps
    of one by their number.

    Args:
      predictions: `[..., example]`; scores are compared in float32.
      targets: `[..., example]`.
      groups: `[..., example]`, as of `by_group`, and `num_groups`.
      mask: `[..., example]` boolean.
      weights: `[..., example]`, not negative.
      equalize: Which rate.
      rate: Its value for all, between 0 and 1; by default what all who are in a group have together at the one
        threshold of the best balanced accuracy.
      min_count: The least number of examples in a group (positives, for the true positive rate).

    Returns:
      `[..., group]`; NaN where a group has too few examples that the rate needs.

    Raises:
      ValueError: `equalize` or `rate` is none of these, or as `by_group`.
    """
    if equalize not in ("true_positive_rate", "selection_rate"):
        raise ValueError(f"equalize is 'true_positive_rate' or 'selection_rate', got {equalize!r}.")
    if rate is not None:
        _check_share("rate", rate)
    given = cohort(predictions, targets, groups, num_groups, mask, weights, 0.5)
    arguments = array(predictions), array(targets), given.codes, given.num_groups, given.mask, given.weights
    return _group_thresholds(equalize, rate, *arguments, min_count)


def apply_threshold(predictions, threshold, groups=None) -> jax.Array:
    """Decisions at a threshold, or at each example's group's: 1 for positive, 0 for negative.

    They go into every rate and gap as predictions, at the usual threshold of 0.5. An example that has no threshold (its
    group is unknown, or the group's is NaN) has the decision NaN: mask it, or all that counts it is NaN too.

    Args:
      predictions: `[..., example]`.
      threshold: `[...]`, or with groups `[..., group]`.
      groups: `[..., example]`, codes: `group_codes(values, names=names)` with the names of the validation data, in
        which other groups may occur than here.

    Returns:
      `[..., example]` float32: 1, 0 or NaN.

    Raises:
      ValueError: Groups are no codes, or codes of more groups than there are thresholds.
    """
    predictions, threshold = jnp.asarray(predictions, jnp.float32), jnp.asarray(threshold)
    if groups is None:
        own = threshold[..., None]
    else:
        num_groups = threshold.shape[-1] if threshold.ndim else 0
        codes, _, _ = coded(groups, num_groups)
        inside = members(codes, num_groups)
        own = jnp.sum(jnp.where(inside, threshold[..., None], 0), axis=-2)
        own = jnp.where(jnp.any(inside, axis=-2), own, jnp.nan)
    return jnp.where(jnp.isnan(own) | jnp.isnan(predictions), jnp.nan, (predictions >= own).astype(jnp.float32))


@functools.partial(jax.jit, static_argnums=0)
def _best(by, predictions, targets, mask, weights):
    scores, positives, weights = _rows(predictions, targets, mask, weights)
    called, right, total, sick = _called(scores, positives, weights)
    if by == "f1":
        value = ratio(2 * right, called + sick)
    else:
        value = (ratio(right, sick) + 1 - ratio(called - right, total - sick)) / 2
    # Where nothing counts, no score is a candidate.
    value = jnp.where(weights > 0, value, -jnp.inf)
    value, scores = _with_infinity(value, scores, 0.5 if by == "balanced_accuracy" else 0)
    chosen = _highest_of_the_best(value, scores)
    defined = (sick > 0) if by == "f1" else (sick > 0) & (total > sick)
    return jnp.where(defined[..., 0], chosen, jnp.nan)


@functools.partial(jax.jit, static_argnums=0)
def _at_rate(which, rate, predictions, targets, mask, weights):
    """The threshold `[...]` at which a rate is nearest to `rate`, which may be `[...]` too."""
    scores, positives, weights = _rows(predictions, targets, mask, weights)
    called, right, total, sick = _called(scores, positives, weights)
    value = ratio(called, total) if which == "selection_rate" else ratio(right, sick)
    counts = weights if which == "selection_rate" else positives
    rate = jnp.asarray(rate, value.dtype)[..., None]
    off = jnp.where(counts > 0, jnp.abs(value - rate), jnp.inf)
    off, scores = _with_infinity(off, scores, jnp.abs(0 - rate))
    chosen = _highest_of_the_best(-off, scores)
    defined = total > 0 if which == "selection_rate" else sick > 0
    return jnp.where(defined[..., 0], chosen, jnp.nan)


@functools.partial(jax.jit, static_argnums=(0, 5))
def _group_thresholds(which, rate, predictions, targets, codes, num_groups, mask, weights, min_count):
    inside = members(codes, num_groups, mask)
    if rate is None:
        together = jnp.any(inside, axis=-2)
        one = _best("balanced_accuracy", predictions, targets, together, weights)
        scores, positives, own = _rows(predictions, targets, together, weights)
        own = positives if which == "true_positive_rate" else own
        called = jnp.sum(jnp.where(scores >= one[..., None], own, 0), axis=-1)
        rate = jnp.where(jnp.isnan(one), jnp.nan, ratio(called, jnp.sum(own, axis=-1)))[..., None]
    predictions, targets = (jnp.asarray(part)[..., None, :] for part in (predictions, targets))
    if weights is not None:
        weights = jnp.asarray(weights)[..., None, :]
    chosen = _at_rate(which, rate, predictions, targets, inside, weights)
    needed = inside & (targets > 0.5) if which == "true_positive_rate" else inside
    if weights is not None:
        needed = needed & (weights != 0)
    enough = jnp.sum(needed, axis=-1) >= jnp.maximum(min_count, 1)
    return jnp.where(enough & ~jnp.isnan(rate), chosen, jnp.nan)


def _rows(predictions, targets, mask, weights):
    """Scores in float32, the weight of positives and all weights, of equal shapes."""
    scores, targets, weights = jnp.broadcast_arrays(*counted(predictions, targets, mask, weights))
    return scores.astype(jnp.float32), jnp.where(targets > 0.5, weights, 0 * weights), weights


def _called(scores, positives, weights):
    """The weight called positive at each score as threshold, the positives in it, and both in all `[..., 1]`."""
    _, called = weight_below_and_through(-scores, weights)
    _, right = weight_below_and_through(-scores, positives)
    return called, right, jnp.sum(weights, axis=-1, keepdims=True), jnp.sum(positives, axis=-1, keepdims=True)


def _highest_of_the_best(value, scores):
    """The highest score among those with the largest value.

    Found by its place: where XLA computes values a second time, none of them may be equal to their own maximum.
    """
    order = jnp.argsort(-scores, axis=-1)
    place = jnp.argmax(jnp.take_along_axis(value, order, axis=-1), axis=-1, keepdims=True)
    return jnp.take_along_axis(jnp.take_along_axis(scores, order, axis=-1), place, axis=-1)[..., 0]


def _with_infinity(value, scores, of_infinity):
    """One candidate more, which calls nobody."""
    last = jnp.broadcast_to(jnp.asarray(of_infinity, value.dtype), (*value.shape[:-1], 1))
    return (
        jnp.concatenate([value, last], axis=-1),
        jnp.concatenate([scores, jnp.full_like(last, jnp.inf, dtype=scores.dtype)], axis=-1),
    )


def _check_share(name, value):
    if isinstance(value, jax.core.Tracer):
        return
    if np.ndim(value) or not 0 <= value <= 1:
        raise ValueError(f"{name} is a share from 0 to 1, got {value!r}.")
