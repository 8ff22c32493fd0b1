"""A study's cohort: the data set, its folds, and the account of who was left out and why."""

import dataclasses

import numpy as np
import pandas as pd

from data_pipelines.dataset import Dataset

STEP_COLUMNS = ("step", "records", "subjects", "infarction", "healthy")
REJECTED_COLUMNS = ("id", "reason", "detail")


@dataclasses.dataclass(frozen=True)
class Cohort:
    """Average beats of healthy people and of infarctions.

    Attributes:
      dataset: `inputs` `[example, 58, 12]` (time, lead; float32, mV); target `infarction` (0 or 1); sensitive `age`
        (years) and `sex` (0 male, 1 female: PTB-XL's code, not the alphabet's).
      fold: `[example]`, integers 1 to 10; no subject is in two.
      steps: One row after each inclusion or exclusion, the first with everything: `step`, `records`, `subjects`, and
        how many of the records are `infarction` and `healthy`.
      rejected: `id`, `reason`, `detail` of every record lost to damage or quality; those excluded by their labels or
        age are counted in `steps` alone.
    """

    dataset: Dataset
    fold: np.ndarray
    steps: pd.DataFrame
    rejected: pd.DataFrame

    def __post_init__(self):
        if len(self.fold) != len(self.dataset):
            raise ValueError(f"Cohort: fold has {len(self.fold)} examples, but the data set {len(self.dataset)}.")
        for name, table, columns in (
            ("steps", self.steps, STEP_COLUMNS),
            ("rejected", self.rejected, REJECTED_COLUMNS),
        ):
            if tuple(table.columns) != columns:
                raise ValueError(f"Cohort: {name} must have the columns {columns}, but has {tuple(table.columns)}.")
