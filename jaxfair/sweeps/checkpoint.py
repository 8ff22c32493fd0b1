"""A sweep's progress on disk: written whole or not at all, by Orbax, and never trusted for another sweep."""

import hashlib
import json
import pathlib
import shutil
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp

from jaxfair.training import Member, Stage

_FORMAT = 2  # Of the arrays in a checkpoint: one of an earlier version is one of another sweep.
_OVERHEAD = 2**20  # Bytes, generously: Orbax's metadata and the file system's blocks.


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
    """The checkpoints of one sweep in one folder; the newest two are kept."""

    def __init__(self, directory: str | pathlib.Path, fingerprint: str):
        self._directory = pathlib.Path(directory).absolute()
        self._fingerprint = fingerprint
        if self._directory.exists() and not self._directory.is_dir():  # Orbax would only notice when it saves.
            raise CheckpointError(f"{self._directory}: is a file and cannot hold checkpoints; name a folder.")
        try:
            self._manager = ocp.CheckpointManager(
                self._directory,
                options=ocp.CheckpointManagerOptions(
                    max_to_keep=2, cleanup_tmp_directories=True, enable_async_checkpointing=False
                ),
            )
        except OSError as error:
            raise CheckpointError(f"{self._directory}: cannot hold checkpoints ({error}).") from error

    def position(self) -> Position | None:
        """Where the newest checkpoint stands, or None if there is none.

        Raises:
          CheckpointError: It belongs to another sweep, or cannot be read.
        """
        step = self._manager.latest_step()
        if step is None:
            return None
        about = self._restore(step, about=ocp.args.JsonRestore())["about"]
        if about["fingerprint"] != self._fingerprint:
            raise CheckpointError(
                f"{self._directory}: holds a sweep with other stages, members, data or width, another `finish` or an "
                "earlier version; use another folder, or delete this one to start again."
            )
        return Position(about["started"], about["held"])

    def restore(self, like: Any) -> Any:
        """The newest checkpoint's arrays, as NumPy, in the structure and shapes of `like`."""
        like = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), like)
        return self._restore(self._manager.latest_step(), arrays=ocp.args.StandardRestore(like))["arrays"]

    def save(self, position: Position, arrays: Any) -> None:
        """Writes a checkpoint. It counts only once it is complete: Orbax renames the finished folder into place.

        Raises:
          CheckpointError: It could not be written (a full disk, say); earlier checkpoints remain good.
        """
        about = {**position._asdict(), "fingerprint": self._fingerprint}
        step = (self._manager.latest_step() or 0) + 1
        self._check_space(step, arrays)
        arguments = ocp.args.Composite(arrays=ocp.args.StandardSave(arrays), about=ocp.args.JsonSave(about))
        try:
            self._manager.save(step, args=arguments)
            self._manager.wait_until_finished()
        except (OSError, ValueError, RuntimeError) as error:
            # Tensorstore reports a full disk as a ValueError whose text holds the system's words.
            raise CheckpointError(
                f"{self._directory}: checkpoint {step} could not be written ({_first_line(error)}). Checkpoints before "
                "it are complete: free some space and start the same command again to go on from there."
            ) from error

    def _check_space(self, step: int, arrays: Any) -> None:
        """Says so before a disk overflows: Orbax's threads would tell it in dozens of tracebacks."""
        free = shutil.disk_usage(self._directory).free
        needed = _OVERHEAD + sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(arrays))
        if free < needed:
            raise CheckpointError(
                f"{self._directory}: checkpoint {step} could not be written (the disk is full: it needs up to "
                f"{needed / 2**20:.1f} MB and {free / 2**20:.1f} MB are free). Checkpoints before it are complete: "
                "free some space and start the same command again to go on from there."
            )

    def _restore(self, step: int, **items: Any) -> Any:
        try:
            return self._manager.restore(step, args=ocp.args.Composite(**items))
        except (OSError, ValueError, KeyError) as error:
            raise CheckpointError(
                f"{self._directory}: checkpoint {step} cannot be read ({_first_line(error)}). Delete its folder "
                f"{step} to go on from the one before, or the whole folder to start again."
            ) from error

    def close(self) -> None:
        self._manager.close()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
