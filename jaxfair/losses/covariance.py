"""Linear dependence of two variables over a batch, as a loss.

Each function is a statistic of a whole batch: it takes the mask, returns a scalar, and is no mean of the losses of
examples. None of them sees more than linear dependence: a prediction that holds age squared can have no covariance with
age. For dependence of any form see `dependence`.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxfair.losses.reduction import masked_mean, select, standardize


def covariance(a: ArrayLike, b: ArrayLike, mask: ArrayLike | None = None, *, ddof: int = 0) -> jax.Array:
    """`Σ (a − mean a)(b − mean b) / (n − ddof)` over the n examples that count; 0 where n is at most `ddof`.

    The default divides by n. `ddof=1` makes the covariance unbiased, but not its square: see
    `unbiased_squared_covariance`.

    Args:
      a: `[batch]`.
      b: `[batch]`.
      mask: Boolean `[batch]`. `None`: all count.
      ddof: What the divisor is below n.

    Returns:
      A scalar in the unit of `a` times that of `b`.

    Raises:
      ValueError: If `a` and `b` are not both `[batch]`; `[batch, 1]` against `[batch]` would pair every example
        with every other.
      TypeError: If the mask is not boolean.
    """
    a, b, count = _center_pair("covariance", a, b, mask)
    return jnp.sum(a * b) / jnp.maximum(count - ddof, 1)


def negative_squared_covariance(predictions: ArrayLike, targets: ArrayLike, mask: ArrayLike | None = None) -> jax.Array:
    """NCOV: `−cov(predictions, targets)²`, a loss for *reversed* gradients.

    Behind `reverse_gradient` the representation raises this loss, so it lowers `cov²` to 0, where the prediction says
    nothing linear about the target. Minimised directly it does the opposite, without bound: a head that is trained
    along with it only grows its output. Train the head on its squared error instead.

    It is not free of scale: 0 is also reached by a constant prediction, and its strength is in (units of prediction x
    units of target)², years⁴ for an age. `squared_correlation` has no scale. And the square of a noisy covariance
    is too large: in small batches see `unbiased_squared_covariance`.

    Args:
      predictions: `[batch]`.
      targets: `[batch]`.
      mask: Boolean `[batch]`. `None`: all count.

    Returns:
      A scalar, at most 0; 0 with a zero gradient where one example or none counts.

    Raises:
      ValueError: If predictions and targets are not both `[batch]`.
      TypeError: If the mask is not boolean.

    References:
      Ibrahimi, Rivolta and Sassi, "Adversarial Multitask Learning Reduces the Correlation Between Age and Deep
      Learning Predictions of Myocardial Infarction from Electrocardiograms", Computing in Cardiology 2024, Section 2.5.
    """
    return -(covariance(predictions, targets, mask) ** 2)


def squared_correlation(
    predictions: ArrayLike, targets: ArrayLike, mask: ArrayLike | None = None, epsilon: float = 1e-6
) -> jax.Array:
    """`cov² / (var(predictions) var(targets))`: Pearson's r squared, the scale-free relative of NCOV.

    Positive sign: minimised directly it removes linear dependence; behind `reverse_gradient` use its negative. A
    smaller prediction does not lower it, so a representation cannot escape by shrinking. Where few examples count it
    is too large: 1/(n−1) in the mean of n independent normal examples, and always 1 for two.

    Args:
      predictions: `[batch]`.
      targets: `[batch]`.
      mask: Boolean `[batch]`. `None`: all count.
      epsilon: The standard deviation, relative to the root mean square, up to which a variable is constant.

    Returns:
      A scalar in [0, 1]; 0 with a zero gradient where predictions or targets are constant.

    Raises:
      ValueError: If predictions and targets are not both `[batch]`.
      TypeError: If the mask is not boolean.

    References:
      Adeli et al., "Representation Learning with Statistical Independence to Mitigate Bias", WACV 2021
      (arXiv:1910.03676): the squared correlation of an adversary's prediction with the protected variable.
    """
    _check_pair("squared_correlation", predictions, targets)
    product = standardize(predictions, mask, epsilon) * standardize(targets, mask, epsilon)
    return masked_mean(product, mask) ** 2


def unbiased_squared_covariance(predictions: ArrayLike, targets: ArrayLike, mask: ArrayLike | None = None) -> jax.Array:
    """The estimate of `cov²` whose mean over random batches is the population's `cov²` exactly.

    The square of a batch's covariance has the mean `cov² + var(sample covariance)`: in small batches a descent on it
    mostly shrinks the second term, that is, the predictions. Written with means over *distinct* examples,

      U = mean_{i≠j} a_i b_i a_j b_j − 2 mean_{i≠j≠k} a_i b_i a_j b_k + mean_{i≠j≠k≠l} a_i a_j b_k b_l,

    each term is unbiased for its part of `(E[ab] − E[a] E[b])²`, and so is the gradient. U does not change when a or b
    is shifted; centred by their batch means, with `P = Σ a b`, `Q = Σ a² b²`, `A = Σ a²`, `B = Σ b²`, it is

      U = (P² − Q) / n(n−1) + 2 (P² − 2Q) / n(n−1)(n−2) + (2P² − 6Q + AB) / n(n−1)(n−2)(n−3).

    It can be negative, as an unbiased estimate of 0 must. Positive sign: minimise it directly; behind
    `reverse_gradient` use its negative. Batches drawn without replacement average to the U of the whole training set
    (the unbiased estimate from all of it), not to the square of its covariance with 1/n.

    Args:
      predictions: `[batch]`.
      targets: `[batch]`.
      mask: Boolean `[batch]`. `None`: all count.

    Returns:
      A scalar; 0 with a zero gradient where fewer than 4 examples count, from which no unbiased estimate exists.

    Raises:
      ValueError: If predictions and targets are not both `[batch]`.
      TypeError: If the mask is not boolean.
    """
    a, b, count = _center_pair("unbiased_squared_covariance", predictions, targets, mask)
    p, q = jnp.sum(a * b), jnp.sum((a * b) ** 2)
    two = jnp.maximum(count * (count - 1), 1)
    three = two * jnp.maximum(count - 2, 1)
    four = three * jnp.maximum(count - 3, 1)
    estimate = (p**2 - q) / two + 2 * (p**2 - 2 * q) / three + (2 * p**2 - 6 * q + jnp.sum(a**2) * jnp.sum(b**2)) / four
    return jnp.where(count >= 4, estimate, 0)


def _check_pair(name: str, a: ArrayLike, b: ArrayLike) -> None:
    if jnp.ndim(a) != 1 or jnp.shape(a) != jnp.shape(b):
        raise ValueError(
            f"{name}: both arguments must be [batch], but have shapes {jnp.shape(a)} and {jnp.shape(b)}; "
            "remove an axis of size 1 with [:, 0]."
        )


def _center_pair(
    name: str, a: ArrayLike, b: ArrayLike, mask: ArrayLike | None
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Both variables less their means, 0 where an example does not count, and how many count."""
    _check_pair(name, a, b)
    a, mask = select(a, mask)
    b, _ = select(b, mask)
    count = jnp.sum(mask, dtype=a.dtype)
    # Centred before they are multiplied: E[ab] − E[a]E[b] would lose an age's digits to its mean.
    a = jnp.where(mask, a - jnp.sum(a) / jnp.maximum(count, 1), 0)
    b = jnp.where(mask, b - jnp.sum(b) / jnp.maximum(count, 1), 0)
    return a, b, count
