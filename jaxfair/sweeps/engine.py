"""Trains all members of a sweep in one compiled program per stage, in segments, saved and resumable between them."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxfair.sweeps import programs
from jaxfair.sweeps.checkpoint import Checkpoints, fingerprint
from jaxfair.sweeps.placement import Placement, check_places, default_placement, put
from jaxfair.sweeps.places import Places, layout
from jaxfair.training import Member, Stage


class Progress(NamedTuple):
    """Given to the caller after every segment, and before the first of a resumed sweep.

    Attributes:
      stage: The stage of the member that is furthest behind of those that were advanced.
      epoch: Epochs of that stage that it has behind it.
      num_epochs: Epochs the stage has.
      running: Members that hold a place and go on.
      diverged: Members whose state holds a NaN.
      resumed: Whether these epochs were run by an earlier process, so that their time means nothing.
      waiting: Members that wait for a place.
      share: The share of all members' epochs that are behind them, from 0 to 1; a member that has stopped has all
        epochs of its stage behind it. Where members wait, this is what a progress bar should show.
    """

    stage: str
    epoch: int
    num_epochs: int
    running: int
    diverged: int
    resumed: bool = False
    waiting: int = 0
    share: float = 0.0


class Result(NamedTuple):
    """What a sweep leaves, as NumPy arrays with a leading member axis.

    Attributes:
      state: What `finish` kept of each member; by default the final state of the last stage.
      logs: By stage and name, `[member, epoch]` float32; NaN for epochs that were not run.
      epochs_run: By stage, `[member]` int.
      diverged: `[member]` boolean: the final state held a NaN.
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
    finish: Callable[[Member, Any, Any], Any] | None = None,
    segments: int = 20,
    directory: str | os.PathLike | None = None,
    seconds_between_saves: float = 10.0,
    on_segment: Callable[[Progress], None] | None = None,
    save_now: Callable[[], bool] | None = None,
) -> Result:
    """Trains every member through `stages`; each ends as `training.train` would leave it.

    Between segments members that have stopped, or whose state has become NaN, leave the stage: they enter the next one,
    or end and give their place to a member that waits. A member's segments are cut at the same epochs in every run,
    and its numbers depend neither on its neighbours nor on the order (bit by bit at width 1; members that share a
    `vmap` are rounded otherwise). So a resumed sweep is bitwise equal to an uninterrupted one on the same machine,
    placement and versions.

    Args:
      stages: The phases of training, with distinct names.
      members: Stacked members (`sweeps.make_members`).
      data: A pytree with a leading example axis; it is copied to every device once.
      previous: Stacked `previous` for the first stage's `init` (the state of an earlier sweep, by member), or None.
      placement: Devices and width; by default all local devices, which on a CPU take one member at a time.
      places: Members that hold a full state (variables, optimizer, best) at a time, in memory and in checkpoints; the
        others wait. There is one program for each stage, which all sweeps of the same stages, placement, places and
        data shapes share. None gives a place to all members, and once few of a wide placement are left they train in a
        narrower program, one of its own for each halving of the width. Whole groups are cheapest: multiples of the
        devices times the width, and at a width above 1 a group more for every further stage.
      finish: `(member, state, data) -> pytree`, compiled, of a member that has ended: what is kept of it, such as its
        best variables or its predictions. By default its whole state, all of which then are in memory and checkpoints
        at the end. Give the same function again, not a new lambda, and it is compiled only once.
      segments: Into how many segments each stage is cut, at most.
      directory: Where checkpoints go. None means that nothing is saved.
      seconds_between_saves: What a kill may cost, at most, beside the segment that runs: the state is saved after the
        first segment that ends this long after the last save, and at the end.
      on_segment: Called with a `Progress` after every segment, and once where a checkpoint was found.
      save_now: Asked after every segment: True saves the state before the call of `on_segment`, whenever the last save
        was. For a process that was asked to end, and does so in `on_segment`.

    Returns:
      What was kept, logs and which members diverged.

    Raises:
      CheckpointError: `directory` belongs to another sweep, or cannot be read or written.
      ValueError: Two stages have the same name, or there is no place or no segment.
    """
    _check("sweep", stages, places)
    if segments < 1:
        raise ValueError(f"sweep: {segments} segments hold no epoch; give 1 or more.")
    placement = placement or default_placement()
    checkpoints = position = None
    plain, before = programs.plain((members, previous))
    if directory is not None:
        identity = (data, previous) if previous is not None else data
        kept = _kept(stages, plain, before, data, placement, places, finish)
        checkpoints = Checkpoints(directory, fingerprint(stages, members, identity, placement.width, kept))
        position = checkpoints.position()
    data = put(data, placement, split=False)
    standing = Places(stages, plain, before, data, placement, places, finish)
    if position:
        standing.restore(position, checkpoints.restore(standing.saved_like(position)))
        if on_segment:
            on_segment(_progress(stages, standing, standing.least(), resumed=True))
    if len(stages) > 1 or finish:
        arguments = (stages, plain, before, data, placement, places, finish)
        threading.Thread(target=_compile_later_stages, args=arguments).start()
    standing.fill()
    saved = time.monotonic()
    while standing.count:
        reached = standing.advance(segments)
        standing.fill()
        due = not standing.count or time.monotonic() - saved >= seconds_between_saves
        if checkpoints and (due or (save_now and save_now())):
            checkpoints.save(*standing.saved())
            saved = time.monotonic()
        if on_segment:
            on_segment(_progress(stages, standing, reached))
    state, logs, epochs_run = standing.result()
    return Result(state, logs, epochs_run, standing.diverged)


def prepare(
    stages: Sequence[Stage],
    members: Member,
    data: Any,
    *,
    previous: Any = None,
    placement: Placement | None = None,
    places: int | None = None,
    finish: Callable[[Member, Any, Any], Any] | None = None,
) -> None:
    """Compiles the programs that `sweep` with the same arguments runs, so that it need not.

    For a thread, while another sweep trains: a sweep that needs a program before it is compiled waits for it. With
    `places=None` and a width above 1, programs for fewer members are compiled when they are needed, as always.

    Args:
      stages: As for `sweep`, and the same objects, as programs are known by their functions.
      members: As for `sweep`; only the shapes count.
      data: As for `sweep`, or shapes (`jax.ShapeDtypeStruct`) in the place of arrays.
      previous: Like `data`: the sweep that it comes from need not have begun.
      placement: As for `sweep`.
      places: As for `sweep`.
      finish: As for `sweep`.

    Raises:
      ValueError: As `sweep`.
    """
    _check("prepare", stages, places)
    plain, before = programs.plain((members, previous))
    for _, program, capacity, each, _ in _programs(stages, plain, before, data, placement, places, finish):
        program.compile(capacity, each, data)


def _check(name, stages, places):
    check_places(name, places)
    names = [stage.name for stage in stages]
    if len(set(names)) < len(names):
        raise ValueError(f"{name}: stages {names} need distinct names, which also name their randomness.")


def _programs(stages, members, previous, data, placement, places, finish):
    """The programs as `programs.of_sweep` yields them, each with its number of places."""
    placement, capacity = layout(placement or default_placement(), len(jax.tree.leaves(members)[0]), places)
    for number, program, each, outputs in programs.of_sweep(
        stages, members, previous, data, placement, capacity, finish
    ):
        yield number, program, capacity, each, outputs


def _compile_later_stages(stages, members, previous, data, placement, places, finish):
    with contextlib.suppress(Exception):  # The sweep meets the same error where it can be seen.
        for number, program, capacity, each, _ in _programs(stages, members, previous, data, placement, places, finish):
            if number:
                program.compile(capacity, each, data)


def _kept(stages, members, previous, data, placement, places, finish):
    """Shapes of what is kept of each member, or None where it is the state."""
    if finish is None:
        return None
    *_, (_, _, _, _, outputs) = _programs(stages, members, previous, data, placement, places, finish)
    return outputs


def _progress(stages, standing, reached, resumed=False):
    number, epoch = reached
    stage, waiting = stages[number], standing.num_members - standing.started
    diverged = int(standing.diverged.sum())
    return Progress(stage.name, epoch, stage.num_epochs, standing.count, diverged, resumed, waiting, standing.share())
