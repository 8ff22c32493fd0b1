"""Paired differences and Holm's adjustment, against counting by hand and SciPy."""

import itertools

import numpy as np
import pytest
from scipy import stats

from jaxfair.metrics import holm, mean_interval, paired_difference


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    first = rng.normal(0.5, 1, 9)
    return first, first - rng.normal(0.6, 0.7, 9)


def test_p_counts_the_sign_patterns_whose_mean_is_as_far_from_zero(pairs):
    difference = pairs[0] - pairs[1]
    patterns = np.array(list(itertools.product([-1, 1], repeat=len(difference))))
    means = (patterns * np.abs(difference)).mean(1)
    expected = (np.abs(means) >= abs(difference.mean()) - 1e-12).mean()
    assert paired_difference(*pairs).p == pytest.approx(expected, abs=1e-12)


def test_many_pairs_are_sampled_and_close_to_the_t_test():
    rng = np.random.default_rng(1)
    first, second = rng.normal(0.25, 1, 60), np.zeros(60)
    found = paired_difference(first, second)
    assert found.p == pytest.approx(stats.ttest_1samp(first, 0).pvalue, abs=0.02)
    assert paired_difference(first, second) == found  # The random patterns are the same each time.


def test_mean_and_interval_are_those_of_the_differences(pairs):
    found, expected = paired_difference(*pairs), mean_interval(pairs[0] - pairs[1])
    assert found[:4] == pytest.approx([float(part) for part in expected[:4]])
    assert found.n == 9
    swapped = paired_difference(pairs[1], pairs[0])
    assert (swapped.mean, swapped.low, swapped.high) == pytest.approx((-found.mean, -found.high, -found.low))
    assert swapped.p == found.p


def test_pairs_with_an_unknown_are_left_out(pairs):
    first, second = (np.append(part, [np.nan, 1.0]) for part in pairs)
    second[-1] = np.inf
    assert paired_difference(first, second) == paired_difference(*pairs)


def test_equal_pairs_have_p_1_and_a_single_pair_has_none():
    assert paired_difference(np.ones(6), np.ones(6)).p == 1
    alone = paired_difference(np.array([1.0]), np.array([0.5]))
    assert (alone.mean, alone.n) == (0.5, 1)
    assert np.isnan([alone.low, alone.high, alone.p]).all()


def test_p_is_uniform_where_nothing_differs():
    rng = np.random.default_rng(2)
    p = [paired_difference(rng.normal(size=8), np.zeros(8)).p for _ in range(400)]
    assert stats.kstest(p, "uniform").pvalue > 0.001
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.03)


def test_holm_by_hand():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.9, 0.5])), [1, 1])
    np.testing.assert_allclose(holm(np.array([np.nan, 0.01, 0.02])), [np.nan, 0.02, 0.02])
    assert holm(np.array([])).shape == (0,)
