"""Windows over intensive care stays, against plain loops and by hand."""

import pathlib
import statistics

import numpy as np
import pytest

from data_pipelines.icu import challenge2012, windows
from data_pipelines.icu.stays import Stays


def draw(num_stays=6, num_subjects=4, seed=0):
    """Stays of up to 20 hours with 0 to 60 measurements of three variables at any minute."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 60, num_stays)
    counts[1] = 0
    stay = np.repeat(np.arange(num_stays), counts)
    hours = np.round(rng.uniform(0, 20, len(stay)) * 60) / 60
    hours = hours[np.lexsort((hours, stay))].astype(np.float32)
    return Stays(
        variables=("HR", "K", "Temp"),
        stay=stay,
        hours=hours,
        variable=rng.integers(0, 3, len(stay)),
        value=rng.normal(50, 20, len(stay)).round(1).astype(np.float32),
        static={},
        outcomes={},
        subject=np.arange(num_stays) % num_subjects,
        ids=np.arange(num_stays) + 100,
    )


def plain_median(stays, stay, hour, variable):
    rows = zip(stays.stay, stays.hours, stays.variable, stays.value, strict=True)
    values = [float(value) for s, h, v, value in rows if (s, int(h), v) == (stay, hour, variable)]
    return statistics.median(values) if values else np.nan


@pytest.mark.parametrize("length", [1, 5, 12])
def test_hourly_medians_are_those_of_a_loop(length):
    stays = draw()
    stay, end = windows.rolling_ends(stays, np.full(6, 20), length, step=3, most=100)
    found = windows.cut(stays, stay, end, length)
    expected = [
        [[plain_median(stays, s, e - length + hour, v) for v in range(3)] for hour in range(length)]
        for s, e in zip(stay, end, strict=True)
    ]
    np.testing.assert_allclose(found.values, np.float32(expected), rtol=1e-6)
    assert np.isnan(found.values).any()
    assert (~np.isnan(found.values)).any()


def test_windows_in_any_order_and_beyond_the_last_measurement():
    stays = draw()
    found = windows.cut(stays, [3, 0, 3], [12, 30, 12], 10)
    np.testing.assert_array_equal(found.values[0], found.values[2])
    assert np.isnan(found.values[1, 0:]).all(axis=1)[-9:].all()
    with pytest.raises(ValueError, match="a window of 10 hours that ends at hour 9 begins before stay 103"):
        windows.cut(stays, [0, 3], [10, 9], 10)


def test_rolling_windows_begin_at_every_step_and_stay_within():
    stays = draw()
    hours = np.float32([4.9, 5, 11.5, 0, 7, 6])
    stay, end = windows.rolling_ends(stays, hours, 5, step=2, most=100)
    expected = [(s, e) for s in range(6) for e in range(5, 20, 2) if e <= hours[s]]
    assert list(zip(stay.tolist(), end.tolist(), strict=True)) == expected


def test_of_a_subject_at_most_so_many_windows_whatever_the_others():
    stays = draw()
    hours = np.full(6, 19)
    stay, end = windows.rolling_ends(stays, hours, 4, most=7, seed=3)
    of_subject = stays.subject[stay]
    assert np.unique(of_subject, return_counts=True)[1].tolist() == [7, 7, 7, 7]
    assert len(set(zip(stay.tolist(), end.tolist(), strict=True))) == 28
    assert {0, 4} <= set(stay[of_subject == 0].tolist())  # Of both stays.
    alone = stays.take(stays.subject == 2)
    _, own = windows.rolling_ends(alone, hours[stays.subject == 2], 4, most=7, seed=3)
    np.testing.assert_array_equal(own, end[of_subject == 2])
    _, other = windows.rolling_ends(alone, hours[stays.subject == 2], 4, most=7, seed=4)
    assert (own != other).any()


def test_windows_longer_than_any_stay_are_refused():
    with pytest.raises(ValueError, match="no stay is as long as a window of 48 hours; the longest of 6 has 19"):
        windows.rolling_ends(draw(), np.full(6, 19.9), 48)


def test_gaps_are_filled_forward_then_by_the_normal_value():
    nan = np.nan
    values = np.float32([[[nan, 1], [2, nan], [nan, nan], [3, 5]]])
    filled, measured, since = windows.filled(values, np.float32([9, 8]))
    np.testing.assert_array_equal(filled[0], [[9, 1], [2, 1], [2, 1], [3, 5]])
    np.testing.assert_array_equal(measured[0], [[0, 1], [1, 0], [0, 0], [1, 1]])
    np.testing.assert_array_equal(since[0], [[0, 0], [0, 1], [1, 2], [0, 0]])
    filled, measured, since = windows.filled(np.full((1, 3, 2), nan, np.float32), np.float32([9, 8]))
    np.testing.assert_array_equal(filled[0], [[9, 8]] * 3)
    np.testing.assert_array_equal(since[0, :, 0], [0, 1, 2])
    assert not measured.any()
    with pytest.raises(ValueError, match="variable 1 has no normal value"):
        windows.filled(values, [9, nan])


def test_what_is_filled_in_never_looks_ahead():
    stays = draw(seed=5)
    found = windows.cut(stays, *windows.fixed_ends(stays, [12]), 12)
    later = found.values.copy()
    later[:, 7:] = 1000
    for one, other in zip(windows.filled(found.values, np.zeros(3)), windows.filled(later, np.zeros(3)), strict=True):
        np.testing.assert_array_equal(one[:, :7], other[:, :7])


def test_normalization_is_of_what_was_measured_in_training():
    rng = np.random.default_rng(0)
    values = rng.normal([5, 70, 1, 3], [1, 9, 0, 2], size=(20, 6, 4)).astype(np.float32)
    values[rng.random(values.shape) < 0.4] = np.nan
    values[:, :, 3] = np.nan
    train = np.arange(20) < 12
    mean, deviation = windows.normalization(values, train)
    rows = values[train].reshape(-1, 4)
    np.testing.assert_allclose(mean[:3], np.nanmean(rows[:, :3].astype(float), axis=0), rtol=1e-6)
    np.testing.assert_allclose(deviation[:2], np.nanstd(rows[:, :2].astype(float), axis=0), rtol=1e-5)
    np.testing.assert_array_equal([deviation[2], mean[3], deviation[3]], [1, 0, 1])
    values[~train] = 1e6
    np.testing.assert_array_equal(windows.normalization(values, train), (mean, deviation))


def test_death_is_looked_for_between_the_end_and_the_horizon():
    stays = draw(num_stays=3)
    found = windows.cut(stays, *windows.fixed_ends(stays, [24, 48]), 12)
    label = windows.death_within([60.0, np.nan, 121.0], found)
    np.testing.assert_array_equal(label, [1, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(
        windows.death_within([24.0, 24.5, 30.0], found), [np.nan, np.nan, 1, np.nan, 1, np.nan]
    )
    np.testing.assert_array_equal(windows.death_within([96.0, 96.5, 120.0], found, 72), [1, 1, 0, 1, 0, 1])
    kept = found.take(np.array([True, False, True, False, True, False]))
    assert (kept.end == 24).all()
    assert len(kept) == 3


@pytest.mark.real_data
def test_hours_of_death_in_the_challenge_fit_what_was_measured(data_dir):
    stays = challenge2012.load(pathlib.Path(data_dir) / "challenge-2012", "a")
    last = np.zeros(len(stays))
    np.maximum.at(last, stays.stay, stays.hours)
    days, death = stays.outcomes["survival_days"], challenge2012.death_hours(stays)
    np.testing.assert_array_equal(np.isnan(death), np.isnan(days))
    # Whole days since admission to the hour of death would end at 48 hours on day 1: these are measured up to there.
    first = (stays.outcomes["hospital_death"] == 1) & (days == 1)
    assert first.sum() == 26
    assert (last[first] > 47).mean() > 0.75
    assert (last <= death)[~np.isnan(death) & (days > 0)].all()
    found = windows.cut(stays, *windows.fixed_ends(stays, [24, 36, 48]), 24)
    label = windows.death_within(death, found).reshape(-1, 3)
    assert np.isnan(label).sum(0).tolist() == [3, 3, 3]  # Day 0, of patients who did not die in hospital.
    assert np.nansum(label[:, 2]) == (np.isin(days, [1, 2, 3, 4])).sum()
