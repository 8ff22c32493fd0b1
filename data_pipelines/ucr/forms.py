"""The rows of a file of the UCR archive in each of its forms: labels and values as they are written.

References:
  https://www.aeon-toolkit.org/en/stable/api_reference/data_format.html (.ts).
  https://waikato.github.io/weka-wiki/formats_and_processing/arff_stable/ (.arff).
"""

import pathlib
import re
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

from data_pipelines.ucr.labels import as_number

MISSING_LABELS = ("", "?", "nan")
# How a header names the column of labels that would otherwise become a class.
_LABEL_COLUMNS = frozenset(["class", "classes", "class_label", "classlabel", "label", "labels", "target", "y"])
_QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_BEFORE_COMMENT = re.compile(rf"""((?:[^%'"]|{_QUOTED})*)%.*""")
_QUOTED_LABEL = re.compile(rf"(.*),\s*({_QUOTED})\s*")
_DECLARED = re.compile(r"@attribute\s.*\{(.*)\}", re.IGNORECASE)
_DECLARED_LABEL = re.compile(rf"\s*({_QUOTED}|[^,]+)(?:,|$)")


class Row(NamedTuple):
    """One series: the label without quotes, the values as they are written."""

    line: int
    label: str
    values: list[str]
    first_column: int  # Of the values, counted from 1 as an editor or a spreadsheet does.


class Rows(NamedTuple):
    """All series of a file, and what its header says of them."""

    rows: list[Row]
    width: int | None  # How many values every row must have, if the header says so.
    unequal: bool  # Whether the header says that rows have as many values as they like.
    gaps_at_end: bool  # Whether NaN at the end of a row cannot mean that the series was shorter.
    declared: list[str] | None  # The labels of the header; None if the form has no header.


def plain_rows(path: pathlib.Path, lines: Sequence[str]) -> Rows:
    """The rows of a `.tsv` or `.txt` file.

    Raises:
      ValueError: Semicolons separate the values, or the first row is a header of columns.
    """
    rows = []
    for number, line in enumerate(lines, start=1):
        if line:
            if ";" in line and "\t" not in line:
                _refuse_semicolons(path, number)
            separator = next((mark for mark in ("\t", ",") if mark in line), None)
            label, *values = line.split(separator) if separator else re.split(" +", line)
            rows.append(Row(number, _unquoted(label), values, first_column=2))
    if rows and _is_header(rows):
        start = ", ".join([rows[0].label, *(value.strip() for value in rows[0].values)][:4])
        raise ValueError(
            f"{path}, line {rows[0].line}: {start[:80]!r} reads like a header of columns, not like a label and its"
            " series; take the line out."
        )
    return Rows(rows, width=None, unequal=False, gaps_at_end=False, declared=None)


def _is_header(rows: Sequence[Row]) -> bool:
    """Whether the first row does not hold a label and a series, but names or numbers the columns."""
    first, others = rows[0], [row.label for row in rows[1:]]
    label = as_number(first.label)
    values = [as_number(value.strip()) for value in first.values]
    if first.label.lower() in MISSING_LABELS:
        return False
    if values and all(number is None and _is_word(value) for number, value in zip(values, first.values, strict=True)):
        return True
    # Columns are numbered from 0 or 1, all of them or those of the values. No measured series begins so.
    counted = bool(values) and None not in values and values == [values[0] + place for place in range(len(values))]
    if label is not None:
        return counted and len(values) > 2 and label in (0, 1) and values[0] == label + 1
    counted = counted and values[0] in (0, 1)
    among_numbers = bool(others) and all(as_number(other) is not None for other in others)
    is_name = first.label.lower() in _LABEL_COLUMNS or len(values) > 2
    return first.label not in others and (among_numbers or (counted and is_name))


def _is_word(text: str) -> bool:
    """Whether text begins with a letter, but is not how a missing or infinite value is written."""
    return text.strip()[:1].isalpha() and text.strip().lower() not in ("nan", "inf", "infinity")


def _refuse_semicolons(path: pathlib.Path, number: int) -> NoReturn:
    raise ValueError(
        f"{path}, line {number}: values are separated by semicolons; write commas or tabs in their place, and points"
        " in the numbers."
    )


def ts_rows(path: pathlib.Path, lines: Sequence[str]) -> Rows:
    """The rows of a `.ts` file.

    Raises:
      ValueError: The header is none, or declares no labels or something that no problem of the archive has; a row has
        no label; or semicolons separate the values.
    """
    written, body = _split_header(path, lines)
    header = {tag.lower(): values for tag, *values in map(str.split, written)}
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
    flag, *declared = header.get("@classlabel") or [""]
    if flag.lower() != "true" or not declared:
        raise ValueError(f"{path}: the header must declare the class labels, as in @classLabel true a b.")
    width = header.get("@serieslength", ["0"])
    if not re.fullmatch(r"[0-9]{1,9}", " ".join(width)):
        raise ValueError(f"{path}: @seriesLength {' '.join(width)[:80]} is no number of values.")
    rows = []
    for number, line in body:
        values, *labels = line.split(":")
        if len(labels) != 1:
            raise ValueError(
                f"{path}, line {number}: expected one colon, between the values and the class label, but found"
                f" {len(labels)} after {len(values.split(','))} values; the row is cut short or has several dimensions."
            )
        rows.append(Row(number, _unquoted(labels[0]), values.split(","), first_column=1))
    unequal = [value.lower() for value in header.get("@equallength", [])] == ["false"]
    return Rows(rows, int(width[0]) or None, unequal, gaps_at_end=not unequal, declared=declared)


def arff_rows(path: pathlib.Path, lines: Sequence[str]) -> Rows:
    """The rows of an `.arff` file, without comments.

    Raises:
      ValueError: The header is none or declares no labels, or semicolons separate the values.
    """
    written, body = _split_header(path, [_without_comment(line) for line in lines])
    attributes = [line for line in written if line.split()[0].lower() == "@attribute"]
    declared = _DECLARED.fullmatch(attributes[-1]) if attributes else None
    if declared is None:
        raise ValueError(
            f"{path}: the last @attribute must list the classes as {{a,b}}, as in the archive's .arff form."
        )
    rows = []
    for number, line in body:
        quoted = _QUOTED_LABEL.fullmatch(line)
        *values, label = [*quoted[1].split(","), quoted[2]] if quoted else line.split(",")
        rows.append(Row(number, _unquoted(label), values, first_column=1))
    labels = [_unquoted(label) for label in _DECLARED_LABEL.findall(declared[1])]
    return Rows(rows, width=len(attributes) - 1, unequal=False, gaps_at_end=False, declared=labels)


def _without_comment(line: str) -> str:
    """A line of .arff without the comment that a % begins unless it is in quotes."""
    comment = _BEFORE_COMMENT.fullmatch(line) if "%" in line else None
    return comment[1].rstrip(" \t") if comment else line


def _split_header(path: pathlib.Path, lines: Sequence[str]) -> tuple[list[str], list[tuple[int, str]]]:
    """The header's lines, and the lines after @data with their numbers; neither has lines of comments."""
    # The archive's descriptions begin with # in .ts and with % in .arff, but some .ts files have %.
    written = [(number, line.lstrip("\t ")) for number, line in enumerate(lines, start=1)]
    written = [(number, line) for number, line in written if line and line[0] not in "#%"]
    header = []
    for index, (number, line) in enumerate(written):
        if line.lower() == "@data":
            for later, row in written[index + 1 :]:
                if ";" in row and "," not in row:
                    _refuse_semicolons(path, later)
            return header, written[index + 1 :]
        if not line.startswith("@"):
            raise ValueError(f"{path}, line {number}: expected a header line that begins with @, up to @data.")
        header.append(line)
    raise ValueError(f"{path} has no line @data, after which the series must follow.")


def _unquoted(label: str) -> str:
    return label.strip().strip("'\"")
