"""Dependence of any form between two variables over a batch: HSIC and distance correlation.

Both are one computation. Each variable becomes a matrix over pairs of examples (a kernel's value, or a distance), each
matrix is centred, and the mean product of two centred matrices measures dependence: 0 in the population only where the
variables are independent. "biased" centres with means over all pairs; "unbiased" leaves out each example's
pair with itself, which makes the product's mean over random batches exact, at the price of negative values.

Memory and time are quadratic in the batch; products of features are matrix products. To remove dependence within a
class (age within the healthy), pass a mask that counts that class alone.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxfair.losses.pairwise import Estimator, center, gaussian_kernel, squared_distances


def hsic(
    x: ArrayLike,
    y: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    estimator: Estimator = "biased",
    bandwidth_x: ArrayLike | None = None,
    bandwidth_y: ArrayLike | None = None,
) -> jax.Array:
    """The Hilbert-Schmidt independence criterion of x and y with Gaussian kernels.

    With kernel matrices K of x and L of y over the n examples that count, `H = I − 1/n`, and K̃, L̃ their copies with
    a zero diagonal:

      biased    `tr(K H L H) / n²`, which is at least 0, and of order 1/n for independent variables too;
      unbiased  `[tr(K̃ L̃) + (Σ K̃)(Σ L̃) / ((n−1)(n−2)) − 2/(n−2) 1ᵀ K̃ L̃ 1] / (n(n−3))`.

    Some authors divide the biased one by (n−1)². Its size depends on scale: a representation escapes it by shrinking
    until all kernel values are 1. Standardise x (`reduction.standardize`), or use `normalized_hsic`, or both.

    Args:
      x: `[batch]` or `[batch, features]`.
      y: `[batch]` or `[batch, features]`.
      mask: Boolean `[batch]`. `None`: all count.
      estimator: "biased" or "unbiased".
      bandwidth_x: σ of the kernel of x (see `gaussian_kernel`). `None`: √features, which suits standardised features:
        two independent examples then lie about 1.4 σ apart.
      bandwidth_y: The same for y.

    Returns:
      A scalar; 0 with a zero gradient where fewer than 2 (biased) or 4 (unbiased) examples count.

    Raises:
      ValueError: If a shape, the estimator or a bandwidth is not one of these.
      TypeError: If the mask is not boolean.

    References:
      Gretton et al., "Measuring Statistical Dependence with Hilbert-Schmidt Norms", ALT 2005 (biased).
      Song et al., "Feature Selection via Dependence Maximization", JMLR 13, 2012, Eq. 4 (biased, with (n−1)²) and
      Eq. 5 (unbiased).
    """
    _check_lengths("hsic", x, y)
    a, divisor = center(_kernel(x, bandwidth_x, mask), mask, estimator)
    b, _ = center(_kernel(y, bandwidth_y, mask), mask, estimator)
    return jnp.sum(a * b) / divisor


def normalized_hsic(
    x: ArrayLike,
    y: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    estimator: Estimator = "biased",
    bandwidth_x: ArrayLike | None = None,
    bandwidth_y: ArrayLike | None = None,
) -> jax.Array:
    """`HSIC(x, y) / √(HSIC(x, x) HSIC(y, y))`: the cosine of the two centred kernel matrices.

    It does not fall when the kernel values of x shrink together, but it still depends on the bandwidths: as σ grows,
    the kernel sees only linear dependence; as σ falls to 0 every example is alone, and the biased value tends to 1
    whatever the variables are. It is large for independent variables too where few examples count: compare it with
    its value for shuffled y, or use "unbiased".

    Args:
      x: `[batch]` or `[batch, features]`.
      y: `[batch]` or `[batch, features]`.
      mask: Boolean `[batch]`. `None`: all count.
      estimator: "biased" or "unbiased", for all three.
      bandwidth_x: σ of the kernel of x. `None`: √features.
      bandwidth_y: σ of the kernel of y. `None`: √features.

    Returns:
      A scalar in [0, 1] (biased) or [−1, 1] (unbiased); 0 with a zero gradient where a variable is constant, or
      fewer than 2 (biased) or 4 (unbiased) examples count.

    Raises:
      ValueError: If a shape, the estimator or a bandwidth is not one of these.
      TypeError: If the mask is not boolean.

    References:
      Cortes, Mohri and Rostamizadeh, "Algorithms for Learning Kernels Based on Centered Alignment", JMLR 13, 2012.
      Kornblith et al., "Similarity of Neural Network Representations Revisited", ICML 2019, Section 3 (there as CKA).
    """
    _check_lengths("normalized_hsic", x, y)
    return _cosine(_kernel(x, bandwidth_x, mask), _kernel(y, bandwidth_y, mask), mask, estimator)


def squared_distance_correlation(
    x: ArrayLike, y: ArrayLike, mask: ArrayLike | None = None, *, estimator: Estimator = "biased"
) -> jax.Array:
    """`dCov²(x, y) / √(dVar²(x) dVar²(y))`, from Euclidean distances: no bandwidth to choose, and no scale.

    The better loss of the two: the square root in `distance_correlation` steepens without bound near 0. The
    "biased" value of independent variables is of order 1/n and grows with the number of features; "unbiased" is the
    bias-corrected statistic, of mean nearly 0.

    Args:
      x: `[batch]` or `[batch, features]`.
      y: `[batch]` or `[batch, features]`.
      mask: Boolean `[batch]`. `None`: all count.
      estimator: "biased" or "unbiased".

    Returns:
      A scalar in [0, 1] (biased) or [−1, 1] (unbiased); 0 with a zero gradient where a variable is constant, or
      fewer than 2 (biased) or 4 (unbiased) examples count.

    Raises:
      ValueError: If a shape or the estimator is not one of these.
      TypeError: If the mask is not boolean.

    References:
      Székely, Rizzo and Bakirov, "Measuring and Testing Dependence by Correlation of Distances", Annals of Statistics
      35(6), 2007 (biased).
      Székely and Rizzo, "Partial Distance Correlation with Methods for Dissimilarities", Annals of Statistics 42(6),
      2014 (U-centred matrices and the bias-corrected statistic).
    """
    _check_lengths("distance_correlation", x, y)
    distances_x, distances_y = (_safe_sqrt(squared_distances(v, mask)) for v in (x, y))
    return _cosine(distances_x, distances_y, mask, estimator)


def distance_correlation(x: ArrayLike, y: ArrayLike, mask: ArrayLike | None = None) -> jax.Array:
    """The distance correlation: the root of the biased `squared_distance_correlation`.

    It is the number in the literature, between 0 and 1, and 1 for a line. A small batch of independent examples
    does not give 0: 128 pairs of normal variables give about 0.15, 128 of
    64 features against one about 0.36.

    Args:
      x: `[batch]` or `[batch, features]`.
      y: `[batch]` or `[batch, features]`.
      mask: Boolean `[batch]`. `None`: all count.

    Returns:
      A scalar in [0, 1]; 0 with a zero gradient where a variable is constant, or one example or none counts.

    Raises:
      ValueError: If a shape is not one of these.
      TypeError: If the mask is not boolean.

    References:
      Székely, Rizzo and Bakirov, "Measuring and Testing Dependence by Correlation of Distances", Annals of Statistics
      35(6), 2007.
    """
    return _safe_sqrt(squared_distance_correlation(x, y, mask))


def _kernel(x: ArrayLike, bandwidth: ArrayLike | None, mask: ArrayLike | None) -> jax.Array:
    if bandwidth is None:
        bandwidth = 1.0 if jnp.ndim(x) < 2 else jnp.shape(x)[1] ** 0.5
    return gaussian_kernel(x, bandwidth, mask)


def _check_lengths(name: str, x: ArrayLike, y: ArrayLike) -> None:
    if jnp.shape(x)[:1] != jnp.shape(y)[:1]:
        raise ValueError(
            f"{name}: x and y must have one row per example, but have shapes {jnp.shape(x)} and {jnp.shape(y)}."
        )


def _cosine(x: jax.Array, y: jax.Array, mask: ArrayLike | None, estimator: Estimator) -> jax.Array:
    """The cosine of two matrices once centred; 0 where one of them then is 0 up to rounding."""
    a, _ = center(x, mask, estimator)
    b, _ = center(y, mask, estimator)
    square_a, square_b = jnp.sum(a**2), jnp.sum(b**2)
    # Eight roundings of the matrix's own entries: below, centring left only noise, and the ratio would be one of noise.
    rounding = (8 * jnp.finfo(x.dtype).eps) ** 2
    constant = (square_a <= rounding * jnp.sum(x**2)) | (square_b <= rounding * jnp.sum(y**2))
    norms = jnp.sqrt(jnp.where(constant, 1, square_a)) * jnp.sqrt(jnp.where(constant, 1, square_b))
    return jnp.where(constant, 0, jnp.sum(a * b) / norms)


def _safe_sqrt(squares: jax.Array) -> jax.Array:
    """The square root, with gradient 0 instead of infinity at 0."""
    zero = squares <= 0
    return jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, squares)))
