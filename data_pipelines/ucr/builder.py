"""A problem of the UCR archive as a TensorFlow Datasets builder, a configuration a problem.

The text files are read in a fraction of a second, so the cache saves little; it gives a problem, completed and with its
counts, in the one form in which TFDS users keep their data.
"""

import dataclasses
import pathlib
from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

from data_pipelines import file_kind, tfds_cache
from data_pipelines.ucr import files, forms, labels, lines, problem
from data_pipelines.ucr.problem import Problem

PIPELINE = (file_kind, files, forms, labels, lines, problem)  # The modules whose text decides what a series is.
LIBRARIES = (np,)
METADATA = ("labels", "num_filled", "num_padded", "deviation")


@dataclasses.dataclass(eq=False)
class UcrConfig(tfds.core.BuilderConfig):
    """What changes the result. `name` also distinguishes the files' contents and the pipeline: see `cache_name`.

    Attributes:
      problem: Its name in the archive.
      train: Its TRAIN file, in the folder that the builder gets as `manual_dir`.
      test: Its TEST file, there too.
      normalize: As in `problem.assemble`.
      padding_seed: As in `problem.assemble`.
    """

    problem: str = ""
    train: str = ""
    test: str = ""
    normalize: bool = False
    padding_seed: int = 0

    def assemble(self, folder: pathlib.Path) -> Problem:
        """Reads the problem from its two text files in `folder`."""
        gaps_at_end = self.problem in problem.PROBLEMS_WITH_GAPS
        return problem.assemble(
            self.problem,
            files.read_series(folder / self.train, gaps_at_end=gaps_at_end),
            files.read_series(folder / self.test, gaps_at_end=gaps_at_end),
            normalize=self.normalize,
            padding_seed=self.padding_seed,
        )

    def cache_name(self, folder: pathlib.Path) -> str:
        """A name that changes with everything that can change the series: files, options, code, versions."""
        digest = tfds_cache.code_digest([__file__, *(module.__file__ for module in PIPELINE)], LIBRARIES)
        digest.update(repr((self.problem, self.train, self.test, self.normalize, self.padding_seed)).encode())
        for file in (self.train, self.test):
            digest.update((folder / file).read_bytes())
        return f"{self.problem}_{digest.hexdigest()[:20]}"


class UcrProblem(tfds.core.GeneratorBasedBuilder):
    """Series and their classes in the archive's two splits; labels and the counts of what was completed as metadata."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = "manual_dir must be a problem's folder in the unpacked UCR archive."

    def __init__(self, **kwargs):
        super().__init__(file_format="array_record", **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="A time series classification problem of the UCR archive.",
            features=tfds.features.FeaturesDict(
                {
                    "series": tfds.features.Tensor(shape=(None,), dtype=np.float32),
                    "label": tfds.features.Scalar(np.int64),
                }
            ),
            homepage="https://www.cs.ucr.edu/~eamonn/time_series_data_2018/",
            disable_shuffling=True,  # The order of the files.
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        problem = self.builder_config.assemble(pathlib.Path(dl_manager.manual_dir))
        sizes = {"num_train": int(problem.train.sum()), "num_test": int((~problem.train).sum())}
        for name, value in ({field: getattr(problem, field) for field in METADATA} | sizes).items():
            self.info.metadata[name] = value
        return {
            "train": self._generate_examples(problem, problem.train),
            "test": self._generate_examples(problem, ~problem.train),
        }

    def _generate_examples(self, problem: Problem, among: np.ndarray) -> Iterator[tuple[int, dict]]:
        for index in np.flatnonzero(among):
            label = int(problem.dataset.targets["label"][index])
            yield int(index), {"series": problem.dataset.inputs[index, :, 0], "label": label}


def read(builder: UcrProblem) -> Problem:
    """The problem that a finished builder holds."""
    examples, sizes = [], []
    for split in ("train", "test"):
        source = builder.as_data_source(split=split)
        examples += source.__getitems__(range(len(source)))
        sizes.append(len(source))
    metadata = builder.info.metadata
    if sizes != [metadata["num_train"], metadata["num_test"]]:
        raise ValueError(f"{builder.data_dir} is incomplete; delete it.")
    return problem.make_problem(
        builder.builder_config.problem,
        np.stack([example["series"] for example in examples]),
        np.array([example["label"] for example in examples]),
        sizes[0],
        **({field: metadata[field] for field in METADATA} | {"labels": tuple(metadata["labels"])}),
    )
