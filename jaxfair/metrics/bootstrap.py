"""How sure a metric is over the subjects it was measured on: the bootstrap that resamples them."""

import functools
import operator
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from jaxfair.metrics.intervals import check_level


class Interval(NamedTuple):
    """A metric on all examples and its bootstrap interval, `[...]` each.

    Attributes:
      estimate: The metric on the examples themselves.
      low: The lower end; NaN where there is no interval: with fewer than two subjects, each resample of which is
        the sample itself, or fewer than two resamples in which the metric is defined.
      high: The upper end, NaN likewise.
      num_undefined: Resamples in which the metric was NaN (no positives drawn, say), left out of the ends. More
        than a few mean that the sample is too small for an interval of this metric.
      num_subjects: Subjects with an evaluated example, from which the resamples were drawn. With fewer than about 20
        a percentile interval is too narrow.
    """

    estimate: jax.Array
    low: jax.Array
    high: jax.Array
    num_undefined: jax.Array
    num_subjects: jax.Array


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
    `distance_correlation` near 0. Where all subjects agree (an accuracy of 1) all resamples do, and the interval has no
    width: it knows only the errors it saw.

    Every row of a batch sees the same draws, so the ends of two rows compare the same resamples. Memory is
    about `batch_size` times that of one evaluation. The compiled program is kept for each `metric`, so pass a
    function that lives longer than one call, not a new lambda each time.

    Args:
      metric: `metric(predictions, targets, mask=..., weights=...) -> [...]`, as those of this package.
      predictions: `[..., example]`.
      targets: `[..., example]`.
      subject: `[example]`, whose example it is: anything `np.unique` sorts, none of it missing; or, with
        `num_subjects`, integer codes from 0, which may be traced (then none is checked).
      key: A random key; resample r uses `fold_in(key, r)`.
      mask: `[..., example]`, true where an example is evaluated; subjects without one are not in the draw.
      num_resamples: How many; 1000 places a 95 % end to about a tenth of a standard error.
      level: Coverage of the interval, between 0 and 1.
      num_subjects: The number of codes in `subject`, if it holds codes already.
      batch_size: How many resamples are evaluated at once.

    Returns:
      The `Interval`, each field `[...]`.

    Raises:
      ValueError: If `subject` is traced without `num_subjects`, does not match the examples, has no value for one of
        them, or holds codes outside `0 .. num_subjects - 1`; if a number is not what it has to be.

    References:
      Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3; Field and Welsh, Journal of the
      Royal Statistical Society B 69, 2007 (cluster bootstrap).
    """
    if np.ndim(predictions) == 0:
        raise ValueError("bootstrap_interval: predictions must be [..., example], but are a single number.")
    num_examples = np.shape(predictions)[-1]
    num_resamples, batch_size = _whole("num_resamples", num_resamples), _whole("batch_size", batch_size)
    if np.shape(subject) != (num_examples,):
        raise ValueError(
            f"bootstrap_interval: subject has shape {np.shape(subject)}, but there are {num_examples} examples."
        )
    check_level(level)
    subject, num_subjects = _subject_codes(subject, num_subjects)
    if mask is None:
        mask = np.ones(num_examples, bool)
    if hasattr(metric, "prepare"):  # Below everything is traced, and float64 is float32.
        predictions, targets = metric.prepare(predictions, targets, mask)
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
    num_undefined = jnp.sum(jnp.isnan(values), axis=0, dtype=jnp.int32)
    present = jnp.vectorize(functools.partial(_present, subject, num_subjects), signature="(n)->(s)")(mask)
    num_drawn = jnp.broadcast_to(jnp.sum(present, axis=-1, dtype=jnp.int32), estimate.shape)
    some = (num_drawn > 1) & (num_resamples - num_undefined > 1)
    return Interval(estimate, jnp.where(some, low, jnp.nan), jnp.where(some, high, jnp.nan), num_undefined, num_drawn)


def _present(subject: jax.Array, num_subjects: int, mask: jax.Array) -> jax.Array:
    """`[subject]`, which of them have an unmasked example."""
    return jnp.zeros(num_subjects, bool).at[subject].max(jnp.asarray(mask, bool))


def _subject_codes(subject, num_subjects):
    """Subjects as codes from 0, and how many there are."""
    traced = isinstance(subject, jax.core.Tracer)
    if num_subjects is None:
        if traced:
            raise ValueError("bootstrap_interval: give num_subjects where subject is traced, as under jit.")
        subject = np.asarray(subject)
        missing = np.flatnonzero(pd.isna(subject))
        if len(missing):
            raise ValueError(
                f"bootstrap_interval: subject of example {missing[0]} is missing ({subject[missing[0]]}); name whose "
                "example it is, or mask and give it a subject of its own."
            )
        try:
            names, codes = np.unique(subject, return_inverse=True)
        except TypeError as error:
            raise ValueError(
                f"bootstrap_interval: subjects must all be of one type that can be sorted ({error}); make them strings."
            ) from error
        return codes, len(names)
    num_subjects = _whole("num_subjects", num_subjects)
    subject = subject if isinstance(subject, jax.Array) else np.asarray(subject)
    if subject.size and not jnp.issubdtype(subject.dtype, jnp.integer):
        raise ValueError(
            f"bootstrap_interval: with num_subjects, subject must hold integer codes, but has dtype {subject.dtype}."
        )
    if not traced and np.size(subject) and not 0 <= np.min(subject) <= np.max(subject) < num_subjects:
        raise ValueError(
            f"bootstrap_interval: subject must hold codes from 0 to {num_subjects - 1}, "
            f"got {np.min(subject)} to {np.max(subject)}."
        )
    return subject, num_subjects


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
    present = _present(subject, num_subjects, mask)
    pool = jnp.argsort(~present, stable=True)
    num_present = jnp.sum(present)
    draws = pool[jax.random.randint(key, (num_subjects,), 0, jnp.maximum(num_present, 1))]
    times = jnp.zeros(num_subjects).at[draws].add(jnp.arange(num_subjects) < num_present)
    return times[jnp.asarray(subject)]


def _whole(name: str, value) -> int:
    """A count as an int."""
    try:
        whole = operator.index(value)
    except TypeError as error:  # A traced number too.
        raise ValueError(f"bootstrap_interval: {name} must be a whole number, not {value!r}.") from error
    if whole < 1 or isinstance(value, bool):
        raise ValueError(f"bootstrap_interval: {name} must be 1 or more, got {value!r}.")
    return whole
