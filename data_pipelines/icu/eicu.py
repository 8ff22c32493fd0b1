"""What the official eICU tables say of a stay beside its measurements: death, who the patient is, and comorbidities.

Cohorts in the format of YAIB (`yaib.py`) have the measurements and the outcomes of the unit; hospital death and its
time, race, hospital and comorbidities are in `patient`, `diagnosis` and `pastHistory`. `with_patients` joins both.

References:
  Pollard et al.: The eICU Collaborative Research Database, Scientific Data 2018. https://eicu-crd.mit.edu/eicutables/
"""

import dataclasses
import os
import pathlib

import numpy as np
import pandas as pd

from data_pipelines import file_kind
from data_pipelines.icu import comorbidity
from data_pipelines.icu.stays import Stays

SOURCE = "the tables of https://physionet.org/content/eicu-crd/2.0/ or of its demo, as .csv or .csv.gz"
RACES = ("Caucasian", "African American", "Hispanic", "Asian", "Native American", "Other/Unknown")
OVER_89 = 90.0  # Years, for "> 89": all that eICU tells.
_COLUMNS = {
    "patient": (
        "patientunitstayid", "uniquepid", "hospitalid", "gender", "age", "ethnicity", "hospitaldischargestatus",
        "hospitaldischargeoffset", "unitdischargeoffset",
    ),
    "diagnosis": ("patientunitstayid", "icd9code"),
    "pastHistory": ("patientunitstayid", "pasthistorypath"),
}  # fmt: skip
_WHAT_FOR = {
    "patient": "death, age, sex, race and hospital",
    "diagnosis": "comorbidities by ICD code",
    "pastHistory": "comorbidities by past history",
}
# By domain, words of a past history's path (below "Organ Systems") that name it.
_HISTORY = {
    "diabetes": ("Endocrine (R)/Insulin Dependent Diabetes", "Endocrine (R)/Non-Insulin Dependent Diabetes"),
    "hypertension": ("Cardiovascular (R)/Hypertension Requiring Treatment",),
    "cardiovascular_disease": (
        "Cardiovascular (R)/Congestive Heart Failure",
        "Cardiovascular (R)/Myocardial Infarction",
        "Cardiovascular (R)/Peripheral Vascular Disease",
        "Neurologic/Strokes",
        "Neurologic/TIA(s)",
    ),
    "chronic_kidney_disease": ("Renal  (R)/Renal Failure", "Renal  (R)/Renal Insufficiency"),
    "sepsis": (),
}


def read_patients(folder: str | os.PathLike) -> pd.DataFrame:
    """What is known of each stay, by `patientunitstayid`.

    Args:
      folder: With `patient`, `diagnosis` and `pastHistory`, each as `.csv` or `.csv.gz`.

    Returns:
      A row a stay, in order of its id: `subject` (uniquepid), `hospital` (an id), `age` (years, `OVER_89` for those
      over 89), `male` (1, or 0 for female), `race` (one of `RACES`, or none), `hospital_death` (0 or 1),
      `death_hours` (from admission to the unit to the death in hospital; NaN for survivors), `unit_hours` (in the
      unit), `charlson_index` (from ICD codes alone), and each of `comorbidity.DOMAINS` (0 or 1: by ICD code or past
      history). What is unknown is NaN.

    Raises:
      FileNotFoundError: A table is not there.
      ValueError: A table cannot be used; the sentence says which and why.
    """
    folder = pathlib.Path(folder)
    patient = _read(folder, "patient")
    again = patient["patientunitstayid"].duplicated()
    if again.any():
        stay = patient["patientunitstayid"][again].iloc[0]
        raise ValueError(f"{folder}: patientunitstayid {stay} is in patient more than once.")
    patient = patient.sort_values("patientunitstayid").set_index("patientunitstayid")
    _check_words(folder, patient, "gender", ("Male", "Female", "Other", "Unknown"))
    _check_words(folder, patient, "ethnicity", RACES)
    _check_words(folder, patient, "hospitaldischargestatus", ("Alive", "Expired"))
    discharged = _numbers(folder, patient, "hospitaldischargeoffset") / 60
    died = patient["hospitaldischargestatus"].map({"Alive": 0.0, "Expired": 1.0})
    found = pd.DataFrame(
        {
            "subject": patient["uniquepid"],
            "hospital": _numbers(folder, patient, "hospitalid"),
            "age": _numbers(folder, patient.replace({"age": {"> 89": f"{OVER_89:g}"}}), "age"),
            "male": patient["gender"].map({"Male": 1.0, "Female": 0.0}),
            "race": patient["ethnicity"].where(patient["ethnicity"] != "", None),
            "hospital_death": died,
            "death_hours": discharged.where(died == 1),
            "unit_hours": _numbers(folder, patient, "unitdischargeoffset") / 60,
        }
    )
    table = _conditions(folder, found.index)
    found["charlson_index"] = comorbidity.charlson_index(table).astype(float)
    history = _history(folder, found.index)
    for name, has in comorbidity.domains(table).items():
        found[name] = (has | history[name]).astype(float)
    return found


def with_patients(stays: Stays, folder: str | os.PathLike) -> Stays:
    """Stays of an eICU cohort with what the official tables say of them.

    `age` and `male` become the official ones. `outcomes` gains `hospital_death`, `death_hours` and `unit_hours`;
    `attributes` gains `charlson_index`, the domains, `hospital`, and `race` as a place in `RACES`. `subject` is the
    patient.

    Raises:
      ValueError: A stay is not in the tables.
    """
    patients = read_patients(folder)
    unknown = ~np.isin(stays.ids, patients.index)
    if unknown.any():
        raise ValueError(
            f"{folder}: stay {stays.ids[unknown][0]} is not in patient; the cohort is of another database."
        )
    own = patients.loc[stays.ids]

    def columns(*names):
        return {name: own[name].to_numpy(np.float32) for name in names}

    race = pd.Index(RACES).get_indexer(own["race"])
    attributes = columns("hospital", "charlson_index", *comorbidity.DOMAINS)
    return dataclasses.replace(
        stays,
        static={**stays.static, **columns("age", "male")},
        outcomes={**stays.outcomes, **columns("hospital_death", "death_hours", "unit_hours")},
        attributes={**stays.attributes, **attributes, "race": np.where(race < 0, np.nan, race).astype(np.float32)},
        subject=own["subject"].to_numpy(),
    )


def _read(folder, name):
    """A table as text; of an empty field an empty text."""
    paths = [folder / f"{name}{ending}" for ending in (".csv", ".csv.gz")]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise FileNotFoundError(f"{paths[1]} is missing ({_WHAT_FOR[name]}); expected {SOURCE}.")
    if path.suffix == ".csv":
        with open(path, "rb") as file:
            kind = file_kind.foreign_kind(file.read(1024))
        if kind:
            raise ValueError(f"{path} is {kind}.")
    try:
        table = pd.read_csv(path, dtype=str, na_filter=False, usecols=lambda column: column in _COLUMNS[name])
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OSError, EOFError) as error:
        raise ValueError(f"{path} is not a comma-separated table ({str(error).strip()}); get it again.") from error
    for column in _COLUMNS[name]:
        if column not in table:
            raise ValueError(f"{path}: column {column} is missing; expected {SOURCE}.")
    stay = table["patientunitstayid"]
    wrong = ~stay.str.fullmatch(r"\d{1,18}")
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise ValueError(f"{path}, row {row + 1}: patientunitstayid is {stay[row]!r}, which is no id.")
    return table.assign(patientunitstayid=stay.astype(np.int64))


def _check_words(folder, table, column, known):
    wrong = ~table[column].isin([*known, ""])
    if wrong.any():
        raise ValueError(
            f"{folder}, patient: {column} of stay {table.index[wrong][0]} is {table[column][wrong].iloc[0]!r}; expected"
            f" {', '.join(known)}."
        )


def _numbers(folder, table, column):
    numbers = pd.to_numeric(table[column].where(table[column] != "", None), errors="coerce")
    wrong = numbers.isna() & (table[column] != "")
    if wrong.any():
        stay, text = table.index[wrong][0], table[column][wrong].iloc[0]
        raise ValueError(f"{folder}, patient: {column} of stay {stay} is {text!r}, which is no number.")
    return numbers.astype(float)


def _conditions(folder, ids):
    """Of each stay, the conditions of its ICD codes; a row may hold both an ICD-9 and an ICD-10 code."""
    table = _read(folder, "diagnosis")
    table = table[(table["icd9code"] != "") & table["patientunitstayid"].isin(ids)]
    codes = table["icd9code"].str.split(",").explode().str.strip()
    codes = codes[codes != ""]
    stay = ids.get_indexer(table["patientunitstayid"].loc[codes.index])
    try:
        return comorbidity.condition_table(stay, codes.tolist(), len(ids))
    except ValueError as error:
        raise ValueError(f"{folder}, diagnosis: icd9code: {error}") from error


def _history(folder, ids):
    """By domain, which stays have it in their past history."""
    table = _read(folder, "pastHistory")
    table = table[table["patientunitstayid"].isin(ids)]
    below = table["pasthistorypath"].str.partition("/Organ Systems/")[2]
    found = {}
    for name, beginnings in _HISTORY.items():
        has = below.str.startswith(beginnings) if beginnings else np.zeros(len(below), bool)
        found[name] = np.isin(ids, table["patientunitstayid"][has])
    return found
