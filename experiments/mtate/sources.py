"""Where the fairness study's stays come from: each source in one form, with what is to be known of it beside."""

import dataclasses
import pathlib
from typing import Any

import numpy as np

from data_pipelines.icu import challenge2012, eicu, mimic, normal, yaib
from data_pipelines.icu.stays import Stays
from data_pipelines.simulate import icu as simulate
from data_pipelines.tfds_cache import default_cache_dir


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """Stays of one source, and what is to be known of them beside.

    Attributes:
      stays: The stays.
      normal: `[variable]`.
      hours: `[stay]`, how long each lasts.
      death: `[stay]`, hours from admission to death; NaN where the patient lived on.
      together: `[stay]`, what folds keep together: the patient, or the hospital.
      optimum: `[stay]` or None.
    """

    stays: Stays
    normal: np.ndarray
    hours: np.ndarray
    death: np.ndarray
    together: np.ndarray
    optimum: np.ndarray | None = None


def read(config: Any, chosen: str) -> Source:
    """The stays of a configuration's source; of the Challenge those of the set `chosen`."""
    if config.data == "simulated":
        return _simulated(config)
    folder = pathlib.Path(config.data_dir)
    if config.data == "challenge2012":
        folder = _inside(folder, "challenge-2012")
        stays = challenge2012.load(folder, chosen, cache_dir=default_cache_dir())
        ordinary = normal.normal_values(stays.variables, normal.CHALLENGE_2012, str(folder))
        hours = np.full(len(stays), 48.0)
        return Source(stays, ordinary, hours, challenge2012.death_hours(stays), stays.subject)
    if config.data == "mimic":
        stays = mimic.read_stays(_inside(folder, "mimic-iii-demo-1.4"))
        if config.dialysed_injury:
            chosen = stays.attributes["dialysed_injury"] == 1
            if not chosen.any():
                raise ValueError(
                    f"--config.data_dir={folder}: none of {len(stays)} stays has acute kidney injury with dialysis;"
                    " take all with --config.dialysed_injury=False."
                )
            stays = stays.take(chosen)
        ordinary = np.array([variable.normal for variable in mimic.VARIABLES.values()], np.float32)
        outcomes = stays.outcomes
        return Source(stays, ordinary, outcomes["unit_hours"], outcomes["death_hours"], stays.subject)
    tables = _inside(folder, "eicu-demo-2.0.1")
    cohort = pathlib.Path(config.cohort_dir) if config.cohort_dir else folder / "yaib-demo" / "eicu_demo"
    stays = eicu.with_patients(yaib.read_cohort(cohort), tables)
    ordinary = normal.normal_values(stays.variables, normal.YAIB, str(cohort))
    outcomes = stays.outcomes
    # A hospital as a whole: its staff, its units and its habits are in all of its stays.
    return Source(stays, ordinary, outcomes["unit_hours"], outcomes["death_hours"], stays.attributes["hospital"])


def _inside(folder, name):
    return folder / name if (folder / name).is_dir() else folder


def _simulated(config):
    own = simulate.IcuConfig(
        num_stays=config.simulated.stays,
        hours=config.window,
        num_domains=len(config.domains),
        shift=config.simulated.shift,
        label_bias=config.simulated.label_bias,
    )
    found = simulate.simulate(own, seed=0)
    stays = found.stays
    ordinary = np.array([mean for _, mean, *_ in simulate.VARIABLES], np.float32)
    hours = np.full(len(stays), float(config.window))
    return Source(stays, ordinary, hours, stays.outcomes["death_hours"], stays.subject, found.optimum_recorded)
