"""Reads what a run left behind in its workdir, and says in one sentence what is wrong with it if something is."""

import contextlib
import dataclasses
import io
import os
import pathlib
from collections.abc import Collection, Sequence
from typing import Any

import pandas as pd

from experiments.results.contract import COLUMNS
from experiments.run.folder import read_json
from jaxfair import manifest

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
          ValueError: The file is not the run's own, or without one of `columns`.
        """
        if f"{name}.parquet" not in _own_files(self.workdir):
            return pd.DataFrame(columns=list(columns))
        return _read_parquet(self.workdir, name, columns)


def read_workdir(workdir: str | os.PathLike) -> Run:
    """Reads and checks what a run left behind.

    Every file is compared with the checksum that the run wrote for it: another run's table, or one that has changed
    since, is refused.

    Raises:
      FileNotFoundError: The folder, results.parquet or members.parquet is not there.
      ValueError: A file is not the run's own, lacks a column, or results.parquet has no rows.
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
    config, environment = (_read_json(workdir, f"{name}.json") for name in ("config", "environment"))
    return Run(workdir, config, environment, results, members)


def _own_files(workdir: pathlib.Path) -> Collection[str]:
    with _refused():
        return manifest.read(workdir)


def _own_file(workdir: pathlib.Path, name: str) -> bytes:
    with _refused():
        return manifest.read_file(workdir, name)


@contextlib.contextmanager
def _refused():
    try:
        yield
    except manifest.DamagedError as error:
        raise ValueError(
            f"{error}; only what the run itself wrote is shown: run the study again in this folder."
        ) from error


def _read_json(workdir: pathlib.Path, name: str) -> dict[str, Any]:
    """A JSON file, as the run wrote it where it has ended; one that is still written to has no checksum yet."""
    if name in _own_files(workdir):
        _own_file(workdir, name)
    return read_json(workdir / name) or {}


def _read_parquet(workdir: pathlib.Path, name: str, columns: Sequence[str]) -> pd.DataFrame:
    path = workdir / f"{name}.parquet"
    if not path.exists():
        raise FileNotFoundError(
            f"{path} does not exist: either the run has not finished or {workdir} is not a run's workdir."
        )
    content = _own_file(workdir, path.name)
    try:
        frame = pd.read_parquet(io.BytesIO(content))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a parquet table ({error}): run the study again.") from error
    missing = [column for column in columns if column not in frame]
    if missing:
        raise ValueError(
            f"{path} has no column {', '.join(map(repr, missing))}; it has {', '.join(map(repr, frame))}: "
            "it was written by something else or by another version, so run the study again."
        )
    return frame
