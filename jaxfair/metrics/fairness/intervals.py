"""Intervals of gaps over patients: many gaps, attributes and members from the same draws; two models side by side.

What is resampled is the whole statistic: each draw of patients gets its own largest and least group. That is honest
about which group is the worst, but a largest minus a least is never below 0, and is biased upwards: its percentile
interval does not reach 0 where groups are equal. Whether a gap is there is asked of two groups, with `between=` and the
sign.
"""

import functools
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxfair.metrics.bootstrap import Interval, resample_subjects
from jaxfair.metrics.fairness.cohort import array, cohort
from jaxfair.metrics.fairness.gaps import Gap, gap_named, gaps_by_group
from jaxfair.metrics.fairness.groups import coded, group_codes
from jaxfair.metrics.intervals import check_level

# The gaps that need no probabilities, and of which few are NaN by themselves.
USUAL = ("demographic_parity_difference", "equal_opportunity_difference", "equalized_odds_difference")


def gap_intervals(
    predictions,
    targets,
    groups,
    subject,
    *,
    key: jax.Array,
    gaps: Sequence[str | Gap] = USUAL,
    num_groups: int | Mapping[str, int] | None = None,
    mask=None,
    weights=None,
    strata=None,
    num_strata: int | None = None,
    num_subjects: int | None = None,
    threshold=0.5,
    min_count: int = 1,
    num_resamples: int = 1000,
    level: float = 0.95,
    batch_size: int = 50,
    paired: bool = False,
) -> Interval:
    """Percentile bootstrap intervals of gaps, resampling patients.

    As `metrics.bootstrap_interval`, with its draws and their meaning, for all gaps and attributes at once in one
    compiled call, every one of them from the same draws. `min_count` is asked of the sample; a resample needs one
    example of each kind, and where it lacks one the gap is NaN in it and counted in `num_undefined`.

    Args:
      predictions: `[..., example]`, of members that share their draws.
      targets: `[..., example]`.
      groups: `[..., example]` as of `by_group`, or such by the attribute's name.
      subject: `[example]`, whose example it is: anything `np.unique` sorts, none of it missing; or, with
        `num_subjects`, integer codes from 0.
      key: A random key; resample r uses `fold_in(key, r)`.
      gaps: Names of `GAPS` or `Gap`s; between two groups `Gap(("accuracy",), between=(0, 1))`, by codes.
      num_groups: As of `by_group`, one number for all attributes or by name.
      mask: `[..., example]` boolean; subjects without an example that counts are not in the draw.
      weights: `[..., example]`, which multiply how often an example is drawn.
      strata: `[example]`, codes or values of one group for each subject: as many subjects are drawn from each as it
        has, so that no resample lacks a group by chance. Who is in no stratum is resampled among each other.
      num_strata: How many codes `strata` holds, if it holds codes.
      num_subjects: How many codes `subject` holds, if it holds codes.
      threshold: As of `by_group`.
      min_count: As of `by_group`.
      num_resamples: How many.
      level: Coverage, between 0 and 1.
      batch_size: How many resamples are evaluated at once; memory grows with it.
      paired: Predictions are those of two models, `[2, ..., example]`; the statistic is the second's gap minus the
        first's (`paired_gap_intervals`).

    Returns:
      The `Interval`, fields `[gap, ...]`, or `[attribute, gap, ...]` if `groups` is by name, in their orders. Ends are
      NaN where the estimate is.

    Raises:
      ValueError: As `gap`; a subject is missing or lies in two strata; a number is not what it has to be.

    References:
      Efron and Tibshirani, An Introduction to the Bootstrap, 1993, sections 8.3 and 13.3.
    """
    check_level(level)
    for name, number in (("num_resamples", num_resamples), ("batch_size", batch_size)):
        if not isinstance(number, int | np.integer) or isinstance(number, bool) or number < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, got {number!r}.")
    if isinstance(gaps, str | Gap) or not len(gaps):
        raise ValueError(f"gaps are a list of at least one name or Gap, got {gaps!r}.")
    if paired and np.shape(predictions)[:1] != (2,):
        raise ValueError(f"Paired predictions are [2, ..., example], got {np.shape(predictions)}.")
    named = isinstance(groups, Mapping)
    attributes = groups if named else {"": groups}
    if not attributes:
        raise ValueError("Give at least one attribute.")
    counts = num_groups if isinstance(num_groups, Mapping) else dict.fromkeys(attributes, num_groups)
    given = [
        cohort(predictions, targets, values, counts.get(name), mask, weights, threshold)
        for name, values in attributes.items()
    ]
    one, num_examples = given[0], np.shape(given[0].codes)[-1]
    subject, num_subjects = _whose(subject, num_subjects, num_examples)
    strata, num_strata = _one_stratum_each(strata, num_strata, subject)
    interval = _bootstrap(
        tuple(gap_named(each) for each in gaps), tuple(each.num_groups for each in given),
        num_subjects, num_strata, num_resamples, batch_size, paired,
        one.scores, [each.codes for each in given], subject, strata, key,
        np.ones(num_examples, bool) if one.mask is None else one.mask, one.weights, threshold, min_count, level,
    )  # fmt: skip
    return interval if named else Interval(*(field[0] for field in interval))


def paired_gap_intervals(first, second, targets, groups, subject, **options) -> Interval:
    """Intervals of how much larger gaps are with a second model than with a first, both on the same draws of patients.

    The two models' errors on one patient are alike, so the difference is known better than either gap: intervals that
    overlap do not say that the models are equal.

    Args:
      first: Predictions `[..., example]` of one model.
      second: Those of the other, of the same shape.
      targets: As of `gap_intervals`, and so are `groups`, `subject`, and the options, `key` among them.

    Returns:
      The `Interval` of the second's gap minus the first's, fields `[gap, ...]` or `[attribute, gap, ...]`. Below 0 the
      second model is the fairer by a difference, and the less fair by a ratio or a worst group.

    Raises:
      ValueError: As `gap_intervals`; the models' predictions differ in shape.
    """
    first, second = array(first), array(second)
    if np.shape(first) != np.shape(second):
        raise ValueError(f"Two models' predictions must have one shape, got {first.shape} and {second.shape}.")
    # A leading axis of the targets alone (one task a row) comes after that of the models.
    shape = np.broadcast_shapes(first.shape, np.shape(targets))
    module = np if isinstance(first, np.ndarray) and isinstance(second, np.ndarray) else jnp
    both = module.stack([module.broadcast_to(each, shape) for each in (first, second)])
    return gap_intervals(both, targets, groups, subject, paired=True, **options)


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3, 4, 5, 6))
def _bootstrap(
    gaps, num_groups, num_subjects, num_strata, num_resamples, batch_size, paired,
    scores, codes, subject, strata, key, mask, weights, threshold, min_count, level,
) -> Interval:  # fmt: skip
    def draw(key, mask):
        if not num_strata:
            return resample_subjects(key, subject, num_subjects, mask)
        keys = jax.vmap(functools.partial(jax.random.fold_in, key))(jnp.arange(num_strata))
        inside = (jnp.asarray(strata) == jnp.arange(num_strata)[:, None]) & mask
        times = jax.vmap(lambda key, mask: resample_subjects(key, subject, num_subjects, mask))(keys, inside)
        return jnp.sum(jnp.where(inside, times, 0), axis=0)

    def resampled(index):
        times = jnp.vectorize(functools.partial(draw, jax.random.fold_in(key, index)), signature="(n)->(n)")(mask)
        # The sample itself comes last, and is asked for min_count.
        itself = index >= num_resamples
        times = jnp.where(itself, 1, times)
        # What is masked may have the weight NaN, which 0 times would not remove.
        times = times if weights is None else jnp.where(times > 0, times * weights, 0)
        least = jnp.where(itself, min_count, 1)
        values = jnp.stack(
            [
                jnp.stack(gaps_by_group(gaps, scores, own, number, mask, times, threshold, least))
                for own, number in zip(codes, num_groups, strict=True)
            ]
        )
        return values[:, :, 1] - values[:, :, 0] if paired else values

    num_batches = -(-(num_resamples + 1) // batch_size)
    size = -(-(num_resamples + 1) // num_batches)
    values = jax.lax.map(resampled, jnp.arange(num_batches * size), batch_size=size)
    estimate, values = values[num_resamples], values[:num_resamples]
    ends = jnp.array([(1 - level) / 2, (1 + level) / 2])
    low, high = jnp.nanquantile(values, ends, axis=0)
    num_undefined = jnp.sum(jnp.isnan(values), axis=0, dtype=jnp.int32)
    present = jnp.vectorize(
        lambda mask: jnp.zeros(num_subjects, bool).at[jnp.asarray(subject)].max(mask), signature="(n)->(s)"
    )(jnp.asarray(mask, bool))
    drawn = jnp.broadcast_to(jnp.sum(present, axis=-1, dtype=jnp.int32), estimate.shape)
    some = (drawn > 1) & (num_resamples - num_undefined > 1) & ~jnp.isnan(estimate)
    return Interval(estimate, jnp.where(some, low, jnp.nan), jnp.where(some, high, jnp.nan), num_undefined, drawn)


def _whose(subject, num_subjects, num_examples):
    """Codes of subjects, and how many there are."""
    if np.shape(subject) != (num_examples,):
        raise ValueError(f"subject has shape {np.shape(subject)}, but there are {num_examples} examples.")
    if num_subjects is not None:
        codes, _, _ = coded(subject, num_subjects)
    else:
        codes, names = group_codes(subject)
        num_subjects = len(names)
    if not isinstance(codes, jax.core.Tracer) and np.any(np.asarray(codes) < 0):
        raise ValueError(f"The subject of example {np.flatnonzero(np.asarray(codes) < 0)[0]} is missing or -1.")
    return codes, num_subjects


def _one_stratum_each(strata, num_strata, subject):
    """Codes of strata from 0, those in none one stratum more; none at all without strata."""
    if strata is None:
        return None, 0
    if np.shape(strata) != np.shape(subject):
        raise ValueError(f"strata have shape {np.shape(strata)}, but subject has {np.shape(subject)}.")
    codes, num_strata, _ = coded(strata, num_strata)
    if isinstance(codes, jax.core.Tracer) or isinstance(subject, jax.core.Tracer):
        return jnp.where(codes >= 0, codes, num_strata), num_strata + 1
    codes = np.where(np.asarray(codes) >= 0, codes, num_strata).astype(np.int32)
    pairs = np.unique(np.stack([np.asarray(subject), codes]), axis=1)
    if len(np.unique(pairs[0])) < pairs.shape[1]:
        twice = pairs[0, 1:][pairs[0, 1:] == pairs[0, :-1]][0]
        raise ValueError(f"strata: subject with code {twice} lies in two of them; a subject is drawn as a whole.")
    return codes, num_strata + 1
