"""Attributes that are numbers (age, income): how predictions depend on them, and groups from their quantiles."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from jaxfair.losses.pairwise import gaussian_kernel
from jaxfair.metrics.correlation import distance_correlation
from jaxfair.metrics.counted import counted
from jaxfair.metrics.float64 import centered

__all__ = ["band_codes", "distance_correlation", "hsic", "quantile_bands"]


def hsic(predictions, attribute, mask=None, weights=None, *, bandwidth=1.0, normalized: bool = True) -> jax.Array:
    """The Hilbert-Schmidt independence criterion of predictions and an attribute: dependence of any form.

    Both are standardised over the examples that count; K and L are their Gaussian kernels, `v = w / sum w`, and a
    kernel is centred as `K - K v 1' - 1 v' K + v' K v`. Then `sum_ij v_i v_j K_ij L_ij` is the biased HSIC, and
    normalized it is divided by the root of that of each with itself. It reads like the other metrics, the attribute in
    the targets' place, so that `bootstrap_interval` takes it; for dependence given the label mask by the label. Like
    `distance_correlation` it is above 0 for independent variables too, by about 1/n and more: compare it with its value
    for a shuffled attribute.

    Memory and time are O(n^2) for each row of the batch, rows one after another.

    Args:
      predictions: `[..., example]`.
      attribute: `[..., example]`; an example that lacks it must be masked.
      mask: `[..., example]` boolean.
      weights: `[..., example]`, not negative.
      bandwidth: Of both kernels, in standard deviations. It may be traced.
      normalized: Static.

    Returns:
      `[...]`, in [0, 1] if normalized; NaN where either is constant, fewer than two examples count, or a NaN counts.

    Raises:
      ValueError: The bandwidth is not positive, or the last axes differ in length.

    References:
      Gretton et al., Measuring Statistical Dependence with Hilbert-Schmidt Norms, ALT 2005; Cortes, Mohri and
      Rostamizadeh, JMLR 13, 2012 (normalized).
    """
    if not isinstance(bandwidth, jax.Array) and not bandwidth > 0:
        raise ValueError(f"hsic: the bandwidth must be positive, but is {bandwidth}.")
    predictions, attribute = centered(predictions, attribute, mask, weights)
    arrays = jnp.broadcast_arrays(*counted(predictions, attribute, mask, weights))
    *leading, size = arrays[0].shape
    rows = [array.reshape(math.prod(leading), size) for array in arrays]
    return _hsics(rows, bandwidth, normalized).reshape(leading)


@functools.partial(jax.jit, static_argnums=2)
def _hsics(rows, bandwidth, normalized):
    return jax.lax.map(lambda row: _hsic(*row, bandwidth, normalized), rows)


def _hsic(a, b, weights, bandwidth, normalized):
    share = weights / jnp.sum(weights)
    centred = [_centred(gaussian_kernel(_standard(values, share), bandwidth), share) for values in (a, b)]
    pairs = share[:, None] * share
    ab, aa, bb = (jnp.sum(pairs * centred[first] * centred[second]) for first, second in ((0, 1), (0, 0), (1, 1)))
    return jnp.clip(ab / (jnp.sqrt(aa) * jnp.sqrt(bb)), 0, 1) if normalized else jnp.maximum(ab, 0)


def _standard(values, share):
    """Deviations in standard deviations; all NaN for a constant, and 0 where the weight is 0."""
    counts = share != 0
    highest = jnp.max(values, where=counts, initial=-jnp.inf)
    lowest = jnp.min(values, where=counts, initial=jnp.inf)
    # Twice, as in `correlation`: the first mean of values far from 0 is off by their rounding.
    for _ in range(2):
        values = jnp.where(counts, values - jnp.sum(jnp.where(counts, share * values, 0)), 0)
    deviation = jnp.sqrt(jnp.sum(share * values**2))
    return jnp.where(highest > lowest, values / deviation, jnp.nan)


def _centred(kernel, share):
    rows = jnp.sum(kernel * share, axis=1)
    return kernel - rows[:, None] - rows + jnp.sum(share * rows)


def quantile_bands(values, num_bands: int, mask=None) -> tuple[np.ndarray, list[str]]:
    """Edges of bands with about equally many examples, and the bands' names.

    Take the edges from one sample (training, say) and code all others with them (`band_codes`): bands of each sample's
    own would be other groups each time.

    Args:
      values: `[example]`; NaN is left out.
      num_bands: How many.
      mask: `[example]` boolean.

    Returns:
      The inner edges `[num_bands - 1]`, and names such as "[40, 62)". Many equal values can make edges equal, and the
      band between them empty: gaps are then NaN.

    Raises:
      ValueError: `num_bands` is less than 1, or no value is known.
    """
    values = np.asarray(values, float)
    known = values[~np.isnan(values) & (True if mask is None else np.asarray(mask, bool))]
    if num_bands < 1 or not known.size:
        raise ValueError(f"quantile_bands needs a band and a known value, got {num_bands} bands, {known.size} values.")
    edges = np.quantile(known, np.arange(1, num_bands) / num_bands)
    ends = ["-inf", *(f"{edge:g}" for edge in edges), "inf"]
    opening = ["(", *"[" * len(edges)]
    return edges, [f"{mark}{low}, {high})" for mark, low, high in zip(opening, ends[:-1], ends[1:], strict=True)]


def band_codes(values, edges) -> jax.Array | np.ndarray:
    """Codes of bands: how many edges are at or below each value; -1 for NaN.

    Args:
      values: `[..., example]`.
      edges: `[num_bands - 1]`, ascending.

    Returns:
      `[..., example]` int32, NumPy's where both are NumPy's (and compared in float64), JAX's otherwise.
    """
    module = jnp if isinstance(values, jax.Array) or isinstance(edges, jax.Array) else np
    values, edges = module.asarray(values), module.asarray(edges)
    codes = module.sum(values[..., None] >= edges, axis=-1).astype("int32")
    return module.where(module.isnan(values), -1, codes).astype("int32")
