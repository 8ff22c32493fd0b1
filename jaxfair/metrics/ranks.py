"""Weighted ranks: how much weight lies below each value, ties counted exactly."""

import functools

import jax
import jax.numpy as jnp


@jax.jit
@functools.partial(jnp.vectorize, signature="(n),(n)->(n),(n)")
def weight_below_and_through(values: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The weight of all smaller values, and of all values smaller or equal.

    The mean of the two is the average rank, up to a constant of one half: with integer weights it is the rank
    that each value would have if it were repeated that many times. O(n log n). Everything but a cumulative
    sum and two gathers depends on the values alone, so under a `vmap` over weights it is done once.

    Args:
      values: `[..., n]`, not NaN.
      weights: `[..., n]`, not negative, broadcast against `values` over the leading axes.

    Returns:
      Two arrays `[..., n]`, in the order of `values`.
    """
    order = jnp.argsort(values)
    ascending = values[order]
    first = jnp.searchsorted(ascending, values, side="left")
    past_last = jnp.searchsorted(ascending, values, side="right")
    before = jnp.concatenate([jnp.zeros(1, weights.dtype), jnp.cumsum(weights[order])])
    return before[first], before[past_last]
