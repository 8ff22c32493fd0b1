"""Max pooling, channels last, whose gradient needs no scatter."""

import functools
import itertools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxfair.models.computed_once import computed_once


def max_pool(inputs: jax.Array, window: Sequence[int]) -> jax.Array:
    """The largest entry of each window; windows lie side by side and a rest that fills none is dropped.

    The gradient goes to the largest entry, to the first of equal ones, as in PyTorch. NaN wins over every number.

    Computed as a choice between strided slices; the gradient is put where the choice fell by a comparison. The
    gradient of `lax.reduce_window` is a select-and-scatter, slow on CPUs and refused by deterministic GPU mode; that of
    a maximum over a reshaped axis compares inputs with outputs, and where a compiler computes one of them anew and
    rounds otherwise, no entry equals the maximum and the gradient is 0 / 0; that of strided slices pads between
    entries, which XLA's CPU code does number by number. It has a gradient of its own and so no forward-mode derivative.

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
    return _pool(inputs, tuple(window), tuple(whole))


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _pool(inputs, window, whole):
    return _forward(inputs, window, whole)[0]


def _forward(inputs, window, whole):
    inputs = computed_once(inputs)
    largest = winner = None
    for number, offset in enumerate(itertools.product(*map(range, window))):
        entry = inputs[:, *(slice(*every) for every in zip(offset, whole, window, strict=True))]
        if largest is None:
            largest, winner = entry, jnp.zeros(entry.shape, jnp.int32)
            continue
        stays = (largest >= entry) | jnp.isnan(largest)
        largest, winner = jnp.where(stays, largest, entry), jnp.where(stays, winner, number)
    winner = computed_once(winner.astype(np.min_scalar_type(math.prod(window) - 1)))
    return largest, (winner, inputs.shape[1:-1])


def _backward(window, whole, residuals, cotangent):
    winner, space = residuals
    # [batch, *space, channel] -> [batch, space, window, space, window, ..., channel], 0 but for the winners.
    inner = range(2, 2 + 2 * len(window), 2)
    numbers = np.arange(math.prod(window)).reshape(*itertools.chain(*((1, length) for length in window)), 1)
    chosen = jnp.expand_dims(winner, inner) == numbers.astype(winner.dtype)
    spread = jnp.where(chosen, jnp.expand_dims(cotangent, inner), 0)
    spread = spread.reshape(len(cotangent), *whole, cotangent.shape[-1])
    rest = [(0, size - length) for size, length in zip(space, whole, strict=True)]
    return (computed_once(jnp.pad(spread, [(0, 0), *rest, (0, 0)])),)


_pool.defvjp(_forward, _backward)
