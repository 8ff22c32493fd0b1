"""Intervals of gaps over patients: a plain loop over the same draws, strata, pairs of models, and coverage."""

import jax
import numpy as np
import pytest
from fairness_tables import plain_rates

from jaxfair import metrics
from jaxfair.metrics import fairness

SIZE, SUBJECTS = 120, 50
GAPS = (
    "demographic_parity_difference",
    "equalized_odds_difference",
    fairness.Gap(("accuracy",), between=(0, 1)),
    "worst_group_accuracy",
)
# The same for several tests, which share the compiled programs; 61 are no multiple of 20.
OPTIONS = {"num_resamples": 60, "level": 0.9, "batch_size": 20, "gaps": GAPS}


def cohort(seed):
    """Two members' scores, labels, two attributes of a patient each, patients, and a mask."""
    rng = np.random.default_rng(seed)
    subject = np.concatenate([np.arange(SUBJECTS), rng.integers(0, SUBJECTS, SIZE - SUBJECTS)])
    sex, age = rng.integers(0, 2, SUBJECTS)[subject], rng.integers(0, 3, SUBJECTS)[subject]
    targets = (rng.random(SIZE) < 0.5).astype(np.int32)
    scores = np.clip(rng.normal(0.4 + 0.2 * targets, 0.3, (2, SIZE)), 0, 1).astype(np.float32)
    return scores, targets, {"sex": sex, "age": age}, subject, rng.random(SIZE) < 0.9


def plain_gaps(scores, targets, groups, times, num_groups):
    rates = plain_rates(scores, targets, groups, times > 0, times, num_groups)
    odds = [np.ptp(rates["true_positive_rate"]), np.ptp(rates["false_positive_rate"])]
    accuracies = rates["accuracy"]
    return [np.ptp(rates["selection_rate"]), max(odds), accuracies[1] - accuracies[0], np.min(accuracies)]


def test_equals_a_loop_over_the_same_draws_and_pairs_two_models():
    scores, targets, attributes, subject, mask = cohort(0)
    numbers, key = {"sex": 2, "age": 3}, jax.random.key(1)
    options = {"num_groups": numbers, "mask": mask, "key": key, **OPTIONS}
    found = fairness.gap_intervals(scores, targets, attributes, subject, **options)
    paired = fairness.paired_gap_intervals(scores[0], scores[1], targets, attributes, subject, **options)
    assert found.estimate.shape == (2, 4, 2)
    assert paired.estimate.shape == (2, 4)
    draw = jax.jit(lambda r: metrics.resample_subjects(jax.random.fold_in(key, r), subject, SUBJECTS, mask))
    draws = [np.where(mask, np.asarray(draw(r)), 0) for r in range(60)]
    for place, (name, number) in enumerate(numbers.items()):
        values = np.array([
            [plain_gaps(member, targets, attributes[name], times, number) for member in scores]
            for times in [*draws, mask.astype(float)]
        ]).transpose(0, 2, 1)  # fmt: skip
        np.testing.assert_allclose(found.estimate[place], values[-1], atol=1e-5)
        ends = np.nanquantile(values[:-1], [0.05, 0.95], axis=0)
        np.testing.assert_allclose([found.low[place], found.high[place]], ends, atol=1e-5)
        np.testing.assert_array_equal(found.num_undefined[place], np.isnan(values[:-1]).sum(0))
        apart = values[..., 1] - values[..., 0]
        np.testing.assert_allclose(paired.estimate[place], apart[-1], atol=1e-5)
        ends = np.nanquantile(apart[:-1], [0.05, 0.95], axis=0)
        np.testing.assert_allclose([paired.low[place], paired.high[place]], ends, atol=1e-5)
    assert (found.num_subjects == len(np.unique(subject[mask]))).all()


def test_strata_keep_the_number_of_patients_in_each_and_may_not_divide_one():
    _, targets, _, subject, _ = cohort(4)
    few = np.where(subject < 2, 0, 1)  # Two patients: without strata one resample in eight lacks both.
    right = targets.astype(np.float32)
    options = {"key": jax.random.key(5), "num_resamples": 200, "gaps": ("worst_group_accuracy",)}
    free = fairness.gap_intervals(right, targets, few, subject, **options)
    # Every second of the many is in no stratum: these are resampled among each other.
    strata = np.where(few == 0, "few", np.where(subject % 2, "many", "")).astype(object)
    strata[strata == ""] = None
    held = fairness.gap_intervals(right, targets, few, subject, strata=strata, **options)
    share = (1 - 2 / SUBJECTS) ** SUBJECTS
    assert abs(free.num_undefined[0] / 200 - share) < 5 * np.sqrt(share * (1 - share) / 200)
    assert held.num_undefined[0] == 0
    assert (held.low[0], held.high[0]) == (1, 1)
    with pytest.raises(ValueError, match="lies in two"):
        fairness.gap_intervals(right, targets, few, subject, strata=np.arange(SIZE) % 2, **options)


def test_too_small_a_group_has_no_interval_and_resamples_are_not_asked_for_min_count():
    scores, targets, attributes, subject, mask = cohort(6)
    groups = attributes["age"]
    smallest = int(np.bincount(groups[mask]).min())
    options = {"key": jax.random.key(7), "mask": mask, "num_groups": 3, **OPTIONS, "gaps": GAPS[-1:]}
    enough = fairness.gap_intervals(scores[0], targets, groups, subject, min_count=smallest, **options)
    assert np.isfinite([enough.estimate, enough.low, enough.high]).all()
    assert enough.num_undefined == 0
    few = fairness.gap_intervals(scores[0], targets, groups, subject, min_count=smallest + 1, **options)
    assert np.isnan([few.estimate, few.low, few.high]).all()


def test_masked_names_weights_and_tracing_change_nothing():
    scores, targets, attributes, subject, mask = cohort(8)
    options = {"key": jax.random.key(9), "num_groups": 2, **OPTIONS}
    weighed = {"weights": np.ones(SIZE), "mask": mask}
    expected = fairness.gap_intervals(scores, targets, attributes["sex"], subject, **weighed, **options)
    names, weights = np.char.mod("p%03d", subject), np.where(mask, 2.0, np.nan)
    spoiled = np.where(mask, scores, np.nan).astype(np.float32)
    groups = np.where(mask, attributes["sex"], 99)
    same = fairness.gap_intervals(spoiled, targets, groups, names, mask=mask, weights=weights, **options)
    traced = jax.jit(
        lambda p, g, s, m: fairness.gap_intervals(p, targets, g, s, mask=m, num_subjects=SUBJECTS, **options)
    )(scores, attributes["sex"], subject, mask)
    for other in (same, traced):
        for own, wanted in zip(other, expected, strict=True):
            np.testing.assert_allclose(own, wanted, atol=1e-6)


def test_the_signed_gap_is_covered_and_the_largest_minus_the_least_of_equal_groups_is_not():
    """200 studies at once, as members; patients with three equal examples each."""
    studies, subjects = 200, 80
    subject = np.repeat(np.arange(subjects), 3)
    sex = np.arange(subjects) % 2
    right = np.random.default_rng(10).random((studies, subjects)) < 0.7
    options = {"key": jax.random.key(11), "num_resamples": 200, "num_groups": 2, "num_subjects": subjects}
    gaps = (fairness.Gap(("accuracy",), between=(0, 1)), "accuracy_difference")
    found = fairness.gap_intervals(
        right[:, subject].astype(np.float32), np.ones(3 * subjects), sex[subject], subject, gaps=gaps, **options
    )
    covered = np.mean((found.low <= 0) & (found.high >= 0), axis=1)
    # Standard error of a share of 0.95 over 200 studies: 0.015; the percentile method on 80 patients loses 0.01.
    assert 0.88 < covered[0] < 0.985
    assert covered[1] < 0.5


def test_what_cannot_be_is_refused():
    scores, targets, attributes, subject, _ = cohort(12)
    options = {"key": jax.random.key(0), "num_resamples": 10}
    for bad, message in [
        ({"subject": [None, *subject[1:]]}, "subject of example 0 is missing"),
        ({"subject": subject[1:]}, "120 examples"),
        ({"level": 95}, "between 0 and 1"),
        ({"strata": subject[1:]}, "strata have shape"),
        ({"gaps": ["unfairness"]}, "no gap"),
        ({"gaps": "accuracy_difference"}, "list of at least one"),
        ({"groups": {}}, "at least one attribute"),
        ({"num_resamples": 0}, "at least 1"),
        ({"batch_size": 2.5}, "whole number"),
        ({"paired": True, "predictions": scores[0]}, "2, ..., example"),
    ]:
        given = {"predictions": scores, "groups": attributes, "subject": subject, **options, **bad}
        with pytest.raises(ValueError, match=message):
            fairness.gap_intervals(targets=targets, **given)
    with pytest.raises(ValueError, match="one shape"):
        fairness.paired_gap_intervals(scores, scores[0], targets, attributes, subject, **options)
