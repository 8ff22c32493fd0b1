"""One file of the UCR archive in any of its four forms: labelled series of numbers, of which some may be missing.

* `.tsv` (the archive of 2018) and `.txt` (timeseriesclassification.com): a series a line, first its label; separated by
  tabs, commas or blanks. A shorter series is filled up with NaN at its end.
* `.ts` (sktime, aeon): a header of `@tag value` lines, then `value,value,...:label`. Shorter series are shorter lines.
* `.arff` (Weka): a header of `@attribute` lines, then `value,value,...,label`. A shorter series is filled up with `?`.

References:
  Dau et al., The UCR Time Series Classification Archive, 2018, https://www.cs.ucr.edu/~eamonn/time_series_data_2018/.
  https://www.aeon-toolkit.org/en/stable/api_reference/data_format.html (.ts).
"""

import collections
import dataclasses
import pathlib
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

import numpy as np

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


class _Row(NamedTuple):
    line: int
    label: str
    values: list[str]
    first_column: int  # Of the values, counted from 1 as an editor or a spreadsheet does.


class _Rows(NamedTuple):
    rows: list[_Row]
    width: int | None  # How many values every row must have, if the header says so.
    unequal: bool  # Whether the header says that rows have as many values as they like.
    gaps_at_end: bool  # Whether NaN at the end of a row cannot mean that the series was shorter.


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
      ValueError: The file is empty, a row has too few or too many values, a value is no number, a label or all values
        of a series are missing, or the form has something (timestamps, dimensions) that no problem of the archive has.
    """
    lines = _read_lines(path)
    if not any(lines):
        raise ValueError(f"{path} is empty.")
    if path.suffix == ".ts":
        found = _ts_rows(path, lines)
    elif path.suffix == ".arff":
        found = _arff_rows(path, lines)
    else:
        found = _plain_rows(lines)
    if not found.rows:
        raise ValueError(f"{path} has a header but no series.")
    if not found.unequal:
        _check_widths(path, found)
    series = [_series(path, row, found.gaps_at_end or gaps_at_end) for row in found.rows]
    for row in found.rows:
        if row.label.lower() in ("", "?", "nan"):
            raise ValueError(f"{path}, line {row.line}: the class label is missing.")
    return SeriesFile(
        path=path,
        labels=tuple(row.label for row in found.rows),
        series=tuple(series),
        lines=tuple(row.line for row in found.rows),
        unequal=found.unequal,
    )


def _read_lines(path: pathlib.Path) -> list[str]:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:  # Descriptions in headers hold names of people and places in older encodings.
        text = data.decode("latin-1")
    return [line.strip() for line in text.split("\n")]


def _plain_rows(lines: Sequence[str]) -> _Rows:
    rows = []
    for number, line in enumerate(lines, start=1):
        if line:
            separator = next((mark for mark in ("\t", ",") if mark in line), None)
            label, *values = line.split(separator)
            rows.append(_Row(number, _unquoted(label), values, first_column=2))
    return _Rows(rows, width=None, unequal=False, gaps_at_end=False)


def _ts_rows(path: pathlib.Path, lines: Sequence[str]) -> _Rows:
    words, body = _split_header(path, lines)
    header = {tag.lower(): values for tag, *values in words}
    for tag, refused, what in (
        ("@timestamps", "true", "timestamps"),
        ("@univariate", "false", "several dimensions"),
        ("@classlabel", "false", "no class labels"),
        ("@targetlabel", "true", "numbers to regress on in place of class labels"),
    ):
        is_single = tag == "@univariate" and header.get("@dimensions") == ["1"]
        if [value.lower() for value in header.get(tag, [])[:1]] == [refused] and not is_single:
            raise ValueError(
                f"{path}: {tag} {refused} means {what}, which the UCR archive's problems do not have; use another file."
            )
    rows = []
    for number, line in body:
        values, *labels = line.split(":")
        if len(labels) != 1:
            raise ValueError(
                f"{path}, line {number}: expected one colon, between the values and the class label, but found"
                f" {len(labels)} after {len(values.split(','))} values; the row is cut short or has several dimensions."
            )
        rows.append(_Row(number, _unquoted(labels[0]), values.split(","), first_column=1))
    unequal = [value.lower() for value in header.get("@equallength", [])] == ["false"]
    width = header.get("@serieslength", [])
    return _Rows(rows, int(width[0]) if width and width[0].isdigit() else None, unequal, gaps_at_end=not unequal)


def _arff_rows(path: pathlib.Path, lines: Sequence[str]) -> _Rows:
    words, body = _split_header(path, lines)
    attributes = [values for tag, *values in words if tag.lower() == "@attribute"]
    if not attributes or not attributes[-1] or not attributes[-1][-1].endswith("}"):
        raise ValueError(
            f"{path}: the last @attribute must list the classes as {{a,b}}, as in the archive's .arff form."
        )
    rows = []
    for number, line in body:
        *values, label = line.split(",")
        rows.append(_Row(number, _unquoted(label), values, first_column=1))
    return _Rows(rows, width=len(attributes) - 1, unequal=False, gaps_at_end=False)


def _split_header(path: pathlib.Path, lines: Sequence[str]) -> tuple[list[list[str]], list[tuple[int, str]]]:
    """The words of each header line, and the lines after @data with their numbers; neither has comments."""
    # The archive's descriptions begin with # in .ts and with % in .arff, but some .ts files have %.
    written = [(number, line) for number, line in enumerate(lines, start=1) if line and line[0] not in "#%"]
    header = []
    for index, (number, line) in enumerate(written):
        if line.lower() == "@data":
            return header, written[index + 1 :]
        if not line.startswith("@"):
            raise ValueError(f"{path}, line {number}: expected a header line that begins with @, up to @data.")
        header.append(line.split())
    raise ValueError(f"{path} has no line @data, after which the series must follow.")


def _check_widths(path: pathlib.Path, found: _Rows) -> None:
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


def _series(path: pathlib.Path, row: _Row, gaps_at_end: bool) -> np.ndarray:
    texts = ["nan" if text.strip() == "?" else text for text in row.values]
    try:
        values = np.array(texts, dtype=np.float64)
    except ValueError:
        values = np.array([_number(path, row, index, text) for index, text in enumerate(texts)])
    too_large = np.abs(values) > np.finfo(np.float32).max
    if too_large.any():
        _refuse(path, row, int(too_large.argmax()), "too large for a 32-bit number")
    known = np.flatnonzero(~np.isnan(values))
    if not len(known):
        raise ValueError(f"{path}, line {row.line}: all {len(values)} values of the series are missing.")
    return values if gaps_at_end else values[: known[-1] + 1]


def _number(path: pathlib.Path, row: _Row, index: int, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        _refuse(path, row, index, "no number")


def _refuse(path: pathlib.Path, row: _Row, index: int, what: str) -> NoReturn:
    column = row.first_column + index
    raise ValueError(f"{path}, line {row.line}, column {column}: {row.values[index].strip()!r} is {what}.")


def _unquoted(label: str) -> str:
    return label.strip().strip("'\"")
