"""The four outcomes of a decision in each group, by one matrix product.

Under a bootstrap only the weights change: the product is then one of draws by examples with examples by outcomes, where
a sum of masked weights would go through draws, members, groups and examples one by one.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxfair.metrics.classification import Confusion


class Outcomes(NamedTuple):
    """Total weights `[..., group]` of the four outcomes, and how many examples they rest on.

    Where a NaN counts, all weights of the group are NaN, as in `confusion`. An example is one whose weight is not 0.
    """

    weights: Confusion
    counts: Confusion


def outcomes_by_group(predictions, targets, inside, weights, threshold) -> Outcomes:
    """The outcomes of each group.

    Args:
      predictions: `[..., example]`.
      targets: `[..., example]`.
      inside: `[..., group, example]` boolean, who counts in which group.
      weights: `[..., example]`, or None.
      threshold: A number or `[...]`.
    """
    predictions, targets = jnp.asarray(predictions), jnp.asarray(targets)
    if jnp.ndim(threshold):
        threshold = jnp.asarray(threshold)[..., None]
    weights = jnp.ones(inside.shape[-1:]) if weights is None else jnp.asarray(weights)
    weights = weights.astype(jnp.promote_types(weights.dtype, jnp.float32))
    called, positive = jnp.broadcast_arrays(predictions >= threshold, targets > 0.5)
    unknown = jnp.broadcast_to(jnp.isnan(predictions) | jnp.isnan(targets), called.shape)
    outcomes = [called & positive, called & ~positive, ~called & ~positive, ~called & positive]
    kinds = jnp.stack([*outcomes, unknown], axis=-2)
    rows = (inside[..., :, None, :] & kinds[..., None, :, :]).astype(weights.dtype)
    # Masked weights may be NaN, and a NaN would reach all groups through the product.
    lost = jnp.isnan(weights)
    columns = jnp.stack([jnp.where(lost, 0, weights), weights != 0, lost], axis=-2)
    # Counts of examples have to be exact: the default precision of a GPU's or TPU's product leaves three digits.
    products = jnp.einsum("...we,...gke->...wgk", columns, rows, precision=jax.lax.Precision.HIGHEST)
    totals, numbers, lost = (products[..., row, :, :] for row in range(3))
    spoiled = (numbers[..., 4] > 0) | (jnp.sum(lost[..., :4], axis=-1) > 0)
    return Outcomes(
        Confusion(*(jnp.where(spoiled, jnp.nan, totals[..., kind]) for kind in range(4))),
        Confusion(*(numbers[..., kind].astype(jnp.int32) for kind in range(4))),
    )
