"""Early stopping as arrays: a warm-up, a patience, and the best so far."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Best(NamedTuple):
    """The best epoch so far, and how long ago it was.

    Attributes:
      value: `[]` float32, the lowest value seen since the warm-up (infinity before).
      epoch: `[]` int32, its epoch (-1 before).
      waited: `[]` int32, epochs since then.
      kept: The pytree that was current at that epoch (parameters, say).
    """

    value: jax.Array
    epoch: jax.Array
    waited: jax.Array
    kept: Any


def start(kept: Any) -> Best:
    """Before the first epoch; `kept` stays if no epoch ever counts."""
    return Best(jnp.float32(jnp.inf), jnp.int32(-1), jnp.int32(0), kept)


def update(best: Best, value: jax.Array, current: Any, epoch: jax.Array, *, warm_up: int | jax.Array = 0) -> Best:
    """Notes one more epoch.

    Epochs before `warm_up` neither become the best nor count towards the patience. A NaN value is never the best,
    and counts towards the patience: a run that has diverged stops.

    Args:
      best: What was known before.
      value: `[]`, lower is better (negate an accuracy).
      current: The pytree to keep if this epoch is the best so far.
      epoch: `[]` int32, from 0.
      warm_up: Epochs to ignore; may be traced.
    """
    counts = epoch >= warm_up
    better = counts & (value < best.value)
    return Best(
        value=jnp.where(better, value, best.value),
        epoch=jnp.where(better, epoch, best.epoch),
        waited=jnp.where(better | ~counts, 0, best.waited + 1),
        kept=jax.tree.map(lambda new, old: jnp.where(better, new, old), current, best.kept),
    )


def stopped(best: Best, patience: int | jax.Array) -> jax.Array:
    """True once `patience` epochs in a row have not bettered the best."""
    return best.waited >= patience
