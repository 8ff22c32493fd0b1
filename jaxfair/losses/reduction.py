"""Sums and means over the examples that count.

Everywhere here an element that does not count is replaced by 0 *before* it is used, and never multiplied by
0: NaN or infinity in it changes no value, and its gradient is exactly zero. This guards the gradient with respect
to `values`. A function below that is infinite at such an element (a log of 0, say) needs its own input masked too,
because zero times its infinite derivative is NaN.

Numbers of less than 32 bits are summed, and returned, in float32: bfloat16 cannot even count to 257.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


def masked_sum(
    values: ArrayLike, mask: ArrayLike | None = None, axis: int | tuple[int, ...] | None = None
) -> jax.Array:
    """The sum of the values that count; 0 where none does.

    Args:
      values: `[batch, ...]`.
      mask: Boolean, `[batch]` or any leading axes of `values`, an axis of size 1 standing for all: the mask is
        aligned with the *first* axes of `values`, not with the last as NumPy would. `None`: all count.
      axis: What to sum over; `None`: everything.

    Returns:
      The sum, without `axis`.

    Raises:
      TypeError: If the mask is not boolean.
      ValueError: If the mask does not fit `values`.
    """
    values, _ = select(values, mask)
    return jnp.sum(values, axis=axis)


def masked_mean(
    values: ArrayLike, mask: ArrayLike | None = None, axis: int | tuple[int, ...] | None = None
) -> jax.Array:
    """The mean of the values that count; 0, with a zero gradient, where none does.

    It divides by the number that count, not by the batch: the mean over a batch with few of a kind weighs
    each of them more. For a sum of several tasks over one mixed batch that is a mean per task.

    Args:
      values: `[batch, ...]`.
      mask: Boolean, aligned with the first axes of `values` (see `masked_sum`). `None`: all count.
      axis: What to average over; `None`: everything.

    Returns:
      The mean, without `axis`.

    Raises:
      TypeError: If the mask is not boolean.
      ValueError: If the mask does not fit `values`.
    """
    values, mask = select(values, mask)
    count = jnp.sum(mask, axis=axis, dtype=values.dtype)
    return jnp.sum(values, axis=axis) / jnp.maximum(count, 1)


def weighted_mean(values: ArrayLike, weights: ArrayLike, mask: ArrayLike | None = None) -> jax.Array:
    """`Σ w v / Σ w` over the examples that count; 0, with a zero gradient, where the weights sum to 0.

    This is the mean that PyTorch takes of a class-weighted cross-entropy. It is not
    `masked_mean(weights * values)`: that keeps the weights' own mean, which for balanced class weights is 1 over the
    training set but not in a batch. Here a batch with few of the rare class gives it no smaller a share.

    Args:
      values: `[batch, ...]`.
      weights: Non-negative, in the shape of `values`.
      mask: Boolean, aligned with the first axes of `values` (see `masked_sum`). `None`: all count.

    Returns:
      A scalar.

    Raises:
      TypeError: If the mask is not boolean.
      ValueError: If weights or mask do not fit `values`.
    """
    if jnp.shape(weights) != jnp.shape(values):
        raise ValueError(
            f"weighted_mean: weights have shape {jnp.shape(weights)}, but values {jnp.shape(values)}; "
            "give one weight per value."
        )
    values, _ = select(values, mask)
    weights, _ = select(weights, mask)
    total = jnp.sum(weights)
    return jnp.sum(weights * values) / jnp.where(total > 0, total, 1)


def standardize(values: ArrayLike, mask: ArrayLike | None = None, epsilon: float = 1e-6) -> jax.Array:
    """Shifts and scales each column to mean 0 and variance 1 (biased, 1/n) over the examples that count.

    A column whose standard deviation is below `epsilon` of its root mean square is constant up to rounding: it
    becomes 0, with a zero gradient. The rule is relative, so the result does not depend on a column's unit; just above
    it the gradient is as steep as a division by so small a deviation is.

    Args:
      values: `[batch]` or `[batch, ...]`; each index of the later axes is a column of its own.
      mask: Boolean `[batch]`. `None`: all count.
      epsilon: The relative standard deviation up to which a column is constant; the default is 8 float32 roundings.

    Returns:
      `values`' shape; 0 where an example does not count.

    Raises:
      TypeError: If the mask is not boolean.
      ValueError: If the mask does not fit `values`.
    """
    values, mask = select(values, mask)
    count = jnp.maximum(jnp.sum(mask, axis=0, dtype=values.dtype), 1)
    centered = jnp.where(mask, values - jnp.sum(values, axis=0) / count, 0)
    variance = jnp.sum(centered**2, axis=0) / count
    mean_square = jnp.sum(values**2, axis=0) / count
    constant = variance <= epsilon**2 * mean_square
    # The inner `where` keeps the square root's infinite derivative at 0 out of the gradient. NaN is not "constant".
    return jnp.where(mask & ~constant, centered / jnp.sqrt(jnp.where(constant, 1, variance)), 0)


def select(values: ArrayLike, mask: ArrayLike | None) -> tuple[jax.Array, jax.Array]:
    """The values, 0 where they do not count and in float32 at least, and the mask in their shape.

    Args:
      values: `[batch, ...]`.
      mask: Boolean, aligned with the first axes of `values` (see `masked_sum`). `None`: all count.

    Returns:
      Values and mask, both in the shape of `values`.

    Raises:
      TypeError: If the mask is not boolean.
      ValueError: If the mask does not fit `values`.
    """
    values = jnp.asarray(values)
    values = values.astype(jnp.promote_types(values.dtype, jnp.float32))
    if mask is None:
        return values, jnp.ones(values.shape, bool)
    mask = jnp.asarray(mask)
    if mask.dtype != bool:
        raise TypeError(
            f"A mask must be boolean, but has dtype {mask.dtype}; "
            "write mask > 0 for a mask, or use weighted_mean for weights."
        )
    fits = mask.ndim <= values.ndim and all(m in (1, v) for m, v in zip(mask.shape, values.shape, strict=False))
    if not fits:
        raise ValueError(
            f"A mask of shape {mask.shape} does not fit values of shape {values.shape}; "
            "its axes must be the first axes of the values."
        )
    mask = mask.reshape(mask.shape + (1,) * (values.ndim - mask.ndim))
    mask = jnp.broadcast_to(mask, values.shape)
    return jnp.where(mask, values, 0), mask
