"""The files of the PhysioNet/CinC Challenge 2012: a text of measurements a stay, and a table of outcomes a set.

All texts of a set are parsed as one, which takes seconds; a row's place in it leads back to its file and line.

References:
  Silva, Moody, Scott, Celi, Mark: Predicting In-Hospital Mortality of ICU Patients: The PhysioNet/Computing in
  Cardiology Challenge 2012, Computing in Cardiology 2012. https://physionet.org/content/challenge-2012/1.0.0/
"""

import csv
import dataclasses
import io
import os
import pathlib
import re

import numpy as np
import pandas as pd

from data_pipelines import file_kind
from data_pipelines.icu.stays import Stays

SOURCE = "the Challenge's folder, unpacked from https://physionet.org/content/challenge-2012/1.0.0/"
SETS = ("a", "b", "c")
# Of the whole stay, at 00:00; Weight is also measured later on.
DESCRIPTORS = ("Age", "Gender", "Height", "ICUType", "Weight")
VARIABLES = (
    "ALP", "ALT", "AST", "Albumin", "BUN", "Bilirubin", "Cholesterol", "Creatinine", "DiasABP", "FiO2", "GCS",
    "Glucose", "HCO3", "HCT", "HR", "K", "Lactate", "MAP", "MechVent", "Mg", "NIDiasABP", "NIMAP", "NISysABP", "Na",
    "PaCO2", "PaO2", "Platelets", "RespRate", "SaO2", "SysABP", "Temp", "TroponinI", "TroponinT", "Urine", "WBC",
    "Weight", "pH",
)  # fmt: skip
STATIC = {"age": "Age", "male": "Gender", "height": "Height", "icu_type": "ICUType", "weight": "Weight"}
OUTCOMES = {
    "hospital_death": "In-hospital_death",
    "survival_days": "Survival",
    "length_of_stay_days": "Length_of_stay",
    "saps_i": "SAPS-I",
    "sofa": "SOFA",
}
_UNKNOWN = -1.0
_HEADER = b"Time,Parameter,Value"
_TIME = re.compile(r"(\d{2,3}):([0-5]\d)", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)


def read_set(folder: str | os.PathLike, name: str) -> Stays:
    """The stays of a set.

    Args:
      folder: Of the Challenge: `set-a/<RecordID>.txt` and `Outcomes-a.txt`.
      name: "a", "b" or "c".

    Returns:
      The stays in order of RecordID, each its own subject (the Challenge has one stay a patient). `static`: `age`
      (years), `male` (1, or 0 for female), `height` (cm), `icu_type` (1 coronary care, 2 cardiac surgery, 3 medical,
      4 surgical), `weight` (kg, at admission, also a measurement). `outcomes`: `hospital_death` (0 or 1),
      `survival_days` (between admission to the unit and death; NaN for survivors), `length_of_stay_days`, `saps_i`,
      `sofa`. `counts`: `rows_without_parameter`, `unknown_values` (-1), `stays_without_measurements`,
      `impossible_survival` (negative days other than -1, taken for unknown).

    Raises:
      FileNotFoundError: The set, its outcomes or a stay's file is not there.
      ValueError: A file cannot be used; the sentence says where.
    """
    if name not in SETS:
        raise ValueError(f"The Challenge has the sets {', '.join(SETS)}, but no set {name!r}.")
    folder = pathlib.Path(folder)
    outcomes, impossible = _outcomes(folder / f"Outcomes-{name}.txt")
    files = _files(folder / f"set-{name}", outcomes.index)
    rows = _rows(files)
    static, is_measured = _descriptors(rows)
    known = rows.value != _UNKNOWN
    unnamed = rows.parameter == ""
    taken = is_measured & known & ~unnamed
    stay = rows.stay[taken]
    codes = pd.Index(VARIABLES).get_indexer(rows.parameter[taken])
    return Stays(
        variables=VARIABLES,
        stay=stay,
        hours=(rows.minutes[taken] / 60).astype(np.float32),
        variable=codes.astype(np.uint8),
        value=rows.value[taken].astype(np.float32),
        static=static,
        outcomes={key: outcomes[column].to_numpy(np.float32) for key, column in OUTCOMES.items()},
        subject=outcomes.index.to_numpy(),
        ids=outcomes.index.to_numpy(),
        counts={
            "rows_without_parameter": int(unnamed.sum()),
            "unknown_values": int((~known & ~unnamed).sum()),
            "stays_without_measurements": len(files) - len(np.unique(stay)),
            "impossible_survival": impossible,
        },
    )


def _outcomes(path):
    """The table of outcomes by RecordID, in its order, and how many survivals are negative days."""
    table = _table(path)
    needed = ["RecordID", *OUTCOMES.values()]
    missing = [column for column in needed if column not in table]
    if missing:
        raise ValueError(f"{path}: column {missing[0]} is missing; expected {', '.join(needed)}, as in {SOURCE}.")
    for column in needed:
        wrong = ~table[column].str.fullmatch(_NUMBER)
        if wrong.any():
            line = int(wrong.to_numpy().argmax())
            raise ValueError(f"{path}, line {line + 2}: {column} is {table[column][line]!r}, which is no number.")
    table = table[needed].astype(float)
    again = table["RecordID"].duplicated().to_numpy()
    if again.any():
        line = int(again.argmax())
        raise ValueError(f"{path}, line {line + 2}: RecordID {table['RecordID'][line]:.0f} is there a second time.")
    wrong = ~table["In-hospital_death"].isin([0, 1]).to_numpy()
    if wrong.any():
        line = int(wrong.argmax())
        value = table["In-hospital_death"][line]
        raise ValueError(f"{path}, line {line + 2}: In-hospital_death must be 0 or 1, but is {value:g}.")
    table = table.astype({"RecordID": np.int64}).set_index("RecordID").sort_index()
    impossible = int(((table["Survival"] < 0) & (table["Survival"] != _UNKNOWN)).sum())
    return table.where(table >= 0), impossible


def _table(path):
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path} is missing; expected {SOURCE}.") from error
    _check_kind(path, data)
    try:
        return pd.read_csv(io.BytesIO(data), dtype=str, na_filter=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a comma-separated table ({str(error).strip()}); get it again.") from error


def _check_kind(path, data):
    kind = file_kind.foreign_kind(data)
    if kind:
        raise ValueError(f"{path} is {kind}.")


def _files(folder, ids):
    """A stay's file for each of `ids`; no other stay may be there."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is missing; expected {SOURCE}.")
    there = {path.stem: path for path in folder.glob("*.txt")}
    wanted = [str(record) for record in ids]
    for record in wanted:
        if record not in there:
            raise FileNotFoundError(f"{folder / f'{record}.txt'} is missing, but its outcome is known; get it again.")
    more = sorted(there.keys() - set(wanted))
    if more:
        raise ValueError(f"{there[more[0]]}: no outcome is known of this stay ({len(more)} such files).")
    return [there[record] for record in wanted]


@dataclasses.dataclass(frozen=True)
class _Rows:
    """All rows of all files, one after another."""

    files: list[pathlib.Path]
    stay: np.ndarray
    minutes: np.ndarray
    parameter: np.ndarray
    value: np.ndarray

    def where(self, row: int) -> str:
        return _where(self.files, self.stay, row)


def _rows(files):
    bodies, counts = [], []
    for path in files:
        data = path.read_bytes().replace(b"\r\n", b"\n").rstrip(b"\n") + b"\n"
        _check_kind(path, data)
        header, _, body = data.partition(b"\n")
        if header.strip() != _HEADER:
            raise ValueError(
                f"{path}, line 1: expected {_HEADER.decode()}, but found {header[:80].decode('latin-1')!r}."
            )
        if not body:
            raise ValueError(f"{path} has no rows, not even the stay's RecordID; get it again.")
        bodies.append(body)
        counts.append(body.count(b"\n"))
    text = b"".join(bodies)
    stay = np.repeat(np.arange(len(files)), counts)
    _check_fields(files, stay, text)
    table = pd.read_csv(
        io.BytesIO(text),
        header=None,
        names=["time", "parameter", "value"],
        dtype=str,
        na_filter=False,
        quoting=csv.QUOTE_NONE,
        encoding="latin-1",
        skip_blank_lines=False,
    )
    codes, times = pd.factorize(table["time"])
    matches = [_TIME.fullmatch(str(time)) for time in times]
    minutes = np.array([60 * int(match[1]) + int(match[2]) if match else -1 for match in matches])[codes]
    # Whoever writes 7 and 7.0 writes few numbers often: each text is looked at once.
    codes, texts = pd.factorize(table["value"])
    values = np.array([float(text) if _NUMBER.fullmatch(str(text)) else np.nan for text in texts])[codes]
    parameter = table["parameter"].to_numpy(dtype=object)
    rows = _Rows(files, stay, minutes, parameter, values)
    _check(rows, minutes < 0, lambda row: f"expected a time such as 07:30, but found {table['time'][row]!r}")
    no_number = ~np.isfinite(values) & (parameter != "")
    _check(rows, no_number, lambda row: f"{parameter[row]} is {table['value'][row]!r}, which is no number")
    back = np.concatenate([[False], (np.diff(minutes) < 0) & (np.diff(rows.stay) == 0)])
    _check(rows, back, lambda row: f"time goes back, from {table['time'][row - 1]} to {table['time'][row]}")
    unknown = ~np.isin(parameter.astype(str), [*VARIABLES, *DESCRIPTORS, "RecordID", ""])
    _check(rows, unknown, lambda row: f"the Challenge has no parameter {parameter[row]!r}")
    return rows


def _check_fields(files, stay, text):
    """Every row has three fields: what separates fields and rows comes as comma, comma, line end, and again."""
    symbols = np.frombuffer(text, np.uint8)
    separators = symbols[(symbols == ord(",")) | (symbols == ord("\n")) | (symbols == ord("\r"))]
    wrong = separators[: len(separators) // 3 * 3].reshape(-1, 3) != np.frombuffer(b",,\n", np.uint8)
    if wrong.any() or len(separators) % 3:
        row = int(np.append(wrong.any(1), True).argmax())
        written = text.split(b"\n", row + 1)[row][:80].decode("latin-1")
        where = _where(files, stay, row)
        raise ValueError(f"{where}: expected a time, a parameter and a value, but found {written!r}.")


def _where(files, stay, row):
    """File and line of a row; the header is line 1."""
    return f"{files[stay[row]]}, line {row - np.searchsorted(stay, stay[row]) + 2}"


def _check(rows, wrong, say):
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"{rows.where(row)}: {say(row)}.")


def _descriptors(rows):
    """What is known of each stay as a whole, and which rows are measurements."""
    size = len(rows.files)
    first = np.searchsorted(rows.stay, np.arange(size))
    own = np.array([int(path.stem) for path in rows.files])
    right = (rows.parameter[first] == "RecordID") & (rows.value[first] == own)
    if not right.all():
        stay = int(right.argmin())
        row = int(first[stay])
        found = f"{rows.parameter[row]} {rows.value[row]:g}"
        raise ValueError(f"{rows.where(row)}: expected RecordID {own[stay]} as the first row, but found {found}.")
    is_measured, static = rows.parameter != "RecordID", {}
    again = ~is_measured
    again[first] = False
    _check(rows, again, lambda row: "RecordID is there a second time")
    for name, parameter in STATIC.items():
        places = np.flatnonzero(rows.parameter == parameter)
        _, starts = np.unique(rows.stay[places], return_index=True)
        if parameter not in VARIABLES:
            is_measured[places] = False
            again = np.zeros(len(rows.stay), bool)
            again[np.delete(places, starts)] = True
            _check(rows, again, lambda row: f"{rows.parameter[row]} is there a second time")
            late = np.zeros(len(rows.stay), bool)
            late[places] = rows.minutes[places] > 0
            _check(rows, late, lambda row: f"{rows.parameter[row]} is of the whole stay and belongs at 00:00")
        at_admission = places[starts][rows.minutes[places[starts]] == 0]
        values = np.full(size, np.nan, np.float32)
        values[rows.stay[at_admission]] = rows.value[at_admission]
        static[name] = np.where(values == _UNKNOWN, np.nan, values).astype(np.float32)
    return static, is_measured
