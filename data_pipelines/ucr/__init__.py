"""The UCR time series classification archive: any of its problems by name, from its own layout."""

import dataclasses
import difflib
import os
import pathlib

from data_pipelines import tfds_cache
from data_pipelines.ucr import checksums
from data_pipelines.ucr.files import EXTENSIONS
from data_pipelines.ucr.problem import Problem

__all__ = ["Problem", "find_files", "load", "problem_names"]

SOURCE = "the UCR archive, unpacked from https://www.cs.ucr.edu/~eamonn/time_series_data_2018/"


def load(
    root: str | os.PathLike,
    name: str,
    *,
    cache_dir: str | os.PathLike | None = None,
    normalize: bool = False,
    padding_seed: int = 0,
) -> Problem:
    """One problem of the archive: its series, classes and split.

    The values are the archive's. Most of its problems are stored z-normalised, the four ECG problems of
    `checksums` to 2e-8 (`Problem.deviation` measures it); nothing is normalised unless `normalize` says so. Missing
    values and unequal lengths are completed as the archive does it (see `ucr.problem`), and the problem says how many.
    The archive's own completed copies are problems of a root of their own:
    `load(root / "Missing_value_and_variable_length_datasets_adjusted", name)`.

    Args:
      root: The archive's folder: `<root>/<Name>/<Name>_TRAIN.tsv` and `_TEST.tsv`, or both as `.txt`, `.ts` or `.arff`.
        Where there are several forms, the first in this order is read. Or a folder that holds it as `UCRArchive_2018`.
      name: Of the problem, like ECG200.
      cache_dir: Where to keep the problem as a TFDS data set; None reads the text, which hardly takes longer. What is
        found there is used only if files, options, code and libraries are those it was made with.
      normalize: Whether to z-normalise each series, as in `ucr.problem.assemble`.
      padding_seed: Of the noise that pads shorter series.

    Returns:
      The problem. A warning says if its name is one of `ucr.checksums` and its content is not.

    Raises:
      FileNotFoundError: The folder, the problem or one of its two files is not there.
      ValueError: A file cannot be used; the sentence says which line.
    """
    from data_pipelines.ucr import builder  # TensorFlow Datasets takes seconds to import: only where it is used.

    train, test = find_files(root, name)
    config = builder.UcrConfig(
        name, problem=name, train=train.name, test=test.name, normalize=normalize, padding_seed=padding_seed
    )
    verified = checksums.verify(name, train, test)
    if cache_dir is None:
        problem = config.assemble(train.parent)
    else:
        config = dataclasses.replace(config, name=config.cache_name(train.parent))
        problem = tfds_cache.read_or_build(
            builder.UcrProblem, builder.read, train.parent, cache_dir=cache_dir, config=config
        )
    return dataclasses.replace(problem, verified=verified)


def problem_names(root: str | os.PathLike) -> list[str]:
    """The names of the problems in the archive's folder, whatever their form, in alphabetical order.

    Raises:
      FileNotFoundError: `root` is no folder.
    """
    root = _archive(root)
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder; expected {SOURCE}.")
    return sorted(path.name for path in root.iterdir() if path.is_dir() and any(path.glob(f"{path.name}_T[RE]*")))


def find_files(root: str | os.PathLike, name: str) -> tuple[pathlib.Path, pathlib.Path]:
    """The TRAIN and TEST file of a problem, both in the first of `EXTENSIONS` in which both are there.

    Raises:
      FileNotFoundError: The folder, the problem or one of its two files is not there.
    """
    root, names = _archive(root), problem_names(root)
    if name not in names:
        raise FileNotFoundError(f"{root} has no problem {name!r}; {_hint(name, names)}")
    folder = root / name
    pairs = [tuple(folder / f"{name}_{split}{extension}" for split in ("TRAIN", "TEST")) for extension in EXTENSIONS]
    for train, test in pairs:
        if train.is_file() and test.is_file():
            return train, test
    halves = [(there, missing) for one, other in pairs for there, missing in ((one, other), (other, one))]
    found = [f"{there.name} without {missing.name}" for there, missing in halves if there.is_file()]
    raise FileNotFoundError(
        f"{folder} has {' and '.join(found) or f'neither TRAIN nor TEST as {EXTENSIONS}'}; expected both in one form,"
        f" as in {SOURCE}."
    )


def _archive(root):
    """The archive's own folder."""
    inside = pathlib.Path(root) / "UCRArchive_2018"
    return inside if inside.is_dir() else pathlib.Path(root)


def _hint(name: str, names: list[str]) -> str:
    by_lower = {known.lower(): known for known in names}
    near = [by_lower[match] for match in difflib.get_close_matches(name.lower(), by_lower, n=3)]
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"it has {', '.join(names[:5]) + ', ...' * (len(names) > 5) or 'none at all'}; expected {SOURCE}."
