"""What a TensorFlow Datasets builder needs to be a cache: a name for its contents, and to survive whatever befalls it.

TensorFlow itself is not needed: the examples are stored as array records and read with `as_data_source`.
"""

import contextlib
import hashlib
import io
import os
import pathlib
import shutil
import types
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

import absl.logging

if TYPE_CHECKING:  # It takes seconds to import: only where something is read or built.
    import tensorflow_datasets as tfds

Cached = TypeVar("Cached")


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
    make_builder: "Callable[[], tfds.core.GeneratorBasedBuilder]",
    read: "Callable[[tfds.core.GeneratorBasedBuilder], Cached]",
    folder: pathlib.Path,
) -> Cached:
    """What a builder's files hold; they are made if they are not there or cannot be read.

    TFDS writes into a folder of another name and renames it when all is written: a build that was killed is never
    found. Of two processes that build at the same time the first to finish wins, and the second uses its files.

    Args:
      make_builder: Gives a new builder, which looks at the disk when it is made.
      read: What to make of a finished builder. Whatever it raises means that the files are damaged.
      folder: The raw data, which the builder gets as `manual_dir`.
    """
    import tensorflow_datasets as tfds

    with _quiet_tfds():
        builder = make_builder()
        if builder.data_path.exists():
            try:
                return read(builder)
            except Exception as error:  # Whatever damaged files make their readers raise: they can be made again.
                warnings.warn(f"{builder.data_dir} is made again: {error}", RuntimeWarning, stacklevel=2)
                shutil.rmtree(builder.data_path)
                builder = make_builder()
        config = tfds.download.DownloadConfig(manual_dir=folder, try_download_gcs=False)
        try:
            builder.download_and_prepare(download_config=config)
        except OSError:
            if not builder.data_path.exists():
                raise
        return read(make_builder())


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
