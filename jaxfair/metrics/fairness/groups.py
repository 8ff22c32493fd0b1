"""Groups as integer codes: from any values, from several attributes at once, and as masks of their members.

A group is a code `0 .. num_groups - 1`. Whose group is not known (NaN, None, -1) is in no group: the example counts in
no rate and no gap. Codes are made here with NumPy, once; everything after them is traced.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd


def group_codes(values, mask=None, names=None) -> tuple[np.ndarray, np.ndarray]:
    """Codes of the groups that occur, and their names in sorted order.

    Args:
      values: `[..., example]`, anything that `np.unique` sorts; NaN, None and the number -1 are no group.
      mask: `[..., example]` boolean, broadcast against `values`; a group that only masked examples have does not occur.
      names: Those of another sample (of validation data, for test data), sorted: the same codes for the same groups,
        and -1 for groups that are not among them.

    Returns:
      Codes `[..., example]` as int32, -1 for no group, and the names `[group]`.

    Raises:
      ValueError: The values are traced, or cannot be sorted.
    """
    if isinstance(values, jax.core.Tracer) or isinstance(mask, jax.core.Tracer):
        raise ValueError(
            "Under jit or vmap give num_groups, and groups as integer codes: which occur is not known there."
        )
    # A list's dtype is left open: NumPy would make the string 'nan' of a NaN among strings.
    values = np.asarray(values) if hasattr(values, "dtype") else np.array(values, dtype=object)
    unknown = np.asarray(pd.isna(values))
    if values.dtype.kind == "O":
        values = np.where(unknown, None, values)  # pandas' NA is neither equal to -1 nor not.
    if values.dtype.kind in "iufO":
        unknown = unknown | np.asarray(values == -1, bool)
    shape = values.shape if mask is None else np.broadcast_shapes(values.shape, np.shape(mask))
    occurs = np.broadcast_to(~unknown, shape) if mask is None else ~unknown & np.asarray(mask, bool)
    try:
        names = np.unique(np.broadcast_to(values, shape)[occurs]) if names is None else np.unique(names)
        codes = np.full(values.shape, -1, np.int32)
        if len(names):
            place = np.minimum(np.searchsorted(names, values[~unknown]), len(names) - 1)
            codes[~unknown] = np.where(names[place] == values[~unknown], place, -1)
    except TypeError as error:
        raise ValueError(f"Groups must all be of one type that can be sorted ({error}); make them strings.") from error
    return codes, names


def intersection(attributes: Mapping, mask=None) -> tuple[np.ndarray, list[str]]:
    """Codes and names of the groups that several attributes make together: women over 65, men over 65, ...

    All combinations of the values that occur are groups, also those that nobody is in: a gap over them is then NaN, as
    it should be if it is to hold for all of them. Who lacks one of the attributes is in no group.

    Args:
      attributes: Values `[..., example]` by the attribute's name, as `group_codes` takes them.
      mask: As of `group_codes`.

    Returns:
      Codes `[..., example]`, and names such as "sex=F & age=65+", the last attribute varying fastest.

    Raises:
      ValueError: There is no attribute, or one that `group_codes` refuses.
    """
    if not attributes:
        raise ValueError("intersection: give at least one attribute.")
    codes, names = np.zeros((), np.int32), [""]
    for attribute, values in attributes.items():
        own, found = group_codes(values, mask)
        codes = np.where((codes < 0) | (own < 0), -1, codes * len(found) + own).astype(np.int32)
        names = [f"{before} & {attribute}={name}".removeprefix(" & ") for before in names for name in found]
    return codes, names


def coded(groups, num_groups: int | None, mask=None) -> tuple[jax.Array | np.ndarray, int, np.ndarray | None]:
    """Codes, how many groups there are, and their names if `groups` had to be coded.

    Raises:
      ValueError: With `num_groups`, a code that can be read lies outside `-1 .. num_groups - 1` or is not whole.
    """
    if num_groups is None:
        codes, names = group_codes(groups, mask)
        return codes, len(names), names
    if not isinstance(groups, jax.Array):
        groups = np.asarray(groups)
        if groups.dtype.kind == "O":
            groups = np.where(pd.isna(groups), -1, groups).astype(float)
    if groups.dtype.kind not in "iufb":
        raise ValueError(f"With num_groups, groups must hold integer codes, but have dtype {groups.dtype}.")
    if groups.dtype == bool:
        groups = groups.astype("int32")
    if not isinstance(groups, jax.core.Tracer) and not isinstance(mask, jax.core.Tracer):
        codes = np.asarray(groups)
        bad = ~np.isnan(codes) & ((codes < -1) | (codes >= num_groups) | (codes != np.round(codes)))
        if np.any(bad if mask is None else bad & np.asarray(mask, bool)):
            raise ValueError(
                f"With num_groups={num_groups}, groups must hold whole codes from -1 (unknown) to {num_groups - 1}, "
                f"but some are {np.unique(codes[bad])[:3]}."
            )
    return groups, num_groups, None


def members(groups, num_groups: int, mask=None) -> jax.Array:
    """Who is in which group: `[..., group, example]` boolean, of codes and a mask `[..., example]`."""
    inside = jnp.asarray(groups)[..., None, :] == jnp.arange(num_groups)[:, None]
    return inside if mask is None else inside & jnp.asarray(mask, bool)[..., None, :]
