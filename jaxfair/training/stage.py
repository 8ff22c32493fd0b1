"""One phase of training as pure functions of one member, and what it means to train a member through several."""

import dataclasses
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

State = Any
Data = Any
Logs = Mapping[str, jax.Array]


class Member(NamedTuple):
    """What distinguishes one training run from another. Everything here is traced: sweeping it never recompiles.

    Attributes:
      key: A typed threefry key, from which all of the member's randomness follows by position.
      hyperparameters: Numbers by name (learning rate, alpha, ...), scalars.
      train: `[example]` boolean, the examples this member may learn from.
      validate: `[example]` boolean, the examples on which its training is stopped and its best epoch selected; all
        False where nothing is selected.
      evaluate: `[example]` boolean, the examples it is judged on at the end. While it trains they may be drawn as
        curves; nothing may be decided by them.
    """

    key: jax.Array
    hyperparameters: Mapping[str, jax.Array]
    train: jax.Array
    validate: jax.Array
    evaluate: jax.Array


@dataclasses.dataclass(frozen=True)
class Stage:
    """One phase of training, written for a single member.

    Attributes:
      name: Also names the stage's randomness, so a stage draws the same numbers wherever it stands in a list of
        stages, and two stages of one list must not share a name.
      num_epochs: How many times `epoch` is called, unless `stopped` says earlier.
      init: `(member, previous, data, key) -> state`; `previous` is the final state of the stage before (None, or
        whatever the caller gave, for the first).
      epoch: `(member, state, data, key, epoch) -> (state, logs)`; `epoch` counts from 0 and is traced; `logs` are
        scalars by name.
      stopped: `state -> bool`, True once the member needs no further epoch of this stage. None means never.
    """

    name: str
    num_epochs: int
    init: Callable[[Member, State, Data, jax.Array], State]
    epoch: Callable[[Member, State, Data, jax.Array, jax.Array], tuple[State, Logs]]
    stopped: Callable[[State], jax.Array] | None = None


class Run(NamedTuple):
    """A member somewhere within a stage.

    Attributes:
      state: The stage's own state.
      logs: By name, `[num_epochs]` float32; NaN for the epochs not (yet) run.
      epochs_run: `[]` int32, how many epochs were run.
    """

    state: State
    logs: dict[str, jax.Array]
    epochs_run: jax.Array


def stage_key(member: Member, stage: Stage) -> jax.Array:
    """The key of a stage: a function of the member's key and the stage's name only."""
    return jax.random.fold_in(member.key, zlib.crc32(stage.name.encode()))


def begin(stage: Stage, member: Member, previous: State, data: Data) -> Run:
    """The run of `stage` before its first epoch."""
    key = stage_key(member, stage)
    state = stage.init(member, previous, data, jax.random.fold_in(key, 0))
    _, logs = jax.eval_shape(stage.epoch, member, state, data, key, jnp.int32(0))
    empty = {name: jnp.full(stage.num_epochs, jnp.nan, jnp.float32) for name in logs}
    return Run(state, empty, jnp.int32(0))


def advance(stage: Stage, member: Member, run: Run, data: Data, start: jax.Array, stop: jax.Array) -> Run:
    """Runs the epochs `start <= epoch < stop` of a stage on the device, without a word to the host.

    Cutting a stage into segments changes nothing: an epoch's randomness follows from the epoch's number. The loop ends
    where the member stops; mapped over members, whose `start` and `stop` may differ, where the last of them does.
    """
    key = stage_key(member, stage)

    def goes_on(carry):
        epoch, run = carry
        more = epoch < stop
        return more if stage.stopped is None else jnp.logical_and(more, jnp.logical_not(stage.stopped(run.state)))

    def one(carry):
        epoch, run = carry
        state, logs = stage.epoch(member, run.state, data, jax.random.fold_in(key, epoch + 1), epoch)
        logs = {name: run.logs[name].at[epoch].set(value) for name, value in logs.items()}
        return epoch + 1, Run(state, logs, run.epochs_run + 1)

    return jax.lax.while_loop(goes_on, one, (jnp.int32(start), run))[1]


def train(stages: Sequence[Stage], member: Member, data: Data, previous: State = None) -> tuple[State, dict[str, Run]]:
    """Trains one member through `stages`, one after the other: the definition of what a sweep computes.

    Args:
      stages: The phases of training, in order.
      member: Its key, hyperparameters and three masks.
      data: Arrays (any pytree) with a leading example axis.
      previous: What the first stage's `init` receives as `previous`.

    Returns:
      The final state of the last stage, and every stage's `Run` by the stage's name.
    """
    data = jax.tree.map(jnp.asarray, data)
    runs = {}
    for stage in stages:
        run = begin(stage, member, previous, data)
        runs[stage.name] = run = advance(stage, member, run, data, 0, stage.num_epochs)
        previous = run.state
    return previous, runs
