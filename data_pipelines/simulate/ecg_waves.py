"""The heart as a moving dipole: waves of a subject's vectorcardiogram, and how they reach the twelve leads.

Vectors are Frank's: x to the left arm, y to the feet, z to the back, in mV. A wave is a Gaussian in time along a
vector. Sizes were chosen against average beats of PTB-XL, so that the two look alike and are about as hard to
distinguish; they claim no physiology beyond their directions.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from data_pipelines.simulate.ecg_cohort import AGE_SPREAD, MEAN_AGE, SimulationConfig

# Frank's vector to the eight independent leads I, II, V1...V6.
# Dower, Machado and Osborne, On deriving the electrocardiogram from vectorcardiographic leads, Clin. Cardiol. 3, 1980.
DOWER = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)
# I, II, V1...V6 to I, II, III, aVR, aVL, aVF, V1...V6: Einthoven's and Goldberger's definitions.
LIMB = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 1.0], [-0.5, -0.5], [1.0, -0.5], [-0.5, 1.0]])
EIGHT_TO_TWELVE = np.block([[LIMB, np.zeros((6, 6))], [np.zeros((6, 2)), np.eye(6)]])
# Electrodes RA, LA, LL, V1...V6 to the eight leads; the chest is measured against the mean of the limbs (Wilson).
ELECTRODES_TO_EIGHT = np.block(
    [[np.array([[-1.0, 1.0, 0.0], [-1.0, 0.0, 1.0]]), np.zeros((2, 6))], [np.full((6, 3), -1 / 3), np.eye(6)]]
)

# The rows of `Heart`.
WAVES = ("right atrium", "left atrium", "septum", "apex", "free wall", "base", "scar", "ST", "T upstroke", "T")
_QRS, _AFTER = slice(2, 7), slice(7, 10)
# Seconds from the middle of the QRS, seconds, and mV along x, y, z.
_CENTER = np.array([-0.155, -0.130, -0.024, -0.008, 0.006, 0.024, -0.014, 0.130, 0.215, 0.262])
_WIDTH = np.array([0.018, 0.020, 0.007, 0.009, 0.010, 0.010, 0.012, 0.045, 0.050, 0.040])
_VECTOR = np.array(
    [
        [0.035, 0.080, -0.045],
        [0.055, 0.050, 0.040],
        [-0.100, -0.040, -0.220],
        [0.430, 0.300, -0.300],
        [0.840, 0.340, 0.500],
        [-0.050, -0.140, 0.440],
        [0.000, 0.000, 0.000],
        [0.020, 0.020, -0.030],
        [0.080, 0.060, -0.070],
        [0.230, 0.170, -0.140],
    ]
)
# Where the wall that died lies, seen from the middle of the heart.
_TOWARD = {"anterior": (0.40, 0.10, -0.91), "inferior": (-0.05, 0.97, 0.20), "lateral": (0.95, -0.15, 0.25)}


class Heart(NamedTuple):
    """What a subject carries from record to record.

    Attributes:
      center: `[wave]`, seconds from the middle of the QRS, at 60 beats a minute.
      width: `[wave]`, standard deviation in seconds.
      vector: `[wave, 3]`, mV.
      leads: `[8, 3]`, from the vector to I, II, V1 to V6 of this chest.
    """

    center: np.ndarray
    width: np.ndarray
    vector: np.ndarray
    leads: np.ndarray


@dataclasses.dataclass(frozen=True)
class Subject:
    """Of whom the heart is: one row of the cohort's table without what belongs to a record."""

    age: float
    sex: int
    infarction: int
    territory: str
    severity: float


def rotation(angles: np.ndarray) -> np.ndarray:
    """Rotations `[..., 3, 3]` by angles `[..., 3]` in radians about x, then y, then z."""
    cos, sin = np.cos(angles), np.sin(angles)
    one, zero = np.ones_like(cos[..., 0]), np.zeros_like(cos[..., 0])

    def matrix(*entries: np.ndarray) -> np.ndarray:
        return np.stack(entries, axis=-1).reshape(*one.shape, 3, 3)

    about_x = matrix(one, zero, zero, zero, cos[..., 0], -sin[..., 0], zero, sin[..., 0], cos[..., 0])
    about_y = matrix(cos[..., 1], zero, sin[..., 1], zero, one, zero, -sin[..., 1], zero, cos[..., 1])
    about_z = matrix(cos[..., 2], -sin[..., 2], zero, sin[..., 2], cos[..., 2], zero, zero, zero, one)
    return about_z @ about_y @ about_x


def draw_heart(config: SimulationConfig, subject: Subject, rng: np.random.Generator) -> Heart:
    """Draws a subject's heart and chest.

    The age acts through an age of the heart, which scatters around the true one; nothing of it depends on the label.

    Args:
      config: Of the cohort: sizes of the effects.
      subject: Whose.
      rng: Belongs to this subject alone; the same number of draws is taken whatever the configuration.

    Returns:
      The waves at 60 beats a minute, and the leads.
    """
    normal = rng.standard_normal(24)
    toward = np.array(_TOWARD.get(subject.territory, (0.0, 0.0, 0.0))) + 0.25 * rng.standard_normal(3)
    wave_jitter = rng.standard_normal(_VECTOR.shape)
    leads = DOWER * np.exp(0.15 * rng.standard_normal((8, 1))) + 0.06 * rng.standard_normal((8, 3))
    recency = rng.random()

    heart_age = (subject.age - MEAN_AGE) / AGE_SPREAD + 0.45 * normal[0]
    elsewhere = config.age_effect * np.sqrt(1 - config.overlap) * heart_age
    shared = config.age_effect * np.sqrt(config.overlap) * heart_age
    female = float(subject.sex == 1)

    center, width, vector = _CENTER.copy(), _WIDTH.copy(), _VECTOR.copy()
    norms = np.linalg.norm(vector, axis=1, keepdims=True)
    vector += 0.16 * norms * wave_jitter

    # Elsewhere: conduction slows with age (PR, P), repolarisation lasts longer, the axis turns left, voltage falls.
    center[:2] -= 0.016 * normal[1] + 0.013 * elsewhere
    center[1] += 0.004 * normal[2] + 0.006 * elsewhere
    width[:2] *= np.exp(0.10 * normal[3] + 0.09 * elsewhere)
    vector[:2] *= np.exp(0.25 * normal[4] + 0.10 * elsewhere)
    center[_AFTER] *= np.exp(0.045 * normal[5] + 0.03 * elsewhere + 0.03 * female)
    width[_QRS] *= np.exp(0.06 * normal[6])
    center[_QRS] *= np.exp(0.06 * normal[6])
    vector[_QRS] *= np.exp(0.20 * normal[7] - 0.12 * elsewhere - 0.10 * female)
    vector[_QRS] = (
        vector[_QRS] @ rotation(np.array([0.24 * normal[8], 0.22 * normal[9], 0.24 * normal[10] - 0.22 * elsewhere])).T
    )

    # Shared with infarction: T flattens and turns away from the QRS, early anterior forces are lost, ST sags.
    vector[_AFTER] *= np.exp(0.28 * normal[11] - 0.24 * shared - 0.15 * female)
    vector[_AFTER] = (
        vector[_AFTER] @ rotation(np.array([0.20 * normal[12], 0.22 * normal[13] + 0.24 * shared, 0.20 * normal[14]])).T
    )
    vector[3] += (0.08 * normal[15] + 0.10 * shared) * np.array([0.0, 0.0, 1.0])
    vector[7] += (0.02 * normal[16:19]) - 0.014 * shared * np.array([0.8, 0.5, 0.0])

    # The dead wall no longer pulls the early QRS to itself (Q waves, lost R); while it is fresh, current of injury
    # lifts ST toward it, and T turns away from it. Opposite leads show the reciprocal by the geometry alone.
    strength = config.infarction_effect * subject.severity * subject.infarction
    toward = toward / np.linalg.norm(toward)
    vector[6] -= strength * 1.15 * np.exp(0.25 * normal[19]) * toward
    width[6] *= np.exp(0.15 * normal[20])
    vector[7] += strength * 0.14 * recency**2 * toward
    vector[8:] -= strength * 0.40 * np.exp(0.3 * normal[21]) * toward * np.array([[0.35], [1.0]])
    return Heart(center, width, vector, leads)


def beat_times(
    config: SimulationConfig, subject: Subject, breath: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draws when the heart beats in one record.

    Intervals swing with respiration (less in the old), wander at random, and now and then a beat comes early and the
    next one waits.

    Args:
      config: Of the cohort: duration.
      subject: Whose.
      breath: Respiration rate in Hz.
      rng: Belongs to this record alone.

    Returns:
      `[beat]`, seconds, from before the record to after it, and `[beat]`, the interval before each.
    """
    size = int(4 * config.duration) + 8
    mean = 60.0 / np.clip(68.0 + 9.0 * rng.standard_normal() + 2.0 * (subject.sex == 1), 45.0, 110.0)
    phase = rng.uniform(0, 2 * np.pi)
    swing = 0.03 * np.exp(0.5 * rng.standard_normal() - 0.02 * (subject.age - MEAN_AGE))
    drift = np.cumsum(0.004 * rng.standard_normal(size))
    intervals = 1.0 + 0.010 * rng.standard_normal(size) + drift - drift.mean()
    intervals += min(swing, 0.12) * np.sin(2 * np.pi * breath * mean * np.arange(size) + phase)
    early = np.flatnonzero(rng.random(size - 1) < 0.008)
    intervals[early] -= 0.25
    intervals[early + 1] += 0.25
    intervals = mean * np.maximum(intervals, 0.5)
    times = -2.0 + rng.uniform(0, 1) * mean + np.cumsum(intervals) - intervals[0]
    inside = times < config.duration + 1.6
    return times[inside], intervals[inside]


def heart_signal(
    config: SimulationConfig,
    heart: Heart,
    times: np.ndarray,
    intervals: np.ndarray,
    breath: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """The leads as the heart alone would write them.

    Every beat differs a little in size and direction from the last, in part with respiration, which moves the heart.

    Args:
      config: Of the cohort: sampling rate, duration.
      heart: The subject's.
      times: `[beat]`, seconds.
      intervals: `[beat]`, seconds, before each beat; the T wave comes later after a long one.
      breath: Respiration rate in Hz.
      rng: Belongs to this record alone.

    Returns:
      `[time, 8]`, leads I, II, V1 to V6, mV.
    """
    fs, length = config.sampling_rate, round(config.duration * config.sampling_rate)
    phase = rng.uniform(0, 2 * np.pi, 3)
    respiration = np.sin(2 * np.pi * breath * times[:, None] + phase)
    angles = 0.035 * respiration + 0.02 * rng.standard_normal((len(times), 3))
    size = np.exp(0.03 * respiration[:, 0] + 0.03 * rng.standard_normal(len(times)))
    placement = 1.0 + 0.04 * rng.standard_normal((8, 1))  # Electrodes are put on anew for each record.
    vectors = np.einsum("bij,wj->bwi", rotation(angles), heart.vector) * size[:, None, None]
    vectors[:, _AFTER] *= np.exp(0.05 * rng.standard_normal((len(times), 1, 1)))
    centers = np.tile(heart.center, (len(times), 1))
    # Fridericia's cube root, softened: after a single long interval repolarisation adapts only in part.
    centers[:, _AFTER] *= (np.clip(intervals, 0.4, 1.5) ** 0.25)[:, None]

    span = np.arange(round(-0.35 * fs), round(0.60 * fs))
    first = np.rint(times * fs).astype(int)
    index = first[:, None] + span
    elapsed = (index / fs - times[:, None])[:, :, None] - centers[:, None, :]  # [beat, sample, wave]
    waves = np.exp(-0.5 * (elapsed / heart.width) ** 2)
    margin = 3 * fs  # Beats may begin before the record and end behind it.
    dipole = np.zeros((length + 2 * margin, 3))
    np.add.at(dipole, index + margin, waves @ vectors)
    return dipole[margin : margin + length] @ (heart.leads * placement).T
