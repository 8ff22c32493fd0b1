"""What the age study's parts compute on: the cohort as arrays, its splits as masks, and whose examples they are."""

import dataclasses
import pathlib
from typing import Any

import numpy as np
import pandas as pd

from data_pipelines import ptbxl, splits
from data_pipelines.cohort import Cohort
from data_pipelines.ecg import beats
from data_pipelines.simulate import ecg
from jaxfair.methods.aml_evaluation import Subjects

NUM_PROBE_FOLDS = 5
NUM_FOLDS = 10  # PTB-XL's strat_fold.


@dataclasses.dataclass(frozen=True, eq=False)
class AgeData:
    """The cohort of a configuration.

    Attributes:
      cohort: As loaded.
      arrays: `inputs`, `infarction`, `age`, as `jaxfair.methods.aml` takes them.
      subjects: Whose examples they are, and folds of subjects for the probes.
      train: `[fold, example]` boolean.
      evaluate: `[fold, example]` boolean.
    """

    cohort: Cohort
    arrays: dict[str, np.ndarray]
    subjects: Subjects
    train: np.ndarray
    evaluate: np.ndarray


def num_folds(config: Any) -> int:
    """How many splits a configuration trains on."""
    return NUM_FOLDS if config.split == "folds" else 1


def load(config: Any) -> AgeData:
    """The data of a configuration."""
    cohort = load_cohort(config)
    dataset = cohort.dataset
    names, code = np.unique(dataset.subject, return_inverse=True)
    fold = splits.k_fold_by_subject(dataset.subject, NUM_PROBE_FOLDS, seed=0) - 1
    arrays = {
        "inputs": dataset.inputs.astype(np.float32),
        "infarction": dataset.targets["infarction"].astype(np.float32),
        "age": dataset.sensitive["age"].astype(np.float32),
    }
    train, evaluate = masks(config, cohort)
    if len(train) != num_folds(config):
        raise ValueError(f"--config.split=folds: needs {NUM_FOLDS} folds, but the cohort has {len(train)}.")
    return AgeData(cohort, arrays, Subjects(code, len(names), fold, NUM_PROBE_FOLDS), train, evaluate)


def load_cohort(config: Any) -> Cohort:
    """The cohort of a configuration."""
    if config.data == "simulated":
        chosen = ecg.SimulationConfig(num_subjects=config.simulated_subjects, confounding=config.confounding)
        return ecg.load(chosen, seed=0)
    folder = pathlib.Path(config.data_dir)
    folder = folder / "ptb-xl" if (folder / "ptb-xl").is_dir() else folder
    return ptbxl.load(folder, resolution=config.resolution, max_damaged=config.max_damaged, keep_lvh=config.keep_lvh)


def masks(config: Any, cohort: Cohort) -> tuple[np.ndarray, np.ndarray]:
    """Training and evaluation masks, `[fold, example]` each."""
    if config.split == "folds":
        return splits.folds_as_masks(cohort.fold, subject=cohort.dataset.subject)
    train, evaluate = splits.holdout_by_fold(cohort.fold, subject=cohort.dataset.subject)
    return train[None], evaluate[None]


def cohort_tables(cohort: Cohort) -> dict[str, pd.DataFrame]:
    """The cohort's account, the rejected records, and the average beat of each class."""
    dataset, beat_tables = cohort.dataset, []
    times = np.arange(*beats.BEAT_WINDOW) * 1000 // beats.SAMPLING_RATE
    for infarction in (0, 1):
        chosen = dataset.inputs[dataset.targets["infarction"] == infarction]
        for number, lead in enumerate(beats.LEADS):
            mean, std = chosen[:, :, number].mean(0), chosen[:, :, number].std(0)
            table = pd.DataFrame({"infarction": infarction, "lead": lead, "time_ms": times, "mean": mean, "std": std})
            beat_tables.append(table.assign(count=len(chosen)))
    rejected = cohort.rejected.astype({name: "string" for name in cohort.rejected.columns})
    return {"cohort": cohort.steps, "rejected": rejected, "average_beats": pd.concat(beat_tables, ignore_index=True)}
