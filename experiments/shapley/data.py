"""The problems of a run of the Shapley study, checked before anything is trained."""

from typing import Any, NamedTuple

import pandas as pd

from data_pipelines import ucr
from data_pipelines.simulate import beat_classes
from experiments.shapley import arms
from jaxfair.attribution import removal


class ProblemData(NamedTuple):
    """A problem as loaded, and of a simulated one what was planted in its training samples (id, mislabelled)."""

    problem: ucr.Problem
    planted: pd.DataFrame | None


def load(config: Any) -> dict[str, ProblemData]:
    """The problems of a configuration by name.

    Raises:
      ValueError: A share removes nothing or everything, or the random halves are too few, of one of them.
    """
    problems = {name: _load(config, name) for name in config.problems}
    for name, (problem, _) in problems.items():
        size = int(problem.train.sum())
        for percent in config.shares:
            removal.num_removed(percent, size)
        if config.seeds:
            arms.halves(config.halves, size, name)
    return problems


def _load(config, name):
    if config.data == "simulated":
        simulation = beat_classes.BeatClassesConfig(
            num_train=config.simulated_train, num_test=config.simulated_test, time=64
        )
        problem, truth = beat_classes.load(simulation, seed=0), beat_classes.truth(simulation, seed=0)
        ids = problem.dataset.ids[problem.train]
        return ProblemData(problem, pd.DataFrame({"id": ids, "mislabelled": truth.mislabelled[problem.train]}))
    return ProblemData(ucr.load(config.data_dir, name), None)
