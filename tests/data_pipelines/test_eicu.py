"""The official eICU tables: patients by hand, damaged tables, and the demo's published counts."""

import dataclasses
import gzip
import pathlib

import numpy as np
import pytest

from data_pipelines.icu import comorbidity, eicu, yaib
from data_pipelines.icu.stays import Stays

PATIENT = """patientunitstayid,gender,age,ethnicity,hospitalid,hospitaldischargeoffset,hospitaldischargestatus\
,unitdischargeoffset,uniquepid
12,Female,87,Caucasian,59,366,Alive,344,002-1039
11,Male,> 89,African American,60,2616,Expired,2250,002-1
13,,,,59,90,,60,002-1039
"""
DIAGNOSIS = """diagnosisid,patientunitstayid,icd9code
1,11,"428.0, I50.9"
2,11,"250.00, E11.9"
3,12,"038.9, A41.9"
4,12,
5,99,"585.6, N18.6"
"""
HISTORY = """pasthistoryid,patientunitstayid,pasthistorypath
1,12,notes/Progress Notes/Past History/Organ Systems/Renal  (R)/Renal Failure/renal failure - hemodialysis
2,12,notes/Progress Notes/Past History/Organ Systems/Cardiovascular (R)/Hypertension Requiring Treatment/treated
3,13,notes/Progress Notes/Past History/Past History Obtain Options/No Health Problems
4,11,notes/Progress Notes/Past History/Organ Systems/Neurologic/Strokes/stroke - date unknown
"""


def write(folder, patient=PATIENT, diagnosis=DIAGNOSIS, history=HISTORY):
    (folder / "patient.csv").write_text(patient)
    (folder / "diagnosis.csv.gz").write_bytes(gzip.compress(diagnosis.encode()))
    (folder / "pastHistory.csv").write_text(history)
    return folder


def test_patients_by_hand(tmp_path):
    found = eicu.read_patients(write(tmp_path))
    nan = np.nan
    assert found.index.tolist() == [11, 12, 13]
    assert found["subject"].tolist() == ["002-1", "002-1039", "002-1039"]
    assert found["race"].tolist()[:2] == ["African American", "Caucasian"]
    assert found["race"].isna().tolist() == [False, False, True]
    expected = {
        "hospital": [60, 59, 59],
        "age": [90, 87, nan],
        "male": [1, 0, nan],
        "hospital_death": [1, 0, nan],
        "death_hours": [43.6, nan, nan],
        "unit_hours": [37.5, 344 / 60, 1],
        "charlson_index": [2, 0, 0],
        "diabetes": [1, 0, 0],
        "hypertension": [0, 1, 0],
        "cardiovascular_disease": [1, 0, 0],
        "chronic_kidney_disease": [0, 1, 0],
        "sepsis": [0, 1, 0],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, err_msg=name)


def test_a_cohort_gets_what_the_tables_say(tmp_path):
    stays = Stays(
        variables=("hr",),
        stay=np.array([0, 1]),
        hours=np.float32([0, 1]),
        variable=np.array([0, 0]),
        value=np.float32([80, 90]),
        static={"age": np.float32([1, 2]), "height": np.float32([170, 180])},
        outcomes={"label": np.float32([0, 1])},
        subject=np.array([12, 11]),
        ids=np.array([12, 11]),
    )
    found = eicu.with_patients(stays, write(tmp_path))
    np.testing.assert_array_equal(found.static["age"], [87, 90])
    np.testing.assert_array_equal(found.static["height"], [170, 180])
    np.testing.assert_array_equal(found.outcomes["label"], [0, 1])
    np.testing.assert_array_equal(found.outcomes["hospital_death"], [0, 1])
    assert [eicu.RACES[int(code)] for code in found.attributes["race"]] == ["Caucasian", "African American"]
    np.testing.assert_array_equal(found.attributes["sepsis"], [1, 0])
    assert found.subject.tolist() == ["002-1039", "002-1"]
    assert "sepsis" not in found.static
    with pytest.raises(ValueError, match="stay 5 is not in patient; the cohort is of another database"):
        eicu.with_patients(dataclasses.replace(stays, ids=np.array([12, 5])), tmp_path)


@pytest.mark.parametrize(
    ("table", "good", "bad", "message"),
    [
        ("patient", "13,,,,", "12,,,,", "patientunitstayid 12 is in patient more than once"),
        ("patient", "12,Female", "12,Woman", "gender of stay 12 is 'Woman'; expected Male, Female"),
        ("patient", ",87,", ",old,", "age of stay 12 is 'old', which is no number"),
        ("patient", "Expired", "Dead", "hospitaldischargestatus of stay 11 is 'Dead'; expected Alive, Expired"),
        ("patient", "11,Male", "x,Male", "row 2: patientunitstayid is 'x', which is no id"),
        ("patient", "uniquepid", "pid", "column uniquepid is missing"),
        ("diagnosis", "428.0, I50.9", "heart failure", "diagnosis: icd9code: 'heart failure' is no code of ICD-10"),
        ("history", "pasthistorypath", "path", "column pasthistorypath is missing"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, table, good, bad, message):
    text = {"patient": PATIENT, "diagnosis": DIAGNOSIS, "history": HISTORY}[table]
    assert good in text
    with pytest.raises(ValueError, match=message):
        eicu.read_patients(write(tmp_path, **{table: text.replace(good, bad, 1)}))


def test_a_missing_or_damaged_table_is_named_with_what_it_is_for(tmp_path):
    write(tmp_path)
    (tmp_path / "diagnosis.csv.gz").write_bytes((tmp_path / "diagnosis.csv.gz").read_bytes()[:40])
    with pytest.raises(ValueError, match=r"diagnosis\.csv\.gz is not a comma-separated table"):
        eicu.read_patients(tmp_path)
    (tmp_path / "diagnosis.csv.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"diagnosis\.csv\.gz is missing \(comorbidities by ICD code\)"):
        eicu.read_patients(tmp_path)


@pytest.mark.real_data
def test_the_demo_has_the_counts_that_were_published(data_dir):
    root = pathlib.Path(data_dir)
    patients = eicu.read_patients(root / "eicu-demo-2.0.1")
    assert len(patients) == 2520
    assert patients["subject"].nunique() == 1841
    assert patients["hospital"].nunique() == 186
    assert patients["hospital_death"].sum() == 212
    counts = patients["race"].value_counts()
    assert counts[["Caucasian", "African American", "Hispanic", "Asian", "Native American"]].tolist() == [
        2010,
        231,
        115,
        30,
        12,
    ]
    stays = eicu.with_patients(yaib.read_cohort(root / "yaib-demo" / "eicu_demo"), root / "eicu-demo-2.0.1")
    last = np.zeros(len(stays))
    np.maximum.at(last, stays.stay, stays.hours)
    dead = ~np.isnan(stays.outcomes["death_hours"])
    assert (last[dead] <= stays.outcomes["death_hours"][dead] + 1).mean() > 0.95
    assert set(comorbidity.DOMAINS) <= set(stays.attributes)
