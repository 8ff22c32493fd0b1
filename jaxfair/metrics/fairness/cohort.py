"""What all functions of this package are given, as their compiled parts take it: arrays and codes, checked once."""

from typing import NamedTuple

import jax
import numpy as np

from jaxfair.metrics.fairness.groups import coded
from jaxfair.metrics.float64 import ranked_predictions, sides


class Scores(NamedTuple):
    """Predictions and targets as rates read them, one pair for each word of `Rate.reads`."""

    decision: tuple
    order: tuple
    value: tuple


class Cohort(NamedTuple):
    """The examples of a comparison. `names` of groups are None where `groups` came as codes."""

    scores: Scores
    codes: jax.Array | np.ndarray
    num_groups: int
    mask: jax.Array | np.ndarray | None
    weights: jax.Array | np.ndarray | None
    names: np.ndarray | None

    def traced(self) -> tuple:
        """The arguments of `rates_by_group` in their order."""
        return self[:5]


def cohort(predictions, targets, groups, num_groups, mask, weights, threshold) -> Cohort:
    """Arrays of whatever was given, groups as codes, and float64 compared and ranked before JAX rounds it.

    Raises:
      ValueError: The last axes differ in length, or `groups` cannot be codes.
    """
    predictions, targets = array(predictions), array(targets)
    mask, weights = array(mask, bool), array(weights, float)
    codes, num_groups, names = coded(groups, num_groups, mask)
    named = {"predictions": predictions, "targets": targets, "groups": codes, "mask": mask, "weights": weights}
    shapes = {name: np.shape(values) for name, values in named.items() if values is not None}
    if len({shape[-1:] for shape in shapes.values()}) > 1 or not predictions.ndim:
        raise ValueError(f"A fairness metric needs the same examples on the last axis of all arguments, got {shapes}.")
    decision = sides(predictions, targets, mask, threshold=threshold[..., None] if np.ndim(threshold) else threshold)
    read = Scores(decision, ranked_predictions(predictions, targets, mask), (predictions, decision[1]))
    return Cohort(read, codes, num_groups, mask, weights, names)


def array(values, dtype=None):
    """NumPy's array of what is not JAX's: lists and columns of tables too."""
    return values if values is None or isinstance(values, jax.Array) else np.asarray(values, dtype)
