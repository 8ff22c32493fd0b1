"""Which examples a metric counts, and how much each of them counts."""

import jax
import jax.numpy as jnp
import numpy as np


def counted(
    predictions: jax.Array,
    targets: jax.Array,
    mask: jax.Array | None = None,
    weights: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Predictions, targets and weights in floating point, with nothing left of what the mask excludes.

    An example counts where its mask is true and its weight is not 0. Excluded examples get weight 0, and
    excluded or missing values become 0, so what stood there has no effect. A NaN that does count makes all
    weights of its row NaN, and with them every metric of that row: otherwise a network that diverged
    would be scored like one that says "negative" each time, because NaN compares as smaller than nothing.

    Values under a weight of 0 are kept, so that `predictions` do not depend on `weights`: a bootstrap, which
    changes only the weights, then sorts once and not once for each resample.

    Args:
      predictions: `[..., example]`.
      targets: `[..., example]`, broadcast against `predictions` over the leading axes.
      mask: `[..., example]` boolean, true where an example counts; all count by default.
      weights: `[..., example]`, not negative, finite; 1 by default.

    Returns:
      Predictions, targets and weights, the first two in the wider of their type and float32. Leading
      axes are not broadcast here but by the arithmetic that follows.

    Raises:
      ValueError: If the last axes differ in length (`[n]` against `[n, 1]` would broadcast to `[n, n]`).
    """
    predictions, targets = jnp.asarray(predictions), jnp.asarray(targets)
    mask = jnp.ones(predictions.shape[-1:], bool) if mask is None else jnp.asarray(mask, bool)
    if not isinstance(weights, jax.Array) and np.asarray(weights).dtype.kind in "iu":
        weights = np.asarray(weights, float)  # JAX's integers hold no more than 2 ** 31.
    weights = jnp.ones(predictions.shape[-1:]) if weights is None else jnp.asarray(weights)
    shapes = {
        "predictions": predictions.shape,
        "targets": targets.shape,
        "mask": mask.shape,
        "weights": weights.shape,
    }
    if len({shape[-1:] for shape in shapes.values()}) > 1 or predictions.ndim == 0:
        raise ValueError(f"A metric needs the same examples on the last axis of all its arguments, got {shapes}.")
    dtype = jnp.promote_types(jnp.result_type(predictions, targets), jnp.float32)
    predictions, targets, weights = predictions.astype(dtype), targets.astype(dtype), weights.astype(dtype)

    unknown = jnp.isnan(predictions) | jnp.isnan(targets)
    weights = jnp.where(mask, weights, 0)
    spoiled = jnp.any(unknown & (weights != 0), axis=-1, keepdims=True)
    return (
        jnp.where(mask & ~jnp.isnan(predictions), predictions, 0),
        jnp.where(mask & ~jnp.isnan(targets), targets, 0),
        jnp.where(spoiled, jnp.nan, weights),
    )


def ratio(numerator: jax.Array, denominator: jax.Array) -> jax.Array:
    """`numerator / denominator`, NaN where nothing is counted in the denominator."""
    some = denominator > 0
    return jnp.where(some, numerator / jnp.where(some, denominator, 1), jnp.nan)
