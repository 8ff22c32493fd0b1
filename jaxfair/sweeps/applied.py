"""A function applied to all members as a sweep would place them: predictions, probes, anything."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxfair.sweeps import programs
from jaxfair.sweeps.placement import Placement, capacity_for, check_places, default_placement, put


def over_all(
    function: Callable,
    each: Any,
    shared: Any,
    placement: Placement | None = None,
    *,
    places: int | None = None,
    on_group: Callable[[int], None] | None = None,
) -> Any:
    """`function(*each, *shared)` for every member, placed as a sweep is.

    Args:
      function: Of one member's part of `each`, and of `shared`. Give the same function again, not a new lambda, and
        its program is compiled only once.
      each: A tuple of pytrees with a leading member axis.
      shared: A tuple of pytrees that every member sees.
      placement: Devices and width.
      places: Members per call of the program; all by default. Fewer bound the memory and let progress be shown, and a
        number larger than the members lets several calls share one program.
      on_group: Called with the number of members done after every call.

    Returns:
      The outputs as NumPy arrays with a leading member axis.

    Raises:
      ValueError: There is no place.
    """
    check_places("over_all", places)
    placement = placement or default_placement()
    num_members = len(jax.tree.leaves(each)[0])
    capacity = capacity_for(places or num_members, placement)
    each, shared = programs.plain(each), put(shared, placement, split=False)
    program, stacked = programs.program(programs.apply, function, placement), None
    for start in range(0, num_members, capacity):
        members = slice(start, min(start + capacity, num_members))
        call = programs.Call(members.stop - start, placement, capacity)
        call.run(program, call.place(jax.tree.map(lambda leaf, members=members: leaf[members], each)), shared)
        outputs = call.outputs()
        if stacked is None:
            stacked = jax.tree.map(lambda leaf: np.empty((num_members, *leaf.shape[1:]), leaf.dtype), outputs)
        for into, leaf in zip(jax.tree.leaves(stacked), jax.tree.leaves(outputs), strict=True):
            into[members] = leaf
        if on_group:
            on_group(members.stop - start)
    return stacked


def prepare_over_all(
    function: Callable, each: Any, shared: Any, placement: Placement | None = None, *, places: int | None = None
) -> None:
    """Compiles the program that `over_all` with the same arguments runs, in a thread of its own while others train.

    Args:
      function: As for `over_all`, and the same object.
      each: As for `over_all`, or shapes (`jax.ShapeDtypeStruct`) in the place of arrays.
      shared: Like `each`.
      placement: As for `over_all`.
      places: As for `over_all`.

    Raises:
      ValueError: There is no place.
    """
    check_places("prepare_over_all", places)
    placement = placement or default_placement()
    each = programs.plain(each)
    capacity = capacity_for(places or jax.tree.leaves(each)[0].shape[0], placement)
    programs.program(programs.apply, function, placement).compile(capacity, each, shared)
