"""Checksums of a folder's files, written last: by them a reader knows that it reads what was written.

Disks, copies and file systems change bits without a word, and neither Orbax nor parquet compares what it reads with
what was saved. `write` puts a SHA-256 of each file into manifest.json, `verify` and `read_file` compare.
"""

import contextlib
import errno
import hashlib
import json
import os
import pathlib
from collections.abc import Iterable, Mapping

NAME = "manifest.json"
# A file that is gone, or sectors that cannot be read any more; what is merely forbidden or out of reach is no damage.
_LOST = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO)


class DamagedError(ValueError):
    """A file is missing, or is not what was written there."""


def write(
    folder: str | os.PathLike, names: Iterable[str] | None = None, others: Mapping[str, str] | None = None
) -> None:
    """Writes the checksums of a folder's files, after these have reached the disk.

    Args:
      folder: The folder.
      names: The files, relative to the folder, with "/". By default all below it but the manifest.
      others: Checksums of further files, as `read` returns them.

    Raises:
      OSError: A file cannot be read, or the manifest cannot be written.
    """
    folder = pathlib.Path(folder)
    if names is None:
        found = (path for path in folder.rglob("*") if path.is_file())
        names = (path.relative_to(folder).as_posix() for path in found if path != folder / NAME)
    names = sorted(names)
    checksums = {**(others or {})} | {name: _checksum(folder / name, sync=True) for name in names}
    for inner in {folder / pathlib.PurePosixPath(name).parent for name in names}:
        sync(inner)
    part = folder / f"{NAME}.part"
    with open(part, "w", encoding="utf-8") as file:
        json.dump({"files": checksums, "sha256": _own(checksums)}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, folder / NAME)
    sync(folder)


def read(folder: str | os.PathLike) -> dict[str, str]:
    """A folder's checksums by file.

    Raises:
      DamagedError: There is no manifest, or it is damaged itself.
    """
    path = pathlib.Path(folder) / NAME
    with _loss_named(path):
        content = path.read_bytes()
    try:
        parsed = json.loads(content)
        if parsed["sha256"] == _own(parsed["files"]):
            return parsed["files"]
    except (ValueError, LookupError, TypeError):
        pass
    raise DamagedError(f"{path} is damaged: its content is not what was written")


def verify(folder: str | os.PathLike) -> None:
    """Compares every file of a folder with its checksum.

    Files that the manifest does not name are not looked at.

    Raises:
      DamagedError: Names the first file that is missing or not what was written, or the manifest.
    """
    for sentence in damaged(folder).values():
        raise DamagedError(sentence)


def damaged(folder: str | os.PathLike) -> dict[str, str]:
    """What is wrong with a folder's files: by file, a sentence without its full stop. Empty where all is well."""
    folder, found = pathlib.Path(folder), {}
    try:
        checksums = read(folder)
    except DamagedError as error:
        return {NAME: str(error)}
    for name, checksum in checksums.items():
        path = folder / name
        try:
            with _loss_named(path):
                _compare(path, _checksum(path), checksum)
        except DamagedError as error:
            found[name] = str(error)
    return found


def read_file(folder: str | os.PathLike, name: str) -> bytes:
    """A file's content, which is what was written.

    Args:
      folder: The folder.
      name: The file, relative to it.

    Raises:
      DamagedError: The file is missing or not what was written, or the manifest is damaged or does not name it.
    """
    path = pathlib.Path(folder) / name
    checksums = read(folder)
    if name not in checksums:
        raise DamagedError(f"{path} is not among the files that {path.with_name(NAME)} lists")
    with _loss_named(path):
        content = path.read_bytes()
    _compare(path, hashlib.sha256(content).hexdigest(), checksums[name])
    return content


def sync(folder: str | os.PathLike) -> None:
    """Waits until a folder's entries are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _own(checksums):
    return hashlib.sha256(json.dumps(checksums, sort_keys=True).encode()).hexdigest()


def _checksum(path, sync=False):
    with open(path, "rb") as file:
        if sync:
            os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _compare(path, found, checksum):
    if found != checksum:
        raise DamagedError(f"{path} is damaged: its content is not what was written (SHA-256 differs)")


@contextlib.contextmanager
def _loss_named(path):
    try:
        yield
    except OSError as error:
        if error.errno not in _LOST:
            raise
        lost = "is missing" if error.errno == errno.ENOENT else f"cannot be read ({error.strerror})"
        raise DamagedError(f"{path} {lost}") from error
