"""What a run leaves behind: tables with the same columns for every study, written whole or not at all."""

import os
import pathlib
import shutil
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

COLUMNS = (
    "experiment",
    "unit",
    "member",
    "seed",
    "fold",
    "backbone",
    "method",
    "stage",
    "epoch",
    "split",
    "metric",
    "value",
)
_UNITS = {"pearson": "correlation", "spearman": "correlation", "r2": "share of variance", "loss": "nats"}


def unit_of(metric: str) -> str:
    """The unit in which a metric is counted, from its name."""
    if metric.startswith("predicted_age"):
        return "years"
    for word, unit in _UNITS.items():
        if word in metric.split("_"):
            return unit
    return "fraction"


def write_table(path: pathlib.Path, table: pd.DataFrame) -> None:
    """Writes a parquet file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    table.to_parquet(part, index=False)
    os.replace(part, path)


def long(experiment: str, members: pd.DataFrame, values: Mapping[str, np.ndarray], **columns) -> pd.DataFrame:
    """A row per member and metric in the contract's columns.

    Args:
      experiment: The study's short name.
      members: A row a member, with `member`, `seed` and, where they apply, `fold`, `method`, `backbone`.
      values: By metric, `[member]`.
      **columns: Constants for other columns (`stage`, `split`, ...).
    """
    tables = [members.assign(metric=metric, value=np.asarray(value, float)) for metric, value in values.items()]
    return conform(pd.concat(tables, ignore_index=True).assign(**columns), experiment)


def conform(table: pd.DataFrame, experiment: str) -> pd.DataFrame:
    """Exactly the contract's columns and types; what does not apply is null."""
    table = table.assign(experiment=experiment, unit=[unit_of(metric) for metric in table["metric"]])
    table = table.reindex(columns=COLUMNS)
    whole = {name: "Int64" for name in ("member", "seed", "fold", "epoch")}
    words = {name: "string" for name in ("experiment", "unit", "backbone", "method", "stage", "split", "metric")}
    return table.astype(whole | words | {"value": "float64"})


class Parts:
    """Tables of the finished parts of a run, kept until all of them are joined.

    A part is a folder of tables that is renamed into place when it is complete, so a part that was cut short does not
    exist, and one that exists need not be computed again.
    """

    def __init__(self, workdir: pathlib.Path):
        self._workdir, self._folder = workdir, workdir / "parts"

    def once(self, name: str, compute: Callable[[], Mapping[str, pd.DataFrame]]) -> None:
        """Computes and keeps the tables of a part, unless it is there."""
        if (self._folder / name).exists():
            return
        unfinished = self._folder / f"{name}.part"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        for table_name, table in compute().items():
            table.to_parquet(unfinished / f"{table_name}.parquet", index=False)
        os.replace(unfinished, self._folder / name)

    def read(self, name: str) -> dict[str, pd.DataFrame]:
        """The tables of one part."""
        return {path.stem: pd.read_parquet(path) for path in sorted((self._folder / name).glob("*.parquet"))}

    def join(self, names: list[str]) -> None:
        """Writes each table, joined over the parts in order, to the run's folder."""
        parts = [self.read(name) for name in names]
        for table in sorted({table for part in parts for table in part}):
            joined = pd.concat([part[table] for part in parts if table in part], ignore_index=True)
            write_table(self._workdir / f"{table}.parquet", joined)

    def remove(self) -> None:
        """Deletes the parts, after everything made of them is on disk."""
        shutil.rmtree(self._folder, ignore_errors=True)


def write_tensorboard(workdir: pathlib.Path) -> None:
    """Writes the training curves of results.parquet as TensorBoard scalars, a run per method and member."""
    from tensorboardX import SummaryWriter

    folder = workdir / "tensorboard"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    curves = pd.read_parquet(workdir / "results.parquet")
    curves = curves[curves["epoch"].notna()]
    for (method, member, seed), rows in curves.groupby(["method", "member", "seed"]):
        with SummaryWriter(str(folder / f"{method}-{member}-seed{seed}")) as writer:
            for row in rows.itertuples():
                writer.add_scalar(f"{row.stage}/{row.split}/{row.metric}", row.value, row.epoch)
