"""The parts of a run on disk: each a folder that is there when the part is complete, and not before."""

import contextlib
import functools
import glob
import io
import json
import os
import pathlib
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from experiments.results.contract import write_table
from experiments.run.folder import locked, this_process, write_json
from experiments.run.study import Output, Part
from jaxfair import manifest


class Stored:
    """What a finished part has left, read when it is asked for, and compared with its checksums."""

    def __init__(self, folder: pathlib.Path):
        self._folder = folder

    @property
    def names(self) -> list[str]:
        """The names of its tables."""
        return sorted(
            name.removesuffix(".parquet") for name in manifest.read(self._folder) if name.endswith(".parquet")
        )

    def table(self, name: str) -> pd.DataFrame:
        """One of its tables."""
        return pd.read_parquet(io.BytesIO(manifest.read_file(self._folder, f"{name}.parquet")))

    @functools.cached_property
    def arrays(self) -> dict[str, Any]:
        """Its arrays, nested as they were given."""
        nested: dict[str, Any] = {}
        with np.load(io.BytesIO(manifest.read_file(self._folder, "arrays.npz")), allow_pickle=False) as file:
            for path in file.files:
                *outer, name = path.split("/")
                inner = nested
                for step in outer:
                    inner = inner.setdefault(step, {})
                inner[name] = file[path]
        return nested

    @property
    def record(self) -> dict[str, Any]:
        """How it was computed: seconds, widths, device."""
        return json.loads(manifest.read_file(self._folder, "part.json"))


class Parts:
    """The parts of one run. Each is written in a folder of its own attempt and renamed into place when it is complete.

    A part that was cut short does not exist, one that exists is never computed again, and of two attempts at a part
    one counts.
    """

    def __init__(self, workdir: pathlib.Path):
        self._workdir, self._folder = workdir, workdir / "parts"

    def is_done(self, name: str) -> bool:
        return (self._folder / name).is_dir()

    def damage(self, name: str) -> str | None:
        """What is wrong with a part that is done, compared with its checksums: a sentence without its full stop."""
        return next(iter(manifest.damaged(self._folder / name).values()), None)

    def discard_damaged(self, name: str) -> None:
        """Deletes a part whose files are not what was written, with a warning, so that it is computed again."""
        if self.is_done(name) and (damage := self.damage(name)):
            warnings.warn(f"{damage}; part {name} is computed again.", RuntimeWarning, stacklevel=2)
            shutil.rmtree(self._folder / name)

    def read(self, name: str) -> Stored:
        return Stored(self._folder / name)

    @contextlib.contextmanager
    def claimed(self, name: str) -> Iterator[None]:
        """Holds the part's lock, which says who computes it and is free again however that process ends.

        Raises:
          RuntimeError: Another process computes the part.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with locked(self._folder / f".{name}.lock", this_process(), f"part {name} of {self._workdir}"):
            for attempt in self._folder.glob(f".{glob.escape(name)}.*.part"):  # Nobody else can be writing here now.
                shutil.rmtree(attempt)
            yield

    def holder(self, name: str) -> str | None:
        """Who computes the part now (process, machine, since when); None if no process does."""
        path = self._folder / f".{name}.lock"
        if not path.exists():
            return None
        try:
            with locked(path, None, name):
                return None
        except RuntimeError:
            return path.read_text() or "another process"

    def write(self, name: str, output: Output, record: Mapping[str, Any]) -> None:
        """Writes a part, whole or not at all."""
        attempt = pathlib.Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=".part", dir=self._folder))
        attempt.chmod(0o755)  # mkdtemp's are private; the folder is there to be read.
        for table_name, table in output.tables.items():
            table.to_parquet(attempt / f"{table_name}.parquet", index=False)
        if output.arrays:
            with open(attempt / "arrays.npz", "wb") as file:
                np.savez(file, **dict(_flat(output.arrays, f"part {name}")))
        write_json(attempt / "part.json", dict(record))
        manifest.write(attempt)
        try:
            os.rename(attempt, self._folder / name)
            manifest.sync(self._folder)
        except OSError:
            if not self.is_done(name):
                raise
            shutil.rmtree(attempt)  # Another attempt was first, with the same content.

    def join(self, names: Sequence[str]) -> None:
        """Writes each table, joined over the parts in order, to the run's folder, and their checksums.

        Members, which every part numbers from 0, get numbers of their own: a part's follow those of the part before.
        """
        parts = [self.read(name) for name in names]
        firsts, total = [], 0
        for name, part in zip(names, parts, strict=True):
            firsts.append(total)
            if "members" in part.names:
                numbers = np.sort(part.table("members")["member"].to_numpy())
                if not np.array_equal(numbers, np.arange(len(numbers))):
                    raise ValueError(f"part {name} must number its {len(numbers)} members from 0, each once.")
                total += len(numbers)
        tables = sorted({table for part in parts for table in part.names})
        for table in tables:
            joined = []
            for first, part in zip(firsts, parts, strict=True):
                if table in part.names:
                    rows = part.table(table)
                    joined.append(rows.assign(member=rows["member"] + first) if "member" in rows else rows)
            write_table(self._workdir / f"{table}.parquet", pd.concat(joined, ignore_index=True))
        manifest.write(self._workdir, [f"{table}.parquet" for table in tables])

    def remove(self) -> None:
        """Deletes the parts, after everything made of them is on disk."""
        shutil.rmtree(self._folder, ignore_errors=True)


def described(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """What parts.json holds: each part's name and needs."""
    return [{"name": part.name, "needs": list(part.needs)} for part in parts]


def _flat(tree: Any, where: str, prefix: str = "") -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(tree, Mapping):
        for name, value in tree.items():
            if not isinstance(name, str) or "/" in name or not name:
                raise TypeError(f"{where}: {name!r} cannot name an array; give words without '/'.")
            yield from _flat(value, where, f"{prefix}/{name}" if prefix else name)
        return
    leaf = np.asarray(tree)
    if leaf.dtype.kind not in "biufcUS":  # Objects would have to be pickled, and bfloat16 loses its type.
        raise TypeError(f"{where}: array {prefix} is of type {leaf.dtype}; give numbers of NumPy's own types.")
    yield prefix, leaf
