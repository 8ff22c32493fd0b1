"""How sure a number is: over the subjects it was measured on, and over repeated training runs."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from jaxfair.metrics.bounds import UNBOUNDED

# How far outside its bounds a metric's float32 sum may come to lie: an AUC of 1.0000001.
_ROUNDING = 1e-5


class Interval(NamedTuple):
    """A metric on all examples and its bootstrap interval, `[...]` each.

    Attributes:
      estimate: The metric on the examples themselves.
      low: The lower end.
      high: The upper end.
      num_undefined: Resamples in which the metric was NaN (no positives drawn, say), left out of the ends. More
        than a few mean that the sample is too small for an interval of this metric.
    """

    estimate: jax.Array
    low: jax.Array
    high: jax.Array
    num_undefined: jax.Array


class MeanInterval(NamedTuple):
    """A mean over members with its spread, NumPy arrays `[...]`."""

    mean: np.ndarray
    standard_deviation: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray


def bootstrap_interval(
    metric: Callable[..., jax.Array],
    predictions: jax.Array,
    targets: jax.Array,
    subject: jax.Array,
    *,
    key: jax.Array,
    mask: jax.Array | None = None,
    num_resamples: int = 1000,
    level: float = 0.95,
    num_subjects: int | None = None,
    batch_size: int = 50,
) -> Interval:
    """Percentile bootstrap interval of a metric, resampling subjects and not examples.

    Each resample draws as many subjects as have an evaluated example, with replacement, and takes all examples of
    each; the ends are the `(1 - level) / 2` and `(1 + level) / 2` quantiles of the metric over the resamples.
    Two records of one patient are not two observations: resampling examples would give intervals that are too
    narrow. The percentile method corrects neither bias nor skew: it suits metrics that are nearly unbiased, not
    `distance_correlation` near 0.

    Every row of a batch sees the same draws, so the ends of two rows compare the same resamples. Memory is
    about `batch_size` times that of one evaluation. The compiled program is kept for each `metric`, so pass a
    function that lives longer than one call, not a new lambda each time.

    Args:
      metric: `metric(predictions, targets, mask=..., weights=...) -> [...]`, as those of this package.
      predictions: `[..., example]`.
      targets: `[..., example]`.
      subject: `[example]`, whose example it is: anything `np.unique` sorts; or, with `num_subjects`, integer
        codes from 0, which may be traced.
      key: A random key; resample r uses `fold_in(key, r)`.
      mask: `[..., example]`, true where an example is evaluated; subjects without one are not in the draw.
      num_resamples: How many; 1000 places a 95 % end to about a tenth of a standard error.
      level: Coverage of the interval, between 0 and 1.
      num_subjects: The number of codes in `subject`, if it holds codes already.
      batch_size: How many resamples are evaluated at once.

    Returns:
      The `Interval`, each field `[...]`.

    Raises:
      ValueError: If `subject` is traced without `num_subjects`, does not match the examples, or holds codes
        outside `0 .. num_subjects - 1`.

    References:
      Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3; Field and Welsh, Journal of the
      Royal Statistical Society B 69, 2007 (cluster bootstrap).
    """
    num_examples = jnp.shape(predictions)[-1]
    if np.shape(subject) != (num_examples,):
        raise ValueError(
            f"bootstrap_interval: subject has shape {np.shape(subject)}, but there are {num_examples} examples."
        )
    _check_level(level)
    traced = isinstance(subject, jax.core.Tracer)
    if num_subjects is None:
        if traced:
            raise ValueError("bootstrap_interval: give num_subjects where subject is traced, as under jit.")
        names, subject = np.unique(np.asarray(subject), return_inverse=True)
        num_subjects = len(names)
    elif not traced and num_examples and not 0 <= np.min(subject) <= np.max(subject) < num_subjects:
        raise ValueError(
            f"bootstrap_interval: subject must hold codes from 0 to {num_subjects - 1}, "
            f"got {np.min(subject)} to {np.max(subject)}."
        )
    if mask is None:
        mask = np.ones(num_examples, bool)
    return _bootstrap(metric, predictions, targets, subject, key, mask, level, num_subjects, num_resamples, batch_size)


@functools.partial(jax.jit, static_argnums=(0, 7, 8, 9))
def _bootstrap(
    metric, predictions, targets, subject, key, mask, level, num_subjects, num_resamples, batch_size
) -> Interval:
    def resampled(index):
        draw = functools.partial(resample_subjects, jax.random.fold_in(key, index), subject, num_subjects)
        weights = jnp.vectorize(draw, signature="(n)->(n)")(mask)
        # The examples themselves come last, so that the metric is compiled once and not a second time for them.
        return metric(predictions, targets, mask=mask, weights=jnp.where(index < num_resamples, weights, 1))

    # Batches of one size: a smaller last one would be compiled beside the others.
    num_batches = -(-(num_resamples + 1) // batch_size)
    size = -(-(num_resamples + 1) // num_batches)
    values = jax.lax.map(resampled, jnp.arange(num_batches * size), batch_size=size)
    estimate, values = values[num_resamples], values[:num_resamples]
    low, high = jnp.nanquantile(values, jnp.array([(1 - level) / 2, (1 + level) / 2]), axis=0)
    return Interval(estimate, low, high, jnp.sum(jnp.isnan(values), axis=0, dtype=jnp.int32))


def resample_subjects(key: jax.Array, subject: jax.Array, num_subjects: int, mask: jax.Array) -> jax.Array:
    """How often each example occurs when subjects are drawn with replacement.

    As many are drawn as there are subjects with an unmasked example, and only from those: masked examples and
    their subjects could as well not be there.

    Args:
      key: A random key.
      subject: `[example]`, integer codes from 0.
      num_subjects: How many codes there are.
      mask: `[example]`, true where an example is evaluated.

    Returns:
      `[example]`, whole numbers as float32, the same for all examples of a subject.
    """
    present = jnp.zeros(num_subjects, bool).at[subject].max(jnp.asarray(mask, bool))
    pool = jnp.argsort(~present, stable=True)
    num_present = jnp.sum(present)
    draws = pool[jax.random.randint(key, (num_subjects,), 0, jnp.maximum(num_present, 1))]
    times = jnp.zeros(num_subjects).at[draws].add(jnp.arange(num_subjects) < num_present)
    return times[jnp.asarray(subject)]


def mean_interval(
    values: np.ndarray, level: float = 0.95, axis: int = -1, *, bounds: tuple[ArrayLike, ArrayLike] = UNBOUNDED
) -> MeanInterval:
    """Mean over members with standard deviation, Student's t interval and how many there were.

    Without bounds it is `mean ± h` with `h = t_{n-1} sd / sqrt(n)`. Within bounds `a` and `b` it is the same interval
    on the scale `g` on which they are infinitely far away, `g^-1(g(mean) ± h g'(mean))`: the logit
    `log((mean - a) / (b - mean))` between two bounds (for a correlation that is Fisher's z), the logarithm of the
    distance from a single one. The mean is transformed, not the values, so the interval is one of their mean, and
    values may lie on a bound. It lies within the bounds, holds the mean, is the plain one where the spread is
    small beside the distance from the bounds, and is longer towards the middle near one of them, where the plain
    one covers far less than it says: docs/intervals.md has the measured coverages, of this and of what else could be
    done. No interval of few members covers what a rare collapse would add, if none of them collapsed.

    Over seeds this says where the mean over all seeds lies, on these patients; it knows nothing of other
    patients (`bootstrap_interval` does). Over folds it is too narrow, because the training sets of the folds overlap.

    Args:
      values: One value a member along `axis`; NaN where a member has none, so look at `n`.
      level: Coverage of the interval, between 0 and 1.
      axis: The axis of members.
      bounds: The least and the largest value that there can be, infinite if none, as `bounds_of(metric)` gives them;
        numbers, or arrays that broadcast against the result.

    Returns:
      The `MeanInterval` without that axis, float64. Of one member the spread and the interval are NaN, of none
      the mean too. Members that are all equal have no interval either, NaN: they show no spread to estimate one
      from, which is not certainty.

    Raises:
      ValueError: `level` is no number between 0 and 1, or a value lies outside the bounds.

    References:
      Korn and Graubard, Analysis of Health Surveys, 1999, and Stata's `svy: proportion` (the logit of a mean with its
      linearised error); Fisher, Metron 1, 1921 (the z of a correlation).
    """
    _check_level(level)
    values = np.moveaxis(np.asarray(values, np.float64), axis, -1)
    known = ~np.isnan(values)
    n = known.sum(axis=-1)
    lowest, highest = (np.asarray(bound, np.float64) for bound in bounds)
    least = np.min(values, axis=-1, where=known, initial=np.inf)
    largest = np.max(values, axis=-1, where=known, initial=-np.inf)
    outside = outside_bounds(least, largest, (lowest, highest))
    if np.any(outside):
        raise ValueError(
            f"mean_interval: values from {np.min(least)} to {np.max(largest)} do not lie within the bounds "
            f"[{np.min(lowest)}, {np.max(highest)}]; give the bounds of this figure, or none."
        )
    # 0 / 0 for no member, sd / 0 for one, inf - inf for a diverged one: NaN is the answer in each.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        mean = np.sum(values, axis=-1, where=known) / n
        squares = np.sum((values - mean[..., None]) ** 2, axis=-1, where=known)
        deviation = np.sqrt(squares / np.where(n > 1, n - 1, np.nan))
        half = special.stdtrit(np.where(n > 1, n - 1, np.nan), (1 + level) / 2) * deviation / np.sqrt(n)
        half = np.where(largest > least, half, np.nan)
        low, high = _within_bounds(mean, half, lowest, highest)
    return MeanInterval(mean, deviation, low, high, n)


def outside_bounds(least: ArrayLike, largest: ArrayLike, bounds: tuple[ArrayLike, ArrayLike]) -> np.ndarray:
    """Whether values from `least` to `largest` leave the bounds by more than float32 rounds a sum of examples."""
    low, high = bounds
    return (np.isfinite(least) & (least < low - _ROUNDING)) | (np.isfinite(largest) & (largest > high + _ROUNDING))


def _within_bounds(mean, half, lowest, highest):
    """`mean - half` and `mean + half` on the scale on which the bounds are infinitely far away."""
    below, above = np.maximum(mean - lowest, 0), np.maximum(highest - mean, 0)
    # The derivative of the logit; with one bound, of the logarithm of the distance from it.
    factor = np.exp(half * (1 / below + 1 / above))
    two = (
        lowest + (highest - lowest) / (1 + above / below * factor),
        highest - (highest - lowest) / (1 + below / above * factor),
    )
    one_below = lowest + below / factor, lowest + below * factor
    one_above = highest - above * factor, highest - above / factor
    none = mean - half, mean + half
    left, right = np.isfinite(lowest), np.isfinite(highest)
    low, high = (
        np.where(left & right, two[end], np.where(left, one_below[end], np.where(right, one_above[end], none[end])))
        for end in (0, 1)
    )
    # Up to rounding they lie around the mean already.
    return np.minimum(low, mean), np.maximum(high, mean)


def _check_level(level) -> None:
    if not isinstance(level, jax.core.Tracer) and not 0 < level < 1:
        raise ValueError(f"An interval's level lies between 0 and 1 (0.95 for 95 %), got {level}.")
