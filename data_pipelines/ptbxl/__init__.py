"""PTB-XL, from its folder to the age study's cohort of average beats."""

import os
import pathlib

from data_pipelines import tfds_cache
from data_pipelines.cohort import Cohort
from data_pipelines.ptbxl import table
from data_pipelines.ptbxl.table import read_cohort_table
from data_pipelines.tfds_cache import default_cache_dir

__all__ = ["default_cache_dir", "load", "read_cohort_table"]


def load(
    folder: str | os.PathLike,
    *,
    cache_dir: str | os.PathLike | None = None,
    resolution: int = 100,
    max_damaged: float = 0.01,
    processes: int | None = None,
    keep_lvh: bool = False,
    progress: bool = True,
) -> Cohort:
    """The average beats of PTB-XL's healthy and infarction records; from the cache where it has them.

    Args:
      folder: PTB-XL's own folder: `ptbxl_database.csv`, `scp_statements.csv`, and `records100/` or `records500/`.
      cache_dir: Where average beats are kept; None takes `default_cache_dir()`. What is found there is used only if
        the folder's contents, the options, the pipeline's code and the libraries are those it was made with.
      resolution: 100 or 500 Hz, which of the two sets of records to read; 500 Hz is resampled to 100 Hz.
      max_damaged: Share of records that may be missing, unreadable, truncated, altered or with missing samples. They
        are listed in `rejected`; more of them than this is an error. Poor signal quality is no damage.
      processes: Workers for the first time; None takes one for each core.
      keep_lvh: Whether to keep records with left ventricular hypertrophy, against the paper's text.
      progress: Whether to show a progress bar the first time.

    Returns:
      The cohort, ordered by `ecg_id`; `fold` is PTB-XL's `strat_fold` (1 to 10), `subject` its `patient_id`. Its
      data set: `inputs` `[example, 58, 12]` (time, lead; float32, mV); target `infarction` (0 or 1); sensitive `age`
      (years) and `sex` (0 male, 1 female: PTB-XL's code, not the alphabet's).

    Raises:
      FileNotFoundError: The folder, one of its tables or its records are not there.
      ValueError: A table cannot be used, or too many records are damaged.
    """
    from data_pipelines.ptbxl import builder  # TensorFlow Datasets takes seconds to import: only where it is used.

    if resolution not in builder.FILENAME_COLUMNS:
        raise ValueError(f"resolution must be 100 or 500 Hz, PTB-XL has no other, but is {resolution}.")
    folder = pathlib.Path(folder).resolve()
    name = builder.cache_name(folder, resolution, keep_lvh)
    if not (folder / f"records{resolution}").is_dir():
        raise FileNotFoundError(f"{folder / f'records{resolution}'} is missing; expected {table.SOURCE}.")
    cohort = tfds_cache.read_or_build(
        builder.PtbxlAverageBeats,
        builder.read,
        folder,
        cache_dir=cache_dir or default_cache_dir(),
        config=builder.AverageBeatsConfig(name=name, resolution=resolution, keep_lvh=keep_lvh),
        max_damaged=max_damaged,
        processes=processes,
        progress=progress,
    )
    total = len(cohort.dataset) + len(cohort.rejected)
    builder.check_damage(cohort.rejected, total, max_damaged, folder)
    return cohort
