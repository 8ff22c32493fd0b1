"""The places of a sweep: who trains in them, who waits for one, and what is kept of those that have ended."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxfair.sweeps import programs
from jaxfair.sweeps.checkpoint import Position
from jaxfair.sweeps.placement import Placement, capacity_for, narrowed, put
from jaxfair.sweeps.programs import Call
from jaxfair.training import Run, Stage


class Held(NamedTuple):
    """Members within a stage, with their full states.

    Attributes:
      members: `[held]` int, ascending.
      runs: Their stacked `Run`, in NumPy.
    """

    members: np.ndarray
    runs: Run


class Places:
    """All members of a sweep: at most `places` hold a full state at a time, the others wait or have ended.

    A member goes through all stages in its place; then `finish` makes what is kept of its state, and the place is given
    to the next member that waits. What a member computes does not depend on who else is there, but for rounding where
    members share a `vmap`.

    Attributes:
      num_members: Of the sweep.
      started: Members that were given a place so far, the first ones; the others wait.
      held: By stage, the members that go on in it.
      diverged: `[member]` boolean, whether its state held a NaN after its last segment.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        members: Any,
        previous: Any,
        data: Any,
        placement: Placement,
        places: int | None,
        finish: Callable | None,
    ):
        """`members` and `previous` as `programs.plain` gives them, `data` on the devices."""
        self._stages, self._members, self._previous, self._data = stages, members, previous, data
        self.num_members = len(jax.tree.leaves(members)[0])
        self._places = self.num_members if places is None else places
        self._placement, self._capacity = layout(placement, self.num_members, places)
        self._narrows, self._finish = places is None, finish
        self.started = 0
        self.held: list[Held | None] = [None] * len(stages)
        self.diverged = np.zeros(self.num_members, bool)
        self._past: list[Any] = [None] * len(stages)  # By stage, logs and epochs run of those that have left it.
        self._kept = None

    @property
    def count(self) -> int:
        """Members that hold a place."""
        return sum(len(held.members) for held in self.held if held)

    def fill(self) -> None:
        """Gives every free place to a member that waits; one without an epoch to run passes through and leaves it."""
        while (free := self._places - self.count) > 0 and self.started < self.num_members:
            members = np.arange(self.started, min(self.started + free, self.num_members))
            self.started += len(members)
            self._enter(0, members, _rows(self._previous, slice(members[0], members[-1] + 1)))

    def advance(self, segments: int) -> tuple[int, int]:
        """Advances the members by a segment, one of at most `segments` into which each stage is cut.

        Returns:
          The number of the stage and the epoch to which the last of those that were advanced has come.
        """
        calls, reached, dealt = [], [], 0
        for number, count in enumerate(self._counts()):
            if not count:
                continue
            stage, (members, runs) = self._stages[number], self._take(number, count)
            length = -(-stage.num_epochs // segments)
            reached.append((number, min(int(runs.epochs_run.min()) + length, stage.num_epochs)))
            placement, capacity = self._placement, self._capacity
            if self._narrows and narrowed(placement, count) != placement:
                placement = narrowed(placement, count)
                capacity = capacity_for(count, placement)
            call = Call(count, placement, capacity, dealt)
            each = call.place((_rows(self._members, members), runs))
            # An empty place of a group has no epoch to run, or the group would go on for it.
            lengths = put(np.where(call.filled, length, 0).astype(np.int32), placement, split=True)
            call.run(programs.program(programs.advance, stage, placement), (*each, lengths), self._data)
            del runs, each  # Of the full states only the results are left.
            calls.append((number, members, call))
            dealt += count
        for number, members, call in calls:
            self._settle(number, members, *call.outputs())
        return min(reached)

    def _counts(self):
        """How many members of each stage the next segment advances, the first ones.

        A group that is not full costs as much as a full one; so it waits while there are full ones.
        """
        counts = [min(len(held.members), self._capacity) if held else 0 for held in self.held]
        group = len(self._placement.devices) * self._placement.width
        if self._placement.width > 1 and max(counts) >= group:
            return [count // group * group for count in counts]
        return counts

    def _take(self, number, count):
        members, runs = self.held[number]
        self.held[number] = Held(members[count:], _rows(runs, slice(count, None))) if count < len(members) else None
        return members[:count], _rows(runs, slice(count))

    def _enter(self, number, members, previous):
        if number == len(self._stages):
            self._end(members, previous)
            return
        outputs = self._call(programs.begin, self._stages[number], members, previous)
        self._settle(number, members, *outputs)

    def _settle(self, number, members, runs, diverged, goes_on):
        """Members that go on keep their places, the others enter the next stage."""
        self.diverged[members] = diverged
        self.held[number] = _joined(self.held[number], Held(members[goes_on], _rows(runs, goes_on)))
        if not goes_on.all():
            members, runs = members[~goes_on], _rows(runs, ~goes_on)
            self._past[number] = self._written(self._past[number], members, (runs.logs, runs.epochs_run))
            self._enter(number + 1, members, runs.state)

    def _end(self, members, state):
        kept = state if self._finish is None else self._call(programs.finish, self._finish, members, state)
        self._kept = self._written(self._kept, members, kept)

    def _call(self, function, what, members, rest):
        call = Call(len(members), self._placement, self._capacity)
        program = programs.program(function, what, self._placement)
        call.run(program, call.place((_rows(self._members, members), rest)), self._data)
        return call.outputs()

    def _written(self, table, members, rows):
        """`table`, which has a row for every member of the sweep, with the rows of some."""
        if len(members) == self.num_members:
            return rows
        if table is None:
            table = jax.tree.map(lambda leaf: np.empty((self.num_members, *leaf.shape[1:]), leaf.dtype), rows)
        for into, leaf in zip(jax.tree.leaves(table), jax.tree.leaves(rows), strict=True):
            into[members] = leaf
        return table

    def result(self) -> tuple[Any, dict, dict]:
        """What is kept of all members, logs by stage and name, and epochs run by stage."""
        past = {stage.name: self._past[number] for number, stage in enumerate(self._stages)}
        return (
            self._kept,
            {name: logs for name, (logs, _) in past.items()},
            {name: ran for name, (_, ran) in past.items()},
        )

    def least(self) -> tuple[int, int]:
        """The stage and epoch at which the last of those that hold a place stands."""
        for number, held in enumerate(self.held):
            if held:
                return number, int(held.runs.epochs_run.min())
        return len(self._stages) - 1, self._stages[-1].num_epochs

    def share(self) -> float:
        """The share of all members' epochs that are behind them; one that has left a stage has all of it behind it."""
        lengths = np.array([stage.num_epochs for stage in self._stages])
        behind = (self.started - self.count) * lengths.sum()
        for number, held in enumerate(self.held):
            if held:
                behind += len(held.members) * lengths[:number].sum() + held.runs.epochs_run.sum()
        return float(behind / max(self.num_members * lengths.sum(), 1))

    def saved(self) -> tuple[Position, Any]:
        """What a checkpoint holds: full states of those in places, of the others what is kept of them."""

        def some(table, members):
            return table if len(members) == self.num_members else _rows(table, members)

        position = Position(self.started, [held.members.tolist() if held else [] for held in self.held])
        return position, self._contents(
            position,
            held=lambda number: self.held[number].runs,
            past=lambda number, members: some(self._past[number], members),
            ended=lambda members: (some(self._kept, members), self.diverged[members]),
        )

    def saved_like(self, position: Position) -> Any:
        """Shapes of what is saved at a position."""
        runs, kept = [], None
        used = programs.of_sweep(
            self._stages, self._members, self._previous, self._data, self._placement, self._capacity, self._finish
        )
        for number, _, _, outputs in used:
            if number == len(self._stages):
                kept = outputs
            elif number == len(runs):
                runs.append(outputs[0])
        kept = runs[-1].state if self._finish is None else kept
        return self._contents(
            position,
            held=lambda number: _sized(runs[number], len(position.held[number])),
            past=lambda number, members: _sized((runs[number].logs, runs[number].epochs_run), len(members)),
            ended=lambda members: (_sized(kept, len(members)), jax.ShapeDtypeStruct(members.shape, bool)),
        )

    def restore(self, position: Position, arrays: Any) -> None:
        """Goes to a position, with what was saved there."""
        self.started = position.started
        for number, stage in enumerate(self._stages):
            if position.held[number]:
                self.held[number] = Held(np.array(position.held[number]), arrays["held"][stage.name])
            if stage.name in arrays["past"]:
                members = _left(position, number)
                self._past[number] = self._written(None, members, arrays["past"][stage.name])
        if arrays["ended"]:
            members = _left(position, len(self._stages) - 1)
            kept, self.diverged[members] = arrays["ended"]
            self._kept = self._written(None, members, kept)

    def _contents(self, position, held, past, ended):
        # Without what has no rows: an array of no size cannot be saved.
        left = [_left(position, number) for number in range(len(self._stages))]
        names = {number: stage.name for number, stage in enumerate(self._stages)}
        return {
            "held": {name: held(number) for number, name in names.items() if position.held[number]},
            "past": {name: past(number, left[number]) for number, name in names.items() if len(left[number])},
            "ended": ended(left[-1]) if len(left[-1]) else (),
        }


def layout(placement: Placement, num_members: int, places: int | None) -> tuple[Placement, int]:
    """Where the members of a sweep begin to train, and the places of its programs."""
    if places is None:
        placement = narrowed(placement, num_members)
    return placement, capacity_for(places or num_members, placement)


def _rows(tree, rows):
    if isinstance(rows, np.ndarray) and rows.dtype == bool and rows.all():
        return tree
    return jax.tree.map(lambda leaf: leaf[rows], tree)


def _sized(tree, count):
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((count, *leaf.shape[1:]), leaf.dtype), tree)


def _joined(held, more):
    if not len(more.members):
        return held
    if held is None:
        return more
    members = np.concatenate([held.members, more.members])
    order = np.argsort(members)
    return Held(members[order], jax.tree.map(lambda *leaves: np.concatenate(leaves)[order], held.runs, more.runs))


def _left(position, number):
    """The members that have left a stage: they were started and are in none up to it."""
    within = [member for members in position.held[: number + 1] for member in members]
    return np.setdiff1d(np.arange(position.started), within)
