"""Gaps within the strata of a controlling attribute, against plain loops."""

import numpy as np
import pytest
from fairness_tables import plain_rates, table

from jaxfair.metrics import fairness


def test_conditional_gaps_are_those_within_each_stratum():
    scores, targets, groups, _, weights = table(5, 2)
    mask, strata = np.arange(160) < 140, np.arange(160) % 3
    arguments = scores, targets, np.array(["f", "m"])[groups]
    found = fairness.conditional_gap(
        "accuracy_difference", *arguments, np.where(strata == 2, -1, strata), mask=mask, weights=weights,
        between=("f", "m"),
    )  # fmt: skip
    expected, total = [], []
    for stratum in range(2):
        inside = mask & (strata == stratum)
        rates = plain_rates(scores, targets, groups, inside, weights, 2)["accuracy"]
        expected.append(rates[1] - rates[0])
        total.append(weights[inside].sum())
    np.testing.assert_allclose(found.gaps, expected, atol=1e-6)
    np.testing.assert_allclose(found.weights, total)
    assert found.mean == pytest.approx(np.average(expected, weights=total), abs=1e-6)
    lacking = fairness.conditional_gap(
        "accuracy_difference", scores, targets, np.where(strata == 1, 0, groups), strata, 2, 4, mask, weights
    )
    # Stratum 1 has one group and no gap, 3 nobody: the one is needed for the mean, the other is not.
    assert np.isnan(lacking.gaps).tolist() == [False, True, False, True]
    assert np.isnan(lacking.mean)
    assert lacking.weights[3] == 0


def test_strata_with_nobody_in_them_leave_the_gap_over_all():
    scores, targets, groups, mask, _ = table(5, 2)
    found = fairness.conditional_gap("accuracy_difference", scores, targets, groups, 0 * groups, 2, 4, mask)
    np.testing.assert_allclose(found.mean, fairness.accuracy_difference(scores, targets, groups, 2, mask), atol=1e-6)
