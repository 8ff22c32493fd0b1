"""Simulated single-lead beats of several classes, in which it is known what an explanation must find.

`load` gives a problem in the form of the UCR archive's; `truth` says which of its training samples are mislabelled,
which are near-duplicates of which, and where in time the classes differ.
"""

import dataclasses
import functools

import numpy as np

from data_pipelines.simulate.ecg_cohort import MEAN_AGE, SimulationConfig
from data_pipelines.simulate.ecg_waves import WAVES, Heart, Subject, draw_heart
from data_pipelines.ucr.problem import Problem, make_problem

CLASSES = ("normal", "ST elevation", "ectopic", "long QT", "long PR")
START, END = -0.30, 0.45  # Seconds from the middle of the QRS.
# Of a class's largest difference from normal. At twice as much, the foot of the P wave that ectopic beats lack is
# outside, and enough to distinguish them from normal ones.
WINDOW_THRESHOLD = 0.05
NOISE = 0.04  # Standard deviation of the white noise in mV; an R wave in lead II has about 0.8 mV.
COPY_NOISE = 0.25  # White noise that a near-duplicate has besides its original's, of the original's.
_LEAD = 1  # II, of I, II, V1 to V6.
_ATRIA, _QRS, _T, _ST, _T_END = slice(0, 2), slice(2, 7), slice(8, 10), WAVES.index("ST"), WAVES.index("T")
_HEARTS = SimulationConfig(age_effect=0.0, infarction_effect=0.0)  # What classes are is planted here, not there.
# Apart from those of the cohorts of records.
_TABLE_STREAM, _LABEL_STREAM, _BEAT_STREAM, _COPY_STREAM, _TRUTH_STREAM = range(20, 25)


@dataclasses.dataclass(frozen=True)
class BeatClassesConfig:
    """What kind of problem to simulate.

    Attributes:
      num_classes: The first so many of `CLASSES`.
      num_train: Training samples, near-duplicates among them; classes have equal shares of them before any flip.
      num_test: Test samples; all labelled correctly.
      time: Samples a beat, spread over 0.75 s.
      effect: Size of what distinguishes the other classes from normal; 0 for nothing.
      noise: Size of white noise and baseline wander; 0 for none.
      mislabelled: Share of the training samples that carry another class's label.
      duplicates: Share of the training samples that are copies of another one but for a little noise.
    """

    num_classes: int = 3
    num_train: int = 120
    num_test: int = 300
    time: int = 96
    effect: float = 1.0
    noise: float = 1.0
    mislabelled: float = 0.1
    duplicates: float = 0.1

    def __post_init__(self):
        ranges = {
            "num_classes": (2, len(CLASSES)),
            # As many as leave every class some that are neither mislabelled nor one of a pair of duplicates.
            "num_train": (12 * self.num_classes, 1_000_000),
            "num_test": (self.num_classes, 1_000_000),
            "time": (16, 10_000),
            "effect": (0, 2),
            "noise": (0, 20),
            "mislabelled": (0, 0.3),
            "duplicates": (0, 0.2),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if name in ("num_classes", "num_train", "num_test", "time") and not isinstance(value, (int, np.integer)):
                raise ValueError(f"BeatClassesConfig: {name} must be a whole number, not {value}.")
            if not low <= value <= high:  # Also refuses NaN.
                raise ValueError(f"BeatClassesConfig: {name} must lie between {low} and {high}, but is {value}.")


@dataclasses.dataclass(frozen=True)
class Truth:
    """What was planted.

    Attributes:
      true_label: `[example]`, the class of the heart; differs from the problem's label exactly where mislabelled.
      mislabelled: `[example]`, boolean; only training samples.
      duplicate_of: `[example]`, the index of the training sample of which this one is a near-duplicate, else -1. A pair
        has the same class, and neither of it is mislabelled.
      difference: `[class, time]`, mV: the mean beat of a class less what the same hearts would show were they normal.
        Before z-normalisation, which moves a little of it to all times.
      window: `[class, time]`, boolean: where a class differs from normal, its difference being larger than
        `WINDOW_THRESHOLD` of its largest. None of it is true for normal itself.
      seconds: `[time]`, from the middle of the QRS.
    """

    true_label: np.ndarray
    mislabelled: np.ndarray
    duplicate_of: np.ndarray
    difference: np.ndarray
    window: np.ndarray
    seconds: np.ndarray


def load(config: BeatClassesConfig, seed: int) -> Problem:
    """Simulates a problem: z-normalised beats in lead II, TRAIN and then TEST, classes in random order.

    Each beat is of another heart; a near-duplicate is of the heart of its original, yet has a `subject` of its own, for
    the archive does not say either whose its series are.

    Args:
      config: What to simulate.
      seed: Not negative.

    Returns:
      The problem, as `ucr.load` returns one; `labels` are the first of `CLASSES`, in that order.
    """
    label, planted = _labels(config, seed), _table(config, seed)
    original = np.where(planted["duplicate_of"] >= 0, planted["duplicate_of"], np.arange(len(label)))
    beats = np.stack([_noisy_beat(config, seed, row, planted["true_label"][row]) for row in original])
    for copy in np.flatnonzero(planted["duplicate_of"] >= 0):
        rng = np.random.default_rng([seed, _COPY_STREAM, copy])
        beats[copy] += COPY_NOISE * NOISE * config.noise * rng.standard_normal(config.time)
    # With n - 1, as in the archive's ECG problems.
    beats = (beats - beats.mean(axis=1, keepdims=True)) / beats.std(axis=1, ddof=1, keepdims=True)
    return make_problem("simulated beats", beats, label, config.num_train, labels=CLASSES[: config.num_classes])


def truth(config: BeatClassesConfig, seed: int) -> Truth:
    """What was planted in `load(config, seed)`; no beat is needed for it.

    Args:
      config: As for `load`.
      seed: As for `load`.
    """
    difference = _difference(config)
    largest = np.abs(difference).max(axis=1, keepdims=True)
    planted = _table(config, seed)
    return Truth(
        **{name: column.copy() for name, column in planted.items()},
        difference=difference.copy(),
        window=(np.abs(difference) > WINDOW_THRESHOLD * largest) & (largest > 0),
        seconds=_seconds(config),
    )


@functools.lru_cache(maxsize=8)
def _table(config: BeatClassesConfig, seed: int) -> dict[str, np.ndarray]:
    if seed < 0:
        raise ValueError(f"simulate.beat_classes: seed must not be negative, but is {seed}.")
    rng = np.random.default_rng([seed, _TABLE_STREAM])
    classes = config.num_classes
    # Each side has the same number of every class, give or take one.
    true_label = np.concatenate(
        [rng.permutation(np.arange(size) % classes) for size in (config.num_train, config.num_test)]
    )
    mislabelled = np.zeros(len(true_label), dtype=bool)
    duplicate_of = np.full(len(true_label), -1)
    copies = _shares(config.duplicates, config)
    flips = _shares(config.mislabelled, config)
    for one in range(classes):
        members = rng.permutation(np.flatnonzero(true_label[: config.num_train] == one))
        duplicate_of[members[: copies[one]]] = members[copies[one] : 2 * copies[one]]
        mislabelled[members[2 * copies[one] : 2 * copies[one] + flips[one]]] = True
    return {"true_label": true_label, "mislabelled": mislabelled, "duplicate_of": duplicate_of}


def _shares(share: float, config: BeatClassesConfig) -> list[int]:
    """How many of each class a share of the training samples is; those left over go to the first classes."""
    whole, rest = divmod(round(share * config.num_train), config.num_classes)
    return [whole + (one < rest) for one in range(config.num_classes)]


def _labels(config: BeatClassesConfig, seed: int) -> np.ndarray:
    planted = _table(config, seed)
    rng = np.random.default_rng([seed, _LABEL_STREAM])
    step = rng.integers(1, config.num_classes, size=len(planted["true_label"]))  # To any other class.
    return (planted["true_label"] + np.where(planted["mislabelled"], step, 0)) % config.num_classes


def _seconds(config: BeatClassesConfig) -> np.ndarray:
    return np.linspace(START, END, config.time)


def _heart(rng: np.random.Generator) -> Heart:
    sex = int(rng.random() < 0.5)
    return draw_heart(_HEARTS, Subject(age=MEAN_AGE, sex=sex, infarction=0, territory="none", severity=0.0), rng)


def _beat(heart: Heart, label: int, strength: float, seconds: np.ndarray) -> np.ndarray:
    """A heart's beat in lead II, `[time]`, mV, changed to a class with the given strength.

    Each change leaves the beat's area and power nearly as they were, lest z-normalisation carry the class to all times.
    """
    center, width, size = heart.center.copy(), heart.width.copy(), heart.vector @ heart.leads[_LEAD]
    match CLASSES[label]:
        case "ST elevation":  # Coved: what ST gains in area, the end of T loses.
            size[_ST] += 0.15 * strength
            size[_T_END] -= 0.15 * strength * width[_ST] / width[_T_END]
        case "ectopic":  # From the ventricle: no P wave before it, and slow through the muscle.
            size[_ATRIA] *= max(1.0 - strength, 0.0)
            slowing = 1.0 + 1.3 * strength
            center[_QRS], width[_QRS] = center[_QRS] * slowing, width[_QRS] * slowing
            size[_QRS] /= np.sqrt(slowing)
        case "long QT":
            center[_T] += 0.05 * strength
        case "long PR":
            center[_ATRIA] -= 0.05 * strength
    return np.exp(-0.5 * ((seconds[:, None] - center) / width) ** 2) @ size


def _noisy_beat(config: BeatClassesConfig, seed: int, row: int, label: int) -> np.ndarray:
    rng = np.random.default_rng([seed, _BEAT_STREAM, row])
    heart = _heart(rng)
    strength = config.effect * np.exp(0.3 * rng.standard_normal())
    shift = 0.005 * rng.standard_normal()  # Seconds: the detector does not find the middle exactly.
    frequency, phase = rng.uniform(0.2, 0.6), rng.uniform(0, 2 * np.pi)
    seconds = _seconds(config)
    wander = 0.1 * np.exp(0.5 * rng.standard_normal()) * np.sin(2 * np.pi * frequency * seconds + phase)
    white = NOISE * rng.standard_normal(config.time)
    return _beat(heart, label, strength, seconds - shift) + config.noise * (wander + white)


@functools.lru_cache(maxsize=8)
def _difference(config: BeatClassesConfig) -> np.ndarray:
    hearts = [_heart(np.random.default_rng([_TRUTH_STREAM, number])) for number in range(100)]
    seconds = _seconds(config)
    mean = [
        np.mean([_beat(heart, label, config.effect, seconds) for heart in hearts], axis=0)
        for label in range(config.num_classes)
    ]
    return np.array(mean) - mean[0]
