"""What all probes do with their arguments: check shapes, and standardise over the training examples."""

import jax.numpy as jnp


def checked(name, features, attribute, fold, num_folds, train):
    """The arguments of a probe as arrays of the right types."""
    features, attribute = jnp.asarray(features), jnp.asarray(attribute)
    dtype = jnp.promote_types(features.dtype, jnp.float32)
    fold, train = jnp.asarray(fold), jnp.asarray(train, bool)
    shapes = {"features": features.shape, "attribute": attribute.shape, "fold": fold.shape, "train": train.shape}
    if features.ndim != 2 or {attribute.shape, fold.shape, train.shape} != {features.shape[:1]}:
        raise ValueError(f"{name}: features must be [example, dim] and the others [example], got {shapes}.")
    if num_folds < 2:
        raise ValueError(f"{name}: cross-validation needs num_folds of 2 or more, got {num_folds}.")
    return features.astype(dtype), attribute.astype(dtype), fold, train


def standardized(values, train):
    """`values` with mean 0 and variance 1 over `train` along the first axis; the mean; the scale.

    A constant, known by its values since its rounded variance is rarely 0, is divided by 1. The largest deviation
    is divided out before squaring: squares of 1e-30 or 1e30 are 0 or infinite, as if there was nothing to read.
    """
    where = jnp.broadcast_to(train.reshape(-1, *[1] * (values.ndim - 1)), values.shape)
    lowest = jnp.min(values, axis=0, where=where, initial=jnp.inf)
    varies = jnp.max(values, axis=0, where=where, initial=-jnp.inf) > lowest
    mean = jnp.mean(values, axis=0, where=where)
    largest = jnp.where(varies, jnp.max(jnp.abs(values - mean), axis=0, where=where, initial=0), 1)
    scale = jnp.where(varies, largest * jnp.std((values - mean) / largest, axis=0, where=where), 1)
    return (values - mean) / scale, mean, scale
