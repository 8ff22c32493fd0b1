"""The order in which a member sees its examples: a function of a key and a mask, with static shapes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Batches(NamedTuple):
    """The batches of one epoch.

    Attributes:
      indices: `[batch, position]` int32, into the data set; 0 where `mask` is False.
      mask: `[batch, position]` boolean, False where the epoch has run out of examples.
    """

    indices: jax.Array
    mask: jax.Array


def num_batches(train: np.ndarray, batch_size: int) -> int:
    """Batches an epoch needs for the member with most training examples (a static number).

    Args:
      train: `[..., example]` boolean, the training masks of all members.
      batch_size: Examples in a batch.
    """
    return max(1, -(-int(np.asarray(train).sum(-1).max()) // batch_size))


def epoch_batches(key: jax.Array, mask: jax.Array, batch_size: int, num_batches: int) -> Batches:
    """A fresh random order of the masked-in examples, cut into batches.

    Every example of `mask` occurs exactly once if `num_batches * batch_size` suffices for them (see `num_batches`).
    Members with fewer examples get batches that are partly or wholly empty: use `mask` in the loss and in
    batch statistics, and let `over_batches` skip the empty ones.

    Args:
      key: A typed key, of this epoch.
      mask: `[example]` boolean, may be traced and differ by member.
      batch_size: Examples in a batch, static.
      num_batches: Batches in an epoch, static.
    """
    size, wanted = mask.shape[0], num_batches * batch_size
    # 32 random bits an example; a masked-out example sorts last whatever it drew.
    order = jnp.lexsort((jax.random.bits(key, (size,)), ~mask)).astype(jnp.int32)
    position = jnp.arange(wanted)
    present = position < mask.sum()
    indices = jnp.where(present, order[jnp.minimum(position, size - 1)], 0)
    shape = (num_batches, batch_size)
    return Batches(indices.reshape(shape), present.reshape(shape))


def over_batches(step: Callable[[Any, jax.Array, jax.Array, jax.Array], Any], carry: Any, batches: Batches) -> Any:
    """Folds `carry = step(carry, indices, mask, number)` over the batches that hold an example.

    The loop ends after the member's own last batch: no step is ever taken on an empty one, which would divide by
    nothing and still move an optimizer's momentum.

    Args:
      step: Takes the carry, `[position]` indices and mask of one batch, and the batch's number in the epoch.
      carry: Any pytree.
      batches: Of one epoch.
    """

    def body(number, carry):
        return step(carry, batches.indices[number], batches.mask[number], number)

    return jax.lax.fori_loop(0, batches.mask.any(1).sum(), body, carry)


def selected(mask: jax.Array, size: int) -> Batches:
    """The masked-in examples in their own order as one batch of static size, to look at them and not at the rest.

    Args:
      mask: `[example]` boolean, at most `size` of them True.
      size: Static, the most that any member has (`num_batches(masks, 1)`).

    Returns:
      `indices` and `mask`, `[size]`.
    """
    order = jnp.argsort(~mask, stable=True)[:size].astype(jnp.int32)
    return Batches(order, mask[order])
