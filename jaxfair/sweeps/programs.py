"""The compiled programs of a sweep: what a member does on the device, compiled once, and ahead of its use if asked."""

import dataclasses
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxfair.sweeps.placement import Placement, arrange, over_members, put, sharding
from jaxfair.training import Run, Stage
from jaxfair.training import advance as advance_run
from jaxfair.training import begin as begin_run


@functools.partial(jax.tree_util.register_dataclass, data_fields=["numbers"], meta_fields=["impl"])
@dataclasses.dataclass(frozen=True)
class _Keys:
    """Typed keys as their numbers, which NumPy can hold and index without a program for it."""

    numbers: np.ndarray
    impl: Any


def plain(tree: Any) -> Any:
    """The tree in NumPy, its typed keys as numbers; `Program` makes them keys again. Shapes stay shapes."""

    def leaf_of(leaf):
        if isinstance(leaf, jax.ShapeDtypeStruct):
            return leaf
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return _Keys(np.asarray(jax.random.key_data(leaf)), jax.random.key_impl(leaf))
        return np.asarray(leaf)

    return jax.tree.map(leaf_of, tree)


def _with_keys(tree):
    return jax.tree.map(
        lambda leaf: jax.random.wrap_key_data(leaf.numbers, impl=leaf.impl) if isinstance(leaf, _Keys) else leaf,
        tree,
        is_leaf=lambda leaf: isinstance(leaf, _Keys),
    )


class Program:
    """`function(each, shared)` over the places of a placement, compiled once for all who use it with the same shapes.

    Any thread may compile it ahead; who calls it meanwhile waits for that instead of compiling it a second time. What
    is compiled is found again by JAX's own rules, so a program that was compiled ahead under another configuration of
    JAX (a matmul precision set for one thread, say) is never used by mistake.
    """

    def __init__(self, function: Callable, placement: Placement):
        self._placement = placement
        self._mapped = jax.jit(over_members(lambda each, shared: function(_with_keys(each), shared), placement))
        self._lock = threading.Lock()

    def __call__(self, filled: jax.Array, each: Any, shared: Any) -> Any:
        """Runs it: `filled` and `each` with a leading place axis, split over the devices; `shared` on each of them."""
        with self._lock:
            return self._mapped(filled, each, shared)

    def shapes(self, capacity: int, each: Any, shared: Any) -> Any:
        """Shapes of what it returns for `capacity` places; `each` has a leading axis of any length."""
        with self._lock:
            return jax.eval_shape(self._mapped, *self._arguments(capacity, each, shared))

    def compile(self, capacity: int, each: Any, shared: Any) -> None:
        """Compiles it for `capacity` places and the shapes of `each` and `shared`."""
        with self._lock:
            self._mapped.lower(*self._arguments(capacity, each, shared)).compile()

    def _arguments(self, capacity, each, shared):
        split, everywhere = (sharding(self._placement, split=split) for split in (True, False))
        each, shared = jax.eval_shape(lambda *trees: trees, each, shared)  # Arrays and scalars as JAX takes them.

        def place(leaf):
            return jax.ShapeDtypeStruct((capacity, *leaf.shape[1:]), leaf.dtype, sharding=split)

        def copy(leaf):
            return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, weak_type=leaf.weak_type, sharding=everywhere)

        filled = jax.ShapeDtypeStruct((capacity,), bool, sharding=split)
        return filled, jax.tree.map(place, each), jax.tree.map(copy, shared)


_making = threading.Lock()


def program(function: Callable, what: Any, placement: Placement) -> Program:
    """The program of `function(what, each, shared)`; the same one again for the same arguments.

    So the sweeps of one stage, and one evaluation of many sweeps, compile once.
    """
    with _making:  # Two threads must not make two of one.
        return _program(function, what, placement)


@functools.lru_cache(maxsize=128)
def _program(function, what, placement):
    return Program(functools.partial(function, what), placement)


class Call:
    """A call of a program for `count` members in `capacity` places, whose outputs are fetched later.

    Attributes:
      filled: `[place]` boolean.
    """

    def __init__(self, count: int, placement: Placement, capacity: int, first: int = 0):
        self._placement = placement
        self._order = arrange(np.arange(count), capacity, len(placement.devices), first)
        self.filled = self._order.filled
        self._leaves, self._structure = [], None

    def place(self, each: Any) -> Any:
        """Puts the members' rows into their places on the devices, one array after the other to bound the memory."""
        return jax.tree.map(lambda leaf: put(leaf[self._order.members], self._placement, split=True), each)

    def run(self, program: Program, each: Any, shared: Any) -> None:
        """Starts the program on placed arrays."""
        filled = put(self.filled, self._placement, split=True)
        self._leaves, self._structure = jax.tree.flatten(program(filled, each, shared))

    def outputs(self) -> Any:
        """The members' outputs in NumPy; each array leaves the devices as soon as it is here."""
        places = np.flatnonzero(self.filled)
        places = places[np.argsort(self._order.members[places])]
        leaves = []
        while self._leaves:
            leaves.append(np.asarray(self._leaves.pop(0))[places])
        return jax.tree.unflatten(self._structure, leaves)


def begin(stage: Stage, each: Any, data: Any) -> tuple[Run, jax.Array, jax.Array]:
    """The run before its first epoch, whether its state holds a NaN, and whether it has epochs to run."""
    member, previous = each
    return _with_status(stage, begin_run(stage, member, previous, data))


def advance(stage: Stage, each: Any, data: Any) -> tuple[Run, jax.Array, jax.Array]:
    """The run a number of epochs later, or where it stopped before, and as `begin`."""
    member, run, length = each
    stop = jnp.minimum(run.epochs_run + length, stage.num_epochs)
    return _with_status(stage, advance_run(stage, member, run, data, run.epochs_run, stop))


def finish(function: Callable, each: Any, data: Any) -> Any:
    """What is kept of a member that has ended."""
    member, state = each
    return function(member, state, data)


def apply(function: Callable, each: Any, shared: Any) -> Any:
    """`function` of both tuples' parts."""
    return function(*each, *shared)


def _with_status(stage, run):
    leaves = [leaf for leaf in jax.tree.leaves(run.state) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    diverged = functools.reduce(jnp.logical_or, [jnp.isnan(leaf).any() for leaf in leaves], jnp.bool_(False))
    goes_on = ~diverged & (run.epochs_run < stage.num_epochs)
    if stage.stopped is not None:
        goes_on &= jnp.logical_not(stage.stopped(run.state))
    return run, diverged, goes_on


def of_sweep(
    stages: Sequence[Stage],
    members: Any,
    previous: Any,
    data: Any,
    placement: Placement,
    capacity: int,
    function: Callable | None,
) -> Iterator[tuple[int, Program, Any, Any]]:
    """The programs of a sweep in the order of their first use.

    Yields:
      The number of the stage (that of `finish` is the number of stages), the program, its `each` and the shapes of what
      it returns for `capacity` places.
    """
    for number, stage in enumerate(stages):
        each = members, previous
        first = program(begin, stage, placement)
        outputs = first.shapes(capacity, each, data)
        yield number, first, each, outputs
        run, *_ = outputs
        each = members, run, np.zeros(capacity, np.int32)
        yield number, program(advance, stage, placement), each, outputs
        previous = run.state
    if function is not None:
        each = members, previous
        last = program(finish, function, placement)
        yield len(stages), last, each, last.shapes(capacity, each, data)
