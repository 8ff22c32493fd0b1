"""The PhysioNet/CinC Challenge 2012: 48 hours of 4,000 intensive care stays a set, and who died in hospital."""

import os
import pathlib

from data_pipelines import tfds_cache
from data_pipelines.icu.challenge2012.files import SETS, VARIABLES, read_set
from data_pipelines.icu.stays import Stays

__all__ = ["SETS", "VARIABLES", "load", "read_set"]


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
