"""Trains all members of a sweep in one compiled program per stage, in segments, saved and resumable between them."""

import functools
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxfair.sweeps.checkpoint import Checkpoints, Position, fingerprint
from jaxfair.sweeps.placement import (
    Placement,
    arrange,
    capacity_for,
    default_placement,
    narrowed,
    over_members,
    put,
)
from jaxfair.training import Member, Run, Stage, advance, begin


class Progress(NamedTuple):
    """Told to the caller after every segment, and before the first of a resumed sweep.

    Attributes:
      stage: The stage's name.
      epoch: Epochs of the stage that are done.
      num_epochs: Epochs the stage has.
      running: Members that go on.
      diverged: Members whose state holds a NaN.
      resumed: Whether these epochs were done by an earlier process, so that their time says nothing.
    """

    stage: str
    epoch: int
    num_epochs: int
    running: int
    diverged: int
    resumed: bool = False


class Result(NamedTuple):
    """What a sweep leaves, as NumPy arrays with a leading member axis.

    Attributes:
      state: The final state of the last stage.
      logs: By stage and name, `[member, epoch]` float32; NaN for epochs that were not run.
      epochs_run: By stage, `[member]` int.
      diverged: `[member]` boolean: the final state holds a NaN.
    """

    state: Any
    logs: dict[str, dict[str, np.ndarray]]
    epochs_run: dict[str, np.ndarray]
    diverged: np.ndarray


def sweep(
    stages: Sequence[Stage],
    members: Member,
    data: Any,
    *,
    previous: Any = None,
    placement: Placement | None = None,
    places: int | None = None,
    segments: int = 20,
    directory: str | os.PathLike | None = None,
    seconds_between_saves: float = 10.0,
    on_segment: Callable[[Progress], None] | None = None,
) -> Result:
    """Trains every member through `stages`; each ends as `training.train` would leave it.

    Between segments members that have stopped, or whose state has become NaN, drop out and cost nothing more. The
    cuts fall on the same epochs in every run, so a resumed sweep is bitwise equal to an uninterrupted one on the
    same machine, placement and versions.

    Args:
      stages: The phases of training, with distinct names.
      members: Stacked members (`sweeps.make_members`).
      data: A pytree with a leading example axis; it is copied to every device once.
      previous: Stacked `previous` for the first stage's `init` (the state of an earlier sweep, by member), or None.
      placement: Devices and width; by default all local devices, which on a CPU take one member at a time.
      places: Members per call of a program. By default all, and fewer as members stop, each time in another program.
        With a number there is one program for all calls, and every sweep of the same stages, placement and data shapes
        shares it: for studies of many sweeps whose networks take longer to compile than to train.
      segments: Into how many segments each stage is cut, at most.
      directory: Where checkpoints go. None means that nothing is saved.
      seconds_between_saves: What a kill may cost, at most, beside the segment that runs: the state is saved after the
        first segment that ends this long after the last save, and at the end.
      on_segment: Called with a `Progress` after every segment, and once where a checkpoint was found.

    Returns:
      Final states, logs and which members diverged.

    Raises:
      CheckpointError: `directory` belongs to another sweep, or cannot be read or written.
      ValueError: Two stages have the same name, or there is no place.
    """
    _check_places("sweep", places)
    names = [stage.name for stage in stages]
    if len(set(names)) < len(names):
        raise ValueError(f"sweep: stages {names} need distinct names, which also name their randomness.")
    placement = placement or default_placement()
    checkpoints = None
    position, done = Position(0, 0), {}
    if directory is not None:
        identity = (data, previous) if previous is not None else data
        checkpoints = Checkpoints(directory, fingerprint(stages, members, identity, placement.width))
        position = checkpoints.position() or position
    data = put(data, placement, split=False)

    runs, saved = None, time.monotonic()
    if position != Position(0, 0):
        like = _saved_like(stages[: position.stage + 1], members, previous, data)
        runs, done = checkpoints.restore(like)
        runs = _writable(runs)
    for number, stage in enumerate(stages):
        if number < position.stage:
            continue
        if runs is None:
            runs = _on_all(_beginning(stage, placement), (members, previous), data, placement, len(members.key), places)
        epoch = position.epoch if number == position.stage else 0
        length = -(-stage.num_epochs // segments)
        running = _running(stage, runs)
        if on_segment and epoch:
            on_segment(_progress(stage, epoch, runs, running, resumed=True))
        while epoch < stage.num_epochs and running.size:
            stop = min(epoch + length, stage.num_epochs)
            _segment(stage, members, runs, running, data, placement, places, epoch, stop)
            epoch, running = stop, _running(stage, runs)
            last = number == len(stages) - 1 and (epoch == stage.num_epochs or not running.size)
            if checkpoints and (last or time.monotonic() - saved >= seconds_between_saves):
                checkpoints.save(Position(number, epoch), (runs, done))
                saved = time.monotonic()
            if on_segment:
                on_segment(_progress(stage, epoch, runs, running))
        done[stage.name] = (runs.logs, runs.epochs_run)
        previous, final, runs = runs.state, runs.state, None
    if checkpoints:
        checkpoints.close()
    return Result(
        state=final,
        logs={name: logs for name, (logs, _) in done.items()},
        epochs_run={name: epochs_run for name, (_, epochs_run) in done.items()},
        diverged=_holds_nan(final),
    )


def over_all(
    function: Callable,
    each: Any,
    shared: Any,
    placement: Placement | None = None,
    *,
    places: int | None = None,
    on_group: Callable[[int], None] | None = None,
) -> Any:
    """`function(*each, *shared)` for every member, placed as a sweep is: predictions, probes, anything.

    Args:
      function: Of one member's part of `each`, and of `shared`. Give the same function again, not a new lambda, and
        its program is compiled only once.
      each: A tuple of pytrees with a leading member axis.
      shared: A tuple of pytrees that every member sees.
      placement: Devices and width.
      places: Members per call of the program; all by default. Fewer bound the memory and let progress be told, and a
        number larger than the members lets several calls share one program.
      on_group: Called with the number of members done after every call.

    Returns:
      The outputs as NumPy arrays with a leading member axis.

    Raises:
      ValueError: There is no place.
    """
    _check_places("over_all", places)
    placement = placement or default_placement()
    num_members = len(jax.tree.leaves(each)[0])
    spread = put(shared, placement, split=False)
    return _on_all(_applied(function, placement), each, spread, placement, num_members, places, on_group)


def _check_places(name, places):
    if places is not None and places < 1:
        raise ValueError(f"{name}: {places} places take no member; give 1 or more, or None for all.")


def _begin(stage, each, data):
    member, previous = each
    return begin(stage, member, previous, data)


def _advance(stage, each, shared):
    member, run = each
    data, start, stop = shared
    return advance(stage, member, run, data, start, stop)


# Programs are kept by what they compute, so that the sweeps of one stage, and one judge of many sweeps, compile once.
@functools.lru_cache(maxsize=32)
def _beginning(stage, placement):
    return jax.jit(over_members(functools.partial(_begin, stage), placement))


@functools.lru_cache(maxsize=32)
def _advancing(stage, placement):
    return jax.jit(over_members(functools.partial(_advance, stage), placement))


@functools.lru_cache(maxsize=32)
def _applied(function, placement):
    return jax.jit(over_members(lambda each, shared: function(*each, *shared), placement))


def _on_all(program, each, shared, placement, num_members, places=None, on_group=None):
    capacity = capacity_for(places or num_members, places or num_members, placement)
    stacked = None
    for start in range(0, num_members, capacity):
        group = np.arange(start, min(start + capacity, num_members))
        order = arrange(group, capacity, len(placement.devices))
        outputs = program(*_placed(order, each, placement), shared)
        if stacked is None:
            stacked = jax.tree.map(lambda leaf: np.empty((num_members, *leaf.shape[1:]), leaf.dtype), outputs)
        _write_back(stacked, outputs, order)
        if on_group:
            on_group(len(group))
    return stacked


def _segment(stage, members, runs, running, data, placement, places, start, stop):
    """Advances the running members of `runs`, in place."""
    if places is None:
        placement = narrowed(placement, running.size)
        capacity = capacity_for(running.size, len(members.key), placement)
    else:
        capacity = capacity_for(places, places, placement)
    bounds = put((jnp.int32(start), jnp.int32(stop)), placement, split=False)
    for first in range(0, running.size, capacity):
        order = arrange(running[first : first + capacity], capacity, len(placement.devices))
        filled, each = _placed(order, (members, runs), placement)
        _write_back(runs, _advancing(stage, placement)(filled, each, (data, *bounds)), order)


def _progress(stage, epoch, runs, running, resumed=False):
    return Progress(stage.name, epoch, stage.num_epochs, running.size, int(_holds_nan(runs.state).sum()), resumed)


def _placed(order, each, placement):
    each = jax.tree.map(lambda leaf: leaf[order.members], each)
    return put(order.filled, placement, split=True), put(each, placement, split=True)


def _write_back(target, outputs, order):
    places = np.flatnonzero(order.filled)
    for into, leaf in zip(jax.tree.leaves(target), jax.tree.leaves(outputs), strict=True):
        into[order.members[places]] = np.asarray(leaf)[places]


def _running(stage: Stage, runs: Run) -> np.ndarray:
    going = ~_holds_nan(runs.state)
    if stage.stopped is not None:
        going &= ~np.asarray(jax.vmap(stage.stopped)(runs.state))
    return np.flatnonzero(going)


def _holds_nan(state: Any) -> np.ndarray:
    found = False
    for leaf in jax.tree.leaves(state):
        if jnp.issubdtype(leaf.dtype, jnp.floating):
            found = found | np.isnan(leaf).reshape(len(leaf), -1).any(1)
    return np.asarray(found)


def _saved_like(stages, members, previous, data):
    """Shapes of what is saved while the last of `stages` runs."""
    done = {}
    for stage in stages:
        runs = jax.eval_shape(
            jax.vmap(lambda each, data, stage=stage: _begin(stage, each, data), in_axes=(0, None)),
            (members, previous),
            data,
        )
        previous = runs.state
        if stage is not stages[-1]:
            done[stage.name] = (runs.logs, runs.epochs_run)
    return runs, done


def _writable(tree):
    return jax.tree.map(np.array, tree)
