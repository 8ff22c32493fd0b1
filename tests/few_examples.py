"""Little or nothing to measure: 0, 1 or 2 examples, one class, constants, infinities; plain correlations in NumPy."""

import numpy as np

INF, NAN = np.inf, np.nan

# Predictions, targets, mask: rows of one length are computed by one program.
ROWS = {
    0: [([], [], [])],
    1: [([0.7], [1], [1]), ([0.7], [0], [1]), ([INF], [0], [1]), ([0.7], [1], [0])],
    5: [
        ([0.7, 0.2, 0, 0, 0], [1, 0, 1, 0, 1], [1, 1, 0, 0, 0]),
        ([0.7, 0.2, 0.6, 0.1, 0.9], [1, 0, 0, 0, 1], [0, 0, 0, 0, 0]),
        ([0.7, NAN, 0.6, INF, 0.9], [1, NAN, 0, 0, 1], [1, 0, 1, 0, 1]),
        ([0.7, 0.2, 0.6, 0.1, 0.9], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1]),
        ([0.7, 0.2, 0.6, 0.1, 0.9], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]),
        ([0.4, 0.4, 0.4, 0.4, 0.4], [1, 0, 0, 0, 1], [1, 1, 1, 1, 1]),
        ([0.4, INF, 0.6, 0.1, -INF], [1, 1, 0, 0, 0], [1, 1, 1, 1, 1]),
        ([0.7, 0.2, NAN, 0.1, 0.9], [1, 0, 0, 0, 1], [1, 1, 1, 1, 1]),
    ],
}


def pearson(p, t):
    if len(p) < 2 or np.ptp(p) == 0 or np.ptp(t) == 0:
        return NAN
    a, b = p - p.mean(), t - t.mean()
    return (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())


def double_centered(x):
    d = np.abs(x[:, None] - x)
    return d - d.mean(0) - d.mean(1, keepdims=True) + d.mean()


def distance_correlation(p, t):
    if len(p) < 2 or np.ptp(p) == 0 or np.ptp(t) == 0:
        return NAN
    a, b = double_centered(p), double_centered(t)
    return np.sqrt((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))
