"""Which training samples stay when the most or the least valuable ones go, or as many of the same classes."""

from collections.abc import Sequence

import numpy as np

SIDES = ("top", "bottom")


def num_removed(percent: float, size: int) -> int:
    """How many of `size` samples `percent` of them are: the nearest whole number, so that 10 % of 23 are 2.

    A half goes to the even number: 5 % of 50 are 2.

    Raises:
      ValueError: That is none, or all.
    """
    number = round(percent / 100 * size)
    if not 0 < number < size:
        what = "none" if number <= 0 else "all"
        raise ValueError(f"num_removed: {percent:g} % of {size} samples are {what} of them; give another share.")
    return number


def kept(
    values: np.ndarray,
    labels: np.ndarray,
    percent: float,
    *,
    side: str = "top",
    keep_classes: bool = False,
    names: Sequence[str] | None = None,
) -> np.ndarray:
    """The mask of the training samples that stay without the `percent` of them with the largest or smallest values.

    Of equal values the earlier sample goes first. With `keep_classes` the last sample of a class stays, and the next
    one in order goes in its place: a network cannot learn a class of which it sees nothing.

    Args:
      values: `[sample]`.
      labels: `[sample]`.
      percent: 0 to 100, of the samples.
      side: "top" for the largest values, "bottom" for the smallest.
      keep_classes: Whether the last sample of a class stays, instead of an error.
      names: By class, what to call it in an error.

    Returns:
      `[sample]` boolean.

    Raises:
      ValueError: There are not as many values as labels, a value is NaN, the share is none or all of the samples, a
        class would lose all its samples, or there are not enough samples beside the last ones of their classes.
    """
    values, labels = np.asarray(values, float), np.asarray(labels)
    if side not in SIDES:
        raise ValueError(f"kept: side {side!r} is neither top nor bottom.")
    if len(values) != len(labels):
        raise ValueError(f"kept: {len(values)} values of {len(labels)} labels; give one of each for every sample.")
    if np.isnan(values).any():
        raise ValueError(f"kept: {np.isnan(values).sum()} of {len(values)} values are NaN, so they have no order.")
    number = num_removed(percent, len(values))
    mask = np.ones(len(values), bool)
    left = dict(zip(*np.unique(labels, return_counts=True), strict=True))
    for sample in np.argsort(-values if side == "top" else values, kind="stable"):
        if number == 0:
            return mask
        own = labels[sample]
        if left[own] == 1:
            if keep_classes:
                continue
            name = own if names is None else names[int(own)]
            raise ValueError(
                f"kept: without the {side} {percent:g} % no training sample of class {str(name)!r} is left; remove "
                "fewer, or keep the last sample of each class (keep_classes)."
            )
        mask[sample], left[own], number = False, left[own] - 1, number - 1
    if number:
        raise ValueError(
            f"kept: {percent:g} % of {len(values)} samples cannot go without the last sample of a class; remove fewer."
        )
    return mask


def matched(mask: np.ndarray, labels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The mask of a removal that takes as many samples of each class as another one, by other values.

    With random values it is the control for which classes a score removes: a score that ranks classes, and samples only
    within them, removes one class before the next.

    Args:
      mask: `[sample]` boolean, what the other removal leaves.
      labels: `[sample]`.
      values: `[sample]`; within each class the largest go.

    Returns:
      `[sample]` boolean, with as many False in each class as `mask`.
    """
    mask, labels, values = np.asarray(mask, bool), np.asarray(labels), np.asarray(values)
    left = np.ones(len(mask), bool)
    for own in np.unique(labels):
        members = np.flatnonzero(labels == own)
        number = int((~mask[members]).sum())
        left[members[np.argsort(-values[members], kind="stable")[:number]]] = False
    return left
