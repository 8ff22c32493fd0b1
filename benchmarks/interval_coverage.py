"""How often 95 % intervals of a mean over few members hold the true mean, near the bounds of a figure.

    python -m benchmarks.interval_coverage

prints the table of docs/intervals.md, in about a minute on one core.
"""

from collections.abc import Callable

import numpy as np
from scipy import stats

from jaxfair.metrics import mean_interval

NUMBERS = (3, 5, 10, 40)
ONE_BOUND = (-np.inf, 1.0)


def share(mean, count):
    """Members' values vary as shares of `count` examples would."""
    return lambda rng, shape: rng.beta(mean * count, (1 - mean) * count, shape), mean


def share_of_beats(mean, count, num_beats):
    """The same, read off `num_beats` test beats: many members may lie on the bound."""
    draw, _ = share(mean, count)
    return lambda rng, shape: rng.binomial(num_beats, draw(rng, shape)) / num_beats, mean


def difference(first, second, count):
    """Of two independent shares."""
    (draw_first, _), (draw_second, _) = share(first, count), share(second, count)
    return lambda rng, shape: draw_first(rng, shape) - draw_second(rng, shape), first - second


def sometimes(usual, spread, other, chance):
    """Members uniform within `spread` of `usual`, but by `chance` at `other`."""

    def draw(rng, shape):
        near = usual + spread * rng.uniform(-1, 1, shape)
        return np.where(rng.random(shape) < chance, other, near)

    return draw, chance * other + (1 - chance) * usual


def correlation(center, spread):
    """Tanh of normal values."""
    z = np.arctanh(center)
    mean = stats.norm.expect(lambda e: np.tanh(z + spread * e))
    return lambda rng, shape: np.tanh(z + spread * rng.standard_normal(shape)), mean


def r2(unexplained, spread):
    """1 minus a lognormal share that is left unexplained."""
    mean = 1 - unexplained * np.exp(spread**2 / 2)
    return lambda rng, shape: 1 - unexplained * rng.lognormal(0, spread, shape), mean


# Name: (draw, true mean), bounds.
FIGURES: dict[str, tuple[tuple[Callable, float], tuple[float, float]]] = {
    "share, 0.75 ± 0.08": (share(0.75, 30), (0, 1)),
    "share, 0.90 ± 0.05": (share(0.90, 30), (0, 1)),
    "share, 0.97 ± 0.02": (share(0.97, 100), (0, 1)),
    "share, 0.99 ± 0.01": (share(0.99, 100), (0, 1)),
    "share, 0.97 ± 0.05": (share(0.97, 10), (0, 1)),
    "share, 0.50 ± 0.25": (share(0.50, 3), (0, 1)),
    "share of 28 test beats, 0.95": (share_of_beats(0.95, 1e6, 28), (0, 1)),
    "share of 861 test beats, 0.97 ± 0.02": (share_of_beats(0.97, 60, 861), (0, 1)),
    "1 in 80 % of members, else 0.9": (sometimes(1.0, 0.0, 0.9, 0.2), (0, 1)),
    "0.90 ± 0.02, 20 % collapse to 0.5": (sometimes(0.9, 0.02, 0.5, 0.2), (0, 1)),
    "correlation, 0.95, z ± 0.5": (correlation(0.95, 0.5), (-1, 1)),
    "correlation, 0.30, z ± 0.5": (correlation(0.30, 0.5), (-1, 1)),
    "difference of two shares, 0.97 and 0.90": (difference(0.97, 0.90, 30), (-1, 1)),
    "R², 0.4 unexplained, log ± 0.1": (r2(0.4, 0.1), ONE_BOUND),
    "R², 0.4 unexplained, log ± 0.7": (r2(0.4, 0.7), ONE_BOUND),
}
# Those without a rare value, which no interval of few members can know of that did not see it.
SMOOTH = [name for name in FIGURES if "collapse" not in name and "members" not in name]


def plain(values, bounds):
    """Student's interval, as if there were no bounds."""
    interval = mean_interval(values)
    return interval.low, interval.high


def within(values, bounds):
    """The one that is used: Student's on the logit or log scale of the mean."""
    interval = mean_interval(values, bounds=bounds)
    return interval.low, interval.high


def transformed(values, bounds):
    """Student's interval of the transformed values: arcsine of the root, Fisher's z, log."""
    low, high = bounds
    if np.isinf(low):
        ends = plain(np.log(high - values), None)
        return high - np.exp(ends[1]), high - np.exp(ends[0])
    shares = (values - low) / (high - low)
    ends = np.clip(plain(np.arcsin(np.sqrt(shares)), None), 0, np.pi / 2)
    return tuple(low + (high - low) * np.sin(ends) ** 2)


def percentile(values, bounds, num_resamples=999):
    """The percentile bootstrap over members."""
    rng = np.random.default_rng(1)
    draws = rng.integers(0, values.shape[1], (num_resamples, values.shape[1]))
    ends = [np.quantile(part[:, draws].mean(-1), (0.025, 0.975), axis=-1) for part in np.array_split(values, 100)]
    return np.concatenate(ends, axis=-1)


METHODS = {"Student's": plain, "within bounds": within, "of transformed values": transformed, "bootstrap": percentile}


def coverage(figure: str, n: int, method: Callable, num_samples: int = 20_000) -> tuple[float, float, float]:
    """Share of intervals that hold the true mean, their median length, and the share of samples without spread.

    Samples without spread have no interval and count in the last only.
    """
    (draw, mean), bounds = FIGURES[figure]
    values = draw(np.random.default_rng(0), (num_samples, n))
    spread = np.ptp(values, axis=1) > 0
    with np.errstate(all="ignore"):
        low, high = method(values[spread], bounds)
    return float(np.mean((low <= mean) & (mean <= high))), float(np.median(high - low)), 1 - float(spread.mean())


def main():
    print("| figure | n | no spread |", *(f"{name} |" for name in METHODS))
    print("|---|---|---|" + "---|" * len(METHODS))
    for figure in FIGURES:
        for n in NUMBERS:
            # The bootstrap takes a thousand times as long as the others.
            found = [coverage(figure, n, m, 2000 if m is percentile else 20_000) for m in METHODS.values()]
            cells = [f"{100 * covered:.1f} ({length:.3f}) |" for covered, length, _ in found]
            print(f"| {figure} | {n} | {100 * found[0][2]:.0f} % |", *cells, flush=True)


if __name__ == "__main__":
    main()
