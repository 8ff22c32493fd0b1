"""MIMIC from tables made by hand, of both versions; units, reasons to leave out, damaged folders; and the real demo."""

import gzip
import pathlib
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from data_pipelines.icu import mimic
from data_pipelines.icu.mimic import items, tables

# Two patients; the first has two stays, the second is 15 years old.
TABLES = {
    "icustays": """subject_id,hadm_id,icustay_id,intime,outtime
1,10,102,2150-01-05 12:00:00,2150-01-07 12:00:00
1,11,101,2151-03-01 00:00:00,2151-03-02 00:00:00
2,20,201,2140-06-01 00:00:00,2140-06-03 00:00:00
""",
    "admissions": """subject_id,hadm_id,deathtime,hospital_expire_flag,ethnicity
1,10,,0,WHITE - RUSSIAN
1,11,2151-03-02 06:30:00,1,UNKNOWN/NOT SPECIFIED
2,20,,0,ASIAN
""",
    "patients": """subject_id,gender,dob,dod
1,F,2090-01-05 00:00:00,2151-03-02 00:00:00
2,M,2125-01-01 00:00:00,
""",
    "chartevents": """subject_id,hadm_id,icustay_id,itemid,charttime,valuenum,error
1,10,102,211,2150-01-05 13:00:00,88,0
1,10,102,678,2150-01-05 12:30:00,98.6,
1,10,102,223762,2150-01-05 14:00:00,37.5,0
1,10,102,211,2150-01-05 15:00:00,890,0
1,10,102,211,2150-01-05 16:00:00,90,1
1,10,102,211,2150-01-05 11:00:00,91,0
1,10,102,226531,2150-01-05 12:10:00,165.3,0
1,10,102,226707,2150-01-05 12:10:00,66,0
1,10,,211,2150-01-05 17:00:00,92,0
1,11,101,220045,2151-03-01 05:00:00,70,0
1,11,101,999999,2151-03-01 05:00:00,70,0
1,11,101,220045,2151-03-01 06:00:00,,0
2,20,201,211,2140-06-01 01:00:00,100,0
""",
    "labevents": """subject_id,hadm_id,itemid,charttime,valuenum,valueuom
1,10,50912,2150-01-06 12:00:00,1.4,mg/dL
1,,50912,2151-03-01 12:00:00,150,umol/L
1,10,50983,2150-01-06 12:00:00,140,mEq/L
1,10,50971,2150-01-06 12:00:00,4,mg/dL
1,10,51301,2150-01-04 12:00:00,9,K/uL
""",
    "diagnoses_icd": """subject_id,hadm_id,icd9_code
1,10,5849
1,10,4280
1,11,5845
1,11,V420
2,20,25000
""",
    "procedures_icd": """subject_id,hadm_id,icd9_code
1,10,3995
1,11,3995
""",
}


def write(folder, change=None, upper=False, **others):
    for name, text in (TABLES | others).items():
        if text is None:
            continue
        if change and change[0] == name:
            assert change[1] in text
            text = text.replace(change[1], change[2], 1)
        if upper:
            header, _, rows = text.partition("\n")
            (folder / f"{name.upper()}.csv").write_text(f"{header.upper()}\n{rows}")
        else:
            (folder / f"{name}.csv.gz").write_bytes(gzip.compress(text.encode()))
    return folder


@pytest.mark.parametrize("upper", [False, True], ids=["gzipped, lower case", "plain, upper case"])
def test_two_stays_by_hand(tmp_path, upper):
    found = mimic.read_stays(write(tmp_path, upper=upper))
    np.testing.assert_array_equal(found.ids, [101, 102])
    np.testing.assert_array_equal(found.subject, [1, 1])
    rows = [
        (found.variables[code], round(float(hours), 3), round(float(value), 3))
        for code, hours, value in zip(found.variable, found.hours, found.value, strict=True)
    ]
    assert rows == [
        ("heart_rate", 5, 70),
        ("creatinine", 12, 1.696),  # 150 umol/L.
        ("temperature", 0.5, 37),  # 98.6 °F.
        ("heart_rate", 1, 88),
        ("temperature", 2, 37.5),
        *sorted([("creatinine", 24, 1.4), ("sodium", 24, 140)], key=lambda row: found.variables.index(row[0])),
    ]
    np.testing.assert_array_equal(found.stay, [0, 0, 1, 1, 1, 1, 1])
    np.testing.assert_allclose(found.static["age"], [61.15, 60.0], atol=0.01)
    np.testing.assert_array_equal(found.static["male"], [0, 0])
    np.testing.assert_allclose(found.static["weight"], [np.nan, 74.98], atol=0.01)
    np.testing.assert_allclose(found.static["height"], [np.nan, 167.64], atol=0.01)
    np.testing.assert_array_equal(found.outcomes["hospital_death"], [1, 0])
    # The second stay's patient dies a year later, by the end of that day.
    later = (pd.Timestamp("2151-03-03") - pd.Timestamp("2150-01-05 12:00")).total_seconds() / 3600
    np.testing.assert_allclose(found.outcomes["death_hours"], [30.5, later])
    np.testing.assert_array_equal(found.outcomes["unit_hours"], [24, 48])
    np.testing.assert_array_equal(found.attributes["race"], [np.nan, mimic.RACES.index("White")])
    np.testing.assert_array_equal(found.attributes["cardiovascular_disease"], [0, 1])
    np.testing.assert_array_equal(found.attributes["charlson_index"], [2, 1])  # A transplant's state is renal disease.
    np.testing.assert_array_equal(found.attributes["dialysed_injury"], [0, 1])
    assert found.counts == {
        "stays_of_children": 1,
        "marked_as_errors": 1,
        "implausible": 1,
        "in_an_unknown_unit": 1,
        "outside_the_stay": 1,
    }


def test_a_piece_at_a_time_gives_the_same(tmp_path, monkeypatch):
    at_once = mimic.read_stays(write(tmp_path))
    monkeypatch.setattr(tables, "ROWS", 2)
    piecewise = mimic.read_stays(tmp_path)
    for name in ("stay", "hours", "variable", "value"):
        np.testing.assert_array_equal(getattr(piecewise, name), getattr(at_once, name))
    assert piecewise.counts == at_once.counts


def test_the_fourth_version_with_its_folders_and_codes(tmp_path):
    for place in ("icu", "hosp"):
        (tmp_path / place).mkdir()
    write(
        tmp_path / "icu",
        **dict.fromkeys(TABLES)
        | {name: TABLES[name].replace("icustay_id", "stay_id") for name in ("icustays", "chartevents")},
    )
    coded = {
        "diagnoses_icd": "hadm_id,icd_code,icd_version\n10,N179,10\n10,I509,10\n11,5849,9\n20,E119,10\n",
        "procedures_icd": "hadm_id,icd_code,icd_version\n10,5A1D70Z,10\n",
        "patients": "subject_id,gender,anchor_age,anchor_year,dod\n1,F,59,2149,2151-03-02\n2,M,15,2140,\n",
        "admissions": TABLES["admissions"].replace("ethnicity", "race"),
    }
    rest = {name: coded.get(name, TABLES[name]) for name in TABLES if name not in ("icustays", "chartevents")}
    write(tmp_path / "hosp", **dict.fromkeys(TABLES) | rest)
    found = mimic.read_stays(tmp_path)
    np.testing.assert_array_equal(found.ids, [101, 102])
    np.testing.assert_array_equal(found.static["age"], [61, 60])
    np.testing.assert_array_equal(found.attributes["dialysed_injury"], [0, 1])
    np.testing.assert_array_equal(found.attributes["charlson_index"], [0, 1])
    assert len(found.value) == 7


@pytest.mark.parametrize("born", ["1850-01-05 00:00:00", "2060-01-05 00:00:00"])
def test_everybody_over_89_is_90(tmp_path, born):
    found = mimic.read_stays(write(tmp_path, change=("patients", "2090-01-05 00:00:00", born)))
    np.testing.assert_array_equal(found.static["age"], [90, 90])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("chartevents", "2150-01-05 13:00:00,88", "2150-01-05 13:00:00,high"),
            "row 1: valuenum is 'high', which is no",
        ),
        (("chartevents", "2150-01-05 13:00:00", "yesterday"), "row 1: charttime is 'yesterday', which is no time"),
        (("chartevents", "charttime", "time"), r"chartevents\.csv\.gz: column charttime is missing"),
        (("icustays", "icustay_id", "id"), "column icustay_id or stay_id is missing"),
        (("icustays", "1,11,101", "1,11,102"), "stay 102 is there twice"),
        (("icustays", "1,11,101", "1,12,101"), "stay 101 has no time of admission, or its admission or patient"),
        (("patients", "dob", "born"), "column dob, or anchor_age and anchor_year, is missing"),
        (("diagnoses_icd", "4280", "heart"), "'heart' is no code of ICD-9"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        mimic.read_stays(write(tmp_path, change=change))


@pytest.mark.parametrize("name", TABLES)
def test_a_missing_table_is_named_with_what_it_is_for(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=rf"no table {name} \({tables.WHAT_FOR[name][:20]}"):
        mimic.read_stays(write(tmp_path, **{name: None}))


def test_a_table_that_breaks_off_is_named(tmp_path):
    write(tmp_path)
    path = tmp_path / "labevents.csv.gz"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"labevents\.csv\.gz (ends or breaks off|is not a comma-separated table)"):
        mimic.read_stays(tmp_path)


PEAK = """
import resource, sys
from data_pipelines.icu import mimic
stays = mimic.read_stays(sys.argv[1])
print(len(stays.value), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_two_gigabytes_of_chartevents_take_half_a_gigabyte_of_memory(tmp_path):
    write(tmp_path, chartevents=None)
    header, _, rows = TABLES["chartevents"].partition("\n")
    # Of 13 rows one is wanted, as in MIMIC-III about one in ten is.
    block = rows.splitlines()[0] + "\n" + "1,10,102,999999,2150-01-05 13:00:00,88,0\n" * 12
    block, size = block * 2000, 2 * 1024**3
    count = size // len(block) + 1
    with open(tmp_path / "CHARTEVENTS.csv", "w") as file:
        file.write(header + "\n")
        for _ in range(count):
            file.write(block)
    assert (tmp_path / "CHARTEVENTS.csv").stat().st_size > size
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path)],
        cwd=pathlib.Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    kept, peak = map(int, done.stdout.split())
    assert kept == 2000 * count + 3  # And three of the laboratory.
    assert peak < 700, f"{peak} MB"


@pytest.mark.real_data
def test_the_demo_has_its_stays_and_its_items_mean_what_is_taken(data_dir):
    folder = pathlib.Path(data_dir) / "mimic-iii-demo-1.4"
    labels = pd.concat([pd.read_csv(folder / f"D_{kind}.csv.gz") for kind in ("ITEMS", "LABITEMS")])
    labels = labels.set_index("itemid")["label"].str.lower()
    words = {
        "systolic_pressure": ["systolic"], "diastolic_pressure": ["diastolic"], "heart_rate": ["heart rate"],
        "respiratory_rate": ["resp"], "temperature": ["temperature"], "creatinine": ["creatinine"],
        "bicarbonate": ["bicarbonate"], "hematocrit": ["hematocrit"], "potassium": ["potassium"],
        "bilirubin": ["bilirubin, total"], "sodium": ["sodium"], "white_blood_cells": ["wbc", "white blood"],
        "weight": ["wt", "weight"], "height": ["ht", "height", "length"],
    }  # fmt: skip
    for name, variable in {**items.VARIABLES, **items.STATIC}.items():
        for item in (*variable.charted, *variable.laboratory):
            assert any(word in labels[item] for word in words[name]), (name, item, labels[item])
            if item in items.CONVERTED:
                assert any(word in labels[item] for word in (" f", "lb", "inch", "ht", "height")), labels[item]
    found = mimic.read_stays(folder)
    assert len(found) + found.counts["stays_of_children"] == 136
    assert len(np.unique(found.subject)) in (99, 100)
    assert 0 < found.attributes["dialysed_injury"].sum() < 20
    for number, variable in enumerate(items.VARIABLES.values()):
        values = found.value[found.variable == number]
        assert variable.least <= values.min() <= variable.normal <= values.max() <= variable.most
    last = np.zeros(len(found))
    np.maximum.at(last, found.stay, found.hours)
    assert (last <= found.outcomes["death_hours"] + 24).mean() > 0.99
