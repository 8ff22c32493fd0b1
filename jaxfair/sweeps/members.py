"""Members of a sweep: grids of seeds and hyperparameters, and the arrays made of them.

A grid is a plain list of dicts, a dict per member, so that `+` joins two and `pandas.DataFrame(grid)` shows one.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxfair.training import Member

Grid = list[dict[str, Any]]


def product(*grids: Grid, **axes: Iterable) -> Grid:
    """Every combination of the rows of `grids` and of the values of `axes`, the last one varying fastest.

    `product(seed=range(5), alpha=[0, 0.1])` has 10 members; `product(zip_(alpha=..., beta=...), seed=range(5))` tries
    5 seeds of each pair.
    """
    factors = [*grids, *([{name: value} for value in values] for name, values in axes.items())]
    grid = []
    for rows in itertools.product(*factors):
        names = [name for row in rows for name in row]
        repeated = {name for name in names if names.count(name) > 1}
        if repeated:
            raise ValueError(f"product: {sorted(repeated)} occurs in more than one factor; name every axis once.")
        grid.append({name: value for row in rows for name, value in row.items()})
    return grid


def zip_(**axes: Iterable) -> Grid:
    """The rows that take one value of every axis in step; all axes must have the same length."""
    lists = {name: list(values) for name, values in axes.items()}
    lengths = {name: len(values) for name, values in lists.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"zip_: the axes have different lengths {lengths}; give all of them the same.")
    return [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]


def make_members(
    grid: Grid,
    train: np.ndarray,
    evaluate: np.ndarray,
    hyperparameters: Sequence[str] | None = None,
) -> Member:
    """The members of a grid, stacked: every leaf gets a leading member axis.

    Args:
      grid: A row a member, with an integer `seed`. A `fold`, if the masks have a fold axis, chooses among them.
      train: `[example]` for all members, `[fold, example]` chosen by the row's `fold`, or any such array of booleans.
      evaluate: Like `train`.
      hyperparameters: The columns that become hyperparameters (numbers). None means all but `seed` and `fold`.

    Returns:
      A `Member` of arrays: keys `[member]`, hyperparameters `[member]`, masks `[member, example]`.

    Raises:
      ValueError: A row lacks a column, a value is no number, or a mask does not fit.
    """
    if not grid:
        raise ValueError("make_members: the grid is empty; a sweep needs at least one member.")
    if hyperparameters is None:
        hyperparameters = [name for name in grid[0] if name not in ("seed", "fold")]
    for name in ("seed", *hyperparameters):
        absent = [number for number, row in enumerate(grid) if name not in row]
        if absent:
            raise ValueError(f"make_members: row {absent[0]} of the grid has no {name!r}; give it to every row.")
    keys = jax.vmap(lambda seed: jax.random.key(seed, impl="threefry2x32"))(
        jnp.asarray([row["seed"] for row in grid], jnp.uint32)
    )
    return Member(
        key=keys,
        hyperparameters={name: _numbers(name, [row[name] for row in grid]) for name in hyperparameters},
        train=jnp.asarray(_masks("train", train, grid)),
        evaluate=jnp.asarray(_masks("evaluate", evaluate, grid)),
    )


def _numbers(name: str, values: Sequence) -> jax.Array:
    for value in values:
        if isinstance(value, str) or np.ndim(value) != 0 or value is None:
            raise ValueError(
                f"make_members: hyperparameter {name!r} has the value {value!r}, which is no number; what is not a "
                "number belongs to the stage, in a sweep of its own."
            )
    return jnp.asarray(np.asarray(values, np.float32))


def _masks(name: str, mask: np.ndarray, grid: Grid) -> np.ndarray:
    mask = np.asarray(mask, bool)
    if mask.ndim == 1:
        return np.broadcast_to(mask, (len(grid), *mask.shape))
    if mask.ndim != 2:
        raise ValueError(f"make_members: {name} has {mask.ndim} axes; give [example] or [fold, example].")
    folds = [row.get("fold") for row in grid]
    if None in folds or not all(0 <= fold < len(mask) for fold in folds):
        raise ValueError(f"make_members: {name} has {len(mask)} folds, so every row needs a fold below that.")
    return mask[np.asarray(folds)]
