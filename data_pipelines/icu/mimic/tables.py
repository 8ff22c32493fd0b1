"""The official tables of MIMIC-III and MIMIC-IV: plain or gzipped, names and columns in upper or lower case, in pieces.

MIMIC-IV has its tables in the folders `hosp` and `icu`, and calls a stay `stay_id` and a code `icd_code`.
"""

import pathlib
from collections.abc import Collection, Iterator, Mapping

import numpy as np
import pandas as pd

from data_pipelines import file_kind

SOURCE = "the folder of https://physionet.org/content/mimiciii/1.4/ or https://physionet.org/content/mimiciv/"
# What each table is for, to be said where it is missing.
WHAT_FOR = {
    "icustays": "the stays and their times",
    "admissions": "deaths in hospital, and race in MIMIC-III's way",
    "patients": "age, sex and dates of death",
    "chartevents": "vital signs, weight and height",
    "labevents": "laboratory values",
    "diagnoses_icd": "comorbidities, and acute kidney injury",
    "procedures_icd": "dialysis",
}
# By column, what MIMIC-III and MIMIC-IV call it.
_NAMES = {"stay": ("icustay_id", "stay_id"), "code": ("icd9_code", "icd_code")}
ROWS = 250_000  # Of a piece: at most some 300 MB of memory while it is parsed.


def find(folder: pathlib.Path, name: str) -> pathlib.Path:
    """The file of a table.

    Raises:
      FileNotFoundError: It is not there; says what it is for.
    """
    wanted = (f"{name}.csv", f"{name}.csv.gz")
    for place in (folder, folder / "icu", folder / "hosp"):
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            if path.name.lower() in wanted:
                return path
    raise FileNotFoundError(
        f"{folder} has no table {name} ({WHAT_FOR[name]}), as {' or '.join(wanted)}; expected {SOURCE}."
    )


def pieces(
    folder: pathlib.Path,
    name: str,
    columns: Mapping[str, str],
    optional: Mapping[str, str] | None = None,
    items: Collection[int] | None = None,
) -> Iterator[pd.DataFrame]:
    """A table piece by piece, so that one of any size fits into memory.

    Args:
      folder: Of MIMIC.
      name: Of the table, in lower case.
      columns: What is needed of it: by name in lower case, `stay` and `code` for either version's, the kind: "id" (a
        whole number), "number", "time" or "text".
      optional: More of these, which may be missing and are then left out.
      items: Rows of other items than these (column `itemid`) are left out.

    Yields:
      Frames with these columns: ids as nullable integers, numbers as float64, times as datetimes, texts as they are;
      what is missing as NA, NaN, NaT and "".

    Raises:
      FileNotFoundError: The table is not there.
      ValueError: It lacks a column, or a value is not of the column's kind.
    """
    path = find(folder, name)
    kinds = {**columns, **(optional or {})}
    try:
        header = pd.read_csv(path, nrows=0).columns
    except (ValueError, OSError, EOFError) as error:
        with open(path, "rb") as file:
            kind = file_kind.foreign_kind(file.read(1024))
        what = kind if kind and path.suffix != ".gz" else f"not a comma-separated table ({str(error).strip()})"
        raise ValueError(f"{path} is {what}; get it again.") from error
    there = {column.lower(): column for column in header}
    chosen = {}
    for column in kinds:
        own = next((there[each] for each in _NAMES.get(column, (column,)) if each in there), None)
        if own is not None:
            chosen[own] = column
        elif column in columns:
            names = " or ".join(_NAMES.get(column, (column,)))
            raise ValueError(f"{path}: column {names} is missing; expected {SOURCE}.")
    wanted = None if items is None else [str(item) for item in items]
    try:
        with pd.read_csv(path, dtype=str, na_filter=False, usecols=list(chosen), chunksize=ROWS) as reader:
            for piece in reader:
                piece = piece.rename(columns=chosen)
                if wanted is not None:  # Before anything is parsed: of the largest tables nine rows in ten.
                    piece = piece[piece["itemid"].isin(wanted)]
                yield pd.DataFrame({column: _typed(path, piece[column], kinds[column]) for column in piece})
    except (pd.errors.ParserError, OSError, EOFError) as error:
        raise ValueError(f"{path} ends or breaks off within a row ({str(error).strip()}); get it again.") from error


def whole(
    folder: pathlib.Path, name: str, columns: Mapping[str, str], optional: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """A table at once; of the small ones."""
    return pd.concat(pieces(folder, name, columns, optional), ignore_index=True)


def _typed(path, column, kind):
    if kind == "text":
        return column.str.strip()
    known = column.where(column != "", None)
    if kind == "time":
        typed = pd.to_datetime(known, errors="coerce", format="ISO8601").astype("datetime64[s]")
    else:
        typed = pd.to_numeric(known, errors="coerce").astype(float)
    wrong = typed.isna() & known.notna()
    if kind == "id":
        wrong |= typed.notna() & (typed != np.floor(typed))
    if wrong.any():
        row = wrong.idxmax()
        raise ValueError(f"{path}, row {row + 1}: {column.name} is {column[row]!r}, which is no {kind}.")
    return typed.astype("Int64") if kind == "id" else typed
