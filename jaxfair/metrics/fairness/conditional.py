"""Gaps within strata of a controlling attribute: what is left between groups of the same age, say."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxfair.metrics.counted import ratio
from jaxfair.metrics.fairness.cohort import array, cohort
from jaxfair.metrics.fairness.gaps import Gap, gap, gap_named, pair_codes
from jaxfair.metrics.fairness.groups import coded


class ConditionalGap(NamedTuple):
    """A gap within each stratum.

    Attributes:
      gaps: `[..., stratum]`, NaN as a gap is.
      weights: `[..., stratum]`, the total weight of the stratum's examples that are in a group.
      mean: `[...]`, of the gaps by these weights. NaN if any stratum with examples has no gap: to leave such strata
        out, take the mean of `gaps` yourself, and say how much weight was left out.
    """

    gaps: jax.Array
    weights: jax.Array
    mean: jax.Array


def conditional_gap(
    which: str | Gap,
    predictions,
    targets,
    groups,
    strata,
    num_groups: int | None = None,
    num_strata: int | None = None,
    mask=None,
    weights=None,
    **options,
) -> ConditionalGap:
    """A gap between groups within each stratum, and the mean of these.

    A gap over all can come from the strata alone (the older are sicker and more often women), and a gap of 0 can hide
    two that cancel. The mean of absolute gaps is biased upwards, and more so with many small strata; with `between=` it
    is not.

    Args:
      which: As of `gap`, and so are `predictions`, `targets`, `groups`, `num_groups`, `mask`, `weights`.
      strata: `[..., example]`, codes with `num_strata` or any values without, like `groups`. Who is in no stratum
        counts in none.
      num_strata: How many codes there are, static.
      **options: `between`, `absolute`, `threshold` (a number) and `min_count` of `gap`.

    Returns:
      The `ConditionalGap`; strata in the order of their codes.

    Raises:
      ValueError: As `gap`.
    """
    given = cohort(predictions, targets, groups, num_groups, mask, weights, 0.5)
    strata, num_strata, _ = coded(strata, num_strata, given.mask)
    if np.shape(strata)[-1:] != np.shape(given.codes)[-1:]:
        raise ValueError(f"strata have shape {np.shape(strata)}, but there are {np.shape(given.codes)[-1]} examples.")
    which = gap_named(which)
    if options.get("between") is not None:
        which = dataclasses.replace(which, between=pair_codes(options.pop("between"), given.num_groups, given.names))
    inside = strata[..., None, :] == np.arange(num_strata)[:, None]
    if given.mask is not None:
        inside = inside & given.mask[..., None, :]
    rows = [array(part)[..., None, :] for part in (predictions, targets, given.codes)]
    by_stratum = None if given.weights is None else given.weights[..., None, :]
    gaps = gap(which, *rows, given.num_groups, inside, by_stratum, **options)
    grouped = inside & (rows[2] >= 0)
    total = jnp.sum(grouped if by_stratum is None else jnp.where(grouped, by_stratum, 0), axis=-1, dtype=gaps.dtype)
    gaps, total = jnp.broadcast_arrays(gaps, total)
    mean = ratio(jnp.sum(jnp.where(total > 0, gaps * total, 0), axis=-1), jnp.sum(total, axis=-1))
    return ConditionalGap(gaps, total, mean)
