"""The age study's parts that train: a sweep each, and the tables of its members."""

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from experiments.aml import arms
from experiments.aml.evaluation import evaluate, prepare_evaluation
from experiments.aml.references import prepare_references
from experiments.run.context import Context
from experiments.run.parts import Stored
from experiments.run.study import Output
from experiments.run.sweeping import make_members, sweep
from jaxfair import sweeps, training
from jaxfair.methods import aml
from jaxfair.methods.aml_model import Scale, Setting
from jaxfair.models.ecg_cnn import EcgCnn, EcgCnnConfig


def setting(run: Context, batch_size: int | None = None, dropout: float = 0.0) -> Setting:
    """The setting of the stages; joint training has a batch size and dropout of its own."""
    config, data = run.config, run.data
    sizes = EcgCnnConfig(
        channels=tuple(config.channels),
        kernel_size=config.kernel_size,
        representation=config.representation,
        disease_hidden=config.disease_hidden,
        dropout=dropout,
    )
    batch_size = batch_size or config.batch_size
    return Setting(
        network=EcgCnn(sizes),
        num_batches=training.num_batches(data.train, batch_size),
        num_evaluated=training.num_batches(data.evaluate, 1),
        batch_size=batch_size,
        optimizer=config.optimizer,
        standardize_age=config.standardize_age,
    )


@functools.cache
def _staged(setting: Setting, baseline_epochs: int, age_epochs: int) -> tuple[training.Stage, ...]:
    # Stages are cached so that a program that was compiled ahead is found again: it is known by its functions.
    return aml.baseline(setting, baseline_epochs), aml.age_head(setting, age_epochs)


@functools.cache
def _adversarial(setting: Setting, epochs: int) -> training.Stage:
    return aml.adversarial(setting, epochs, adversary=None)


@functools.cache
def _joint(setting: Setting, epochs: int, ramp_epochs: int) -> training.Stage:
    return aml.joint(setting, epochs, ramp_epochs=ramp_epochs)


def prepare(run: Context) -> Iterator[None]:
    """Compiles what the parts after the baseline's training need: evaluation, third stage, joint training, metrics."""
    config, data = run.config, run.data
    placement = run.placement(None)

    def members(grid):
        return make_members(grid, data.train, data.evaluate)

    base = members(arms.baseline(config))
    stage, _ = _staged(setting(run), config.baseline_epochs, config.age_epochs)
    start = jax.eval_shape(jax.vmap(lambda member: stage.init(member, None, data.arrays, member.key)), base)
    prepare_evaluation(run, setting(run), base, start["variables"], placement)
    yield
    if config.arms:
        grid, _ = arms.adversarial(config, arms.baseline(config))
        previous = {name: _rows(start[name], len(grid)) for name in ("variables", "scale")}
        stage = _adversarial(setting(run), config.adversarial_epochs)
        _prepare(run, [stage], members(grid), placement, previous)
        yield
    if config.joint.alphas:
        own = config.joint
        stage = _joint(setting(run, own.batch_size, own.dropout), own.epochs, own.ramp_epochs)
        _prepare(run, [stage], members(arms.joint(config)), placement)
        yield
    prepare_references(run)
    yield


def _rows(shapes: Any, count: int) -> Any:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((count, *leaf.shape[1:]), leaf.dtype), shapes)


def baseline(run: Context, inputs: Mapping[str, Stored]) -> Output:
    """Stages 1 and 2. Its arrays are what the adversarial stages start from."""
    config = run.config
    stages = list(_staged(setting(run), config.baseline_epochs, config.age_epochs))
    swept = _sweep(run, "baseline", stages, arms.baseline(config))
    state = swept.result.state
    arrays = {"variables": state["variables"], "scale": state["scale"]._asdict()} if config.arms else {}
    return Output(evaluate(run, setting(run), swept, "baseline"), arrays)


def adversarial(run: Context, inputs: Mapping[str, Stored]) -> Output:
    """Stage 3 of all arms, each member from the end of its baseline."""
    grid, start = arms.adversarial(run.config, arms.baseline(run.config))
    arrays = inputs["baseline"].arrays
    ends = {"variables": arrays["variables"], "scale": Scale(**arrays["scale"])}
    previous = jax.tree.map(lambda leaf: leaf[np.asarray(start)], ends)
    stage = _adversarial(setting(run), run.config.adversarial_epochs)
    return Output(evaluate(run, setting(run), _sweep(run, "adversarial", [stage], grid, previous), "adversarial"))


def joint(run: Context, inputs: Mapping[str, Stored]) -> Output:
    """Joint training against HSIC, and its control."""
    own = run.config.joint
    stage = _joint(setting(run, own.batch_size, own.dropout), own.epochs, own.ramp_epochs)
    return Output(evaluate(run, setting(run), _sweep(run, "joint", [stage], arms.joint(run.config)), "joint"))


def _places(placement: sweeps.Placement) -> int | None:
    """All members, but one a device where a device takes one at a time anyway: without a loop over members the programs
    have a third less to compile."""
    return len(placement.devices) if placement.width == 1 else None


def _prepare(run, stages, members, placement, previous=None):
    sweeps.prepare(stages, members, run.data.arrays, previous=previous, placement=placement, places=_places(placement))


def _sweep(run: Context, name: str, stages: list[training.Stage], grid: Any, previous: Any = None):
    data = run.data
    return sweep(run, name, stages, grid, data.arrays, data.train, data.evaluate, previous=previous, places=_places)
