import numpy as np
import pandas as pd
import pytest

from data_pipelines.cohort import REJECTED_COLUMNS, STEP_COLUMNS, Cohort
from data_pipelines.dataset import Dataset


def cohort(**changes):
    dataset = Dataset(
        inputs=np.zeros((2, 58, 12)),
        targets={"infarction": np.array([0.0, 1.0])},
        sensitive={"age": np.array([50.0, 60.0])},
        subject=np.array([1, 2]),
        ids=np.array([10, 11]),
    )
    fields = {
        "dataset": dataset,
        "fold": np.array([1, 2]),
        "steps": pd.DataFrame([("all records", 2, 2, 1, 1)], columns=[*STEP_COLUMNS, "infarction", "healthy"]),
        "rejected": pd.DataFrame([], columns=list(REJECTED_COLUMNS)),
    }
    return Cohort(**fields | changes)


def test_a_cohort_holds_what_it_was_given():
    assert cohort().steps["records"].tolist() == [2]


def test_folds_of_another_length_are_refused():
    with pytest.raises(ValueError, match="fold has 3 examples, but the data set 2"):
        cohort(fold=np.array([1, 2, 3]))


def test_the_classes_of_a_study_are_its_own():
    steps = pd.DataFrame([("all films", 2, 2, 1, 0, 1)], columns=[*STEP_COLUMNS, "mild", "severe", "unknown"])
    assert cohort(steps=steps).steps["severe"].tolist() == [0]


@pytest.mark.parametrize(
    ("name", "sentence"), [("steps", "must begin with the columns"), ("rejected", "must have the")]
)
def test_tables_with_other_columns_are_refused(name, sentence):
    with pytest.raises(ValueError, match=f"{name} {sentence}"):
        cohort(**{name: pd.DataFrame({"step": []})})
