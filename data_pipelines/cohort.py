"""A study's cohort: the data set, its folds, and the account of who was left out and why."""

import dataclasses

import numpy as np
import pandas as pd

from data_pipelines.dataset import Dataset

STEP_COLUMNS = ("step", "records", "subjects")
REJECTED_COLUMNS = ("id", "reason", "detail")


@dataclasses.dataclass(frozen=True)
class Cohort:
    """Examples that were selected from a source, with the account of the selection.

    Attributes:
      dataset: The examples. Its source says what their inputs, targets and sensitive attributes are.
      fold: `[example]`, integers from 1; no subject is in two.
      steps: One row after each inclusion or exclusion, the first with everything: `step`, `records`, `subjects`, and
        after these columns how many records each class of the study has.
      rejected: `id`, `reason`, `detail` of every record lost to damage or quality; those excluded by what they are
        (labels, age) are counted in `steps` alone.
    """

    dataset: Dataset
    fold: np.ndarray
    steps: pd.DataFrame
    rejected: pd.DataFrame

    def __post_init__(self):
        if len(self.fold) != len(self.dataset):
            raise ValueError(f"Cohort: fold has {len(self.fold)} examples, but the data set {len(self.dataset)}.")
        first = tuple(self.steps.columns[: len(STEP_COLUMNS)])
        if first != STEP_COLUMNS:
            raise ValueError(f"Cohort: steps must begin with the columns {STEP_COLUMNS}, but begins with {first}.")
        if tuple(self.rejected.columns) != REJECTED_COLUMNS:
            found = tuple(self.rejected.columns)
            raise ValueError(f"Cohort: rejected must have the columns {REJECTED_COLUMNS}, but has {found}.")
