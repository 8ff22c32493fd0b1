"""Max pooling, channels last, whose gradient needs no scatter."""

import functools
import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp


def max_pool(inputs: jax.Array, window: Sequence[int]) -> jax.Array:
    """The largest entry of each window; windows lie side by side and a rest that fills none is dropped.

    The gradient goes to the largest entry, to the first of equal ones, as in PyTorch. NaN wins over every number.

    Computed as a choice between strided slices. The gradient of `lax.reduce_window` is a select-and-scatter, slow on
    CPUs and refused by deterministic GPU mode; the gradient of a maximum over a reshaped axis compares inputs with
    outputs, and where a compiler computes one of them anew and rounds otherwise, no entry equals the maximum and the
    gradient is 0 / 0.

    Args:
      inputs: `[batch, *space, channel]`.
      window: Length of the window along each spatial axis, which is its step too.

    Returns:
      `[batch, *space // window, channel]`.

    Raises:
      ValueError: `window` has not one length for each spatial axis, or one is longer than its axis.
    """
    space = inputs.shape[1:-1]
    if len(window) != len(space) or any(not 1 <= w <= s for w, s in zip(window, space, strict=False)):
        raise ValueError(f"max_pool: window {tuple(window)} does not fit the spatial axes of inputs {inputs.shape}.")
    whole = [size // length * length for size, length in zip(space, window, strict=True)]

    def entries(offset):
        return inputs[:, *(slice(*every) for every in zip(offset, whole, window, strict=True))]

    return functools.reduce(_larger, map(entries, itertools.product(*map(range, window))))


def _larger(first: jax.Array, second: jax.Array) -> jax.Array:
    return jnp.where((first >= second) | jnp.isnan(first), first, second)
