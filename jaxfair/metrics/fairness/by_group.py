"""Any rate in each group at once: a metric over one axis more, whose masks are the groups' members."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxfair.metrics.classification import Confusion
from jaxfair.metrics.counted import counted, ratio
from jaxfair.metrics.fairness.cohort import Scores, cohort
from jaxfair.metrics.fairness.groups import members
from jaxfair.metrics.fairness.outcomes import outcomes_by_group
from jaxfair.metrics.fairness.rates import rate_named
from jaxfair.metrics.ranks import weight_below_and_through


class ByGroup(NamedTuple):
    """A rate in each group.

    Attributes:
      values: `[..., group]`; NaN where fewer than `min_count` examples are there that the rate needs.
      counts: `[..., group]`, how many of these there are: positives for a true positive rate, the fewer of positives
        and negatives for an AUC, otherwise examples (`rates.RATES`). Weights are not counted, but a weight of 0 is no
        example.
    """

    values: jax.Array
    counts: jax.Array


def by_group(
    rate: str | Callable,
    predictions,
    targets,
    groups,
    num_groups: int | None = None,
    mask=None,
    weights=None,
    *,
    threshold=0.5,
    min_count=1,
) -> ByGroup:
    """A rate in each group, with the number of examples that it rests on.

    Args:
      rate: A name of `RATES` or a metric `metric(predictions, targets, mask, weights) -> [...]`, batched over leading
        axes. The compiled program is kept for each metric, so pass a function that lives longer than one call.
      predictions: Scores `[..., example]`, higher for positive; probabilities where calibration is asked for.
      targets: `[..., example]`, 1 for positive and 0 for negative.
      groups: `[..., example]`: with `num_groups` integer codes, which may be traced; without, anything `np.unique`
        sorts. NaN, None and -1 are in no group.
      num_groups: How many codes there are, static. Without it the groups are those that unmasked examples have.
      mask: `[..., example]` boolean, true where an example counts; what is masked may hold anything.
      weights: `[..., example]`, not negative; 2 counts an example twice.
      threshold: The lowest score that is called positive, a number or `[...]`; one for each group is `apply_threshold`.
      min_count: The least number of examples that makes a rate; fewer give NaN. It may be traced.

    Returns:
      The `ByGroup`, fields `[..., group]`, groups in the order of their codes, which is the sorted order of the values.

    Raises:
      ValueError: No rate has this name, the last axes differ in length, or groups cannot be codes.
    """
    given = cohort(predictions, targets, groups, num_groups, mask, weights, threshold)
    return _compiled((rate,), *given.traced(), threshold, min_count)[0]


def cross_group_auc(
    predictions, targets, groups, num_groups: int | None = None, mask=None, weights=None, *, min_count=1
) -> ByGroup:
    """xAUC: the chance that a positive of group a is ranked above a negative of group b, a tie counting one half.

    The diagonal is each group's own ROC AUC. Where xAUC(a, b) is far from xAUC(b, a), one group's sick are ranked
    below the other's healthy, which no group's own AUC shows.

    Args: as `by_group`. Returns a `ByGroup`, fields `[..., a, b]`; counts are the fewer of a's positives and b's
      negatives. A NaN that counts makes the whole matrix NaN.

    References:
      Kallus and Zhou, The Fairness of Risk Scores Beyond Classification: Bipartite Ranking and the xAUC Metric,
      NeurIPS 2019.
    """
    given = cohort(predictions, targets, groups, num_groups, mask, weights, 0.5)
    return _compiled(("xauc",), *given.traced(), 0.5, min_count)[0]


def rates_by_group(
    rates: tuple, read: Scores, codes, num_groups: int, mask, weights, threshold, min_count
) -> tuple[ByGroup, ...]:
    """Several rates at once, traced: what `by_group` and everything else of this package computes with."""
    inside = members(codes, num_groups, mask)
    outcomes, counted_outcomes = outcomes_by_group(*read.decision, inside, weights, threshold)
    numbers = _numbers(counted_outcomes)
    if weights is not None:
        weights = jnp.asarray(weights)[..., None, :]
    found = []
    for rate in rates:
        if rate == "xauc":
            values = _cross_group_auc(*read.order, inside, weights)
            counts = jnp.minimum(numbers["positives"][..., :, None], numbers["negatives"][..., None, :])
        else:
            metric, needs, reads = rate_named(rate)
            if reads == "decision":
                values = metric(outcomes)
            else:
                values = metric(*(jnp.asarray(part)[..., None, :] for part in getattr(read, reads)), inside, weights)
            counts = numbers[needs]
        values, counts = jnp.broadcast_arrays(values, counts)
        found.append(ByGroup(jnp.where(counts >= jnp.maximum(min_count, 1), values, jnp.nan), counts))
    return tuple(found)


_compiled = jax.jit(rates_by_group, static_argnums=(0, 3))


def _numbers(counts: Confusion) -> dict[str, jax.Array]:
    """How many examples `[..., group]` there are of each kind that a rate may need."""
    positives = counts.true_positives + counts.false_negatives
    negatives = counts.false_positives + counts.true_negatives
    return {
        "examples": positives + negatives,
        "positives": positives,
        "negatives": negatives,
        "called": counts.true_positives + counts.false_positives,
        "both": jnp.minimum(positives, negatives),
    }


def _cross_group_auc(predictions, targets, inside, weights):
    """`[..., a, b]`, from one sort of all examples that are in a group."""
    own = inside if weights is None else jnp.where(inside, weights, 0)
    total = jnp.sum(own, axis=-2) if weights is not None else None
    predictions, targets, total = counted(predictions, targets, jnp.any(inside, axis=-2), total)
    own = jnp.where(jnp.isnan(total[..., None, :]), jnp.nan, own)
    positive = targets[..., None, :] > 0.5
    positives, negatives = jnp.where(positive, own, 0), jnp.where(positive, 0, own)
    below, through = weight_below_and_through(predictions[..., None, :], negatives)
    beaten = ratio((below + through) / 2, jnp.sum(negatives, axis=-1, keepdims=True))
    pairs = jnp.sum(positives[..., :, None, :] * beaten[..., None, :, :], axis=-1)
    return ratio(pairs, jnp.sum(positives, axis=-1)[..., :, None])
