"""The Shapley study, end to end: problems, depths, values, removals, attacks, hardening, report.

python -m experiments.shapley --config=experiments/configs/shapley.py:VARIANT (see there).
"""

import functools
import shutil

import numpy as np
import pandas as pd

from data_pipelines import ucr
from data_pipelines.simulate import beat_classes
from experiments import launch, results, shapley_depth, shapley_grids, shapley_peers, shapley_report
from experiments.launched import Launched
from experiments.shapley_block import Block
from experiments.shapley_trial import Trial
from jaxfair.attribution import removal


def run(launched: Launched) -> None:
    """Runs the study, or what is left of it."""
    config = launched.config
    shapley_grids.check(config)
    parts, names = results.Parts(launched.workdir), []
    with launched.timed("data"):
        # All first: what is wrong with one of them costs no training.
        problems = [load(config, name) for name in config.problems]
        for name, problem in zip(config.problems, problems, strict=True):
            size = int(problem.train.sum())
            for percent in config.shares:
                removal.num_removed(percent, size)
            if config.seeds:
                shapley_grids.halves(config.halves, size, name)
    for number, (name, problem) in enumerate(zip(config.problems, problems, strict=True)):
        trial = Trial(launched, problem, number, name, planted(config, problem))
        names += one_problem(launched, parts, trial)
    parts.join(names)
    results.write_tensorboard(launched.workdir)
    launched.write_environment()
    with launched.timed("report"):
        shapley_report.write(launched.workdir)
    launched.write_environment()
    parts.remove()


def one_problem(launched: Launched, parts: results.Parts, trial: Trial) -> list[str]:
    """All of one problem; returns the names of its parts."""
    config, name = launched.config, trial.name
    names = [f"{name}-problem", f"{name}-peers"]
    parts.once(names[0], trial.problem_tables)
    if config.seeds:
        names += _study(launched, parts, trial)
    parts.once(names[1], functools.partial(shapley_peers.peer_tables, trial))
    return names


def _study(launched, parts, trial):
    """The parts of everything but the peers."""
    config, name = launched.config, trial.name
    names = [f"{name}-depth", f"{name}-values"]
    parts.once(names[0], functools.partial(shapley_depth.depth_tables, trial))
    depths = parts.read(names[0])["depths"]
    depth = int(depths.loc[depths["chosen"], "depth"].iloc[0])
    parts.once(names[1], functools.partial(trial.value_tables, depth))
    values = parts.read(names[1])["values"]
    shared = {score: rows["value"].to_numpy() for score, rows in values.groupby("score")}
    launched.write_environment()
    for first in range(0, config.seeds, config.seeds_at_once):
        seeds = np.arange(first, min(first + config.seeds_at_once, config.seeds))
        block = Block(trial, seeds, depth, shared)
        names.append(f"{name}-{block.name}")
        parts.once(names[-1], block.tables)
        for what in ("removed", "crafted", "projected_gradient"):  # Hundreds of networks; the full ones stay.
            folder = launched.workdir / "checkpoints" / name / f"{block.name}-{what}"
            shutil.rmtree(folder, ignore_errors=True)
        launched.write_environment()
    blocks = [name for name in names if "-seeds-" in name]
    values = pd.concat([parts.read(block)["values"] for block in blocks], ignore_index=True)
    names.append(f"{name}-valuable")
    parts.once(names[-1], functools.partial(trial.valuable_tables, values))
    return names


def finished(launched: Launched) -> None:
    """Prints a finished run's results."""
    print(shapley_report.summary(launched.workdir))
    print(f"\nReport: {launched.workdir / 'report.html'}")


def load(config, name: str) -> ucr.Problem:
    """A problem of a configuration."""
    if config.data == "simulated":
        return beat_classes.load(_simulation(config), seed=0)
    if config.data != "ucr":
        raise ValueError(f"--config.data={config.data}: is either ucr or simulated.")
    if not config.data_dir:
        raise ValueError(
            "The UCR archive is needed: say where with --config.data_dir=DIR (BUILD.md tells how to get it)."
        )
    return ucr.load(config.data_dir, name)


def planted(config, problem: ucr.Problem) -> pd.DataFrame | None:
    """Which training samples of a simulated problem carry a wrong label: id, mislabelled; None for real problems."""
    if config.data != "simulated":
        return None
    truth = beat_classes.truth(_simulation(config), seed=0)
    ids = problem.dataset.ids[problem.train]
    return pd.DataFrame({"id": ids, "mislabelled": truth.mislabelled[problem.train]})


def _simulation(config):
    return beat_classes.BeatClassesConfig(num_train=config.simulated_train, num_test=config.simulated_test, time=64)


if __name__ == "__main__":
    launch.main("shapley", run, finished)
