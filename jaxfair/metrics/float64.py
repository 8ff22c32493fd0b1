"""What float64 and large whole numbers tell apart and float32 does not, settled by NumPy before JAX rounds it away.

JAX computes in float32 unless `jax_enable_x64` is set: there the scores 1 + 1e-9 and 1 + 2e-9 are one, and so are two
times in seconds since 1970. A metric needs little of such numbers: their order, the side of a threshold they are on, or
their deviations from a number near them. These are taken here from NumPy arrays, lists and tables whose values
float32 cannot hold. Traced values and JAX's arrays were rounded before and pass as they are, and so does whatever
float32 holds exactly.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def prepared_by(prepare: Callable) -> Callable[[Callable], Callable]:
    """A decorator: the metric gets predictions and targets as `prepare` leaves them.

    `bootstrap_interval`, which traces what it is given, finds `prepare` as the metric's attribute and calls it before.

    Args:
      prepare: `(predictions, targets, mask, weights, **options) -> (predictions, targets)` for which the metric is the
        same; `options` are the metric's keywords.
    """

    def decorate(metric):
        @functools.wraps(metric)
        def prepared(predictions, targets, mask=None, weights=None, **options):
            predictions, targets = prepare(predictions, targets, mask, weights, **options)
            return metric(predictions, targets, mask, weights, **options)

        prepared.prepare = prepare
        return prepared

    return decorate


def sides(predictions: Any, targets: Any, mask: Any = None, weights: Any = None, *, threshold: Any = 0.5):
    """Predictions as inf where they reach the threshold and -inf where they do not; targets as 1 above 0.5, else 0."""
    if _rounds(predictions) and not isinstance(threshold, jax.Array):
        predictions = np.asarray(predictions)
        called = np.where(predictions >= np.asarray(threshold), np.inf, -np.inf)
        predictions = np.where(np.isnan(predictions), np.nan, called)
    return predictions, _classes(targets)


def ranked_predictions(predictions: Any, targets: Any, mask: Any = None, weights: Any = None):
    """Predictions as their ranks within a row, equal ones alike; targets as 1 above 0.5, else 0."""
    return _ranks(predictions), _classes(targets)


def ranked(predictions: Any, targets: Any, mask: Any = None, weights: Any = None):
    """Predictions and targets as their ranks within a row, equal ones alike."""
    return _ranks(predictions), _ranks(targets)


def centered(predictions: Any, targets: Any, mask: Any = None, weights: Any = None):
    """Predictions and targets each less a number amid those that count, in a unit near their spread."""
    return tuple(
        _deviations(values, values, mask, weights) if _rounds(values) else values for values in (predictions, targets)
    )


def centered_together(predictions: Any, targets: Any, mask: Any = None, weights: Any = None):
    """Both less one number amid the targets that count, in one unit near the spread of these."""
    traced = any(isinstance(values, jax.core.Tracer) for values in (predictions, targets))
    if traced or not (_rounds(predictions) or _rounds(targets)):
        return predictions, targets
    return tuple(_deviations(values, targets, mask, weights) for values in (predictions, targets))


def _rounds(values: Any) -> bool:
    """Whether JAX's float type cannot hold some of these values, and they are still there to be read."""
    if isinstance(values, jax.Array):
        return False
    values, kept = np.asarray(values), jnp.finfo(jnp.result_type(float))
    if not values.ndim:
        return False
    if values.dtype.kind in "iu":
        limit = 2 ** (kept.nmant + 1)
        return bool(np.any((values > limit) | (values < -limit)))
    if values.dtype.kind != "f" or values.dtype.itemsize <= kept.dtype.itemsize:
        return False
    with np.errstate(over="ignore", under="ignore"):
        lost = values != values.astype(kept.dtype)
    # XLA may take what is below the smallest normal number for 0.
    return bool(np.any((lost & ~np.isnan(values)) | ((values != 0) & (np.abs(values) < kept.tiny))))


def _classes(targets):
    if not _rounds(targets):
        return targets
    targets = np.asarray(targets)
    return np.where(np.isnan(targets), np.nan, targets > 0.5)


def _ranks(values):
    if not _rounds(values):
        return values
    values = np.asarray(values)
    order = np.argsort(values, axis=-1)
    ascending = np.take_along_axis(values, order, axis=-1)
    steps = np.zeros(values.shape)
    steps[..., 1:] = np.cumsum(ascending[..., 1:] != ascending[..., :-1], axis=-1)
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, steps, axis=-1)
    return np.where(np.isnan(values), np.nan, ranks)


def _deviations(values, around, mask, weights):
    """`values` less a number amid those of `around` that count, over a power of two near half the range of these."""
    values, around = (_widest(np.asarray(each)) for each in (values, around))
    counts = np.isfinite(around)
    for each in (mask, weights):
        if each is None or isinstance(each, jax.core.Tracer):
            continue
        if np.shape(each)[-1:] != around.shape[-1:]:
            return values  # `counted` says what is wrong.
        counts = counts & (np.asarray(each) != 0)
    around = np.broadcast_to(around, counts.shape)
    limits = np.iinfo(around.dtype) if around.dtype.kind != "f" else np.finfo(around.dtype)
    lowest = np.min(around, axis=-1, keepdims=True, where=counts, initial=limits.max)
    highest = np.max(around, axis=-1, keepdims=True, where=counts, initial=limits.min)
    if around.dtype.kind == "f":
        middle = lowest / 2 + highest / 2
    else:
        # Without the last bits, so that float64 holds it too.
        middle = (lowest // 2 + highest // 2) & ~np.array(2047, around.dtype)
    _, exponent = np.frexp(highest.astype(float) / 2 - lowest.astype(float) / 2)
    # What does not count may be anything.
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return np.ldexp(_minus(values, middle), -exponent).astype(jnp.result_type(float))


def _widest(values):
    return values.astype({"f": np.float64, "u": np.uint64}.get(values.dtype.kind, np.int64))


def _minus(values, middle):
    if "f" in (values.dtype.kind, middle.dtype.kind):
        return values.astype(float) - middle.astype(float)
    # The upper and the lower 32 bits apart: neither difference overflows, and both are exact.
    parts = [((whole >> 32).astype(np.int64), (whole & 0xFFFFFFFF).astype(np.int64)) for whole in (values, middle)]
    (upper, lower), (upper_middle, lower_middle) = parts
    return (upper - upper_middle) * 2.0**32 + (lower - lower_middle)
