"""The age study, end to end: cohort, three stages and their variants as sweeps, judgement, report.

python -m experiments.aml --config=experiments/configs/aml.py:VARIANT (see there).
"""

import functools
import pathlib

import jax
import numpy as np

from data_pipelines import ptbxl, splits
from data_pipelines.cohort import Cohort
from data_pipelines.simulate import ecg
from experiments import aml_grids, aml_judge, aml_references, aml_report, launch, results
from experiments.launched import Launched
from jaxfair import sweeps, training
from jaxfair.methods import aml
from jaxfair.methods.aml_model import Setting
from jaxfair.models.ecg_cnn import EcgCnn, EcgCnnConfig


def run(launched: Launched) -> None:
    """Runs the study, or what is left of it."""
    config, workdir = launched.config, launched.workdir
    aml_grids.check(config)
    with launched.timed("data"):
        cohort = load(config)
    train, evaluate = masks(config, cohort)
    setting = _setting(config, train, evaluate, config.batch_size)
    study = aml_judge.Study.of(config, setting, cohort, train, evaluate)
    parts = results.Parts(workdir)
    parts.once("cohort", lambda: aml_judge.cohort_tables(cohort))
    sweep = functools.partial(_sweep, launched, study)

    base_grid = aml_grids.baseline(config, len(train))
    stages = [aml.baseline(setting, config.baseline_epochs), aml.age_head(setting, config.age_epochs)]
    base = sweep("baseline", stages, base_grid)
    parts.once("baseline", lambda: study.judge(launched, base, "baseline"))
    names = ["cohort", "baseline"]
    if config.arms:
        grid, start = aml_grids.adversarial(config, base_grid)
        kept = {name: base.result.state[name] for name in ("variables", "scale")}
        previous = jax.tree.map(lambda leaf: leaf[start], kept)
        stage = aml.adversarial(setting, config.adversarial_epochs, adversary=None)
        done = sweep("adversarial", [stage], grid, previous)
        parts.once("adversarial", lambda: study.judge(launched, done, "adversarial"))
        names.append("adversarial")
    if config.joint.alphas:
        setting = _setting(config, train, evaluate, config.joint.batch_size, dropout=config.joint.dropout)
        stage = aml.joint(setting, config.joint.epochs, ramp_epochs=config.joint.ramp_epochs)
        done = sweep("joint", [stage], aml_grids.joint(config, len(train)))
        parts.once("joint", lambda: study.judge(launched, done, "joint"))
        names.append("joint")
    count = len(train) * aml_references.NUM_METHODS
    with launched.timed("references"), launched.bar("references", count, "method") as bar:
        for fold in range(len(train)):
            names.append(f"references-{fold}")
            parts.once(names[-1], functools.partial(study.references, fold, bar))
            bar.update((fold + 1) * aml_references.NUM_METHODS - bar.n)  # Where they were there already.
    parts.join(names)
    results.write_tensorboard(workdir)
    launched.write_environment()
    with launched.timed("report"):
        aml_report.write(workdir)
    launched.write_environment()
    parts.remove()


def finished(launched: Launched) -> None:
    """Prints a finished run's results."""
    print(aml_judge.summary(launched.workdir))
    print(f"\nReport: {launched.workdir / 'report.html'}")


def load(config) -> Cohort:
    """The cohort of a configuration."""
    if config.data == "simulated":
        chosen = ecg.SimulationConfig(num_subjects=config.simulated_subjects, confounding=config.confounding)
        return ecg.load(chosen, seed=0)
    if config.data != "ptbxl":
        raise ValueError(f"--config.data={config.data}: is either ptbxl or simulated.")
    if not config.data_dir:
        raise ValueError("PTB-XL is needed: say where it is with --config.data_dir=DIR (BUILD.md tells how to get it).")
    folder = pathlib.Path(config.data_dir)
    folder = folder / "ptb-xl" if (folder / "ptb-xl").is_dir() else folder
    return ptbxl.load(folder, resolution=config.resolution, max_damaged=config.max_damaged, keep_lvh=config.keep_lvh)


def masks(config, cohort: Cohort) -> tuple[np.ndarray, np.ndarray]:
    """Training and evaluation masks, `[fold, example]` each."""
    if config.split == "folds":
        return splits.folds_as_masks(cohort.fold, subject=cohort.dataset.subject)
    if config.split != "holdout":
        raise ValueError(f"--config.split={config.split}: is either holdout or folds.")
    train, evaluate = splits.holdout_by_fold(cohort.fold, subject=cohort.dataset.subject)
    return train[None], evaluate[None]


def _setting(config, train, evaluate, batch_size, dropout=0.0) -> Setting:
    sizes = EcgCnnConfig(
        channels=tuple(config.channels),
        kernel_size=config.kernel_size,
        representation=config.representation,
        disease_hidden=config.disease_hidden,
        dropout=dropout,
    )
    return Setting(
        network=EcgCnn(sizes),
        num_batches=training.num_batches(train, batch_size),
        num_evaluated=training.num_batches(evaluate, 1),
        batch_size=batch_size,
        optimizer=config.optimizer,
        standardize_age=config.standardize_age,
    )


def _sweep(launched, study, name, stages, grid, previous=None) -> aml_judge.Swept:
    rates = [column for column in grid[0] if column not in ("seed", "fold", "method")]
    members = sweeps.make_members(grid, study.train, study.evaluate, rates)
    tune = functools.partial(sweeps.tune_width, stages[0], members, study.data, previous=previous)
    placement = launched.placement(lambda remember: tune(remember=remember))
    launched.width[name] = placement.width
    with launched.timed(name), launched.progress(name, stages, len(grid)) as on_segment:
        result = sweeps.sweep(
            stages,
            members,
            study.data,
            previous=previous,
            placement=placement,
            directory=launched.workdir / "checkpoints" / name,
            on_segment=on_segment,
        )
    launched.write_environment()
    return aml_judge.Swept(study.next_member(len(grid)), grid, members, result, placement)


if __name__ == "__main__":
    launch.main("aml", run, finished)
