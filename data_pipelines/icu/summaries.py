"""Statistics of a window's measurements, for models that take no series."""

import warnings

import numpy as np

NAMES = ("count", "mean", "deviation", "least", "most", "first", "last", "trend")


def summaries(values: np.ndarray) -> np.ndarray:
    """Statistics of each variable over a window's hours, NaN where they have no value.

    Args:
      values: `[window, hour, variable]`, NaN where nothing was measured.

    Returns:
      `[window, variable, statistic]`, float32, in the order of `NAMES`: how many hours have a value (0 if none), their
      mean, standard deviation (divisor n), least and largest value, the first and the last one, and the slope per hour
      of the least-squares line through them (NaN for one value).
    """
    measured = ~np.isnan(values)
    count = measured.sum(1)
    some = count > 0
    hour = np.arange(values.shape[1])[:, None]
    known = np.where(measured, values, 0).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        mean = known.sum(1) / count
        from_mean = np.where(measured, values - mean[:, None], 0)
        deviation = np.sqrt((from_mean**2).sum(1) / count)
        when = np.where(measured, hour - (measured * hour).sum(1)[:, None] / count[:, None], 0)
        trend = (when * from_mean).sum(1) / (when**2).sum(1)
        least, most = np.nanmin(values, axis=1), np.nanmax(values, axis=1)
    first, last = (
        np.take_along_axis(values, place[:, None], axis=1)[:, 0]
        for place in (measured.argmax(1), values.shape[1] - 1 - measured[:, ::-1].argmax(1))
    )
    return np.stack(
        [count, *(np.where(some, each, np.nan) for each in (mean, deviation, least, most, first, last)), trend], -1
    ).astype(np.float32)
