"""One file of the UCR archive in any of its four forms: labelled series of numbers, of which some may be missing.

* `.tsv` (the archive of 2018) and `.txt` (timeseriesclassification.com): a series a line, first its label; separated by
  tabs, commas or blanks. A shorter series is filled up with NaN at its end.
* `.ts` (sktime, aeon): a header of `@tag value` lines, then `value,value,...:label`. Shorter series are shorter lines.
* `.arff` (Weka): a header of `@attribute` lines, then `value,value,...,label`. A shorter series is filled up with `?`.

The headers of the latter two declare the labels; the former two have no header, not even one of columns.

References:
  Dau et al., The UCR Time Series Classification Archive, 2018, https://www.cs.ucr.edu/~eamonn/time_series_data_2018/.
  https://www.aeon-toolkit.org/en/stable/api_reference/data_format.html (.ts).
"""

import collections
import dataclasses
import fractions
import pathlib
from typing import NoReturn

import numpy as np

from data_pipelines.ucr import forms
from data_pipelines.ucr.labels import as_number
from data_pipelines.ucr.lines import read_lines

EXTENSIONS = (".tsv", ".txt", ".ts", ".arff")  # In the order of preference: the archive's own first.


@dataclasses.dataclass(frozen=True)
class SeriesFile:
    """What a file says.

    Attributes:
      path: The file.
      labels: By series, as written, without quotes.
      series: By series, `[time]`, float64; NaN where a value is missing, but not after the series' end.
      lines: By series, the line that it was on, from 1.
      unequal: Whether the file says of itself that its series differ in length (only `.ts` can).
    """

    path: pathlib.Path
    labels: tuple[str, ...]
    series: tuple[np.ndarray, ...]
    lines: tuple[int, ...]
    unequal: bool


def read_series(path: pathlib.Path, *, gaps_at_end: bool = False) -> SeriesFile:
    """Reads a file, whichever of the four forms its extension names.

    `.tsv`, `.txt` and `.arff` write a shorter series and a series whose last values are missing in the same way. What
    is missing at the end is taken for the end unless `gaps_at_end`, or a `.ts` header does not say that lengths differ.

    Args:
      path: With one of `EXTENSIONS`.
      gaps_at_end: Whether missing values at the end of a row are gaps in a series of full length.

    Returns:
      The series; at least one, each with at least one number.

    Raises:
      ValueError: The file is empty or no text, a row has too few or too many values, a value is no number, a label is
        missing or not one that the header declares, all values of a series are missing, the first row is a header of
        columns, or the form has something (timestamps, dimensions) that no problem of the archive has.
    """
    lines = [line.rstrip(" \t").lstrip(" ") for line in read_lines(path)]
    if not any(lines):
        raise ValueError(f"{path} is empty.")
    rows_of = {".ts": forms.ts_rows, ".arff": forms.arff_rows}.get(path.suffix, forms.plain_rows)
    found = rows_of(path, lines)
    if not found.rows:
        raise ValueError(f"{path} has a header but no series.")
    if not found.unequal:
        _check_widths(path, found)
    series = [_series(path, row, found.gaps_at_end or gaps_at_end) for row in found.rows]
    _check_labels(path, found)
    return SeriesFile(
        path=path,
        labels=tuple(row.label for row in found.rows),
        series=tuple(series),
        lines=tuple(row.line for row in found.rows),
        unequal=found.unequal,
    )


def _check_widths(path: pathlib.Path, found: forms.Rows) -> None:
    # The most frequent, for the first row may be the damaged one.
    counts = collections.Counter(len(row.values) for row in found.rows)
    width = found.width or max(counts, key=lambda count: (counts[count], count))
    for row in found.rows:
        if len(row.values) != width:
            source = "its header" if found.width else "its other lines"
            raise ValueError(
                f"{path}, line {row.line}: expected {width} values, as in {source}, but found {len(row.values)};"
                " download the file again."
            )


def _check_labels(path: pathlib.Path, found: forms.Rows) -> None:
    declared = None if found.declared is None else {_same(label) for label in found.declared}
    for row in found.rows:
        if row.label.lower() in forms.MISSING_LABELS:
            raise ValueError(f"{path}, line {row.line}: the class label is missing.")
        if declared is not None and _same(row.label) not in declared:
            known = ", ".join(label[:80] for label in found.declared[:10]) + ", ..." * (len(found.declared) > 10)
            raise ValueError(
                f"{path}, line {row.line}: the class label {row.label[:80]!r} is none of those that the header"
                f" declares: {known}."
            )


def _same(label: str) -> fractions.Fraction | str:
    """What two ways of writing one label have in common."""
    number = as_number(label)
    return label if number is None else number


def _series(path: pathlib.Path, row: forms.Row, gaps_at_end: bool) -> np.ndarray:
    texts = ["nan" if text.strip() == "?" else text for text in row.values]
    together = "".join(row.values)
    try:
        # Python, and with it NumPy, takes 1_0 for 10 and digits and blanks of any script.
        values = np.array(texts if together.isascii() and "_" not in together else [""], dtype=np.float64)
    except ValueError:
        values = np.array([_number(path, row, index, text) for index, text in enumerate(texts)])
    too_large = np.abs(values) > np.finfo(np.float32).max
    if too_large.any():
        _refuse(path, row, int(too_large.argmax()), "too large for a 32-bit number")
    known = np.flatnonzero(~np.isnan(values))
    if not len(known):
        raise ValueError(f"{path}, line {row.line}: all {len(values)} values of the series are missing.")
    return values if gaps_at_end else values[: known[-1] + 1]


def _number(path: pathlib.Path, row: forms.Row, index: int, text: str) -> float:
    if text.isascii() and "_" not in text:
        try:
            return float(text)
        except ValueError:
            pass
    return _refuse(path, row, index, "no number")


def _refuse(path: pathlib.Path, row: forms.Row, index: int, what: str) -> NoReturn:
    column = row.first_column + index
    raise ValueError(f"{path}, line {row.line}, column {column}: {row.values[index].strip()[:80]!r} is {what}.")
