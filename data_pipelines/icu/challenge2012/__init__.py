"""The PhysioNet/CinC Challenge 2012: 48 hours of 4,000 intensive care stays a set, and who died in hospital."""

import os
import pathlib

import numpy as np

from data_pipelines import tfds_cache
from data_pipelines.icu.challenge2012.files import SETS, VARIABLES, read_set
from data_pipelines.icu.stays import Stays

__all__ = ["SETS", "VARIABLES", "death_hours", "load", "read_set"]


def load(folder: str | os.PathLike, name: str = "a", *, cache_dir: str | os.PathLike | None = None) -> Stays:
    """The stays of a set, from the cache where it has them.

    What `files.read_set` gives; it says what the fields are and which errors there can be.

    Args:
      folder: Of the Challenge: `set-a/<RecordID>.txt` and `Outcomes-a.txt`.
      name: "a", "b" or "c".
      cache_dir: Where to keep the stays as a TFDS data set; None reads the texts, which takes seconds. What is found
        there is used only if names, sizes and times of change of the files, the code and the libraries are those it
        was made with.
    """
    if cache_dir is None:
        return read_set(folder, name)
    from data_pipelines.icu.challenge2012 import builder  # TensorFlow Datasets takes seconds to import.

    folder = pathlib.Path(folder).resolve()
    config = builder.Challenge2012Config(name=builder.cache_name(folder, name), stays=name)
    return tfds_cache.read_or_build(builder.Challenge2012, builder.read, folder, cache_dir=cache_dir, config=config)


def death_hours(stays: Stays) -> np.ndarray:
    """`[stay]`, hours from admission to death, the middle of what `survival_days` allows; NaN for survivors.

    That is a number of whole days, seemingly to the midnight before the death, as the source's dates of death have no
    hour: so day k means from 24 k to 24 k + 48 hours. All stays of the Challenge last for 48 hours, so on day 1, from
    48 to 72; in set A those patients are still measured at hour 47. The middle is 24 hours off at most.
    """
    days = stays.outcomes["survival_days"].astype(np.float64)
    return np.where(days == 1, 60.0, 24 * days + 24)
