"""The one form in which every data set of this project reaches training: arrays with a leading example axis."""

import dataclasses
from collections.abc import Mapping

import numpy as np


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Examples of one or several tasks, with what must not leak and what must be fair.

    A missing label or attribute is NaN here and nowhere else: training turns it into a mask once.

    Attributes:
      inputs: `[example, ...]`, what a model sees.
      targets: By task name, `[example]` or `[example, ...]`; NaN where unknown.
      sensitive: By attribute name (age, sex, center, ...), `[example]`; NaN where unknown.
      subject: `[example]`, whose example it is; no split ever divides one subject.
      ids: `[example]`, unique, to find the record again in its source.
    """

    inputs: np.ndarray
    targets: Mapping[str, np.ndarray]
    sensitive: Mapping[str, np.ndarray]
    subject: np.ndarray
    ids: np.ndarray

    def __post_init__(self):
        size = len(self.inputs)
        named = {"subject": self.subject, "ids": self.ids}
        named |= {f"targets['{name}']": values for name, values in self.targets.items()}
        named |= {f"sensitive['{name}']": values for name, values in self.sensitive.items()}
        for name, values in named.items():
            if len(values) != size:
                raise ValueError(f"Dataset: {name} has {len(values)} examples, but inputs has {size}.")
        ids, counts = np.unique(self.ids, return_counts=True)
        if size and counts.max() > 1:
            raise ValueError(f"Dataset: ids must be unique, but {ids[counts.argmax()]} occurs {counts.max()} times.")

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, indices: np.ndarray) -> "Dataset":
        """The examples at `indices` (integers or a boolean mask over examples), in that order."""
        return Dataset(
            inputs=self.inputs[indices],
            targets={name: values[indices] for name, values in self.targets.items()},
            sensitive={name: values[indices] for name, values in self.sensitive.items()},
            subject=self.subject[indices],
            ids=self.ids[indices],
        )
