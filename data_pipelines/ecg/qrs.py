"""Where the QRS complexes of a recording are, and how well they agree: vector magnitude, gqrs, Woody's alignment."""

import numpy as np
from wfdb import processing

SAMPLING_RATE = 100  # Hz, of all signals and marks here.
QRS_WINDOW = (-2, 10)  # Samples from Q: 20 ms before to 100 ms after.
MAX_LAG = 8  # Samples by which Woody may move a beat: gqrs's marks differ by up to 7 within one recording.
CONVERTER_GAIN = 1000  # Units per mV in which gqrs sees the vector magnitude, as in PTB-XL's own files.


def vector_magnitude(signal: np.ndarray) -> np.ndarray:
    """Square root of the sum of squares over the leads: `[time, lead]` to `[time]`."""
    return np.sqrt(np.square(signal).sum(axis=-1))


def detect_beats(magnitude: np.ndarray) -> np.ndarray:
    """Marks the QRS complexes of a vector magnitude with the gqrs algorithm of the WFDB package.

    gqrs compares amplitudes with thresholds in microvolts, so `magnitude` must be in mV, neither normalised nor
    centred. It is given integers in PTB-XL's own resolution, for which its integer arithmetic was made (with a
    physical signal wfdb would first stretch it to 24 bits); as a list, because its sample-by-sample loop, which runs
    over the recording twice, to learn and to detect, reads plain integers faster than array elements.

    Args:
      magnitude: `[time]`, mV, at 100 Hz.

    Returns:
      `[beat]`, samples, increasing: about the onset of each QRS, 20 to 30 ms before the magnitude's peak. gqrs looks
      ahead for a beat's T wave, so it may not report the last beat of a recording.
    """
    digital = np.rint(magnitude * CONVERTER_GAIN).astype(np.int64).tolist()
    marks = processing.gqrs_detect(d_sig=digital, fs=SAMPLING_RATE, adc_gain=CONVERTER_GAIN, adc_zero=0)
    return np.unique(np.asarray(marks, dtype=np.int64))


def woody_align(
    magnitude: np.ndarray,
    marks: np.ndarray,
    *,
    window: tuple[int, int] = QRS_WINDOW,
    max_lag: int = MAX_LAG,
    max_passes: int = 20,
) -> np.ndarray:
    """Moves each mark to where its wave fits the average wave best (Woody's adaptive filter).

    Template = mean of the windows at the marks; each mark takes the lag, at most `max_lag` from where it started, with
    the highest correlation with the template; repeated until no lag changes. All marks together could drift with the
    template: the median lag is taken off again, so that the beats agree with one another and, in the middle, with the
    detector.

    Args:
      magnitude: `[time]`.
      marks: `[beat]`, samples.
      window: First and one past the last sample of the wave, counted from its mark.
      max_lag: In samples.
      max_passes: When to stop if the lags go round in a circle.

    Returns:
      `[kept beat]`, aligned marks. Beats are left out whose window, moved by twice `max_lag`, leaves the recording.

    References:
      Woody, Characterization of an adaptive filter for the analysis of variable latency neuroelectric signals, 1967.
    """
    marks = np.asarray(marks, dtype=np.int64)
    # Twice, because taking off the median can carry a mark beyond the largest lag.
    inside = (marks + window[0] - 2 * max_lag >= 0) & (marks + window[1] + 2 * max_lag <= len(magnitude))
    marks = marks[inside]
    # Nearest lags first: argmax takes the first of equals, so a flat correlation moves nothing.
    lags = np.array(sorted(range(-max_lag, max_lag + 1), key=abs))
    waves = magnitude[marks[:, None, None] + lags[:, None] + np.arange(*window)]  # [beat, lag, time]
    waves = waves - waves.mean(axis=-1, keepdims=True)
    norms = np.linalg.norm(waves, axis=-1, keepdims=True)
    shapes = np.divide(waves, norms, out=np.zeros_like(waves), where=norms > 0)
    beats = np.arange(len(marks))
    choice = np.zeros(len(marks), dtype=np.int64)
    for _ in range(max_passes if len(marks) else 0):
        template = waves[beats, choice].mean(axis=0)
        best = (shapes @ template).argmax(axis=1)
        if (best == choice).all():
            break
        choice = best
    shift = lags[choice]
    return marks + shift - (round(float(np.median(shift))) if len(marks) else 0)


def qrs_correlation(signal: np.ndarray, marks: np.ndarray, window: tuple[int, int] = QRS_WINDOW) -> np.ndarray:
    """How well the single QRS complexes of each lead agree with their average.

    Args:
      signal: `[time, lead]`.
      marks: `[beat]`, at least one, samples whose windows lie inside the recording.
      window: First and one past the last sample of the QRS, counted from its mark.

    Returns:
      `[lead]`, mean over beats of Pearson's correlation with the average; 0 where a complex is constant.
    """
    waves = signal[marks[:, None] + np.arange(*window)]  # [beat, time, lead]
    waves = waves - waves.mean(axis=1, keepdims=True)
    template = waves.mean(axis=0)
    products = (waves * template).sum(axis=1)
    norms = np.linalg.norm(waves, axis=1) * np.linalg.norm(template, axis=0)
    return np.divide(products, norms, out=np.zeros_like(products), where=norms > 0).mean(axis=0)
