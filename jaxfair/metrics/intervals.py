"""How sure a mean over repeated training runs is, within the bounds of the figure."""

from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from jaxfair.metrics.bounds import UNBOUNDED

# How far outside its bounds a metric's float32 sum may come to lie: an AUC of 1.0000001.
_ROUNDING = 1e-5


class MeanInterval(NamedTuple):
    """A mean over members with its spread, NumPy arrays `[...]`."""

    mean: np.ndarray
    standard_deviation: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray


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
    check_level(level)
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


def check_level(level) -> None:
    """Raises a ValueError unless `level`, if its value is known, is a number between 0 and 1."""
    if isinstance(level, jax.core.Tracer):
        return
    if np.ndim(level) or np.asarray(level).dtype.kind not in "fiu" or not 0 < level < 1:
        raise ValueError(f"An interval's level lies between 0 and 1 (0.95 for 95 %), got {level!r}.")
