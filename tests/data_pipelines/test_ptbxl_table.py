import numpy as np
import pandas as pd
import pytest

from data_pipelines.ptbxl import read_cohort_table
from data_pipelines.ptbxl.table import INFARCTION_CODES, select_cohort


def table_of(rows):
    """A table as `read_cohort_table` gives it, from (codes, age) pairs; every record its own patient."""
    codes = [frozenset(text.split()) for text, _ in rows]
    return pd.DataFrame(
        {
            "ecg_id": range(1, len(rows) + 1),
            "patient_id": range(len(rows)),
            "age": [float(age) for _, age in rows],
            "codes": codes,
            "healthy": ["NORM" in one for one in codes],
            "infarction": [bool(one & INFARCTION_CODES) for one in codes],
        }
    )


def test_the_cohort_by_hand():
    rows = {
        1: ("NORM SR", 50),
        2: ("IMI", 70),
        3: ("INJAS SR", 60),  # Subendocardial injury is one of the 14.
        4: ("NDT SR", 40),  # Neither.
        5: ("NORM IMI", 40),  # Both.
        6: ("AMI CLBBB", 66),
        7: ("AMI ABQRS", 66),
        8: ("NORM LVOLT", 30),
        9: ("NORM STACH", 30),
        10: ("IMI LVH", 71),
        11: ("NORM", 300),
        12: ("NORM", np.nan),
        13: ("IMI LAFB VCLVH IVCD", 80),  # Conditions that the paper does not name.
        14: ("NORM", 0),
        15: ("NORM SVTAC PSVT", 33),
    }
    kept, steps = select_cohort(table_of(list(rows.values())))
    assert list(kept["ecg_id"]) == [1, 2, 3, 13, 14]
    assert list(steps["records"]) == [15, 14, 13, 12, 11, 10, 9, 8, 8, 7, 5]
    assert list(steps["infarction"])[-1] == 3
    assert list(steps["healthy"])[-1] == 2
    assert "bundle branch block (CLBBB, CRBBB, ILBBB, IRBBB)" in steps["step"][3]
    with_lvh, more_steps = select_cohort(table_of(list(rows.values())), keep_lvh=True)
    assert set(with_lvh["ecg_id"]) - set(kept["ecg_id"]) == {10}
    assert len(more_steps) == len(steps) - 1


def test_steps_count_patients_apart_from_records():
    table = table_of([("NORM", 50), ("NORM", 51), ("IMI", 60)])
    table["patient_id"] = [7, 7, 8]
    _, steps = select_cohort(table)
    assert (steps["records"] == 3).all()
    assert (steps["subjects"] == 2).all()


def test_the_table_is_read_with_its_types(tiny_ptbxl):
    tiny = tiny_ptbxl(4)
    tiny.set(1, "scp_codes", "{'IMI': 0.0}")  # Likelihood unknown counts.
    table = read_cohort_table(tiny.folder)
    assert table["patient_id"].tolist() == [100, 100, 101, 101]
    assert [str(table[name].dtype) for name in ("ecg_id", "patient_id", "strat_fold", "age", "sex")] == [
        "int64",
        "int64",
        "int64",
        "float64",
        "float64",
    ]
    assert table["infarction"].tolist() == [True, False, False, True]
    assert table["healthy"].tolist() == [False, True, True, False]
    assert table["codes"][3] == {"IMI", "SR"}


def test_rows_come_in_the_order_of_ecg_id(tiny_ptbxl):
    tiny = tiny_ptbxl(4)
    ordered = read_cohort_table(tiny.folder)
    tiny.table = tiny.table[::-1]
    tiny.save()
    pd.testing.assert_frame_equal(read_cohort_table(tiny.folder), ordered)


def test_a_missing_folder_says_where_ptbxl_is(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"nowhere is not a folder; expected PTB-XL .* from https://physionet\.org"
    ):
        read_cohort_table(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["ptbxl_database.csv", "scp_statements.csv"])
def test_a_missing_csv_is_named(tiny_ptbxl, name):
    folder = tiny_ptbxl(1).folder
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{name} is missing; expected .*physionet\.org"):
        read_cohort_table(folder)


@pytest.mark.parametrize("column", ["patient_id", "scp_codes", "strat_fold", "filename_hr"])
def test_a_missing_column_is_named(tiny_ptbxl, column):
    tiny = tiny_ptbxl(1)
    tiny.table = tiny.table.drop(columns=column)
    tiny.save()
    with pytest.raises(ValueError, match=rf"ptbxl_database\.csv: column {column} is missing"):
        read_cohort_table(tiny.folder)


def test_an_empty_csv_is_refused(tiny_ptbxl):
    folder = tiny_ptbxl(1).folder
    (folder / "ptbxl_database.csv").write_text("")
    with pytest.raises(ValueError, match="cannot be read as a table"):
        read_cohort_table(folder)


def test_a_patient_in_two_folds_is_named(tiny_ptbxl):
    tiny = tiny_ptbxl(4)
    tiny.set(4, "strat_fold", 7)
    with pytest.raises(ValueError, match="patient 101 is in strat_fold 2 and 7"):
        read_cohort_table(tiny.folder)


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("strat_fold", 11, "ecg_id 2: strat_fold must be 1 to 10"),
        ("ecg_id", 1, "ecg_id 1 occurs more than once"),
        ("scp_codes", "{'NORM': ", "ecg_id 2: scp_codes .* is no dictionary"),
        ("scp_codes", "7", "ecg_id 2: scp_codes .* is no dictionary"),
        ("scp_codes", np.nan, "ecg_id 2: scp_codes nan is no dictionary"),
        ("patient_id", "none", "column patient_id holds 'none'"),
        ("patient_id", np.nan, "line 3: column patient_id must be a whole number"),
        ("patient_id", 100.5, "line 3: column patient_id must be a whole number"),
        ("age", "old", "column age holds 'old'"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(tiny_ptbxl, column, value, sentence):
    tiny = tiny_ptbxl(2)
    tiny.set(2, column, value)
    with pytest.raises(ValueError, match=sentence):
        read_cohort_table(tiny.folder)


def test_other_infarction_codes_are_refused(tiny_ptbxl):
    folder = tiny_ptbxl(1).folder
    with open(folder / "scp_statements.csv", "a") as file:
        file.write("NEWMI,MI\n")
    with pytest.raises(ValueError, match="these differ: NEWMI"):
        read_cohort_table(folder)


@pytest.mark.real_data
def test_the_shared_part_of_ptbxl_has_its_known_counts(real_ptbxl):
    table = read_cohort_table(real_ptbxl)
    kept, steps = select_cohort(table)
    if len(table) != 7450:
        pytest.skip(f"the counts are those of a part with 7450 records, but this has {len(table)}")
    assert len(kept) == 7050
    assert (kept["infarction"].sum(), kept["healthy"].sum()) == (1195, 5855)
    assert steps["records"].is_monotonic_decreasing
