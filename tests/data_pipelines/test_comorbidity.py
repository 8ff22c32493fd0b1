"""Comorbidities from codes: Quan's lists against another implementation of them, and patients coded by hand."""

import numpy as np
import pytest

from data_pipelines.icu import comorbidity

# Of all codes of four more digits after one (ICD-9: or of V and four digits; ICD-10: after a letter), how many
# comorbidipy 0.5.0 takes for each condition: codes that start with one of its mapping["charlson_icd9_quan"] and
# mapping["charlson_icd10_quan"]. On each code both agreed, but for 195.9, which does not exist and which it has.
COUNTS = {
    9: {
        "myocardial_infarction": 200,
        "congestive_heart_failure": 170,
        "peripheral_vascular_disease": 350,
        "cerebrovascular_disease": 901,
        "dementia": 120,
        "chronic_pulmonary_disease": 1_650,
        "rheumatic_disease": 200,
        "peptic_ulcer_disease": 400,
        "mild_liver_disease": 276,
        "diabetes_without_complication": 60,
        "diabetes_with_complication": 40,
        "hemiplegia_or_paraplegia": 290,
        "renal_disease": 519,
        "malignancy": 6_410,
        "moderate_or_severe_liver_disease": 100,
        "metastatic_tumor": 400,
        "aids": 300,
    },
    10: {
        "myocardial_infarction": 210,
        "congestive_heart_failure": 320,
        "peripheral_vascular_disease": 310,
        "cerebrovascular_disease": 1_210,
        "dementia": 520,
        "chronic_pulmonary_disease": 1_650,
        "rheumatic_disease": 540,
        "peptic_ulcer_disease": 400,
        "mild_liver_disease": 460,
        "diabetes_without_complication": 250,
        "diabetes_with_complication": 250,
        "hemiplegia_or_paraplegia": 300,
        "renal_disease": 400,
        "malignancy": 8_300,
        "moderate_or_severe_liver_disease": 110,
        "metastatic_tumor": 400,
        "aids": 400,
    },
}


@pytest.mark.parametrize("version", [9, 10])
def test_quans_lists_have_as_many_codes_as_another_implementation(version):
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if version == 10 else ["V"]
    codes = [f"{letter}{number:04d}" for letter in letters for number in range(10_000)]
    codes += [f"{number:05d}" for number in range(100_000)] if version == 9 else []
    expected = COUNTS[version] | ({"malignancy": COUNTS[9]["malignancy"] - 10} if version == 9 else {})
    text = "\n".join(codes)
    for name, count in expected.items():
        prefixes = comorbidity.PREFIXES[version][name]
        assert sum(("\n" + text).count(f"\n{prefix}") for prefix in set(prefixes)) == count, name


PATIENTS = {
    # Codes as sources write them; the conditions; Charlson's index.
    "none": ([], set(), 0),
    "heart and kidney": (
        ["428.0, I50.9", "585.6, N18.6", "401.9, I10"],
        {"congestive_heart_failure", "renal_disease", "hypertension"},
        3,
    ),
    "without dots": (["4280", "5856", "4019"], {"congestive_heart_failure", "renal_disease", "hypertension"}, 3),
    "diabetes twice counts once": (
        ["250.00, E11.9", "250.40, E11.21"],
        {"diabetes_without_complication", "diabetes_with_complication"},
        2,
    ),
    "tumor and its metastases": (["162.9, C34.90", "198.5, C79.51"], {"malignancy", "metastatic_tumor"}, 6),
    "cirrhosis with bleeding": (
        ["571.2, K70.30", "456.0, I85.01"],
        {"mild_liver_disease", "moderate_or_severe_liver_disease"},
        3,
    ),
    "hypertensive kidney disease": (["403.91, I12.0"], {"renal_disease", "hypertension"}, 2),
    "septic shock": (["038.9, A41.9", "785.52, R65.21"], {"sepsis"}, 0),
    "old stroke": (["V45.1", "438.20, I69.359"], {"renal_disease", "cerebrovascular_disease"}, 3),
    "something else": (["780.09, R41.82", "E880.9"], set(), 0),
}


def table_of(patients):
    rows = [(place, code) for place, codes in enumerate(patients) for pair in codes for code in pair.split(", ")]
    return comorbidity.condition_table([row[0] for row in rows], [row[1] for row in rows], len(patients))


def test_patients_coded_by_hand():
    table = table_of([codes for codes, _, _ in PATIENTS.values()])
    assert set(table) == set(comorbidity.CONDITIONS)
    for place, (name, (_, conditions, _)) in enumerate(PATIENTS.items()):
        assert {condition for condition, has in table.items() if has[place]} == conditions, name
    np.testing.assert_array_equal(comorbidity.charlson_index(table), [index for _, _, index in PATIENTS.values()])


def test_domains_are_any_of_their_conditions():
    found = comorbidity.domains(table_of([["250.40"], ["410.11"], ["I63.9"], ["403.91"], ["A41.9"], []]))
    expected = {
        "diabetes": [1, 0, 0, 0, 0, 0],
        "cardiovascular_disease": [0, 1, 1, 0, 0, 0],
        "hypertension": [0, 0, 0, 1, 0, 0],
        "chronic_kidney_disease": [0, 0, 0, 1, 0, 0],
        "sepsis": [0, 0, 0, 0, 1, 0],
    }
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_a_version_that_is_given_decides():
    assert comorbidity.conditions_of("V56.0") == {"renal_disease"}
    assert comorbidity.conditions_of("V56.0", 9) == {"renal_disease"}
    assert comorbidity.conditions_of("V560", 10) == set()
    assert comorbidity.conditions_of("e11.9", 10) == {"diabetes_without_complication"}
    assert comorbidity.conditions_of("E11", 10) == set()  # No fourth digit: with or without is not said.


@pytest.mark.parametrize(
    ("code", "version", "message"),
    [
        (4019, None, "4019 is not text: as a number it has lost its zeros"),
        ("", None, "'' is no code of ICD-10"),
        ("410.9", 10, "'410.9' is no code of ICD-10"),
        ("I10", 9, "'I10' is no code of ICD-9"),
        ("401.9, I10", None, "is no code of ICD-9"),
    ],
)
def test_what_is_no_code_is_refused(code, version, message):
    with pytest.raises(ValueError, match=message):
        comorbidity.conditions_of(code, version)
