"""A sweep's progress on disk: written whole or not at all, and trusted only by the sweep that wrote it."""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp

from jaxfair import manifest
from jaxfair.training import Member, Stage

_FORMAT = 3  # Of the arrays in a checkpoint: one of an earlier version is one of another sweep.
_OVERHEAD = 2**20  # Bytes, generously: Orbax's metadata and the file system's blocks.
_KEPT = 2  # Checkpoints.
_ARRAYS, _ABOUT = "arrays", "about.json"


class Position(NamedTuple):
    """Where a sweep stands between two segments.

    Attributes:
      started: Members that were given a place so far, the first ones; the others wait.
      held: By stage, the members that are within it; those started and in no stage have ended.
    """

    started: int
    held: list[list[int]]


class CheckpointError(RuntimeError):
    """A checkpoint could not be written or read, or belongs to another sweep."""


def fingerprint(stages: Sequence[Stage], members: Member, data: Any, width: int, kept: Any = None) -> str:
    """A digest of what a sweep computes, as far as arrays and names tell: to notice a checkpoint of another one.

    Args:
      stages: Of the sweep.
      members: Of the sweep.
      data: What else it computes with.
      width: Of its placement.
      kept: Shapes of what is kept of its members, None where it is their state.
    """
    digest = hashlib.sha256()
    digest.update(json.dumps([_FORMAT, [[stage.name, stage.num_epochs] for stage in stages], width]).encode())
    members = members._replace(key=jax.random.key_data(members.key))
    for path, leaf in jax.tree_util.tree_leaves_with_path((members, data)):
        leaf = np.asarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {leaf.shape} {leaf.dtype}".encode())
        digest.update(leaf.tobytes())
    for path, leaf in jax.tree_util.tree_leaves_with_path(kept):
        digest.update(f"kept {jax.tree_util.keystr(path)} {leaf.shape[1:]} {leaf.dtype}".encode())
    return digest.hexdigest()


class Checkpoints:
    """The checkpoints of one sweep in one folder, each in a folder of its number; the newest two are kept.

    A checkpoint is written beside the others and renamed when it is complete, with checksums of all its files, which
    are compared before anything in it is read: Orbax would return a flipped bit as a number.
    """

    def __init__(self, directory: str | pathlib.Path, fingerprint: str):
        self._directory = pathlib.Path(directory).absolute()
        self._fingerprint = fingerprint
        self._damaged: set[int] = set()  # Numbers of the checkpoints that were found so.
        if self._directory.exists() and not self._directory.is_dir():
            raise CheckpointError(f"{self._directory}: is a file and cannot hold checkpoints; name a folder.")
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            for unfinished in self._directory.glob(".*.part"):
                shutil.rmtree(unfinished)
        except OSError as error:
            raise CheckpointError(f"{self._directory}: cannot hold checkpoints ({error}).") from error

    def position(self) -> Position | None:
        """Where the newest whole checkpoint stands, or None if there is none.

        One that is damaged or incomplete is skipped with a warning that says what is wrong with it.

        Raises:
          CheckpointError: It belongs to another sweep, or cannot be read.
        """
        numbers = self._numbers()
        for place, number in enumerate(numbers):
            try:
                manifest.verify(self._directory / str(number))
                about = json.loads(manifest.read_file(self._directory / str(number), _ABOUT))
            except manifest.DamagedError as error:
                older = f"goes on from checkpoint {numbers[place + 1]}" if place + 1 < len(numbers) else "begins anew"
                warnings.warn(f"{error}; the sweep {older}.", RuntimeWarning, stacklevel=2)
                self._damaged.add(number)
                continue
            except OSError as error:
                raise self._unreadable(number, error) from error
            if about["fingerprint"] != self._fingerprint:
                raise CheckpointError(
                    f"{self._directory}: holds a sweep with other stages, members, data or width, another `finish` or "
                    "an earlier version; use another folder, or delete this one to start again."
                )
            return Position(about["started"], about["held"])
        return None

    def restore(self, like: Any) -> Any:
        """The arrays of the checkpoint at `position`, as NumPy, in the structure and shapes of `like`."""
        like = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), like)
        number = next(number for number in self._numbers() if number not in self._damaged)
        try:
            with _plain_path(self._directory / str(number)) as folder, _orbax() as orbax:
                arguments = ocp.args.PyTreeRestore(like, restore_args=jax.tree.map(_as_saved, like))
                return orbax.restore(folder / _ARRAYS, args=arguments)
        except (OSError, ValueError, KeyError) as error:
            raise self._unreadable(number, error) from error

    def save(self, position: Position, arrays: Any) -> None:
        """Writes a checkpoint. It counts only once it is complete: the finished folder is renamed into place.

        Raises:
          CheckpointError: It could not be written (a full disk, say); earlier checkpoints remain good.
        """
        others = self._numbers()
        number = max(others, default=0) + 1
        self._check_space(number, arrays)
        part = self._directory / f".{number}.part"
        try:
            part.mkdir()
            with _plain_path(part) as folder, _orbax() as orbax:
                orbax.save(folder / _ARRAYS, args=ocp.args.PyTreeSave(arrays))
            about = {**position._asdict(), "fingerprint": self._fingerprint}
            (part / _ABOUT).write_text(json.dumps(about), encoding="utf-8")
            manifest.write(part)
            os.rename(part, self._directory / str(number))
            manifest.sync(self._directory)
        except (OSError, ValueError, RuntimeError) as error:
            shutil.rmtree(part, ignore_errors=True)
            # Tensorstore reports a full disk as a ValueError whose text holds the system's words.
            raise CheckpointError(
                f"{self._directory}: checkpoint {number} could not be written ({_first_line(error)}). Checkpoints "
                "before it are complete: free some space and start the same command again to go on from there."
            ) from error
        earlier = [other for other in others if other not in self._damaged]
        for other in others:
            if other not in earlier[: _KEPT - 1]:
                shutil.rmtree(self._directory / str(other), ignore_errors=True)

    def _numbers(self) -> list[int]:
        """Of all checkpoints, whole or not, the newest first."""
        names = [path.name for path in self._directory.iterdir() if path.is_dir()]
        return sorted((int(name) for name in names if re.fullmatch("[1-9][0-9]*", name)), reverse=True)

    def _check_space(self, number: int, arrays: Any) -> None:
        """Says so before a disk overflows: Orbax's threads would tell it in dozens of tracebacks."""
        free = shutil.disk_usage(self._directory).free
        needed = _OVERHEAD + sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(arrays))
        if free < needed:
            raise CheckpointError(
                f"{self._directory}: checkpoint {number} could not be written (the disk is full: it needs up to "
                f"{needed / 2**20:.1f} MB and {free / 2**20:.1f} MB are free). Checkpoints before it are complete: "
                "free some space and start the same command again to go on from there."
            )

    def _unreadable(self, number: int, error: Exception) -> CheckpointError:
        return CheckpointError(
            f"{self._directory}: checkpoint {number} cannot be read ({_first_line(error)}). Delete its folder "
            f"{number} to go on from the one before, or the whole folder to start again."
        )


def _orbax() -> ocp.Checkpointer:
    return ocp.Checkpointer(ocp.PyTreeCheckpointHandler())


def _as_saved(leaf: np.ndarray) -> ocp.RestoreArgs:
    return ocp.RestoreArgs(restore_type=np.ndarray)


@contextlib.contextmanager
def _plain_path(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """A path to a folder without characters that mean something to Orbax: it takes `[1]` in a name for a pattern."""
    if re.fullmatch(r"[A-Za-z0-9_./-]*", str(folder)):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="jaxfair-") as temporary:
        alias = pathlib.Path(temporary) / "checkpoint"
        alias.symlink_to(folder, target_is_directory=True)
        yield alias


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
