"""Matrices over pairs of examples: distances, a kernel, and their centring.

An example that does not count has a row and a column of zeros, and may hold NaN. NaN in one that counts shows in the
result: comparisons are written so that NaN never passes for "coincident".
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxfair.losses.reduction import select

Estimator = Literal["biased", "unbiased"]


def gaussian_kernel(x: ArrayLike, bandwidth: ArrayLike, mask: ArrayLike | None = None) -> jax.Array:
    """`exp(−‖x_i − x_j‖² / (2 σ²))` for each pair of examples.

    The bandwidth is σ, with the 2: not γ = 1/(2σ²), and not the σ² of a kernel written without the 2.

    Args:
      x: `[batch]` or `[batch, features]`.
      bandwidth: σ > 0, a scalar in the unit of `x`, traced or not.
      mask: Boolean `[batch]`. `None`: all count.

    Returns:
      `[batch, batch]`; 0 in rows and columns of examples that do not count.

    Raises:
      ValueError: If `x` has another form, or a bandwidth that is a Python number is not positive.
      TypeError: If the mask is not boolean.
    """
    if isinstance(bandwidth, int | float) and not bandwidth > 0:
        raise ValueError(f"gaussian_kernel: the bandwidth must be positive, but is {bandwidth}.")
    squares = squared_distances(x, mask)
    kernel = jnp.exp(-squares / (2 * jnp.asarray(bandwidth) ** 2))
    return jnp.where(countable_pairs(len(kernel), mask), kernel, 0)


def squared_distances(x: ArrayLike, mask: ArrayLike | None = None) -> jax.Array:
    """`‖x_i − x_j‖²` for each pair of examples, by one matrix product; exactly 0 for coincident examples.

    With several features, distances below about 1e-3 of the examples' distance from their mean count as 0 in float32:
    they are within the rounding error of the product.

    Args:
      x: `[batch]` or `[batch, features]`.
      mask: Boolean `[batch]`. `None`: all count.

    Returns:
      `[batch, batch]`; 0 in rows and columns of examples that do not count.

    Raises:
      ValueError: If `x` or the mask has another form.
      TypeError: If the mask is not boolean.
    """
    if jnp.ndim(x) not in (1, 2) or jnp.shape(x)[1:] == (0,):
        raise ValueError(
            f"A variable must be [batch] or [batch, features], but has shape {jnp.shape(x)}; "
            "reshape it with x.reshape(len(x), -1)."
        )
    x, counted = select(x, mask)
    size = len(x)
    pairs = countable_pairs(size, mask)
    if x.size == size:
        x = x.reshape(size)
        return jnp.where(pairs, (x[:, None] - x[None, :]) ** 2, 0)
    # Distances do not change with the origin, but the digits that survive the subtraction below do.
    x = jnp.where(counted, x - jnp.sum(x, axis=0) / jnp.maximum(jnp.sum(counted, axis=0, dtype=x.dtype), 1), 0)
    norms = jnp.sum(x**2, axis=1)
    sums = norms[:, None] + norms[None, :]
    # The default precision of a GPU's or TPU's matrix product leaves three digits, here of a difference.
    squares = sums - 2 * jnp.matmul(x, x.T, precision=jax.lax.Precision.HIGHEST)
    # Below its own rounding error the difference is noise, possibly negative, whose square root has a wild gradient.
    coincident = squares <= 8 * jnp.finfo(x.dtype).eps * sums
    return jnp.where(pairs & ~coincident, squares, 0)


def countable_pairs(size: int, mask: ArrayLike | None = None) -> jax.Array:
    """Which pairs of examples count, `[size, size]`: those of two examples that do."""
    counted = jnp.ones(size, bool) if mask is None else jnp.asarray(mask)
    if counted.shape != (size,):
        raise ValueError(f"The mask of a batch of {size} must be [{size}], but has shape {counted.shape}.")
    return counted[:, None] & counted[None, :]


def center(matrix: jax.Array, mask: ArrayLike | None, estimator: Estimator) -> tuple[jax.Array, jax.Array]:
    """Takes row and column means off a symmetric matrix, so that each row sums to 0 over the pairs that count.

    "biased" is `H M H` with `H = I − 1/n`. "unbiased" is U-centring: the diagonal is left out, sums of rows are
    divided by n−2 and the total by (n−1)(n−2), and the sum of products of two such matrices by n(n−3).

    Args:
      matrix: `[batch, batch]`, symmetric.
      mask: Boolean `[batch]`. `None`: all count.
      estimator: "biased" or "unbiased".

    Returns:
      The centred matrix, 0 where a pair does not count and, for "unbiased", where fewer than 4 examples count; and
      what to divide a sum of products by (n² or n(n−3), 1 where that would be 0).

    Raises:
      ValueError: If the estimator is not one of the two.

    References:
      Székely and Rizzo, "Partial Distance Correlation with Methods for Dissimilarities", Annals of Statistics 42(6),
      2014: U-centred matrices and their inner product.
    """
    pairs = countable_pairs(len(matrix), mask)
    n = jnp.sum(jnp.diagonal(pairs), dtype=matrix.dtype)
    if estimator == "biased":
        row_divisor, total_divisor, product_divisor = n, n**2, n**2
    elif estimator == "unbiased":
        pairs = pairs & ~jnp.eye(len(matrix), dtype=bool) & (n >= 4)
        row_divisor, total_divisor, product_divisor = n - 2, (n - 1) * (n - 2), n * (n - 3)
    else:
        raise ValueError(f'The estimator must be "biased" or "unbiased", but is {estimator!r}.')
    matrix = jnp.where(pairs, matrix, 0)
    rows = jnp.sum(matrix, axis=1)
    means = rows / jnp.maximum(row_divisor, 1)
    mean = jnp.sum(rows) / jnp.maximum(total_divisor, 1)
    centered = jnp.where(pairs, matrix - means[:, None] - means[None, :] + mean, 0)
    return centered, jnp.maximum(product_divisor, 1)
