"""PTB-XL's tables: which records are healthy, which infarctions, and which the study leaves out.

The rules are those of Ibrahimi, Rivolta and Sassi (CinC 2024), section 2.1. The paper names conditions, not codes; the
codes below are those whose SCP description carries the paper's words. A statement counts whatever its likelihood, for
PTB-XL writes 0 where the likelihood is unknown.
"""

import ast
import os
import pathlib

import numpy as np
import pandas as pd

from data_pipelines import cohort

HEALTHY_CODE = "NORM"
INFARCTION_CODES = frozenset(
    [
        *("IMI", "ASMI", "ILMI", "AMI", "ALMI", "LMI", "IPLMI", "IPMI", "PMI"),  # Myocardial infarction.
        *("INJAS", "INJAL", "INJIN", "INJLA", "INJIL"),  # Subendocardial injury, of the same diagnostic class.
    ]
)
LVH_CODE = "LVH"
EXCLUDED_CODES = {
    "bundle branch block": ("CLBBB", "CRBBB", "ILBBB", "IRBBB"),
    "abnormal QRS": ("ABQRS",),
    "high or low QRS voltage": ("HVOLT", "LVOLT"),
    "supraventricular tachycardia": ("SVTAC",),
    "sinus tachycardia": ("STACH",),
    "paroxysmal supraventricular tachycardia": ("PSVT",),
    "left ventricular hypertrophy": (LVH_CODE,),
}
AGE_HIDDEN = 300  # What PTB-XL writes for patients over 89.
COLUMNS = ("ecg_id", "patient_id", "age", "sex", "scp_codes", "strat_fold", "filename_lr", "filename_hr")
STEP_COLUMNS = (*cohort.STEP_COLUMNS, "infarction", "healthy")
SOURCE = "PTB-XL 1.0.3 unpacked from https://physionet.org/content/ptb-xl/1.0.3/"


def read_cohort_table(folder: str | os.PathLike) -> pd.DataFrame:
    """PTB-XL's metadata, checked, one row a record, in the order of `ecg_id`.

    Args:
      folder: PTB-XL's own folder, with `ptbxl_database.csv` and `scp_statements.csv`.

    Returns:
      Integer `ecg_id`, `patient_id` and `strat_fold`; float `age` (years; 300 and NaN as in the file) and `sex` (0
      male, 1 female); `codes`, a frozenset of statement codes; boolean `healthy` and `infarction`; `filename_lr` and
      `filename_hr`, relative to the folder.

    Raises:
      FileNotFoundError: The folder or one of the two files is missing.
      ValueError: A column is missing, a value cannot be read, an `ecg_id` occurs twice, a patient is in two folds, or
        the infarction codes are not the 14 of PTB-XL 1.0.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder; expected {SOURCE}.")
    raw = _read_csv(folder / "ptbxl_database.csv", COLUMNS)
    statements = _read_csv(folder / "scp_statements.csv", ("diagnostic_class",), index_col=0)
    infarction_codes = set(statements.index[statements["diagnostic_class"] == "MI"])
    if infarction_codes != INFARCTION_CODES:
        raise ValueError(
            f"{folder / 'scp_statements.csv'}: the statements of diagnostic_class MI must be the"
            f" {len(INFARCTION_CODES)} of PTB-XL 1.0, but these differ:"
            f" {', '.join(sorted(infarction_codes ^ INFARCTION_CODES))}."
        )
    source = folder / "ptbxl_database.csv"
    table = pd.DataFrame({name: _integers(raw[name], source) for name in ("ecg_id", "patient_id", "strat_fold")})
    table["age"] = _numbers(raw["age"], source)
    table["sex"] = _numbers(raw["sex"], source)
    table["codes"] = [
        _codes(text, ecg_id, source) for text, ecg_id in zip(raw["scp_codes"], table["ecg_id"], strict=True)
    ]
    table["healthy"] = [HEALTHY_CODE in codes for codes in table["codes"]]
    table["infarction"] = [not INFARCTION_CODES.isdisjoint(codes) for codes in table["codes"]]
    table["filename_lr"] = raw["filename_lr"].fillna("").astype(str)
    table["filename_hr"] = raw["filename_hr"].fillna("").astype(str)
    _check_rows(table, source)
    return table.sort_values("ecg_id", ignore_index=True)


def select_cohort(table: pd.DataFrame, keep_lvh: bool = False) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Applies the study's inclusions and exclusions, as far as they need no signal.

    Kept are records that are healthy or infarctions, without the excluded conditions, with a known age below 90. A
    record with both labels contradicts itself and is left out; PTB-XL has hardly any.

    Args:
      table: As `read_cohort_table` gives it.
      keep_lvh: Whether to keep records with left ventricular hypertrophy. The paper's text excludes them; its counts
        fit better if they were kept.

    Returns:
      The kept rows, and the steps as in `Cohort.steps`.
    """
    steps = [count_step("all records", table)]

    def keep(name: str, mask: pd.Series) -> None:
        nonlocal table
        table = table[mask]
        steps.append(count_step(name, table))

    keep(
        f"healthy ({HEALTHY_CODE}) or myocardial infarction ({len(INFARCTION_CODES)} codes)",
        table["healthy"] | table["infarction"],
    )
    keep("not both at once", ~(table["healthy"] & table["infarction"]))
    for words, codes in EXCLUDED_CODES.items():
        if keep_lvh and LVH_CODE in codes:
            continue
        keep(f"no {words} ({', '.join(codes)})", table["codes"].map(frozenset(codes).isdisjoint).astype(bool))
    keep(f"age known and below 90 ({AGE_HIDDEN} hides older)", table["age"] < AGE_HIDDEN)
    return table.reset_index(drop=True), pd.DataFrame(steps, columns=list(STEP_COLUMNS))


def count_step(name: str, table: pd.DataFrame) -> dict[str, str | int]:
    """One row of the cohort table: how many records, patients, infarctions and healthy are left."""
    counts = (len(table), table["patient_id"].nunique(), table["infarction"].sum(), table["healthy"].sum())
    return dict(zip(STEP_COLUMNS, (name, *map(int, counts)), strict=True))


def _read_csv(path: pathlib.Path, columns: tuple[str, ...], **options) -> pd.DataFrame:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; expected {SOURCE}.")
    try:
        table = pd.read_csv(path, **options)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as a table ({str(error).strip()}); expected {SOURCE}.") from error
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise ValueError(f"{path}: column {', '.join(missing)} is missing; expected {SOURCE}.")
    return table


def _numbers(column: pd.Series, source: pathlib.Path) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce").astype(np.float64)
    wrong = numbers.isna() & column.notna()
    if wrong.any():
        raise ValueError(f"{source}: column {column.name} holds {column[wrong].iloc[0]!r}, which is not a number.")
    return numbers


def _integers(column: pd.Series, source: pathlib.Path) -> pd.Series:
    numbers = _numbers(column, source)  # PTB-XL writes patient 13243 as 13243.0.
    wrong = numbers.isna() | (numbers % 1 != 0)
    if wrong.any():
        line = int(wrong.to_numpy().argmax()) + 2
        raise ValueError(f"{source}, line {line}: column {column.name} must be a whole number.")
    return numbers.astype(np.int64)


def _codes(text: str, ecg_id: int, source: pathlib.Path) -> frozenset[str]:
    parse = ast.literal_eval  # A Python dictionary of code: likelihood, as text; parsed, never executed.
    try:
        return frozenset(dict(parse(text)))
    except (ValueError, SyntaxError, TypeError) as error:
        raise ValueError(f"{source}, ecg_id {ecg_id}: scp_codes {text!r} is no dictionary of statements.") from error


def _check_rows(table: pd.DataFrame, source: pathlib.Path) -> None:
    twice = table["ecg_id"][table["ecg_id"].duplicated()]
    if len(twice):
        raise ValueError(f"{source}: ecg_id {twice.iloc[0]} occurs more than once.")
    outside = table["ecg_id"][~table["strat_fold"].between(1, 10)]
    if len(outside):
        raise ValueError(f"{source}, ecg_id {outside.iloc[0]}: strat_fold must be 1 to 10.")
    folds = table.groupby("patient_id")["strat_fold"].agg(["min", "max"])
    divided = folds[folds["min"] != folds["max"]]
    if len(divided):
        patient, (low, high) = divided.index[0], divided.iloc[0]
        raise ValueError(
            f"{source}: patient {patient} is in strat_fold {low} and {high}; no patient may be in two folds,"
            " or training would see whom it is judged on."
        )
