"""Windows of hours over intensive care stays: hourly medians, their gaps filled, and whether death follows.

A window sees what was measured within it and nothing else: a value is carried forward from an earlier hour of the
window, not from before it. What a window's label says is known only after its end.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from data_pipelines.icu.stays import Stays


@dataclasses.dataclass(frozen=True, eq=False)
class Windows:
    """Windows of one length, at the hours of stays.

    Attributes:
      variables: Names.
      values: `[window, hour, variable]`, float32: the median of an hour's measurements, NaN where there was none.
      stay: `[window]`, places in the stays that they were cut from.
      end: `[window]`, the hour since admission that follows the last one of the window.
    """

    variables: tuple[str, ...]
    values: np.ndarray
    stay: np.ndarray
    end: np.ndarray

    def __len__(self) -> int:
        return len(self.stay)

    def take(self, places: np.ndarray) -> "Windows":
        """The windows at `places` (integers or a boolean mask over windows), in that order."""
        return Windows(self.variables, self.values[places], self.stay[places], self.end[places])


def cut(stays: Stays, stay: np.ndarray, end: np.ndarray, length: int) -> Windows:
    """The windows of `length` hours that end at given hours of given stays.

    Hour h holds what was measured from h until just before h + 1; the last hour of a window that ends at 48 is 47.

    Args:
      stays: Whose measurements.
      stay: `[window]`, a place in the stays.
      end: `[window]`, whole hours since admission.
      length: In hours.

    Returns:
      The windows, in the order of `stay` and `end`.

    Raises:
      ValueError: The length is below 1, or a window begins before its stay.
    """
    stay, end = np.asarray(stay, np.int64), np.asarray(end, np.int64)
    if length < 1:
        raise ValueError(f"windows: a window needs an hour at least, but length is {length}.")
    if len(end) and end.min() < length:
        place = int(end.argmin())
        raise ValueError(
            f"windows: a window of {length} hours that ends at hour {end[place]} begins before stay"
            f" {stays.ids[stay[place]]}; the earliest end is hour {length}."
        )
    of_stay, hour, variable, median = _hourly(stays)
    values = np.full((len(stay), length, len(stays.variables)), np.nan, np.float32)
    # One number for stay and hour, in the order of the table.
    span = max(int(hour.max(initial=0)), int(end.max(initial=0))) + 1
    key = of_stay * span + hour
    first, last = (np.searchsorted(key, stay * span + at) for at in (end - length, end))
    counts = last - first
    window = np.repeat(np.arange(len(stay)), counts)
    rows = np.arange(counts.sum()) + np.repeat(first - np.cumsum(counts) + counts, counts)
    values[window, hour[rows] - (end - length)[window], variable[rows]] = median[rows]
    return Windows(stays.variables, values, stay, end)


def _hourly(stays):
    """Stay, hour and variable of every median, in this order, and the medians."""
    hour = np.floor(stays.hours).astype(np.int64)
    order = np.lexsort((stays.value, stays.variable, hour, stays.stay))
    columns = [column[order] for column in (stays.stay.astype(np.int64), hour, stays.variable.astype(np.int64))]
    value = stays.value[order].astype(np.float64)
    new = np.ones(len(value), bool)
    new[1:] = np.any([np.diff(column) != 0 for column in columns], axis=0)
    starts = np.flatnonzero(new)
    counts = np.diff(np.append(starts, len(value)))
    median = (value[starts + (counts - 1) // 2] + value[starts + counts // 2]) / 2
    return *(column[starts] for column in columns), median.astype(np.float32)


def fixed_ends(stays: Stays, ends: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """`stay` and `end` of windows at the same hours of every stay, stay after stay."""
    return np.repeat(np.arange(len(stays)), len(ends)), np.tile(np.asarray(ends, np.int64), len(stays))


def rolling_ends(
    stays: Stays, hours: np.ndarray, length: int, *, step: int = 1, most: int = 30, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """`stay` and `end` of windows that begin every `step` hours; of each subject a random choice of at most `most`.

    Args:
      stays: Whose windows.
      hours: `[stay]`, how long each lasts; the last window ends within it.
      length: Of a window, in hours.
      step: Between the beginnings of a stay's windows, in hours.
      most: Windows of one subject, of all stays together.
      seed: The choice for a subject depends on this and the subject's windows alone, not on other subjects.

    Returns:
      `stay` and `end`, both `[window]`, as `cut` takes them, in order of stay and time.

    Raises:
      ValueError: No stay is as long as a window; the length, the step or the number of windows is below 1.
    """
    if min(length, step, most) < 1:
        raise ValueError(f"windows: length, step and most must be 1 or more, but are {length}, {step} and {most}.")
    last = np.floor(np.asarray(hours)).astype(np.int64)
    counts = np.maximum((last - length) // step + 1, 0)
    if not counts.any():
        raise ValueError(
            f"windows: no stay is as long as a window of {length} hours; the longest of {len(stays)} has"
            f" {last.max(initial=0)}."
        )
    stay = np.repeat(np.arange(len(stays)), counts)
    number = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    names, subject = np.unique(stays.subject[stay], return_inverse=True)
    chosen = []
    order = np.argsort(subject, kind="stable")
    for code, places in enumerate(np.split(order, np.flatnonzero(np.diff(subject[order])) + 1)):
        if len(places) > most:
            rng = np.random.default_rng([seed, *str(names[code]).encode()])
            places = rng.choice(places, most, replace=False)
        chosen.append(places)
    chosen = np.sort(np.concatenate(chosen))
    return stay[chosen], (length + number * step)[chosen]


def filled(values: np.ndarray, normal: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Windows without gaps, and where the gaps were.

    Args:
      values: `[window, hour, variable]`, NaN where nothing was measured.
      normal: `[variable]`, what stands where nothing was measured since the window's beginning.

    Returns:
      `filled`, the last measured value of the window so far, or the normal one; `measured`, boolean, where an hour has
      its own; `since`, float32, hours since the last measured one, or since the window's beginning where there is none.
      Each `[window, hour, variable]`.

    Raises:
      ValueError: A normal value is missing.
    """
    normal = np.asarray(normal, np.float32)
    if not np.isfinite(normal).all():
        raise ValueError(f"windows: variable {int((~np.isfinite(normal)).argmax())} has no normal value.")
    measured = ~np.isnan(values)
    hour = np.arange(values.shape[1], dtype=np.int64)[:, None]
    last = np.maximum.accumulate(np.where(measured, hour, -1), axis=1)
    carried = np.take_along_axis(values, np.maximum(last, 0), axis=1)
    since = np.where(last >= 0, hour - last, hour).astype(np.float32)
    return np.where(last >= 0, carried, normal), measured, since


def normalization(values: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation `[variable]` of what was measured in the training windows.

    A variable that they do not have, or whose values are all equal, gets 0 or its value, and 1.

    Args:
      values: `[window, hour, variable]`, NaN where nothing was measured.
      train: `[window]`, boolean.
    """
    rows = values[train].reshape(-1, values.shape[-1]).astype(np.float64)
    measured = ~np.isnan(rows)
    count = np.maximum(measured.sum(0), 1)
    mean = np.where(measured, rows, 0).sum(0) / count
    deviation = np.sqrt((np.where(measured, rows - mean, 0) ** 2).sum(0) / count)
    return mean.astype(np.float32), np.where(deviation > 0, deviation, 1).astype(np.float32)


def death_within(death: np.ndarray, windows: Windows, horizon: float = 72.0) -> np.ndarray:
    """Label `[window]`: 1 where death follows the window's end by at most `horizon` hours, 0 where it does not.

    NaN where the patient had died by the window's end: there is nothing to predict, so leave such windows out.

    Args:
      death: `[stay]`, hours from admission to death; NaN where the patient lived on.
      windows: Of these stays.
      horizon: In hours.
    """
    after = np.asarray(death, np.float64)[windows.stay] - windows.end
    label = np.where(np.isnan(after), 0.0, after <= horizon)
    return np.where(after <= 0, np.nan, label).astype(np.float32)
