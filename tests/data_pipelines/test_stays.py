"""Stays with measurements at any time: what is refused, and what taking some of them leaves."""

import dataclasses

import numpy as np
import pytest

from data_pipelines.icu.stays import Stays


def stays():
    """Four stays with 3, 0, 2 and 1 measurements of two variables."""
    return Stays(
        variables=("HR", "Temp"),
        stay=np.array([0, 0, 0, 2, 2, 3]),
        hours=np.float32([0, 1, 1, 5, 6, 2]),
        variable=np.array([0, 0, 1, 1, 0, 1]),
        value=np.float32([80, 81, 37, 38, 90, 36]),
        static={"age": np.float32([60, 70, np.nan, 50])},
        outcomes={"hospital_death": np.float32([0, 1, 0, 1])},
        attributes={"diabetes": np.float32([1, 0, 0, 1])},
        subject=np.array([7, 7, 8, 9]),
        ids=np.array([10, 11, 12, 13]),
    )


def test_taken_stays_bring_their_measurements_in_the_order_asked_for():
    taken = stays().take(np.array([3, 1, 0]))
    np.testing.assert_array_equal(taken.ids, [13, 11, 10])
    np.testing.assert_array_equal(taken.subject, [9, 7, 7])
    np.testing.assert_array_equal(taken.stay, [0, 2, 2, 2])
    np.testing.assert_array_equal(taken.value, np.float32([36, 80, 81, 37]))
    np.testing.assert_array_equal(taken.hours, np.float32([2, 0, 1, 1]))
    np.testing.assert_array_equal(taken.variable, [1, 0, 0, 1])
    np.testing.assert_array_equal(taken.static["age"], np.float32([50, 70, 60]))
    np.testing.assert_array_equal(taken.outcomes["hospital_death"], [1, 1, 0])
    np.testing.assert_array_equal(taken.attributes["diabetes"], [1, 0, 1])


def test_a_mask_takes_in_order_and_nothing_leaves_nothing():
    taken = stays().take(np.array([False, True, True, False]))
    np.testing.assert_array_equal(taken.ids, [11, 12])
    np.testing.assert_array_equal(taken.stay, [1, 1])
    nothing = stays().take(np.zeros(4, bool))
    assert len(nothing) == len(nothing.value) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"hours": np.float32([0, 1, 0, 5, 6, 2])},
            "of time, but HR at hour 1 of stay 10 comes before Temp at hour 0 of stay 10.",
        ),
        ({"stay": np.array([0, 0, 2, 0, 2, 3])}, "hour 1 of stay 12 comes before Temp at hour 5 of stay 10"),
        ({"stay": np.array([0, 0, 0, 2, 2, 4])}, "stay must be from 0 to 3, but is 0 to 4"),
        ({"variable": np.array([0, 0, 2, 1, 0, 1])}, "variable must be from 0 to 1"),
        ({"value": np.float32([80, 81, np.nan, 38, 90, 36])}, "Temp at hour 1 of stay 10 has the value nan"),
        ({"hours": np.float32([0, 1, 1, 5, 6, np.nan])}, "Temp at hour nan of stay 13 has the value 36"),
        ({"value": np.float32([80, 81])}, "value has 2 entries, but there are 6 measurements"),
        ({"ids": np.array([10, 11, 12, 12])}, "12 occurs 2 times"),
        ({"outcomes": {"died": np.zeros(3)}}, r"outcomes\['died'\] has 3 entries, but there are 4 stays"),
    ],
)
def test_what_is_no_table_of_stays_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(stays(), **change)


def test_a_stay_is_taken_once():
    with pytest.raises(ValueError, match="but 11 is asked for 2 times"):
        stays().take(np.array([1, 1]))
