"""How closely predictions follow a continuous target: linear, monotone, any dependence, explained variance.

All functions read `metric(predictions, targets, mask=None, weights=None)`: `[..., example]` in, `[...]` out,
batched over the leading axes. Masked examples may hold anything, also NaN. Integer weights give exactly what
repeated examples would. What is not defined is NaN: a correlation with a constant, or any metric of a row
in which a NaN counts.

Of NumPy's float64 and large whole numbers deviations and ranks are taken as such, before JAX rounds them to float32
(`float64`): an offset of 1e9 loses no digit of them. The result is float32.
"""

import math

import jax
import jax.numpy as jnp

from jaxfair.metrics.counted import counted
from jaxfair.metrics.float64 import centered, centered_together, prepared_by, ranked
from jaxfair.metrics.ranks import weight_below_and_through

# Rows of the distance matrix that are in memory at once.
_ROWS = 128


@prepared_by(centered)
def pearson(predictions, targets, mask=None, weights=None) -> jax.Array:
    """Pearson's correlation, `cov(a, b) / sqrt(var(a) var(b))`.

    It does not see offset or scale: predictions that run off to 1e5 years may still correlate. Show the mean
    and the standard deviation of the predictions beside it.

    Args:
      predictions: `[..., example]`.
      targets: `[..., example]`, in any unit.
      mask: `[..., example]`, true where an example counts.
      weights: `[..., example]`, not negative.

    Returns:
      `[...]` in [-1, 1]; NaN where predictions or targets are all equal.
    """
    return _pearson(*counted(predictions, targets, mask, weights))


@prepared_by(ranked)
def spearman(predictions, targets, mask=None, weights=None) -> jax.Array:
    """Spearman's rank correlation: Pearson's of the ranks, tied values sharing their average rank.

    Args: as `pearson`. Returns `[...]` in [-1, 1]; NaN where predictions or targets are all equal.
    """
    predictions, targets, weights = counted(predictions, targets, mask, weights)
    ranks = [sum(weight_below_and_through(values, weights)) / 2 for values in (predictions, targets)]
    return _pearson(*ranks, weights)


@prepared_by(centered_together)
def r2(predictions, targets, mask=None, weights=None) -> jax.Array:
    """Coefficient of determination, `1 - sum w (t - p)^2 / sum w (t - mean(t))^2`.

    The mean is that of the evaluated targets. Below 0 the predictions are worse than this constant. It equals
    the square of `pearson` only for the least-squares fit on the same examples.

    Args: as `pearson`. Returns `[...]`, at most 1; NaN where the targets are all equal.
    """
    predictions, targets, weights = counted(predictions, targets, mask, weights)
    deviations, scale = _centered(targets, weights)
    # A residual beside a weight of 0 may be infinite; 0 * inf would be NaN.
    residuals = jnp.where(weights != 0, targets - predictions, 0) / scale
    total = jnp.sum(weights * deviations**2, axis=-1)
    return 1 - jnp.sum(weights * residuals**2, axis=-1) / total


@prepared_by(centered)
def distance_correlation(predictions, targets, mask=None, weights=None) -> jax.Array:
    """Distance correlation: 0 in the population only under independence, of whatever form.

    With `A_ij = |a_i - a_j|` less its row, column and plus its grand mean, and B alike,
    `dCor = sqrt(sum A B / sqrt(sum A A sum B B))`. This is the V-statistic, positive in finite samples: about
    `n ** -0.5` times a constant near 1 for independent normal variables, so judge it against permutations and
    not against 0. It is the root, as in R's `energy::dcor`, not the squared coefficient.

    Time is O(n^2) for each row of the batch; rows are taken one after another and memory is O(n).

    Args: as `pearson`. Returns `[...]` in [0, 1]; NaN where predictions or targets are all equal.

    References:
      Szekely, Rizzo and Bakirov, Annals of Statistics 35, 2007, definition 5.
    """
    arrays = jnp.broadcast_arrays(*counted(predictions, targets, mask, weights))
    *leading, size = arrays[0].shape
    if not size:
        return jnp.full(leading, jnp.nan)
    rows = [array.reshape(math.prod(leading), size) for array in arrays]
    return _distance_correlations(rows).reshape(leading)


@jax.jit
def _distance_correlations(rows: list[jax.Array]) -> jax.Array:
    return jax.lax.map(lambda row: _distance_correlation(*row), rows)


def _distance_correlation(a: jax.Array, b: jax.Array, weights: jax.Array) -> jax.Array:
    (a, _), (b, _) = _centered(a, weights), _centered(b, weights)
    weights = weights / jnp.sum(weights)

    def mean_distances(values):
        rows = jax.lax.map(lambda value: jnp.sum(weights * jnp.abs(value - values)), values, batch_size=_ROWS)
        return rows, jnp.sum(weights * rows)

    means_a, mean_a = mean_distances(a)
    means_b, mean_b = mean_distances(b)

    def row_products(row):
        value_a, value_b, row_mean_a, row_mean_b = row
        centered_a = jnp.abs(value_a - a) - row_mean_a - means_a + mean_a
        centered_b = jnp.abs(value_b - b) - row_mean_b - means_b + mean_b
        products = jnp.stack([centered_a * centered_b, centered_a**2, centered_b**2])
        return jnp.sum(weights * products, axis=-1)

    rows = jax.lax.map(row_products, (a, b, means_a, means_b), batch_size=_ROWS)
    # Sums, not products of matrices, whose factors GPUs and TPUs round to fewer digits.
    ab, aa, bb = jnp.sum(weights[:, None] * rows, axis=0)
    return jnp.sqrt(jnp.clip(ab / (jnp.sqrt(aa) * jnp.sqrt(bb)), 0, 1))


def _pearson(a: jax.Array, b: jax.Array, weights: jax.Array) -> jax.Array:
    # Both variables, and below all three products, as rows of one sum: there are fewer kernels to compile.
    a, b, weights = jnp.broadcast_arrays(a, b, weights)
    (a, b), _ = _centered(jnp.stack([a, b]), weights)
    ab, aa, bb = jnp.sum(jnp.stack([weights * a * b, weights * a**2, weights * b**2]), axis=-1)
    return jnp.clip(ab / (jnp.sqrt(aa) * jnp.sqrt(bb)), -1, 1)


def _centered(values: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Deviations from the weighted mean over the largest of them, and that; all NaN for a constant.

    Whether the values are constant is asked of the values themselves, since the variance of a constant is
    rarely exactly 0 after rounding. The scale keeps squares of very large or small values in range.
    """
    values, weights = jnp.broadcast_arrays(values, weights)
    counts = weights != 0
    highest = jnp.max(values, axis=-1, keepdims=True, where=counts, initial=-jnp.inf)
    lowest = jnp.min(values, axis=-1, keepdims=True, where=counts, initial=jnp.inf)
    total = jnp.sum(weights, axis=-1, keepdims=True)
    # Twice: the first mean of values far from 0 is off by their rounding.
    for _ in range(2):
        mean = jnp.sum(jnp.where(counts, weights * values, 0), axis=-1, keepdims=True) / total
        values = jnp.where(counts, values - mean, 0)
    scale = jnp.where(highest > lowest, jnp.max(jnp.abs(values), axis=-1, keepdims=True, initial=0), jnp.nan)
    return values / scale, scale
