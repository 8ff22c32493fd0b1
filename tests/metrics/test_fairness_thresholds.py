"""Thresholds against a search through all scores, per-group ones against the rate they are to reach."""

import jax
import numpy as np
import pytest
from fairness_tables import table, tables
from sklearn import metrics as sklearn_metrics

from jaxfair.metrics import fairness


@pytest.mark.parametrize("by", ["balanced_accuracy", "f1", 0.3])
def test_is_the_best_of_all_scores(by):
    columns = tables(range(12), 2)
    found = fairness.choose_threshold(columns[0], columns[1], by, columns[3], columns[4])
    for scores, targets, _, mask, weights, threshold in zip(*columns, found, strict=True):
        candidates, values = np.append(np.unique(scores[mask]), np.inf), []
        for candidate in candidates:
            called, options = scores[mask] >= candidate, {"sample_weight": weights[mask]}
            if by == "balanced_accuracy":
                values.append(sklearn_metrics.balanced_accuracy_score(targets[mask], called, **options))
            elif by == "f1":
                values.append(sklearn_metrics.f1_score(targets[mask], called, **options))
            else:
                values.append(-abs(np.average(called, weights=weights[mask]) - by))
        value = dict(zip(candidates.tolist(), values, strict=True))[float(threshold)]
        assert value == pytest.approx(max(values), abs=1e-6)
        assert (candidates[np.array(values) > max(values) + 1e-6] < threshold).all()


def test_without_a_class_there_is_no_threshold_and_all_or_nobody_can_be_selected():
    scores, targets, _, mask, weights = tables(range(12), 2)  # The programs of the test above serve again.
    for by in ("balanced_accuracy", "f1"):
        assert np.isnan(fairness.choose_threshold(scores, 0 * targets, by, mask, weights)).all()
    assert np.isposinf(fairness.choose_threshold(scores, targets, 0.0, mask, weights)).all()
    lowest = np.min(scores, axis=1, where=mask, initial=9)
    np.testing.assert_array_equal(fairness.choose_threshold(scores, targets, 1.0, mask, weights), lowest)


@pytest.mark.parametrize("equalize", ["true_positive_rate", "selection_rate"])
def test_groups_come_as_near_to_one_rate_as_their_scores_allow(equalize):
    rng = np.random.default_rng(0)
    groups = rng.choice(2, 2000)
    targets = (rng.random(2000) < np.where(groups == 0, 0.5, 0.2)).astype(int)
    scores = rng.normal(targets + 0.8 * (groups == 0))
    valid = np.arange(2000) < 1000
    thresholds = fairness.group_thresholds(scores, targets, groups, mask=valid, equalize=equalize)
    one = fairness.choose_threshold(scores, targets, mask=valid)
    together = np.isin(targets, [1] if equalize == "true_positive_rate" else [0, 1]) & valid
    rate = np.mean(scores[together].astype(np.float32) >= float(one))
    decisions = fairness.apply_threshold(scores, thresholds, groups)
    for group, number in zip(
        range(2), fairness.by_group(equalize, decisions, targets, groups, mask=valid).values, strict=True
    ):
        assert abs(number - rate) <= 0.5 / np.sum(together & (groups == group)) + 1e-6
    # On test examples they are near, and nearer than with one threshold.
    apart = fairness.by_group(equalize, decisions, targets, groups, mask=~valid).values
    before = fairness.by_group(equalize, scores, targets, groups, mask=~valid, threshold=one).values
    assert np.ptp(apart) < 0.5 * np.ptp(before)
    named = fairness.group_thresholds(scores, targets, groups, mask=valid, equalize=equalize, rate=0.25)
    decisions = fairness.apply_threshold(scores, named, groups)
    values = fairness.by_group(equalize, decisions, targets, groups, mask=valid).values
    np.testing.assert_allclose(values, 0.25, atol=0.01)


def test_rows_and_masks_and_tracing_change_nothing():
    columns = [column.astype(np.float32) for column in tables(range(4), 3)]
    mask = columns[3] = columns[3] > 0

    @jax.jit
    def both_ways(*columns):
        function = lambda s, t, g, m, w: fairness.group_thresholds(s, t, g, 3, m, w)  # noqa: E731
        return function(*columns), function(*(column[2] for column in columns))

    all_rows, single = both_ways(*columns)
    np.testing.assert_array_equal(all_rows[2], single)
    spoiled = [column if column is mask else np.where(mask, column, np.nan) for column in columns]
    np.testing.assert_array_equal(both_ways(*spoiled)[0], all_rows)


def test_what_has_no_threshold_has_no_decision():
    scores, targets, groups, mask, _ = table(18, 4)
    groups, targets = np.where(groups == 3, -1, groups), np.where(groups == 2, 0, targets)
    thresholds = fairness.group_thresholds(scores, targets, groups, 4, mask)
    assert np.isnan(thresholds).tolist() == [False, False, True, True]
    decisions = fairness.apply_threshold(scores, thresholds, groups)
    np.testing.assert_array_equal(np.isnan(decisions), (groups == -1) | (groups == 2))
    known = groups == 0
    np.testing.assert_array_equal(decisions[known], scores[known] >= thresholds[0])
    assert np.isnan(fairness.by_group("accuracy", decisions, targets, groups, 4, mask).values).tolist() == [
        False, False, True, True,
    ]  # fmt: skip
    many = fairness.group_thresholds(scores, targets, groups, 4, mask, min_count=10_000)
    assert np.isnan(many).all()
    np.testing.assert_array_equal(fairness.apply_threshold(np.array([0.1, 0.5, np.nan]), 0.5), [0, 1, np.nan])


def test_what_cannot_be_is_refused():
    scores, targets, groups, _, _ = table(18, 4)
    with pytest.raises(ValueError, match="balanced_accuracy"):
        fairness.choose_threshold(scores, targets, "accuracy")
    with pytest.raises(ValueError, match="share from 0 to 1"):
        fairness.choose_threshold(scores, targets, 30)
    with pytest.raises(ValueError, match="equalize is"):
        fairness.group_thresholds(scores, targets, groups, equalize="accuracy")
    with pytest.raises(ValueError, match="whole codes from -1"):
        fairness.apply_threshold(scores, [0.5, 0.5], groups)
    with pytest.raises(ValueError, match="integer codes"):
        fairness.apply_threshold(scores, [0.5, 0.5], groups.astype(str))
