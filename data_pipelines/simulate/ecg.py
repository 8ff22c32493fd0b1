"""Simulated 12-lead ECG records of a cohort in which age confounds infarction by a known amount.

`simulate` gives records, `load` runs the same preprocessing on them as on real ones, `truth` says what was planted.
Use as `from data_pipelines.simulate import ecg`.
"""

import functools

import numpy as np
import pandas as pd

from data_pipelines.cohort import REJECTED_COLUMNS, STEP_COLUMNS, Cohort
from data_pipelines.dataset import Dataset
from data_pipelines.ecg.beats import BeatError, average_beats
from data_pipelines.simulate.ecg_cohort import (
    ELECTRODES,
    SimulatedRecords,
    SimulationConfig,
    Truth,
    draw_table,
    infarction_probability,
    truth,
)
from data_pipelines.simulate.ecg_folder import write_ptbxl_folder
from data_pipelines.simulate.ecg_waves import (
    EIGHT_TO_TWELVE,
    ELECTRODES_TO_EIGHT,
    Subject,
    beat_times,
    draw_heart,
    heart_signal,
)

__all__ = [
    "SimulatedRecords",
    "SimulationConfig",
    "Truth",
    "draw_table",
    "infarction_probability",
    "load",
    "simulate",
    "simulate_record",
    "truth",
    "write_ptbxl_folder",
]

_HEART_STREAM, _SIGNAL_STREAM = 10, 11  # Apart from the streams of the table.
_HUM_FREQUENCY = 50.0  # Hz


def electrode_noise(config: SimulationConfig, fault: str, rng: np.random.Generator) -> np.ndarray:
    """What the nine electrodes add: amplifier, muscle, baseline wander, hum.

    All noise arises at electrodes and not in leads, so that it also obeys II = I + III, and a bad limb electrode spoils
    several leads. It is drawn as a spectrum: a band, and so the noise in it, is the same at every sampling rate.

    Args:
      config: Of the cohort: noise, hum, sampling rate, duration.
      fault: Of the record; `noisy X` adds muscle noise and wander at electrode X, not always enough for a rejection.
      rng: Belongs to this record alone.

    Returns:
      `[time, 9]`, mV, electrodes RA, LA, LL, V1 to V6.
    """
    fs, length = config.sampling_rate, round(config.duration * config.sampling_rate)
    count = len(ELECTRODES)
    muscle = 0.008 * np.exp(0.6 * rng.standard_normal()) * np.exp(0.3 * rng.standard_normal(count))
    wander = 0.050 * np.exp(0.6 * rng.standard_normal()) * np.exp(0.3 * rng.standard_normal(count))
    hum_phase, hum_size = rng.uniform(0, 2 * np.pi), np.exp(0.4 * rng.standard_normal(count))
    burst_time, burst_length = rng.uniform(0, config.duration), rng.uniform(0.5, 3.0)
    burst_size = rng.exponential(1.0) * (rng.random() < 0.3)
    badness = np.exp(0.6 * rng.standard_normal())
    if fault.startswith("noisy"):
        electrode = ELECTRODES.index(fault.split()[1])
        muscle[electrode] += 0.25 * badness
        wander[electrode] += 0.40 * badness

    time = np.arange(length) / fs
    frequency = np.fft.rfftfreq(length, 1 / fs)[:, None]
    # Densities in 1 / Hz that integrate to about 1, so that `muscle` and `wander` are root mean squares in mV.
    muscle_power = np.exp(-0.5 * ((frequency - 60.0) / 35.0) ** 2) / (35.0 * np.sqrt(2 * np.pi))
    wander_power = np.where(frequency > 0, 3.0 / (1.0 + (frequency / 0.3) ** 4), 0.0)
    amplifier_power = np.full_like(frequency, 0.004**2 / 50.0)  # 4 microvolts from 0 to 50 Hz.
    envelope = 1.0 + burst_size * np.exp(-0.5 * ((time - burst_time) / burst_length) ** 2)[:, None]
    slow, fast = rng.spawn(2)  # One each: how many numbers one takes depends on the sampling rate.
    noise = _noise(slow, wander_power * wander**2 + amplifier_power, length, fs)
    noise += envelope * _noise(fast, muscle_power * muscle**2, length, fs)
    hum = config.hum * hum_size * np.sin(2 * np.pi * _HUM_FREQUENCY * time + hum_phase)[:, None]
    return config.noise * noise + hum


def _noise(rng: np.random.Generator, power: np.ndarray, length: int, fs: int) -> np.ndarray:
    """Gaussian noise `[time, channel]` with one-sided power density `[frequency, channel]` in mV^2 / Hz."""
    # Lowest frequencies first: a higher sampling rate draws the same numbers for the frequencies both have.
    shape = (*power.shape, 2)
    spectrum = (rng.standard_normal(shape) @ np.array([1.0, 1.0j])) * np.sqrt(power * length * fs) / 2.0
    return np.fft.irfft(spectrum, n=length, axis=0)


def simulate_record(config: SimulationConfig, seed: int, index: int) -> np.ndarray:
    """One record of a cohort, by itself.

    Args:
      config: Of the cohort.
      seed: Of the cohort.
      index: Row of the cohort's table, from 0.

    Returns:
      `[time, 12]`, float32, mV: the same as `simulate(config, seed).signals[index]`.
    """
    return _record(config, seed, _rows(config, seed)[index])


@functools.lru_cache(maxsize=8)
def _rows(config: SimulationConfig, seed: int) -> list[dict]:
    return draw_table(config, seed).to_dict("records")


def _record(config: SimulationConfig, seed: int, row: dict) -> np.ndarray:
    subject = Subject(row["age"], row["sex"], row["infarction"], row["territory"], row["severity"])
    heart = draw_heart(config, subject, np.random.default_rng([seed, _HEART_STREAM, row["subject"]]))
    rng = np.random.default_rng([seed, _SIGNAL_STREAM, row["id"]])
    breath = rng.uniform(0.18, 0.32)  # Hz: 11 to 19 breaths a minute.
    times, intervals = beat_times(config, subject, breath, rng)
    eight = heart_signal(config, heart, times, intervals, breath, rng)
    eight += electrode_noise(config, row["fault"], rng) @ ELECTRODES_TO_EIGHT.T
    if row["fault"].startswith("detached"):
        eight[:, 2 + int(row["fault"][-1]) - 1] = 0.0  # The recorder writes zeros where it finds no contact.
    return (eight @ EIGHT_TO_TWELVE.T).astype(np.float32)


def simulate(config: SimulationConfig, seed: int) -> SimulatedRecords:
    """Simulates a cohort's records.

    Each record is a function of the configuration, the seed and its row alone, so the first records of a cohort are
    those of a smaller one.

    Args:
      config: What to simulate.
      seed: Not negative.

    Returns:
      The records and their table.
    """
    signals = np.stack([_record(config, seed, row) for row in _rows(config, seed)])
    return SimulatedRecords(signals, draw_table(config, seed), config.sampling_rate)


def load(
    config: SimulationConfig,
    seed: int,
    *,
    processes: int | None = None,
    progress: bool = True,
) -> Cohort:
    """A simulated cohort of average beats, made by the preprocessing that real records go through.

    Args:
      config: What to simulate.
      seed: Not negative.
      processes: As for `beats.average_beats`; their number does not change the result.
      progress: Whether to show a progress bar.

    Returns:
      The cohort; `ids` and `subject` are those of `draw_table`.

    Raises:
      ValueError: No record has an average beat.
    """
    table = draw_table(config, seed)
    results = average_beats(
        functools.partial(simulate_record, config, seed),
        range(len(table)),
        fs=config.sampling_rate,
        processes=processes,
        progress=progress,
    )
    good = np.array([not isinstance(result, BeatError) for result in results])
    rejected = pd.DataFrame(
        [
            (record, result.reason, result.sentence)
            for record, result in zip(table["id"], results, strict=True)
            if isinstance(result, BeatError)
        ],
        columns=list(REJECTED_COLUMNS),
    )
    if not good.any():
        raise ValueError(
            f"simulate.ecg.load: none of {len(table)} simulated records has an average beat (the first: "
            f"{rejected['detail'][0]}) Lower noise, hum or faulty_electrodes."
        )
    kept = table[good]
    dataset = Dataset(
        inputs=np.stack([result.beat for result in results if not isinstance(result, BeatError)]),
        targets={"infarction": kept["infarction"].to_numpy(np.float32)},
        sensitive={"age": kept["age"].to_numpy(np.float32), "sex": kept["sex"].to_numpy(np.float32)},
        subject=kept["subject"].to_numpy(),
        ids=kept["id"].to_numpy(),
    )
    steps = pd.DataFrame(
        [_count("simulated records", table), _count("average beat of good quality", kept)],
        columns=[*STEP_COLUMNS, "infarction", "healthy"],
    )
    return Cohort(dataset, kept["fold"].to_numpy(), steps, rejected)


def _count(step: str, table: pd.DataFrame) -> tuple[str, int, int, int, int]:
    infarctions = int(table["infarction"].sum())
    return step, len(table), table["subject"].nunique(), infarctions, len(table) - infarctions
