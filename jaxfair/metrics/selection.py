"""Which of several models to take, by losses on held-out parts."""

from typing import NamedTuple

import numpy as np


class OneStandardError(NamedTuple):
    """What the one-standard-error rule looked at, and what it chose.

    Attributes:
      mean: `[model]`, of the losses over held-out parts.
      standard_error: `[model]`, of that mean; 0 with one part.
      chosen: The index of the model.
    """

    mean: np.ndarray
    standard_error: np.ndarray
    chosen: int


def one_standard_error(losses: np.ndarray) -> OneStandardError:
    """The first model whose mean held-out loss is within one standard error of the least.

    Args:
      losses: `[model, part]`, the simplest model first. A model of which a loss is not finite is not chosen.

    Raises:
      ValueError: There is no model or no part, or no model has finite losses.

    References:
      Breiman, Friedman, Olshen, Stone: Classification and Regression Trees, 1984, section 3.4.3.
    """
    losses = np.asarray(losses)
    if losses.ndim != 2 or not losses.size:
        raise ValueError(f"one_standard_error: losses must be [model, part] with one at least, got {losses.shape}.")
    mean = losses.mean(1)
    error = losses.std(1, ddof=1) / np.sqrt(losses.shape[1]) if losses.shape[1] > 1 else np.zeros(len(losses))
    if not np.isfinite(mean).any():
        raise ValueError("one_standard_error: no model has a finite held-out loss; lower the learning rate.")
    best = np.nanargmin(mean)
    return OneStandardError(mean, error, int(np.flatnonzero(mean <= mean[best] + error[best])[0]))
