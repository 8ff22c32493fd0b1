"""Simulated intensive care stays with a planted shift between groups, planted label bias, and a known optimum.

Each patient has one severity s, standard normal in every group. Measurements are linear in it, with normal noise, and
deaths depend on it alone. So the groups differ in two known ways and no other: what is measured at a given severity
(`shift`), and how often a death is recorded as a survival (`label_bias`). Given a stay's measurements and groups the
severity is normal, with a mean and a variance in closed form, and no model can rank patients better than the
probability of death that follows.
"""

import dataclasses

import numpy as np
import scipy.optimize
import scipy.special

from data_pipelines.icu.stays import Stays

# Name, mean and standard deviation over time of a healthy patient, change per unit of severity in standard deviations,
# and measurements an hour.
VARIABLES = (
    ("heart rate", 85.0, 14.0, 0.5, 0.9),
    ("systolic pressure", 120.0, 18.0, -0.45, 0.9),
    ("respiratory rate", 19.0, 5.0, 0.4, 0.8),
    ("temperature", 37.0, 0.7, 0.1, 0.3),
    ("creatinine", 1.2, 0.6, 0.7, 0.06),
    ("bicarbonate", 24.0, 4.0, -0.6, 0.06),
    ("lactate", 2.0, 1.2, 0.9, 0.05),
    ("sodium", 139.0, 5.0, 0.05, 0.06),
)
_STAY_STREAM, _MEASUREMENT_STREAM = range(2)
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(61)


@dataclasses.dataclass(frozen=True)
class IcuConfig:
    """What kind of stays to simulate.

    Attributes:
      num_stays: How many; each is its own patient.
      hours: Measured from each stay's admission.
      num_domains: Independent groupings of the patients, each into two groups of code 0 and 1.
      share: Of each domain's patients, those in group 1.
      shift: By how many standard deviations a variable of group 1 lies higher at the same severity. Domain d shifts the
        variables d, d + num_domains and so on.
      prevalence: Share of deaths in hospital.
      slope: Log odds ratio of death for one unit of severity.
      label_bias: Share of the deaths in group 1 of the first domain that are recorded as survivals.
      density: How many times as many measurements as in `VARIABLES`.
      trend: By what share severity's effect grows from admission to the last hour; -1 lets it vanish.
    """

    num_stays: int = 600
    hours: int = 48
    num_domains: int = 3
    share: float = 0.3
    shift: float = 0.6
    prevalence: float = 0.2
    slope: float = 1.5
    label_bias: float = 0.0
    density: float = 1.0
    trend: float = 1.0

    def __post_init__(self):
        for name, low, high in (("num_stays", 2, 10**7), ("hours", 1, 10_000), ("num_domains", 1, len(VARIABLES))):
            value = getattr(self, name)
            if not isinstance(value, (int, np.integer)) or not low <= value <= high:
                raise ValueError(f"IcuConfig: {name} must be a whole number from {low} to {high}, but is {value}.")
        ranges = {
            "share": (0, 1), "shift": (-10, 10), "prevalence": (0.001, 0.999), "slope": (-10, 10), "label_bias": (0, 1),
            "density": (0, 100), "trend": (-1, 10),
        }  # fmt: skip
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:  # Also refuses NaN.
                raise ValueError(f"IcuConfig: {name} must lie between {low} and {high}, but is {value}.")


@dataclasses.dataclass(frozen=True, eq=False)
class SimulatedStays:
    """Stays, and what only their simulator knows.

    Attributes:
      stays: `outcomes` has `hospital_death` as recorded, with the label bias, and `death_hours`, of recorded deaths;
        `attributes` has `domain_0` and so on, 0 or 1.
      death: `[stay]`, boolean, who died.
      severity: `[stay]`.
      optimum: `[stay]`, the probability of death given a stay's measurements and groups.
      optimum_recorded: `[stay]`, that of a recorded death, which is what a model of the labels can learn at most.
    """

    stays: Stays
    death: np.ndarray
    severity: np.ndarray
    optimum: np.ndarray
    optimum_recorded: np.ndarray


def simulate(config: IcuConfig, seed: int) -> SimulatedStays:
    """Draws stays.

    Args:
      config: What kind of stays.
      seed: A stay depends on this, the configuration and its own number alone, not on how many stays there are.

    Returns:
      The stays, in order of their numbers, and what only the simulator knows of them.
    """
    names, mean, deviation, effect, rate = (np.array(column) for column in zip(*VARIABLES, strict=True))
    size, count = config.num_stays, len(names)
    whose = np.arange(count) % config.num_domains  # The domain that shifts a variable.
    intercept = _intercept(config)
    domains = np.zeros((size, config.num_domains), bool)
    died, hidden = np.zeros(size, bool), np.zeros(size, bool)
    severity, when = np.zeros(size), np.zeros(size)
    pieces = []
    for stay in range(size):
        rng = np.random.default_rng([seed, stay, _STAY_STREAM])
        domains[stay] = rng.random(config.num_domains) < config.share
        severity[stay] = rng.normal()
        died[stay] = rng.random() < scipy.special.expit(intercept + config.slope * severity[stay])
        hidden[stay] = rng.random() < config.label_bias * domains[stay, 0]
        when[stay] = config.hours + rng.exponential(96.0)
        rng = np.random.default_rng([seed, stay, _MEASUREMENT_STREAM])
        numbers = rng.poisson(config.density * rate * config.hours)
        variable = np.repeat(np.arange(count), numbers)
        hours = rng.uniform(0, config.hours, len(variable))
        noise = rng.normal(size=len(variable))
        order = np.argsort(hours, kind="stable")
        pieces.append((np.full(len(variable), stay), hours[order], variable[order], noise[order]))
    stay, hours, variable, noise = (np.concatenate(each) for each in zip(*pieces, strict=True))
    shift = config.shift * domains[:, whose]  # `[stay, variable]`
    growth = effect[variable] * (1 + config.trend * hours / config.hours)
    value = mean[variable] + deviation[variable] * (shift[stay, variable] + growth * severity[stay] + noise)
    # Severity given what was measured: normal, of these two.
    precision = 1 + np.bincount(stay, growth**2, size)
    center = np.bincount(stay, growth * (growth * severity[stay] + noise), size) / precision
    optimum = _probability(intercept, config.slope, center, 1 / precision)
    recorded = died & ~hidden
    found = Stays(
        variables=tuple(names.tolist()),
        stay=stay,
        hours=hours.astype(np.float32),
        variable=variable,
        value=value.astype(np.float32),
        static={},
        outcomes={
            "hospital_death": recorded.astype(np.float32),
            "death_hours": np.where(recorded, when, np.nan).astype(np.float32),
        },
        attributes={f"domain_{d}": domains[:, d].astype(np.float32) for d in range(config.num_domains)},
        subject=np.arange(size),
        ids=np.arange(size),
    )
    seen = optimum * (1 - config.label_bias * domains[:, 0])
    return SimulatedStays(found, died, severity, optimum, seen)


def _intercept(config):
    """The log odds of death at severity 0 with which the share of deaths is the prevalence."""

    def excess(intercept):
        return _probability(intercept, config.slope, 0.0, 1.0) - config.prevalence

    return scipy.optimize.brentq(excess, -200, 200)


def _probability(intercept, slope, center, variance):
    """The mean of the probability of death over a normal severity, by Gauss-Hermite quadrature."""
    severity = np.asarray(center)[..., None] + np.sqrt(np.asarray(variance))[..., None] * _NODES
    return scipy.special.expit(intercept + slope * severity) @ _WEIGHTS / np.sqrt(2 * np.pi)
