"""The average beats of PTB-XL as a TensorFlow Datasets builder, so that the second start takes seconds."""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Iterator

import numpy as np
import pandas as pd
import scipy
import tensorflow_datasets as tfds
import wfdb

from data_pipelines import file_kind, tfds_cache
from data_pipelines.cohort import REJECTED_COLUMNS, Cohort
from data_pipelines.dataset import Dataset
from data_pipelines.ecg import beats, qrs, wfdb_header, wfdb_samples
from data_pipelines.ptbxl import records, table

FILENAME_COLUMNS = {100: "filename_lr", 500: "filename_hr"}
SPLIT = "beats"  # One: who trains and who is judged is the study's choice.
# The modules whose text decides what a beat is.
PIPELINE = (beats, file_kind, qrs, records, table, wfdb_header, wfdb_samples)
LIBRARIES = (np, pd, scipy, wfdb)


@dataclasses.dataclass(eq=False)
class AverageBeatsConfig(tfds.core.BuilderConfig):
    """What changes the result. `name` also distinguishes the folder's contents and the pipeline: see `cache_name`.

    Attributes:
      resolution: 100 or 500, which of PTB-XL's two sampling rates to read.
      keep_lvh: As in `table.select_cohort`.
    """

    resolution: int = 100
    keep_lvh: bool = False


class PtbxlAverageBeats(tfds.core.GeneratorBasedBuilder):
    """Average beats with identity, labels and fold; the steps of the cohort and the rejected records as metadata."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"manual_dir must be {table.SOURCE}."

    def __init__(self, *, max_damaged: float = 0.01, processes: int | None = None, progress: bool = True, **kwargs):
        self._max_damaged = max_damaged
        self._processes = processes
        self._progress = progress
        super().__init__(file_format="array_record", **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="12-lead average beats of healthy people and of myocardial infarctions from PTB-XL.",
            features=tfds.features.FeaturesDict(
                {
                    "beat": tfds.features.Tensor(shape=(beats.BEAT_SAMPLES, len(beats.LEADS)), dtype=np.float32),
                    "ecg_id": tfds.features.Scalar(np.int64),
                    "patient_id": tfds.features.Scalar(np.int64),
                    "age": tfds.features.Scalar(np.float32),
                    "sex": tfds.features.Scalar(np.float32),
                    "fold": tfds.features.Scalar(np.int64),
                    "infarction": tfds.features.ClassLabel(names=["healthy", "infarction"]),
                }
            ),
            homepage="https://physionet.org/content/ptb-xl/1.0.3/",
            disable_shuffling=True,  # The order of ecg_id.
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        return {SPLIT: self._generate_examples(pathlib.Path(dl_manager.manual_dir))}

    def _generate_examples(self, folder: pathlib.Path) -> Iterator[tuple[int, dict]]:
        config = self.builder_config
        rows, steps = table.select_cohort(table.read_cohort_table(folder), config.keep_lvh)
        files = [str(folder / name) for name in rows[FILENAME_COLUMNS[config.resolution]]]
        load = functools.partial(records.read_signal, fs=config.resolution)
        results = beats.average_beats(
            load, files, fs=config.resolution, processes=self._processes, progress=self._progress
        )
        errors = {
            ecg_id: result
            for ecg_id, result in zip(rows["ecg_id"], results, strict=True)
            if isinstance(result, beats.BeatError)
        }
        rejected = pd.DataFrame(
            [(ecg_id, error.reason, error.sentence) for ecg_id, error in errors.items()],
            columns=list(REJECTED_COLUMNS),
        )
        # Before anything is stored: what is refused now must not be found in the cache by the next run.
        check_damage(rejected, len(rows), self._max_damaged, folder)
        damaged = rejected["id"][rejected["reason"].isin(records.DAMAGE)]
        readable = rows[~rows["ecg_id"].isin(damaged)]
        good = rows[~rows["ecg_id"].isin(rejected["id"])]
        if good.empty:
            raise ValueError(
                f"{folder}: none of {len(rows)} records gave an average beat"
                + (f"; the first: {rejected['detail'].iloc[0]}" if len(rejected) else ".")
            )
        later = [
            table.count_step("record undamaged", readable),
            table.count_step("average beat of good quality", good),
        ]
        self.info.metadata["steps"] = steps.to_dict("records") + later
        self.info.metadata["rejected"] = rejected.to_dict("records")
        for row, result in zip(rows.itertuples(), results, strict=True):
            if isinstance(result, beats.AverageBeat):
                yield (
                    row.ecg_id,
                    {
                        "beat": result.beat,
                        "ecg_id": row.ecg_id,
                        "patient_id": row.patient_id,
                        "age": row.age,
                        "sex": row.sex,
                        "fold": row.strat_fold,
                        "infarction": int(row.infarction),
                    },
                )


def check_damage(rejected: pd.DataFrame, total: int, max_damaged: float, folder: os.PathLike) -> None:
    """Refuses a cohort of `total` records of which more than the share `max_damaged` are damaged.

    Raises:
      ValueError: Says how many, names the first, and how to allow it.
    """
    damaged = rejected[rejected["reason"].isin(records.DAMAGE)]
    if len(damaged) > max_damaged * total:
        named = ", ".join(str(ecg_id) for ecg_id in damaged["id"][:5])
        share = len(damaged) / total
        raise ValueError(
            f"{folder}: {len(damaged)} of {total} records ({share:.1%}) are damaged, the first with ecg_id {named}"
            f" ({damaged['detail'].iloc[0].rstrip('.')}); download them again, or allow it with"
            f" max_damaged={np.ceil(share * 100) / 100:g}."
        )


def cache_name(folder: pathlib.Path, resolution: int, keep_lvh: bool) -> str:
    """A name that changes with everything that can change the average beats.

    That is: the options, the table's contents, size and time of change of every file in the records' folders (a
    repaired record must not stay rejected, and a header may name any file beside it), the text of the pipeline's
    modules and the versions of the libraries below it.
    """
    digest = tfds_cache.code_digest([__file__, *(module.__file__ for module in PIPELINE)], LIBRARIES)
    digest.update((folder / "ptbxl_database.csv").read_bytes())
    rows, _ = table.select_cohort(table.read_cohort_table(folder), keep_lvh)
    for parent in sorted({os.path.dirname(name) for name in rows[FILENAME_COLUMNS[resolution]]}):
        for name in sorted(os.listdir(folder / parent)) if (folder / parent).is_dir() else ():
            try:
                status = os.stat(folder / parent / name)
                digest.update(f"{parent}/{name} {status.st_size} {status.st_mtime_ns}\n".encode())
            except OSError:
                digest.update(f"{parent}/{name} unreadable\n".encode())
    return f"{resolution}hz{'_lvh' if keep_lvh else ''}_{digest.hexdigest()[:20]}"


def read(builder: PtbxlAverageBeats) -> Cohort:
    """The cohort that a finished builder holds."""
    source = builder.as_data_source(split=SPLIT)
    examples = source.__getitems__(range(len(source)))
    columns = {name: np.array([example[name] for example in examples]) for name in builder.info.features}
    metadata = builder.info.metadata
    steps = pd.DataFrame(metadata["steps"], columns=list(table.STEP_COLUMNS))
    if len(examples) != steps["records"].iloc[-1]:
        raise ValueError(f"{builder.data_dir} is incomplete; delete it.")
    return Cohort(
        dataset=Dataset(
            inputs=columns["beat"],
            targets={"infarction": columns["infarction"].astype(np.float32)},
            sensitive={name: columns[name].astype(np.float32) for name in ("age", "sex")},
            subject=columns["patient_id"],
            ids=columns["ecg_id"],
        ),
        fold=columns["fold"],
        steps=steps,
        rejected=pd.DataFrame(metadata["rejected"], columns=list(REJECTED_COLUMNS)),
    )
