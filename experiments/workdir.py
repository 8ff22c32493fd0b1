"""A run's folder: one process, one configuration, files that are whole or not there."""

import contextlib
import fcntl
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any


def write_json(path: pathlib.Path, content: Any) -> None:
    """Writes a JSON file whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(content, indent=2) + "\n")
    os.replace(part, path)


@contextlib.contextmanager
def alone(workdir: pathlib.Path) -> Iterator[None]:
    """Holds the folder's lock, which the system releases however the process ends."""
    with open(workdir / ".lock", "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise RuntimeError(
                f"{workdir}: process {lock.read().strip() or '(unknown)'} is running in this folder; wait for it, "
                "or use another --workdir."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def same_configuration(workdir: pathlib.Path, config: Any) -> None:
    """Writes config.json, or raises a ValueError where the folder holds a run of another configuration."""
    content = json.loads(config.to_json_best_effort())
    earlier = read_json(workdir / "config.json")
    if earlier is None:
        if any((workdir / name).exists() for name in ("checkpoints", "results.parquet")):
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
