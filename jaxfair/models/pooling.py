"""Max pooling, channels last, whose gradient needs no scatter."""

from collections.abc import Sequence

import jax


def max_pool(inputs: jax.Array, window: Sequence[int]) -> jax.Array:
    """The largest entry of each window; windows lie side by side and a rest that fills none is dropped.

    Reshape, then maximum: the gradient of `lax.reduce_window` is a select-and-scatter, which is slow on CPUs and which
    deterministic GPU mode refuses. Where several entries are the largest (zeros behind a ReLU), each gets an equal
    share of the gradient, not the first one all of it as in PyTorch.

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
    counts = [size // length for size, length in zip(space, window, strict=True)]
    whole = inputs[:, *(slice(count * length) for count, length in zip(counts, window, strict=True))]
    cut = [part for pair in zip(counts, window, strict=True) for part in pair]
    axes = tuple(range(2, 2 + 2 * len(window), 2))
    return whole.reshape(len(inputs), *cut, inputs.shape[-1]).max(axes)
