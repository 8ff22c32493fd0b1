"""What a TensorFlow Datasets builder needs to be a cache: a name for its contents, and to survive whatever befalls it.

TensorFlow itself is not needed: the examples are stored as array records and read with `as_data_source`.
"""

import contextlib
import hashlib
import io
import os
import pathlib
import shutil
import tempfile
import types
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

import absl.logging

if TYPE_CHECKING:  # It takes seconds to import: only where something is read or built.
    import tensorflow_datasets as tfds

Cached = TypeVar("Cached")
_CHECKSUM = "sha256"  # The file's name.


def default_cache_dir() -> pathlib.Path:
    """`jaxfair` in the user's cache folder: `$XDG_CACHE_HOME`, or `~/.cache` where that is not set."""
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "jaxfair"


def code_digest(files: Iterable[str], libraries: Iterable[types.ModuleType]) -> "hashlib._Hash":
    """A SHA-256 begun with the text of a pipeline and the versions below it, to be updated with its data and options.

    Args:
      files: Python files whose text decides what is cached; this file is always one of them.
      libraries: Modules with a `__version__`.
    """
    digest = hashlib.sha256()
    for file in (*files, __file__):
        digest.update(pathlib.Path(file).read_bytes())
    digest.update(repr([(library.__name__, library.__version__) for library in libraries]).encode())
    return digest


def read_or_build(
    builder: "type[tfds.core.GeneratorBasedBuilder]",
    read: "Callable[[tfds.core.GeneratorBasedBuilder], Cached]",
    folder: pathlib.Path,
    *,
    cache_dir: str | os.PathLike,
    config: "tfds.core.BuilderConfig",
    **options,
) -> Cached:
    """What a builder's files hold; they are made if they are not there or not what was written.

    They are made in a folder of this process, with a checksum of them all, and renamed when all is written: a build
    that was killed is never found. Of two processes that build at the same time the first to finish wins, and the
    second uses its files. The checksum is compared before anything is read: TFDS would return most
    flipped bits as numbers.

    Args:
      builder: The class.
      read: What to make of a finished builder.
      folder: The raw data, which the builder gets as `manual_dir`.
      cache_dir: Where the files are kept, in a folder of the builder's name.
      config: The builder's configuration, whose name names the contents.
      **options: Further arguments of the builder.
    """
    import tensorflow_datasets as tfds

    cache_dir = pathlib.Path(cache_dir)
    inner = pathlib.Path(builder.name, config.name, str(builder.VERSION))
    made = cache_dir / inner
    with _quiet_tfds():
        if made.exists() and not _is_as_written(made):
            warnings.warn(f"{made} is damaged or incomplete: made again from {folder}.", RuntimeWarning, stacklevel=2)
            shutil.rmtree(made)
        if not made.exists():
            cache_dir.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".", suffix=".part", dir=cache_dir) as part:
                download = tfds.download.DownloadConfig(manual_dir=folder, try_download_gcs=False)
                builder(data_dir=part, config=config, **options).download_and_prepare(download_config=download)
                _seal(part / inner)
                made.parent.mkdir(parents=True, exist_ok=True)
                try:
                    os.rename(part / inner, made)
                except OSError:
                    if not made.exists():
                        raise
        return read(builder(data_dir=cache_dir, config=config, **options))


def _seal(folder: pathlib.Path) -> None:
    """Writes a checksum of all files, after they have reached the disk."""
    for path in folder.rglob("*"):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    content = _checksum(folder)
    with open(folder / _CHECKSUM, "w", encoding="ascii") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _is_as_written(folder: pathlib.Path) -> bool:
    try:
        return (folder / _CHECKSUM).read_bytes() == _checksum(folder).encode()
    except FileNotFoundError:
        return False


def _checksum(folder: pathlib.Path) -> str:
    """SHA-256 of the names, sizes and contents of all files but the checksum's own."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path != folder / _CHECKSUM:
            content = path.read_bytes()
            digest.update(f"{path.relative_to(folder)} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()


@contextlib.contextmanager
def _quiet_tfds() -> Iterator[None]:
    """Keeps TFDS from announcing a download that does not take place; warnings of our own pass."""
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()  # Its bars count shards; ours counts records.
    verbosity = absl.logging.get_verbosity()
    absl.logging.set_verbosity(absl.logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        absl.logging.set_verbosity(verbosity)
