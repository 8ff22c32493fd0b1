"""From a 12-lead recording to its average beat: filter, detect, align, judge, average.

The chain is that of Ibrahimi, Rivolta and Sassi (CinC 2024), section 2.2. Everything works at 100 Hz; times of a beat
are counted from Q, the mark that the gqrs detector leaves at the onset of the QRS complex.
"""

import concurrent.futures
import contextlib
import dataclasses
import fractions
import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import scipy.signal
import tqdm

from data_pipelines.ecg.qrs import SAMPLING_RATE, detect_beats, qrs_correlation, vector_magnitude, woody_align

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
BEAT_WINDOW = (-25, 33)  # Samples from Q: 250 ms before to 330 ms after.
BEAT_SAMPLES = BEAT_WINDOW[1] - BEAT_WINDOW[0]
PASSBAND = (0.5, 40.0)  # Hz
FILTER_ORDER = 3
MIN_CORRELATION = 0.9
MIN_GOOD_LEADS = 8
MAX_INTERVAL_DEVIATION = 5  # Samples: 50 ms.
# mV. Amplifiers allow for offsets of electrodes up to 300 mV; gqrs's 64-bit integers overflow from about 1e7 mV on.
LARGEST_SAMPLE = 1000.0
FLAT_RANGE = 0.01  # mV from the lowest to the highest sample: ten steps of PTB-XL's converter, far below any QRS.
SMALLEST_PARALLEL_RUN = 200  # Recordings; fewer are done before a second interpreter has started.
CHUNK = 32  # Recordings that a worker takes at a time: a quarter of a second of work.

Item = TypeVar("Item")


class BeatError(ValueError):
    """A recording has no average beat.

    Attributes:
      reason: One word to count by: `missing_samples`, `too_large`, `flat_lead`, `no_beat`, `irregular` or
        `poor_quality` here; code that loads recordings adds its own.
      sentence: What is wrong, where, in one sentence.
    """

    def __init__(self, reason: str, sentence: str):
        super().__init__(reason, sentence)  # Both, so that the error survives the way between processes.
        self.reason = reason
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


@dataclasses.dataclass(frozen=True)
class AverageBeat:
    """One recording's average beat.

    Attributes:
      beat: `[time, lead]` = `[58, 12]`, float32, mV.
      num_beats: How many beats it averages.
      correlation: `[lead]`, mean correlation of the single QRS complexes with their average.
    """

    beat: np.ndarray
    num_beats: int
    correlation: np.ndarray


def filter_signal(signal: np.ndarray, fs: float) -> np.ndarray:
    """Removes baseline wander, powerline and high-frequency noise without shifting any wave.

    A Butterworth band-pass of order 3 from 0.5 to 40 Hz, run forwards and backwards: the phase cancels, and the gain
    is squared, so that the corners are at -6 dB and not at -3 dB.

    Args:
      signal: `[time, ...]`.
      fs: Sampling rate in Hz.

    Returns:
      `[time, ...]`, float64, in the unit of `signal`.
    """
    return scipy.signal.sosfiltfilt(_passband_sections(fs), signal, axis=0)


@functools.cache
def _passband_sections(fs: float) -> np.ndarray:
    return scipy.signal.butter(FILTER_ORDER, PASSBAND, "bandpass", fs=fs, output="sos")


def regular_beats(marks: np.ndarray) -> np.ndarray:
    """Which beats follow the one before at the usual distance: within 50 ms of the median interval.

    The interval before a beat is the one that shapes it; the first beat has none, and is judged by the one after it.

    Args:
      marks: `[beat]`, at least two, samples, increasing.

    Returns:
      `[beat]`, boolean.
    """
    intervals = np.diff(marks)
    regular = np.abs(intervals - np.median(intervals)) <= MAX_INTERVAL_DEVIATION
    return np.concatenate([regular[:1], regular])


def average_beat(signal: np.ndarray, fs: float) -> AverageBeat:
    """The average beat of a 12-lead recording, if its quality allows one.

    Args:
      signal: `[time, lead]`, mV, leads in the order of `LEADS`.
      fs: Sampling rate in Hz; another than 100 Hz is resampled first.

    Returns:
      The average over the beats with a usual interval, from 250 ms before to 330 ms after Q.

    Raises:
      BeatError: Samples are missing or larger than 1 V, a lead is flat, fewer than two beats are found, or fewer than 8
        leads have QRS complexes that correlate with their average by more than 0.9.
      ValueError: `signal` has not 12 leads, or `fs` is no sampling rate.

    References:
      Ibrahimi, Rivolta and Sassi, Computing in Cardiology 2024, section 2.2.
    """
    if signal.ndim != 2 or signal.shape[1] != len(LEADS):
        raise ValueError(f"average_beat: signal must be [time, {len(LEADS)}], but is {list(signal.shape)}.")
    if not 1.0 <= fs <= 1e5:
        raise ValueError(f"average_beat: fs must be a sampling rate in Hz, from 1 to 100000, but is {fs}.")
    if not np.issubdtype(signal.dtype, np.floating):
        signal = signal.astype(np.float64)  # The difference of two small integers may not fit into their type.
    _check_samples(signal)
    if fs != SAMPLING_RATE:
        ratio = fractions.Fraction(SAMPLING_RATE / fs).limit_denominator(1000)
        # Extended by its trend at both ends: by zeros, a recording with an offset would get a step there.
        signal = scipy.signal.resample_poly(signal, ratio.numerator, ratio.denominator, axis=0, padtype="line")
    if len(signal) < 2 * BEAT_SAMPLES:
        raise BeatError("no_beat", f"The recording lasts {len(signal) / SAMPLING_RATE:.2f} s, too short for two beats.")
    filtered = filter_signal(signal, SAMPLING_RATE)
    magnitude = vector_magnitude(filtered)
    detected = detect_beats(magnitude)
    marks = np.unique(woody_align(magnitude, detected))
    if len(marks) < 2:
        raise BeatError(
            "no_beat", f"{len(detected)} beats were detected and {len(marks)} could be aligned; two are needed."
        )
    correlation = qrs_correlation(filtered, marks)
    good = int((correlation > MIN_CORRELATION).sum())
    if good < MIN_GOOD_LEADS:
        raise BeatError(
            "poor_quality",
            f"QRS complexes agree with their average (correlation above {MIN_CORRELATION}) in {good} leads;"
            f" {MIN_GOOD_LEADS} are needed.",
        )
    whole = (marks + BEAT_WINDOW[0] >= 0) & (marks + BEAT_WINDOW[1] <= len(filtered))
    marks = marks[whole & regular_beats(marks)]
    if not len(marks):
        raise BeatError("irregular", "No whole beat has an interval within 50 ms of the median interval.")
    beats = filtered[marks[:, None] + np.arange(*BEAT_WINDOW)]
    return AverageBeat(beats.mean(axis=0).astype(np.float32), len(marks), correlation)


def _check_samples(signal: np.ndarray) -> None:
    missing = ~np.isfinite(signal)
    if missing.any():
        lead = LEADS[int(missing.any(axis=0).argmax())]
        raise BeatError("missing_samples", f"{int(missing.sum())} samples are missing (NaN), the first in lead {lead}.")
    if not len(signal):
        raise BeatError("no_beat", "The recording has no samples.")
    largest = np.abs(signal).max(axis=0)
    if largest.max() > LARGEST_SAMPLE:
        lead = LEADS[int(largest.argmax())]
        raise BeatError(
            "too_large",
            f"Lead {lead} reaches {largest.max():g} mV, above {LARGEST_SAMPLE:g} mV; no electrode gives so much, so its"
            " unit or gain is wrong.",
        )
    spread = np.ptp(signal, axis=0)
    if spread.min() < FLAT_RANGE:
        lead = LEADS[int(spread.argmin())]
        raise BeatError("flat_lead", f"Lead {lead} is flat: its samples span {spread.min() * 1000:.1f} microvolts.")


def average_beats(
    load: Callable[[Item], np.ndarray],
    items: Sequence[Item],
    *,
    fs: float = SAMPLING_RATE,
    processes: int | None = None,
    progress: bool = True,
) -> list[AverageBeat | BeatError]:
    """The average beats of many recordings, over several processes.

    The workers are fresh interpreters, not forks: a parent that has started JAX has threads, and a fork of it may hang.
    A script that calls this needs the usual `if __name__ == "__main__":`, and `load` must be importable by name.

    Args:
      load: Gives the signal `[time, lead]` in mV of an item, or raises BeatError; called in the workers.
      items: What to load, such as file names, or the signals themselves with a `load` that returns its argument.
      fs: Sampling rate in Hz of what `load` gives.
      processes: How many; None takes one for each core, or only this one for fewer than 200 items, where starting
        others would take longer than the work.
      progress: Whether to show a progress bar with the time left.

    Returns:
      For each item, in the order of `items`, its average beat or the error that says why it has none. The number of
      processes does not change the results. Errors of another kind are raised.
    """
    if processes is None:
        processes = _available_cores() if len(items) >= SMALLEST_PARALLEL_RUN else 1
    work = functools.partial(_average_or_error, load, fs)
    bar = functools.partial(
        tqdm.tqdm, total=len(items), desc="average beats", unit="record", disable=not progress, mininterval=0.5
    )
    if processes == 1:
        return list(bar(map(work, items)))
    spawn = multiprocessing.get_context("spawn")
    before = multiprocessing.active_children()
    pool = concurrent.futures.ProcessPoolExecutor(processes, mp_context=spawn, initializer=_end_with_parent)
    try:
        with _uninterrupted_children():
            results = pool.map(work, items, chunksize=CHUNK)
        return list(bar(results))
    except BaseException:  # Ctrl-C among them: nobody wants the rest.
        for worker in multiprocessing.active_children():
            if worker not in before:
                worker.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _uninterrupted_children() -> Iterator[None]:
    """Processes started here never see Ctrl-C, which a terminal sends to all: the parent decides what they do."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows.
        yield
        return
    earlier = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # Children inherit it, from their first moment.
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, earlier)


def _end_with_parent() -> None:
    """In a worker: ends with its parent, however that ends; it would wait for work for ever."""

    def watch():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _average_or_error(load: Callable[[Item], np.ndarray], fs: float, item: Item) -> AverageBeat | BeatError:
    try:
        return average_beat(load(item), fs)
    except BeatError as error:
        return error


def _available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux: what this process may use, not what the machine has.
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
