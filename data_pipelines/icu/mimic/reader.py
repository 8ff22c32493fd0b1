"""MIMIC-III and MIMIC-IV from their official tables: adults' stays, with 12 variables, deaths and comorbidities.

The large tables stream: of each piece only the rows of wanted items and stays are kept, in 13 bytes each.
"""

import os
import pathlib

import numpy as np
import pandas as pd

from data_pipelines.icu import comorbidity
from data_pipelines.icu.mimic import items, tables
from data_pipelines.icu.stays import Stays

ADULT = 18.0  # Years.
OVER_89 = 90.0  # Years, of everybody older: MIMIC-III shifts their births by 300 years, and MIMIC-IV says 91.
RACES = ("White", "Black", "Hispanic", "Asian", "Other")
# Beginnings of what hospitals write, in lower case.
_RACES = {"white": 0, "portuguese": 0, "black": 1, "hispanic": 2, "south american": 2, "asian": 3}
_UNKNOWN_RACE = ("unknown", "unable", "patient declined")
# Acute kidney injury (Waikar et al., JASN 2006: 584.5 to 584.9; N17) that was dialysed (39.95 haemodialysis, 54.98
# peritoneal dialysis; the same in ICD-10-PCS), without end-stage disease or a transplant.
INJURY = {9: ("5845", "5846", "5847", "5848", "5849"), 10: ("N17",)}
DIALYSIS = {9: ("3995", "5498"), 10: ("5A1D", "3E1M39Z")}
EXCLUDED = {9: ("5856", "V420", "99681"), 10: ("N186", "Z940", "T861")}


def read_stays(folder: str | os.PathLike) -> Stays:
    """All stays of adults in intensive care units.

    Args:
      folder: Of MIMIC-III, or of MIMIC-IV with its folders `hosp` and `icu`.

    Returns:
      The stays in order of their ids; `subject` is the patient. Variables and their units are `items.VARIABLES`; hours
      are since admission to the unit, and what was measured before it or after the discharge from it is left out.
      `static`: `age` (years, `OVER_89` for everybody over 89), `male`, and the stay's first `weight` (kg) and `height`
      (cm).
      `outcomes`: `hospital_death`, `death_hours` (after discharge too, if MIMIC knows the day; then at its end),
      `unit_hours`. `attributes`: `race` (a place in `RACES`), `charlson_index` and each of `comorbidity.DOMAINS` by the
      admission's ICD codes, and `dialysed_injury`, the paper's cohort: acute kidney injury with dialysis, without
      end-stage disease or transplant. `counts`: stays of children, and by reason the measurements left out.

    Raises:
      FileNotFoundError: A table is not there; says what it is for.
      ValueError: A table cannot be used; the sentence says which, where and why.
    """
    folder = pathlib.Path(folder)
    stays, children = _stays(folder)
    codes = _conditions(folder, stays)
    counts = {"stays_of_children": children}
    charted = _collected(_charted(folder, stays, counts))
    measured = _collected(_laboratory(folder, stays, counts))
    stay, hours, variable, value = (np.concatenate(each) for each in zip(charted, measured, strict=True))
    inside = (hours >= 0) & (hours <= stays["unit_hours"].to_numpy()[stay])
    counts["outside_the_stay"] = int((~inside).sum())
    order = np.flatnonzero(inside)[np.lexsort((hours[inside], stay[inside]))]
    stay, hours, variable, value = (each[order] for each in (stay, hours, variable, value))
    static = {name: stays[name].to_numpy(np.float32) for name in ("age", "male")}
    for number, name in enumerate(items.STATIC, start=len(items.VARIABLES)):
        rows = np.flatnonzero(variable == number)
        whose, first = np.unique(stay[rows], return_index=True)
        static[name] = np.full(len(stays), np.nan, np.float32)
        static[name][whose] = value[rows[first]]
    measured = variable < len(items.VARIABLES)
    return Stays(
        variables=tuple(items.VARIABLES),
        stay=stay[measured],
        hours=hours[measured],
        variable=variable[measured],
        value=value[measured],
        static=static,
        outcomes={name: stays[name].to_numpy(np.float32) for name in ("hospital_death", "death_hours", "unit_hours")},
        attributes={"race": stays["race"].to_numpy(np.float32), **codes},
        subject=stays["subject_id"].to_numpy(np.int64),
        ids=stays["stay"].to_numpy(np.int64),
        counts=counts,
    )


def _stays(folder):
    """A row a stay of an adult, in order of the ids, and how many are of children."""
    stays = tables.whole(
        folder, "icustays", {"stay": "id", "subject_id": "id", "hadm_id": "id", "intime": "time", "outtime": "time"}
    )
    again = stays["stay"].duplicated()
    if again.any():
        raise ValueError(f"{tables.find(folder, 'icustays')}: stay {stays['stay'][again].iloc[0]} is there twice.")
    admissions = tables.whole(
        folder, "admissions",
        {"hadm_id": "id", "deathtime": "time", "hospital_expire_flag": "number"}, {"ethnicity": "text", "race": "text"},
    )  # fmt: skip
    patients = tables.whole(
        folder, "patients", {"subject_id": "id", "gender": "text", "dod": "time"},
        {"dob": "time", "anchor_age": "number", "anchor_year": "number"},
    )  # fmt: skip
    known = stays["hadm_id"].isin(admissions["hadm_id"]) & stays["subject_id"].isin(patients["subject_id"])
    known &= stays["intime"].notna()
    if not known.all():
        stay = stays["stay"][~known].iloc[0]
        raise ValueError(f"{folder}: stay {stay} has no time of admission, or its admission or patient is in no table.")
    stays = stays.merge(admissions, on="hadm_id", validate="many_to_one").merge(
        patients, on="subject_id", validate="many_to_one"
    )
    if "dob" in stays:
        # In years: births of those over 89 are so far back that nanoseconds would overflow.
        age = (stays["intime"].to_numpy("datetime64[D]") - stays["dob"].to_numpy("datetime64[D]")).astype(
            float
        ) / 365.2425
    elif {"anchor_age", "anchor_year"} <= set(stays):
        age = stays["anchor_age"] + stays["intime"].dt.year - stays["anchor_year"]
    else:
        raise ValueError(f"{tables.find(folder, 'patients')}: column dob, or anchor_age and anchor_year, is missing.")
    stays["age"] = np.where(np.asarray(age) > 89, OVER_89, age)
    stays["male"] = stays["gender"].str.upper().map({"M": 1.0, "F": 0.0})
    stays["race"] = [_race(word) for word in stays["ethnicity" if "ethnicity" in stays else "race"]]
    stays["hospital_death"] = stays["hospital_expire_flag"]
    # A day of death without an hour: its end, so that no death comes before the patient's last measurement.
    death = stays["deathtime"].fillna(stays["dod"] + pd.Timedelta(days=1))
    stays["death_hours"] = _hours(death, stays["intime"])
    stays["unit_hours"] = _hours(stays["outtime"], stays["intime"]).fillna(np.inf)
    adult = stays["age"] >= ADULT
    return stays[adult].sort_values("stay").reset_index(drop=True), int((~adult).sum())


def _hours(times, since):
    return (times - since).dt.total_seconds() / 3600


def _race(word):
    word = word.lower()
    if word.startswith(_UNKNOWN_RACE) or not word:
        return np.nan
    return next((float(code) for start, code in _RACES.items() if word.startswith(start)), float(len(RACES) - 1))


def _collected(pieces):
    """Columns of all pieces: stay, hours, variable, value."""
    kinds = (np.int32, np.float32, np.uint8, np.float32)
    columns = [[np.empty(0, kind)] for kind in kinds]
    for piece in pieces:
        for column, kind, values in zip(columns, kinds, piece, strict=True):
            column.append(np.asarray(values, kind))
    return [np.concatenate(column) for column in columns]


def _charted(folder, stays, counts):
    variables = {**items.VARIABLES, **items.STATIC}
    number = {item: place for place, each in enumerate(variables.values()) for item in each.charted}
    place = pd.Index(stays["stay"])
    columns = {"stay": "id", "itemid": "id", "charttime": "time", "valuenum": "number"}
    for rows in _wanted(folder, "chartevents", columns, {"error": "number"}, number):
        whose = place.get_indexer(rows["stay"].fillna(-1).astype(np.int64))
        keep = whose >= 0
        if "error" in rows:
            wrong = keep & (rows["error"] == 1).to_numpy()
            counts["marked_as_errors"] = counts.get("marked_as_errors", 0) + int(wrong.sum())
            keep &= ~wrong
        factor, offset = np.array([items.CONVERTED.get(item, (1.0, 0.0)) for item in rows["itemid"]]).reshape(-1, 2).T
        yield _plausible(rows.assign(valuenum=rows["valuenum"] * factor + offset), whose, keep, stays, number, counts)


def _laboratory(folder, stays, counts):
    number = {item: place for place, each in enumerate(items.VARIABLES.values()) for item in each.laboratory}
    names = list(items.VARIABLES)
    columns = {"subject_id": "id", "itemid": "id", "charttime": "time", "valuenum": "number", "valueuom": "text"}
    # The tables' laboratory values know no stay: theirs is the last that began before them.
    begin = stays[["subject_id", "intime"]].assign(place=np.arange(len(stays))).sort_values("intime")
    for rows in _wanted(folder, "labevents", columns, None, number):
        rows = rows[rows["charttime"].notna()].sort_values("charttime")
        rows = pd.merge_asof(rows, begin, left_on="charttime", right_on="intime", by="subject_id")
        whose = rows["place"].fillna(-1).to_numpy(np.int64)
        known = [
            items.UNITS[names[number[item]]].get(unit.lower(), np.nan if unit else 1.0)
            for item, unit in zip(rows["itemid"], rows["valueuom"], strict=True)
        ]
        factor = np.array(known, float)
        strange = np.isnan(factor) & (whose >= 0)
        counts["in_an_unknown_unit"] = counts.get("in_an_unknown_unit", 0) + int(strange.sum())
        keep = (whose >= 0) & ~strange
        yield _plausible(rows.assign(valuenum=rows["valuenum"] * factor), whose, keep, stays, number, counts)


def _wanted(folder, name, columns, optional, number):
    for rows in tables.pieces(folder, name, columns, optional, items=number):
        yield rows[rows["valuenum"].notna()]


def _plausible(rows, whose, keep, stays, number, counts):
    """Stay, hours, variable and value of the rows to keep whose value can be."""
    variables = list({**items.VARIABLES, **items.STATIC}.values())
    variable = np.array([number[item] for item in rows["itemid"]], np.int64)
    least, most = np.array([(each.least, each.most) for each in variables]).T
    value = rows["valuenum"].to_numpy(float)
    possible = (value >= least[variable]) & (value <= most[variable])
    counts["implausible"] = counts.get("implausible", 0) + int((keep & ~possible).sum())
    keep = keep & possible & rows["charttime"].notna().to_numpy()
    since = stays["intime"].to_numpy()[whose[keep]]
    hours = (rows["charttime"].to_numpy()[keep] - since) / np.timedelta64(1, "h")
    return whose[keep], hours, variable[keep], value[keep]


def _conditions(folder, stays):
    """By name, `[stay]`: Charlson's index, domains, and the paper's cohort, of the stay's admission."""
    columns, version = {"hadm_id": "id", "code": "text"}, {"icd_version": "number"}
    diagnoses = tables.whole(folder, "diagnoses_icd", columns, version)
    procedures = tables.whole(folder, "procedures_icd", columns, version)
    admissions = pd.Index(stays["hadm_id"].unique())
    place = admissions.get_indexer(stays["hadm_id"])
    diagnoses, procedures = (_of(rows, admissions) for rows in (diagnoses, procedures))
    try:
        table = comorbidity.condition_table(
            diagnoses["place"], diagnoses["code"].tolist(), len(admissions), diagnoses["version"].tolist()
        )
    except ValueError as error:
        raise ValueError(f"{tables.find(folder, 'diagnoses_icd')}: {error}") from error
    found = {"charlson_index": comorbidity.charlson_index(table), **comorbidity.domains(table)}
    injured, excluded = (_any_of(diagnoses, prefixes, len(admissions)) for prefixes in (INJURY, EXCLUDED))
    found["dialysed_injury"] = injured & _any_of(procedures, DIALYSIS, len(admissions)) & ~excluded
    return {name: values[place].astype(np.float32) for name, values in found.items()}


def _of(rows, admissions):
    rows = rows[rows["code"] != ""]
    place = admissions.get_indexer(rows["hadm_id"].fillna(-1).astype(np.int64))
    version = rows["icd_version"].astype(int) if "icd_version" in rows else 9
    return rows.assign(place=place, version=version)[place >= 0]


def _any_of(rows, prefixes, size):
    found = np.zeros(size, bool)
    codes = rows["code"].str.upper().str.replace(".", "")
    for version, beginnings in prefixes.items():
        found[rows["place"][(rows["version"] == version) & codes.str.startswith(beginnings)]] = True
    return found
