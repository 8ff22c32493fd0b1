"""How sure a number is: over the subjects it was measured on, and over repeated training runs."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special


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


def mean_interval(values: np.ndarray, level: float = 0.95, axis: int = -1) -> MeanInterval:
    """Mean over members with standard deviation, Student's t interval and how many there were.

    `mean +- t_{n-1} sd / sqrt(n)`. Over seeds this says where the mean over all seeds lies, on these patients;
    it knows nothing of other patients (`bootstrap_interval` does). Over folds it is too narrow, because the
    training sets of the folds overlap.

    Args:
      values: One value a member along `axis`; NaN where a member has none, so look at `n`.
      level: Coverage of the interval, between 0 and 1.
      axis: The axis of members.

    Returns:
      The `MeanInterval` without that axis, float64. Of one member the spread and the interval are NaN, of none
      the mean too.
    """
    _check_level(level)
    values = np.moveaxis(np.asarray(values, np.float64), axis, -1)
    known = ~np.isnan(values)
    n = known.sum(axis=-1)
    # 0 / 0 for no member, sd / 0 for one, inf - inf for a diverged one: NaN is the answer in each.
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.sum(values, axis=-1, where=known) / n
        squares = np.sum((values - mean[..., None]) ** 2, axis=-1, where=known)
        deviation = np.sqrt(squares / np.where(n > 1, n - 1, np.nan))
        half = special.stdtrit(np.where(n > 1, n - 1, np.nan), (1 + level) / 2) * deviation / np.sqrt(n)
    return MeanInterval(mean, deviation, mean - half, mean + half, n)


def _check_level(level) -> None:
    if not isinstance(level, jax.core.Tracer) and not 0 < level < 1:
        raise ValueError(f"An interval's level lies between 0 and 1 (0.95 for 95 %), got {level}.")
