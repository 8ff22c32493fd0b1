"""Who is in a simulated ECG cohort: subjects, ages, infarctions, and the truth about how these depend on one another.

Nothing here knows a signal. The only road from age to infarction is `infarction_probability`; given the label,
territory and severity are drawn without looking at the age. So the confounding of a simulated cohort is known exactly.
"""

import dataclasses
import functools

import numpy as np
import pandas as pd
import scipy.optimize
import scipy.special

AGES = np.arange(18, 90)  # Years, whole, as PTB-XL gives them; above 89 it hides them.
MEAN_AGE, AGE_SPREAD = 55.0, 18.0  # Years: the normal curve whose heights at AGES are the weights of the ages.
MALE_ODDS_RATIO = 1.8  # Of infarction, men against women; sex and age are independent.
TERRITORIES = ("anterior", "inferior", "lateral")
TERRITORY_SHARES = (0.45, 0.40, 0.15)
SEVERITY_SHAPE = (2.0, 1.5)  # Beta distribution: from scars that hardly show to large ones.
CHEST_ELECTRODES = ("V1", "V2", "V3", "V4", "V5", "V6")
ELECTRODES = ("RA", "LA", "LL", *CHEST_ELECTRODES)
_SUBJECT_STREAM, _RECORD_STREAM, _FOLD_STREAM = range(3)


@dataclasses.dataclass(frozen=True)
class SimulationConfig:
    """What kind of cohort to simulate.

    Attributes:
      num_subjects: How many people.
      records_per_subject: Mean number of records a person, from 1 to 3; each has 1, 2 or 3.
      prevalence: Share of infarctions. It stays the same whatever `confounding` is.
      confounding: Log odds ratio of infarction for ten years of age. 0 makes age and infarction independent;
        with 1 age alone predicts infarction about as well as in PTB-XL (area under the ROC curve 0.83, there 0.81).
      age_effect: Size of the changes that age makes in the ECG; 0 for none.
      overlap: Share, from 0 to 1, of the age effect's variance that falls on what an infarction changes too (anterior
        R waves, ST, T); the rest falls on P, PR, QT, axis and QRS amplitude.
      infarction_effect: Size of the changes that an infarction makes in the ECG; 0 for none.
      noise: Size of muscle and broadband noise and of baseline wander; 0 for none.
      hum: Amplitude of 50 Hz hum at each electrode in mV.
      faulty_electrodes: Share of records with one electrode that is noisy or, on the chest, detached.
      sampling_rate: 100 or 500 Hz, the rates of PTB-XL.
      duration: Seconds a record.
    """

    num_subjects: int = 750
    records_per_subject: float = 1.2
    prevalence: float = 0.25
    confounding: float = 1.0
    age_effect: float = 1.0
    overlap: float = 0.5
    infarction_effect: float = 1.0
    noise: float = 1.0
    hum: float = 0.0
    faulty_electrodes: float = 0.04
    sampling_rate: int = 100
    duration: float = 10.0

    def __post_init__(self):
        if not isinstance(self.num_subjects, (int, np.integer)) or self.num_subjects < 1:
            raise ValueError(f"SimulationConfig: num_subjects must be a whole number from 1, not {self.num_subjects}.")
        if self.sampling_rate not in (100, 500):
            raise ValueError(f"SimulationConfig: sampling_rate must be 100 or 500 Hz, not {self.sampling_rate}.")
        ranges = {
            "records_per_subject": (1, 3),
            "prevalence": (0.01, 0.99),
            "confounding": (-5, 5),
            "age_effect": (0, 5),
            "overlap": (0, 1),
            "infarction_effect": (0, 5),
            "noise": (0, 20),
            "hum": (0, 5),
            "faulty_electrodes": (0, 1),
            "duration": (5, 60),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:  # Also refuses NaN.
                raise ValueError(f"SimulationConfig: {name} must lie between {low} and {high}, but is {value}.")


def age_probability() -> np.ndarray:
    """`[age]`, the share of subjects of each of `AGES`."""
    heights = np.exp(-0.5 * ((AGES - MEAN_AGE) / AGE_SPREAD) ** 2)
    return heights / heights.sum()


@functools.lru_cache(maxsize=64)
def _intercept(prevalence: float, confounding: float) -> float:
    def excess(intercept: float) -> float:
        return age_probability() @ _probability_by_sex(intercept, confounding).mean(axis=0) - prevalence

    return scipy.optimize.brentq(excess, -60.0, 60.0, xtol=1e-12)


def _probability_by_sex(intercept: float, confounding: float) -> np.ndarray:
    sex = 0.5 * np.log(MALE_ODDS_RATIO) * np.array([1.0, -1.0])  # PTB-XL's code: 0 male, 1 female.
    return scipy.special.expit(intercept + sex[:, None] + confounding * (AGES - MEAN_AGE) / 10.0)


def infarction_probability(config: SimulationConfig) -> np.ndarray:
    """Probability of an infarction by sex and age.

    Logistic in age, logit P(infarction | age, sex) = b + s(sex) + confounding (age - 55) / 10, where b is solved for so
    that the mean over all subjects is `config.prevalence`.

    Args:
      config: Of the cohort.

    Returns:
      `[sex, age]`, sex 0 male and 1 female, age along `AGES`.
    """
    return _probability_by_sex(_intercept(config.prevalence, config.confounding), config.confounding)


@functools.lru_cache(maxsize=8)
def _table(config: SimulationConfig, seed: int) -> pd.DataFrame:
    if seed < 0:
        raise ValueError(f"simulate.ecg: seed must not be negative, but is {seed}.")
    # A row of uniforms a subject: the first subjects of a larger cohort are those of a smaller one.
    size = config.num_subjects
    uniforms = np.random.default_rng([seed, _SUBJECT_STREAM]).random((size, 6))
    age_index = np.searchsorted(np.cumsum(age_probability())[:-1], uniforms[:, 0], side="right")
    sex = (uniforms[:, 1] < 0.5).astype(int)
    infarction = uniforms[:, 2] < infarction_probability(config)[sex, age_index]
    territory = np.searchsorted(np.cumsum(TERRITORY_SHARES)[:-1], uniforms[:, 3], side="right")
    severity = scipy.special.betaincinv(*SEVERITY_SHAPE, uniforms[:, 4])
    # The two possible further records are there with the same probability each.
    further = (config.records_per_subject - 1.0) / 2.0
    counts = 1 + (uniforms[:, 5] < 1 - (1 - further) ** 2).astype(int) + (uniforms[:, 5] < further**2)
    blocks = np.tile(np.arange(1, 11), (-(-size // 10), 1))
    folds = np.random.default_rng([seed, _FOLD_STREAM]).permuted(blocks, axis=1).ravel()[:size]
    subjects = pd.DataFrame(
        {
            "subject": np.arange(1, size + 1),
            "age": AGES[age_index],
            "sex": sex,
            "infarction": infarction.astype(int),
            "territory": np.where(infarction, np.array(TERRITORIES)[territory], "none"),
            "severity": np.where(infarction, severity, 0.0),
            "fold": folds,
        }
    )
    table = subjects.loc[subjects.index.repeat(counts)].reset_index(drop=True)
    table.insert(0, "id", np.arange(1, len(table) + 1))
    uniforms = np.random.default_rng([seed, _RECORD_STREAM]).random((len(table), 3))
    noisy = np.array([f"noisy {name}" for name in ELECTRODES])[(uniforms[:, 1] * len(ELECTRODES)).astype(int)]
    detached = np.array([f"detached {name}" for name in CHEST_ELECTRODES])[
        (uniforms[:, 1] * len(CHEST_ELECTRODES)).astype(int)
    ]
    fault = np.where(uniforms[:, 2] < 0.7, noisy, detached)
    table["fault"] = np.where(uniforms[:, 0] < config.faulty_electrodes, fault, "none")
    return table


def draw_table(config: SimulationConfig, seed: int) -> pd.DataFrame:
    """Draws the subjects of a cohort and their records, a row a record.

    Folds are balanced in every run of ten subjects. The rows of a cohort are the first rows of any larger one with the
    same seed and otherwise the same configuration.

    Args:
      config: Of the cohort.
      seed: Not negative.

    Returns:
      Columns `id` (1, 2, ...), `subject` (from 1), `age` (years), `sex` (0 male, 1 female), `infarction` (0 or 1),
      `territory` (`none` if healthy), `severity` (0 if healthy, else between 0 and 1), `fold` (1 to 10) and `fault`
      (`none`, or like `noisy LA` or `detached V3`).

    Raises:
      ValueError: `seed` is negative.
    """
    return _table(config, seed).copy()


@dataclasses.dataclass(frozen=True)
class SimulatedRecords:
    """Records and who they are of.

    Attributes:
      signals: `[record, time, lead]`, float32, mV; leads I, II, III, aVR, aVL, aVF, V1 to V6.
      table: A row a record, see `draw_table`.
      sampling_rate: Hz.
    """

    signals: np.ndarray
    table: pd.DataFrame
    sampling_rate: int


@dataclasses.dataclass(frozen=True)
class Truth:
    """What a cohort would show if it were infinitely large. Sums over ages, no sampling.

    Attributes:
      ages: `[age]`, years.
      age_probability: `[age]`, share of the subjects.
      prevalence_by_age: `[age]`, P(infarction | age), over both sexes.
      prevalence: P(infarction).
      mean_age: Of the healthy and of those with an infarction, years.
      age_correlation: Pearson's correlation of age and label: what a perfect predictor of the label must show overall.
        Within the healthy it must show none.
      age_auc: Area under the ROC curve of age alone as a predictor of infarction.
    """

    ages: np.ndarray
    age_probability: np.ndarray
    prevalence_by_age: np.ndarray
    prevalence: float
    mean_age: tuple[float, float]
    age_correlation: float
    age_auc: float

    def score_correlation(self, auc: float, *, knows_age: bool) -> tuple[float, float]:
        """How much a Bayes-optimal score correlates with age, given how good its evidence from the ECG is.

        The evidence is one number, N(0, 1) in the healthy and N(d, 1) with an infarction, with d so large that it
        alone has the area `auc` under its ROC curve, and, given the label, independent of age. The score is the
        posterior probability P(infarction | evidence), or P(infarction | evidence, age). Blind to age,
        corr(score, age) = corr(label, age) corr(score, label), and exactly 0 within the healthy: all that a
        fair predictor may show. Knowing the age, it uses it as a prior, and the dependence within the healthy is
        what an adversary or a penalty is to remove.

        Args:
          auc: Between 0.5 and 1, both excluded.
          knows_age: Whether the prior is P(infarction | age) or P(infarction).

        Returns:
          Pearson's correlation of score and age overall, and within the healthy.
        """
        if not 0.5 < auc < 1.0:
            raise ValueError(f"score_correlation: auc must lie between 0.5 and 1 (both excluded), but is {auc}.")
        separation = np.sqrt(2.0) * scipy.special.ndtri(auc)
        evidence = np.linspace(-8.0, separation + 8.0, 4001)
        healthy = np.exp(-0.5 * evidence**2)
        infarction = np.exp(-0.5 * (evidence - separation) ** 2)
        prior = self.prevalence_by_age if knows_age else np.full(len(self.ages), self.prevalence)
        score = scipy.special.expit(
            scipy.special.logit(prior)[:, None] + separation * evidence - 0.5 * separation**2
        )  # [age, evidence]
        among_healthy = (self.age_probability * (1 - self.prevalence_by_age))[:, None] * healthy
        among_infarction = (self.age_probability * self.prevalence_by_age)[:, None] * infarction
        ages = np.broadcast_to(self.ages[:, None].astype(float), score.shape)
        return (
            _weighted_correlation(score, ages, among_healthy + among_infarction),
            _weighted_correlation(score, ages, among_healthy),
        )


def _weighted_correlation(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    weights = weights / weights.sum()
    x = x - (weights * x).sum()
    y = y - (weights * y).sum()
    return float((weights * x * y).sum() / np.sqrt((weights * x * x).sum() * (weights * y * y).sum()))


def truth(config: SimulationConfig) -> Truth:
    """The exact relation of age and infarction in cohorts of this configuration; no signal is needed for it.

    Subjects have their numbers of records independently of all else, so the same holds, in the mean, over records.
    """
    probability = age_probability()
    by_age = infarction_probability(config).mean(axis=0)
    prevalence = float(probability @ by_age)
    infarction = probability * by_age / prevalence
    healthy = probability * (1 - by_age) / (1 - prevalence)
    mean = float(probability @ AGES)
    spread = np.sqrt(probability @ (AGES - mean) ** 2)
    mean_age = (float(healthy @ AGES), float(infarction @ AGES))
    correlation = (mean_age[1] - mean_age[0]) * np.sqrt(prevalence * (1 - prevalence)) / spread
    younger = np.cumsum(healthy) - healthy
    return Truth(
        ages=AGES.copy(),
        age_probability=probability,
        prevalence_by_age=by_age,
        prevalence=prevalence,
        mean_age=mean_age,
        age_correlation=float(correlation),
        age_auc=float(infarction @ (younger + 0.5 * healthy)),  # Equal ages count half, as in the area's definition.
    )
