"""How every study trains members and asks them: width, bar, clock and checkpoints in one place."""

import functools
import shutil
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.run.context import Context
from jaxfair import sweeps, training


class Swept(NamedTuple):
    """A finished sweep: its grid, members, result, and where it ran."""

    grid: sweeps.Grid
    members: training.Member
    result: sweeps.Result
    placement: sweeps.Placement


def sweep(
    run: Context,
    name: str,
    stages: Sequence[training.Stage],
    grid: sweeps.Grid,
    data: Any,
    train: np.ndarray,
    evaluate: np.ndarray,
    validate: np.ndarray | None = None,
    *,
    previous: Any = None,
    places: Callable[[sweeps.Placement], int] | None = None,
    finish: Callable[[training.Member, Any, Any], Any] | None = None,
    segments: int = 20,
    seconds_between_saves: float = 10.0,
    keep_checkpoints: bool = True,
) -> Swept:
    """Trains every member of a grid through `stages`, with checkpoints in `checkpoints/name`; see `sweeps.sweep`.

    Columns of the grid that hold words say what a member is; all numbers but seed and fold are hyperparameters.

    Args:
      run: The started run.
      name: Of the sweep, in the bar and on disk; a slash makes a folder.
      stages: The phases of training.
      grid: A row a member.
      data: A pytree with a leading example axis.
      train: See `sweeps.make_members`.
      evaluate: See `sweeps.make_members`.
      validate: See `sweeps.make_members`.
      previous: See `sweeps.sweep`.
      places: Of a placement, how many members hold a full state at a time; all if None.
      finish: See `sweeps.sweep`.
      segments: See `sweeps.sweep`.
      seconds_between_saves: See `sweeps.sweep`.
      keep_checkpoints: False deletes them once the part that is being computed is complete.
    """
    members = make_members(grid, train, evaluate, validate)
    tune = functools.partial(sweeps.tune_width, stages[0], members, data, previous=previous)
    placement = run.placement(lambda remember: tune(remember=remember))
    run.widths[name.partition("/")[0]] = placement.width
    directory = run.workdir / "checkpoints" / name
    with run.progress(name.replace("/", ": "), stages, len(grid)) as on_segment:
        result = sweeps.sweep(
            stages,
            members,
            data,
            previous=previous,
            placement=placement,
            places=places(placement) if places else None,
            finish=finish,
            segments=segments,
            directory=directory,
            seconds_between_saves=seconds_between_saves,
            on_segment=on_segment,
            save_now=lambda: run.stop.asked,
        )
    if not keep_checkpoints:
        run.discarded.append(directory)
    return Swept(grid, members, result, placement)


def make_members(
    grid: sweeps.Grid, train: np.ndarray, evaluate: np.ndarray, validate: np.ndarray | None = None
) -> training.Member:
    """The members of a grid whose columns of words say what a member is; see `sweeps.make_members`."""
    words = [column for column, value in grid[0].items() if isinstance(value, str)]
    numbers = [column for column in grid[0] if column not in ("seed", "fold", *words)]
    return sweeps.make_members(grid, train, evaluate, validate, numbers)


def over_members(
    run: Context,
    name: str,
    function: Callable,
    each: tuple,
    shared: tuple,
    placement: sweeps.Placement,
    *,
    least_places: int = 1,
) -> Any:
    """`function(*each, *shared)` for every member, with a bar; see `sweeps.over_all`.

    Args:
      run: The started run.
      name: Of the bar.
      function: The same one again, not a new lambda, has its program compiled only once.
      each: A tuple of pytrees with a leading member axis.
      shared: A tuple of pytrees that every member sees.
      placement: Devices and width.
      least_places: Members per call of the program and device, where the width is smaller: few bound the memory and
        let the bar move, many take fewer calls.
    """
    count = len(jax.tree.leaves(each)[0])
    places = len(placement.devices) * max(placement.width, least_places)
    with run.bar(name, count) as bar:
        return sweeps.over_all(function, each, shared, placement, places=places, on_group=bar.update)


def discard_checkpoints(run: Context) -> None:
    """Deletes the checkpoints of the sweeps that were not to be kept."""
    for directory in run.discarded:
        shutil.rmtree(directory, ignore_errors=True)
    run.discarded.clear()
