"""A set of the Challenge 2012 as a TensorFlow Datasets builder, an example a stay."""

import dataclasses
import os
import pathlib
from collections.abc import Iterator

import numpy as np
import pandas as pd
import tensorflow_datasets as tfds

from data_pipelines import file_kind, tfds_cache
from data_pipelines.icu import stays
from data_pipelines.icu.challenge2012 import files
from data_pipelines.icu.stays import Stays

SPLIT = "stays"  # One: who trains and who is judged is the study's choice.
PIPELINE = (file_kind, files, stays)  # The modules whose text decides what a stay is.
LIBRARIES = (np, pd)


@dataclasses.dataclass(eq=False)
class Challenge2012Config(tfds.core.BuilderConfig):
    """Which set. `name` also distinguishes the files and the pipeline: see `cache_name`.

    Attributes:
      stays: "a", "b" or "c".
    """

    stays: str = "a"


class Challenge2012(tfds.core.GeneratorBasedBuilder):
    """Measurements by hour and variable, what is known at admission, and outcomes; the counts as metadata."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"manual_dir must be {files.SOURCE}."

    def __init__(self, **kwargs):
        super().__init__(file_format="array_record", **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        tensor, scalar = tfds.features.Tensor, tfds.features.Scalar
        static = {f"static_{name}": scalar(np.float32) for name in files.STATIC}
        outcomes = {f"outcome_{name}": scalar(np.float32) for name in files.OUTCOMES}
        return tfds.core.DatasetInfo(
            builder=self,
            description="Stays of the PhysioNet/CinC Challenge 2012.",
            features=tfds.features.FeaturesDict(
                {
                    "id": scalar(np.int64),
                    "hours": tensor(shape=(None,), dtype=np.float32),
                    "variable": tensor(shape=(None,), dtype=np.uint8),
                    "value": tensor(shape=(None,), dtype=np.float32),
                    **static,
                    **outcomes,
                }
            ),
            homepage="https://physionet.org/content/challenge-2012/1.0.0/",
            disable_shuffling=True,  # The order of RecordID.
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        found = files.read_set(pathlib.Path(dl_manager.manual_dir), self.builder_config.stays)
        self.info.metadata["counts"] = dict(found.counts)
        return {SPLIT: self._generate_examples(found)}

    def _generate_examples(self, found: Stays) -> Iterator[tuple[int, dict]]:
        ends = np.searchsorted(found.stay, np.arange(len(found)), side="right")
        for place, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
            columns = {name: getattr(found, name)[start:end] for name in ("hours", "variable", "value")}
            columns |= {f"static_{name}": values[place] for name, values in found.static.items()}
            columns |= {f"outcome_{name}": values[place] for name, values in found.outcomes.items()}
            yield int(found.ids[place]), {"id": int(found.ids[place]), **columns}


def cache_name(folder: pathlib.Path, name: str) -> str:
    """A name that changes with everything that can change the stays: files, code, versions."""
    digest = tfds_cache.code_digest([__file__, *(module.__file__ for module in PIPELINE)], LIBRARIES)
    paths = [folder / f"Outcomes-{name}.txt", *sorted((folder / f"set-{name}").glob("*"))]
    for path in paths:
        try:
            status = os.stat(path)
            digest.update(f"{path.name} {status.st_size} {status.st_mtime_ns}\n".encode())
        except OSError:
            digest.update(f"{path.name} unreadable\n".encode())
    return f"{name}_{digest.hexdigest()[:20]}"


def read(builder: Challenge2012) -> Stays:
    """The stays that a finished builder holds."""
    source = builder.as_data_source(split=SPLIT)
    examples = source.__getitems__(range(len(source)))

    def column(name):
        return np.array([example[name] for example in examples])

    def measured(name):
        return np.concatenate([example[name] for example in examples])

    ids = column("id")
    return Stays(
        variables=files.VARIABLES,
        stay=np.repeat(np.arange(len(ids)), [len(example["value"]) for example in examples]),
        **{name: measured(name) for name in ("hours", "variable", "value")},
        static={name: column(f"static_{name}") for name in files.STATIC},
        outcomes={name: column(f"outcome_{name}") for name in files.OUTCOMES},
        subject=ids,
        ids=ids,
        counts=dict(builder.info.metadata["counts"]),
    )
