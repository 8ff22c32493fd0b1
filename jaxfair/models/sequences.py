"""What all models of sequences of measurements share: which steps exist, static features, and what is put out."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


class SequenceOutputs(NamedTuple):
    """What a model of sequences says about a batch.

    Attributes:
      outcome: `[batch]` logits.
      representation: `[batch, hidden + static]`: the sequence as one vector, joined with the static features, of which
        the outcome head is a linear map. The name and the order are those of `MtateOutputs`.
    """

    outcome: jax.Array
    representation: jax.Array


def check_shape(owner: str, name: str, given: ArrayLike | None, shape: tuple[int, ...]) -> None:
    """Raises ValueError, in the name of the module `owner`, if an argument is given and has another shape."""
    if given is not None and jnp.shape(given) != tuple(shape):
        raise ValueError(f"{owner}: {name} must have shape {tuple(shape)}, but has {jnp.shape(given)}.")


def check_mask(owner: str, name: str, given: ArrayLike | None, shape: tuple[int, ...]) -> None:
    """`check_shape`, and TypeError if the argument is not boolean."""
    check_shape(owner, name, given, shape)
    if given is not None and jnp.asarray(given).dtype != bool:
        raise TypeError(f"{owner}: {name} must be boolean, but has dtype {jnp.asarray(given).dtype}.")


def existing_steps(owner: str, inputs: jax.Array, time_mask: ArrayLike | None, mask: ArrayLike | None) -> jax.Array:
    """The time steps that exist, of the patients that exist.

    Args:
      owner: The module that an error is to name.
      inputs: `[batch, time, feature]`.
      time_mask: `[batch, time]` boolean, the steps that exist. `None`: all.
      mask: `[batch]` boolean, the patients that exist. `None`: all.

    Returns:
      `[batch, time]` boolean.

    Raises:
      ValueError: A shape does not fit.
      TypeError: A mask is not boolean.
    """
    if inputs.ndim != 3:
        raise ValueError(f"{owner}: inputs must be [batch, time, feature], but have shape {inputs.shape}.")
    check_mask(owner, "time_mask", time_mask, inputs.shape[:2])
    check_mask(owner, "mask", mask, inputs.shape[:1])
    exists = jnp.ones(inputs.shape[:2], bool)
    if time_mask is not None:
        exists = exists & jnp.asarray(time_mask)
    return exists if mask is None else exists & jnp.asarray(mask)[:, None]


def join_static(owner: str, values: jax.Array, static: ArrayLike | None, mask: ArrayLike | None) -> jax.Array:
    """The sequence's representation and, after it, the static features.

    Args:
      owner: The module that an error is to name.
      values: `[batch, feature]`.
      static: `[batch, static]`. `None`: the values alone are put out.
      mask: `[batch]` boolean, the patients that exist; the static features of the others become 0.

    Returns:
      `[batch, feature + static]`.

    Raises:
      ValueError: The static features are no table of the batch.
    """
    if static is None:
        return values
    check_shape(owner, "static", static, (len(values), jnp.shape(static)[-1] if jnp.ndim(static) else 0))
    static = jnp.asarray(static)
    if mask is not None:
        static = jnp.where(jnp.asarray(mask)[:, None], static, 0)
    return jnp.concatenate([values, static], axis=-1)


def mean_over_time(values: jax.Array, time_mask: jax.Array) -> jax.Array:
    """The mean of each feature over the steps that exist: `[..., time, feature]` to `[..., feature]`, 0 without one."""
    total = jnp.where(time_mask[..., None], values, 0).sum(axis=-2)
    return total / jnp.maximum(time_mask.sum(axis=-1, keepdims=True), 1).astype(values.dtype)


def last_over_time(values: jax.Array, time_mask: jax.Array) -> jax.Array:
    """The last step that exists: `[..., time, feature]` to `[..., feature]`, 0 where none exists."""
    later = jnp.flip(jnp.cumsum(jnp.flip(time_mask, -1), axis=-1), -1)
    is_last = time_mask & (later == 1)
    return jnp.where(is_last[..., None], values, 0).sum(axis=-2)


def max_over_time(values: jax.Array, time_mask: jax.Array) -> jax.Array:
    """The largest value of each feature over the steps that exist; its gradient goes to the first of equal ones.

    Chosen by its place. The gradient of `jnp.max` compares inputs with outputs, and where XLA computes one of them anew
    and rounds otherwise none is equal, or the wrong ones are: NaN, or a gradient that is silently wrong.

    Args:
      values: `[..., time, feature]`.
      time_mask: `[..., time]` boolean; leading axes broadcast.

    Returns:
      `[..., feature]`; 0 where no step exists.
    """
    exists = jnp.broadcast_to(time_mask[..., None], values.shape)
    place = jnp.argmax(jnp.where(exists, values, -jnp.inf), axis=-2, keepdims=True)
    chosen = (jnp.arange(values.shape[-2])[:, None] == place) & exists
    return jnp.where(chosen, values, 0).sum(axis=-2)
