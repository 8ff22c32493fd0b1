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
    validate: np.ndarray | None = None,
    hyperparameters: Sequence[str] | None = None,
) -> Member:
    """The members of a grid, stacked: every leaf gets a leading member axis.

    Each mask is `[example]`, the same for all members; `[fold, example]`, of which a row of the grid takes the one that
    its `fold` numbers; or `[member, example]` for a grid without a column `fold`, a mask for each row in its order.

    Args:
      grid: A row a member, with an integer `seed`, and with a `fold` (from 0) where a mask has a fold axis.
      train: What each member learns from.
      evaluate: What each member is judged on; may equal `train` only where there is no `validate`.
      validate: What each member is stopped and selected on. None means all False: nothing is selected.
      hyperparameters: The columns that become hyperparameters (numbers). None means all but `seed` and `fold`.

    Returns:
      A `Member` of arrays: keys `[member]`, hyperparameters `[member]`, masks `[member, example]`.

    Raises:
      ValueError: A row lacks a column, a value is no number, a mask does not fit or could be read in two ways, or there
        is a `validate` and two masks of a member share an example.
    """
    if not grid:
        raise ValueError("make_members: the grid is empty; a sweep needs at least one member.")
    if hyperparameters is None:
        hyperparameters = [name for name in grid[0] if name not in ("seed", "fold")]
    for name in ("seed", *hyperparameters):
        absent = [number for number, row in enumerate(grid) if name not in row]
        if absent:
            raise ValueError(f"make_members: row {absent[0]} of the grid has no {name!r}; give it to every row.")
    masks = {"train": _masks("train", train, grid), "evaluate": _masks("evaluate", evaluate, grid)}
    if validate is None:
        masks["validate"] = np.zeros_like(masks["train"])
    else:
        masks["validate"] = _masks("validate", validate, grid)
    _check_lengths(masks)
    if validate is not None:
        _check_disjoint(masks, grid)
    keys = jax.vmap(lambda seed: jax.random.key(seed, impl="threefry2x32"))(
        jnp.asarray([row["seed"] for row in grid], jnp.uint32)
    )
    return Member(
        key=keys,
        hyperparameters={name: _numbers(name, [row[name] for row in grid]) for name in hyperparameters},
        **{name: jnp.asarray(mask) for name, mask in masks.items()},
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
    """The mask of every member, `[member, example]`."""
    mask = np.asarray(mask, bool)
    if mask.ndim == 1:
        return np.broadcast_to(mask, (len(grid), *mask.shape))
    if mask.ndim != 2:
        raise ValueError(
            f"make_members: {name} has {mask.ndim} axes; give [example], [fold, example] or [member, example]."
        )
    with_fold = [number for number, row in enumerate(grid) if row.get("fold") is not None]
    if not with_fold:
        if len(mask) != len(grid):
            raise ValueError(
                f"make_members: {name} has {len(mask)} rows for {len(grid)} members; give a row to each member, or a "
                "fold to each row of the grid, which chooses among the rows."
            )
        return mask
    if len(with_fold) < len(grid):
        absent = next(number for number in range(len(grid)) if number not in with_fold)
        raise ValueError(
            f"make_members: row {absent} of the grid has no fold and row {with_fold[0]} has one; give a fold to every "
            f"row, which chooses among the rows of {name}, or to none."
        )
    folds = [row["fold"] for row in grid]
    for number, fold in enumerate(folds):
        if not isinstance(fold, (int, np.integer)) or not 0 <= fold < len(mask):
            raise ValueError(
                f"make_members: row {number} of the grid has fold {fold!r}, but {name} has {len(mask)} folds; give a "
                f"whole number from 0 to {len(mask) - 1}."
            )
    if len(mask) == len(grid) and len(set(folds)) < len(mask):
        raise ValueError(
            f"make_members: {name} has as many rows as there are members, {len(grid)}, but only {len(set(folds))} of "
            "them are chosen by a fold; if they are the members' own, leave the fold out of the grid, else leave out "
            "the rows of the folds that do not occur."
        )
    return mask[np.asarray(folds)]


def _check_lengths(masks: dict[str, np.ndarray]) -> None:
    lengths = {name: mask.shape[1] for name, mask in masks.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"make_members: the masks have different numbers of examples {lengths}; give all the same.")


def _check_disjoint(masks: dict[str, np.ndarray], grid: Grid) -> None:
    for one, other in itertools.combinations(("train", "validate", "evaluate"), 2):
        shared = (masks[one] & masks[other]).sum(1)
        if shared.any():
            number = int(np.argmax(shared > 0))
            named = ", ".join(f"{name} {grid[number][name]}" for name in ("seed", "fold") if name in grid[number])
            raise ValueError(
                f"make_members: member {number} ({named}) has {shared[number]} examples in both {one} and {other}; "
                "what it learns from, is selected on and is judged on must be disjoint."
            )
