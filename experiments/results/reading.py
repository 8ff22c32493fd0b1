"""Reads what a run left behind in its workdir, and says in one sentence what is wrong with it if something is."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import pandas as pd

from experiments.results.contract import COLUMNS
from experiments.run.folder import read_json

RESULT_COLUMNS = list(COLUMNS)
MEMBER_COLUMNS = ["member", "method", "status"]


@dataclasses.dataclass(frozen=True)
class Run:
    """What every run leaves behind; tables of one study only are read by `table`."""

    workdir: pathlib.Path
    config: dict[str, Any]
    environment: dict[str, Any]
    results: pd.DataFrame
    members: pd.DataFrame

    def table(self, name: str, columns: Sequence[str]) -> pd.DataFrame:
        """The rows of `name`.parquet; a table that this run did not write has no rows.

        Raises:
          ValueError: The file is there but damaged or without one of `columns`.
        """
        if not (self.workdir / f"{name}.parquet").exists():
            return pd.DataFrame(columns=list(columns))
        return _read_parquet(self.workdir, name, columns)


def read_workdir(workdir: str | os.PathLike) -> Run:
    """Reads and checks what a run left behind.

    Raises:
      FileNotFoundError: The folder, results.parquet or members.parquet is not there.
      ValueError: A file is damaged, lacks a column, or results.parquet has no rows.
    """
    workdir = pathlib.Path(workdir)
    if not workdir.is_dir():
        raise FileNotFoundError(f"The workdir {workdir} does not exist: name the folder that a run wrote to.")
    results = _read_parquet(workdir, "results", RESULT_COLUMNS)
    if results.empty:
        raise ValueError(
            f"{workdir / 'results.parquet'} has no rows, so there is nothing to report: run the study again."
        )
    members = _read_parquet(workdir, "members", MEMBER_COLUMNS)
    config, environment = (read_json(workdir / f"{name}.json") or {} for name in ("config", "environment"))
    return Run(workdir, config, environment, results, members)


def _read_parquet(workdir: pathlib.Path, name: str, columns: Sequence[str]) -> pd.DataFrame:
    path = workdir / f"{name}.parquet"
    if not path.exists():
        raise FileNotFoundError(
            f"{path} does not exist: either the run has not finished or {workdir} is not a run's workdir."
        )
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a parquet table ({error}): run the study again.") from error
    missing = [column for column in columns if column not in frame]
    if missing:
        raise ValueError(
            f"{path} has no column {', '.join(map(repr, missing))}; it has {', '.join(map(repr, frame))}: "
            "it was written by something else or by another version, so run the study again."
        )
    return frame
