"""The fairness study's domains: who is in which group, and what cannot be told is named."""

import numpy as np
import pytest

from data_pipelines.icu import eicu, mimic
from data_pipelines.icu.stays import Stays
from experiments.mtate import domains


def hand_made(**columns):
    """Stays of which only fields matter by which groups are told."""
    size = len(next(iter(columns.values())))
    static = {name: np.float32(columns.pop(name)) for name in ("age", "male", "icu_type") if name in columns}
    return Stays(
        variables=("hr",), stay=np.zeros(1, int), hours=np.zeros(1), variable=np.zeros(1, int), value=np.ones(1),
        static=static, outcomes={}, subject=np.arange(size), ids=np.arange(size),
        attributes={name: np.float32(values) for name, values in columns.items()},
    )  # fmt: skip


def test_groups_by_hand():
    nan = np.nan
    stays = hand_made(
        age=[64.9, 65, 90, nan], male=[1, 0, nan, 1], icu_type=[1, 2, 3, 4], race=[0, 1, 4, 5],
        charlson_index=[1, 2, 0, 9], diabetes=[0, 1, 0, nan],
    )  # fmt: skip
    names = ("age", "sex", "unit", "race", "charlson", "diabetes")
    expected = [[0, 1, 1, nan], [1, 0, nan, 1], [0, 1, 0, 1], [0, 1, 1, nan], [0, 1, 0, 1], [0, 1, 0, nan]]
    found = domains.domain_labels(stays, names)
    np.testing.assert_array_equal(found, np.float32(expected).T)
    assert found.dtype == np.float32
    assert eicu.RACES[5] == "Other/Unknown"
    assert eicu.RACES[0] == "Caucasian"
    assert mimic.RACES[0] == "White"


def test_a_domain_that_the_stays_cannot_tell_is_named():
    stays = hand_made(age=[50, 70], male=[0, 1])
    with pytest.raises(ValueError, match=r"'race' needs race, which these stays do not have; use age, sex\."):
        domains.domain_labels(stays, ("age", "race"))


def test_a_domain_with_one_group_is_named():
    labels = np.float32([[0, 1, np.nan], [1, 1, np.nan], [1, np.nan, np.nan]])
    domains.check_groups(labels[:, :1], ("sex",))
    with pytest.raises(ValueError, match=r"all 3 windows .* domain 'age' \(65 or older\).*leave it out\."):
        domains.check_groups(labels[:, :2], ("sex", "age"))
    with pytest.raises(ValueError, match="no known group"):
        domains.check_groups(labels[:, 2:], ("age",))
