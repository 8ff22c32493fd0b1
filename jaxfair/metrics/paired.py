"""Whether two ways of training differ, when both were tried with the same seeds."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from jaxfair.metrics.bounds import UNBOUNDED, difference_bounds
from jaxfair.metrics.intervals import mean_interval

HOLDS, FAILS, EQUAL, UNDECIDED, TOO_FEW = "holds", "fails", "equal", "undecided", "too few seeds"


class Difference(NamedTuple):
    """Of pairs, first minus second.

    Attributes:
      mean: Of the differences.
      standard_deviation: Of the differences, n - 1 in the denominator.
      low: Lower end of Student's interval of the mean (`mean_interval`); NaN where all pairs differ by the same.
      high: Upper end.
      n: Pairs in which both are known.
      p: Two-sided, of the permutation test that flips the signs of differences; 1 if all are 0.
    """

    mean: float
    standard_deviation: float
    low: float
    high: float
    n: int
    p: float


def paired_difference(
    first: np.ndarray,
    second: np.ndarray,
    *,
    level: float = 0.95,
    num_resamples: int = 9999,
    seed: int = 0,
    bounds: tuple[float, float] = UNBOUNDED,
) -> Difference:
    """The mean difference over pairs with its interval, and the p-value of a sign-flip test.

    Under the hypothesis that the labels of a pair mean nothing every sign of its difference is as likely: p is the
    share of the sign patterns (all of them for few pairs, else `num_resamples` random ones and the observed one) whose
    mean is as far from 0 as the one that was seen. Ties need no special care, as they do in rank tests: accuracies on
    some hundred beats are often equal. With 5 pairs no p is below 1/16.

    Seeds are the pairs here, so all of it speaks of seeds, on these training and test samples and no others.

    Args:
      first: `[pair]`, NaN where unknown.
      second: `[pair]`.
      level: Of the interval.
      num_resamples: Random sign patterns, if there are more than that.
      seed: Of these.
      bounds: Of each of the two (`bounds_of(metric)`); the interval of their difference then stays within its bounds,
        [-1, 1] for two accuracies.

    Returns:
      The `Difference`. Without two pairs interval and p are NaN.

    Raises:
      ValueError: The two differ in shape, a difference lies outside what `bounds` allow, or `level` is no number
        between 0 and 1.

    References:
      Pitman: Significance tests which may be applied to samples from any populations, 1937; by scipy.stats.
    """
    if np.ndim(first) != 1 or np.shape(first) != np.shape(second):
        shapes = f"{np.shape(first)} and {np.shape(second)}"
        raise ValueError(f"paired_difference: both must be [pair], but have shapes {shapes}.")
    differences = np.asarray(first, float) - np.asarray(second, float)
    differences = differences[np.isfinite(differences)]
    summary = mean_interval(differences, level, bounds=difference_bounds(bounds))
    if len(differences) < 2:
        p = np.nan
    elif not differences.any():
        p = 1.0
    else:
        test = stats.permutation_test(
            (differences,),
            np.mean,
            permutation_type="samples",
            vectorized=True,
            n_resamples=num_resamples,
            alternative="two-sided",
            rng=np.random.default_rng(seed),
        )
        p = float(test.pvalue)
    return Difference(*(float(part) for part in summary[:4]), int(summary.n), p)


def verdict(difference: Difference) -> str:
    """What a difference says of 'the first is greater': `HOLDS` if its interval lies above 0, `FAILS` if below.

    Around 0 it is `UNDECIDED`, which is not `EQUAL`: that is only where no pair differs. `TOO_FEW` without two pairs.
    Pairs that all differ by the same have no interval, and agree: there the sign decides, and p says how little a few
    of them are.
    """
    if difference.n < 2:
        return TOO_FEW
    low, high = difference.low, difference.high
    if np.isnan(low):
        low = high = difference.mean
        if difference.mean == 0:
            return EQUAL
    return HOLDS if low > 0 else FAILS if high < 0 else UNDECIDED


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's adjustment of the p-values of one family: `max over smaller ones of (m - rank) p`, at most 1.

    An adjusted p below a level holds for the whole family at once. NaN stays NaN and does not count.

    Args:
      p: `[test]`.

    References:
      Holm: A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6, 1979.
    """
    p = np.asarray(p, float)
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * (len(order) - np.arange(len(order)))), 1)
    return adjusted
