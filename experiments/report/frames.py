"""Frames of figures that the means set, however wide the intervals of two or three members are."""

from collections.abc import Iterable

import numpy as np

_REACH = 1.5  # Of the range of the means, on both sides.
_LEAST = 0.02


def frame_of_means(means: Iterable[float], limits: tuple[float, float]) -> tuple[float, float]:
    """The limits, moved towards the means where they are farther away than 1.5 times the range of these.

    Args:
      means: What a figure is to show, NaN where there is nothing.
      limits: What everything that is drawn needs.
    """
    means = np.array([mean for mean in means if np.isfinite(mean)])
    if not len(means):
        return limits
    reach = _REACH * max(np.ptp(means), _LEAST)
    return max(limits[0], means.min() - reach), min(limits[1], means.max() + reach)
