"""A problem of the UCR archive as arrays: series of one length, classes 0 to C - 1, and the archive's own split.

Both kinds of gap are closed as the archive closes them in its own completed copies: missing values by linear
interpolation, unequal lengths by noise of low amplitude after the end, up to the longest series. How low the archive
does not say; here it is `PADDING_AMPLITUDE`.

References:
  Dau et al., UCR archive 2018: briefing document (p. 16) and the README of its folder
  `Missing_value_and_variable_length_datasets_adjusted`.
"""

import dataclasses

import numpy as np

from data_pipelines.dataset import Dataset
from data_pipelines.ucr.files import SeriesFile
from data_pipelines.ucr.labels import plain_labels, sorted_labels

# Standard deviation of the padding, in standard deviations of the series that it pads. Ours.
PADDING_AMPLITUDE = 1e-3
# Whose missing values are gaps even at the end of a series; the other eleven problems of the archive that have NaN have
# it for lengths alone. The README cited above lists both.
PROBLEMS_WITH_GAPS = frozenset(["DodgerLoopDay", "DodgerLoopGame", "DodgerLoopWeekend", "MelbournePedestrian"])


@dataclasses.dataclass(frozen=True)
class Problem:
    """A classification problem of univariate series.

    Attributes:
      name: As in the archive.
      dataset: `inputs` `[example, time, 1]`, float32, TRAIN in the file's order and then TEST; target `label`
        (0 to C - 1); no sensitive attributes; each series is its own `subject`, for the archive does not say whose it
        is; `ids` like TRAIN-0001 or TEST-0001, the series' place in its file.
      train: `[example]`, boolean: whether the series is from TRAIN.
      labels: By class, the label as the archive writes it: `labels[int(label)]`. Numbers are in increasing order,
        others in alphabetical order.
      num_filled: How many missing values were interpolated.
      num_padded: How many shorter series were padded at their ends.
      deviation: How far the stored series are from z-normalised: the largest absolute mean, or difference of the
        (sample) standard deviation from 1, of any series as the files have it, filled but not padded. 0 where there
        are no files.
      verified: Whether both files are, byte by byte, those whose checksums are known (`ucr_checksums`); None where none
        is known.
    """

    name: str
    dataset: Dataset
    train: np.ndarray
    labels: tuple[str, ...]
    num_filled: int = 0
    num_padded: int = 0
    deviation: float = 0.0
    verified: bool | None = None

    def __post_init__(self):
        if len(self.train) != len(self.dataset):
            raise ValueError(f"Problem: train has {len(self.train)} examples, but the data set {len(self.dataset)}.")


def make_problem(name: str, inputs: np.ndarray, label: np.ndarray, num_train: int, **others) -> Problem:
    """A problem of the given series, of which the first `num_train` are for training.

    Args:
      name: Of the problem.
      inputs: `[example, time]`.
      label: `[example]`, 0 to C - 1.
      num_train: How many are from TRAIN.
      **others: `labels` and the other attributes of `Problem`.
    """
    places = [("TRAIN", place) for place in range(num_train)]
    places += [("TEST", place) for place in range(len(inputs) - num_train)]
    dataset = Dataset(
        inputs=inputs[..., None].astype(np.float32),
        targets={"label": label.astype(np.float32)},
        sensitive={},
        subject=np.arange(len(inputs)),
        ids=np.array([f"{split}-{place + 1:04d}" for split, place in places]),
    )
    return Problem(name, dataset, np.arange(len(inputs)) < num_train, **others)


def assemble(
    name: str, train: SeriesFile, test: SeriesFile, *, normalize: bool = False, padding_seed: int = 0
) -> Problem:
    """Makes a problem of what its two files say.

    In this order: missing values are interpolated (before the first and after the last known value: that value), series
    are z-normalised if asked for, and shorter ones are padded.

    Args:
      name: Of the problem.
      train: TRAIN.
      test: TEST.
      normalize: Whether to z-normalise each series: (x - mean) / standard deviation, with n - 1 as in the archive.
      padding_seed: The padding of a series depends on this, its file and its place there alone.

    Returns:
      The problem; `verified` is None.

    Raises:
      ValueError: TRAIN has a single class, TEST has a label that TRAIN lacks, the two files have series of different
        lengths without saying so, or a series to normalise is constant.
    """
    labels, numbers = _classes(train, test)
    lengths = [{len(series) for series in file.series} for file in (train, test)]
    unequal = train.unequal or test.unequal or max(map(len, lengths)) > 1
    if not unequal and lengths[0] != lengths[1]:
        raise ValueError(
            f"{test.path}: all series have {max(lengths[1])} values, but those of {train.path.name} have"
            f" {max(lengths[0])}; the two files are not of one problem."
        )
    longest = max(lengths[0] | lengths[1])
    rows, num_filled, num_padded, deviation = [], 0, 0, 0.0
    for split, file in enumerate((train, test)):
        for place, stored in enumerate(file.series):
            series = fill_missing(stored)
            num_filled += int(np.isnan(stored).sum())
            spread = series.std(ddof=1) if len(series) > 1 else 0.0
            deviation = max(deviation, abs(series.mean()), abs(spread - 1.0))
            if normalize:
                if np.ptp(series) == 0.0:
                    raise ValueError(
                        f"{file.path}, line {file.lines[place]}: all {len(series)} values are {series[0]:g}, and a"
                        " constant series cannot be z-normalised; take it out, or load without normalize."
                    )
                series = (series - series.mean()) / spread
            if len(series) < longest:
                series = pad(series, longest, np.random.default_rng([padding_seed, split, place]))
                num_padded += 1
            rows.append(series)
    return make_problem(
        name,
        np.stack(rows),
        numbers,
        len(train.series),
        labels=labels,
        num_filled=num_filled,
        num_padded=num_padded,
        deviation=float(deviation),
    )


def fill_missing(series: np.ndarray) -> np.ndarray:
    """Interpolates `[time]` linearly where it is NaN; before the first and after the last number it repeats that."""
    known = ~np.isnan(series)
    if known.all():
        return series
    time = np.arange(len(series))
    return np.interp(time, time[known], series[known])


def pad(series: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    """Pads `[time]` at its end to `length` with Gaussian noise about 0, of low amplitude for this series."""
    noise = PADDING_AMPLITUDE * series.std() * rng.standard_normal(length - len(series))
    return np.concatenate([series, noise])


def _classes(train: SeriesFile, test: SeriesFile) -> tuple[tuple[str, ...], np.ndarray]:
    written = plain_labels([*train.labels, *test.labels])
    in_train, in_test = written[: len(train.labels)], written[len(train.labels) :]
    known = set(in_train)
    for label, line in zip(in_test, test.lines, strict=True):
        if label not in known:
            raise ValueError(
                f"{test.path}, line {line}: no series of {train.path.name} has the label {label!r}, so nothing could"
                " learn it; the two files are not of one problem."
            )
    if len(known) == 1:
        raise ValueError(
            f"{train.path}: all {len(in_train)} series have the label {in_train[0]!r}; expected two or more."
        )
    labels = sorted_labels(known)
    number = {label: index for index, label in enumerate(labels)}
    return labels, np.array([number[label] for label in written])
