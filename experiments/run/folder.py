"""A run's folder: one process, one configuration, files that are whole or not there."""

import contextlib
import fcntl
import json
import os
import pathlib
import socket
import time
from collections.abc import Iterator
from typing import Any


def write_json(path: pathlib.Path, content: Any) -> None:
    """Writes a JSON file whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(content, indent=2) + "\n")
    os.replace(part, path)


@contextlib.contextmanager
def locked(path: pathlib.Path, owner: str | None, what: str, *, shared: bool = False) -> Iterator[None]:
    """Holds a lock file, which the system releases however the process ends.

    Args:
      path: The file.
      owner: What it says while it is held; None leaves its text.
      what: What is locked, for the message.
      shared: Whether others may hold it too, if they share as well.

    Raises:
      RuntimeError: Another process holds it.
    """
    with open(path, "a+") as lock:
        try:
            fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise RuntimeError(
                f"{what}: {lock.read().strip() or 'another process'} is running there; wait for it, or use another "
                "--workdir."
            ) from None
        if owner is not None:
            lock.truncate(0)
            lock.write(owner)
            lock.flush()
        yield


def alone(workdir: pathlib.Path, *, shared: bool = False) -> contextlib.AbstractContextManager[None]:
    """Holds the folder's lock: alone for a whole run, `shared` with others of their kind for single parts."""
    return locked(workdir / ".lock", this_process(), str(workdir), shared=shared)


def this_process() -> str:
    """Who is running: process, machine, and since when."""
    return f"process {os.getpid()} on {socket.gethostname()} since {time.strftime('%Y-%m-%d %H:%M:%S')}"


def same_configuration(workdir: pathlib.Path, config: Any) -> None:
    """Writes config.json, or raises a ValueError where the folder holds a run of another configuration."""
    content = json.loads(config.to_json_best_effort())
    earlier = read_json(workdir / "config.json")
    if earlier is None:
        if any((workdir / name).exists() for name in ("checkpoints", "parts", "results.parquet")):
            raise ValueError(f"{workdir}: has results but no config.json; use another --workdir.")
        write_json(workdir / "config.json", content)
        return
    old, new = _flat(earlier), _flat(content)
    changed = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    if changed:
        listed = "; ".join(f"{name} was {old.get(name)!r}, is {new.get(name)!r}" for name in changed[:5])
        raise ValueError(
            f"{workdir}: holds a run of another configuration ({listed}); use another --workdir, or the same "
            "configuration to go on."
        )


def _flat(content, prefix=""):
    if not isinstance(content, dict):
        return {prefix: content}
    flat = {}
    for name, value in content.items():
        flat |= _flat(value, f"{prefix}.{name}" if prefix else name)
    return flat


def read_json(path: pathlib.Path) -> Any:
    """What a JSON file holds, None where there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(
            f"{path} is not valid JSON ({error}); restore it, or delete the folder and run the study again."
        ) from None
