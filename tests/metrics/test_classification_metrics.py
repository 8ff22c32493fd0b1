"""Classification metrics against scikit-learn and hand-worked values, with ties, weights and masks."""

import functools
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from jaxfair import metrics

AT_A_THRESHOLD = {
    "accuracy": sklearn_metrics.accuracy_score,
    "sensitivity": sklearn_metrics.recall_score,
    "specificity": lambda t, p, **kw: sklearn_metrics.recall_score(t, p, pos_label=0, **kw),
    "precision": sklearn_metrics.precision_score,
    "f1": sklearn_metrics.f1_score,
    "balanced_accuracy": sklearn_metrics.balanced_accuracy_score,
}
OVER_ALL_THRESHOLDS = {
    "roc_auc": sklearn_metrics.roc_auc_score,
    "pr_auc": sklearn_metrics.average_precision_score,
}
ALL = [*AT_A_THRESHOLD, *OVER_ALL_THRESHOLDS, "g_mean", "majority_share"]


def cohort(seed, size, ties):
    """Scores (eighths: the same ties in float32 as in float64), labels, masks and weights with zeros."""
    rng = np.random.default_rng(seed)
    targets = rng.random(size) < 0.3
    scores = rng.normal(size=size) + targets
    scores = np.round(scores) / 8 if ties else scores.astype(np.float32)
    return scores, targets.astype(np.int32), rng.random(size) < 0.7, rng.choice([0, 0.5, 1, 2, 3.25], size)


def at_an_eighth(name):
    threshold = {"threshold": 0.125} if name in [*AT_A_THRESHOLD, "g_mean"] else {}
    return functools.partial(getattr(metrics, name), **threshold)


@jax.jit
def all_metrics(*arguments):
    """All of them in one program: for ten to compile takes little longer than for one."""
    return {name: at_an_eighth(name)(*arguments) for name in ALL}


def compiled(name):
    return lambda *arguments: all_metrics(*arguments)[name]


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", [*AT_A_THRESHOLD, *OVER_ALL_THRESHOLDS])
def test_equals_scikit_learn(name, weighted, ties):
    metric = compiled(name)
    for seed, size in [(0, 200), (1, 200), (2, 3000)]:
        scores, targets, mask, weights = cohort(seed, size, ties)
        weights = weights if weighted else np.ones(size)
        kept = scores[mask] >= 0.125 if name in AT_A_THRESHOLD else scores[mask]
        reference = (AT_A_THRESHOLD | OVER_ALL_THRESHOLDS)[name]
        expected = reference(targets[mask], kept, sample_weight=weights[mask])
        actual = metric(scores, targets, mask, weights)
        np.testing.assert_allclose(actual, expected, rtol=2e-6)


def test_hand_worked_values():
    scores = jnp.array([0.9, 0.8, 0.5, 0.5, 0.2, 0.1])
    targets = jnp.array([1, 0, 1, 0, 1, 0])
    # At 0.5: called 1 1 1 1 0 0, so TP 2, FP 2, TN 1, FN 1.
    assert metrics.confusion(scores, targets) == (2, 2, 1, 1)
    np.testing.assert_allclose(metrics.accuracy(scores, targets), 3 / 6)
    np.testing.assert_allclose(metrics.sensitivity(scores, targets), 2 / 3)
    np.testing.assert_allclose(metrics.specificity(scores, targets), 1 / 3)
    np.testing.assert_allclose(metrics.precision(scores, targets), 2 / 4)
    np.testing.assert_allclose(metrics.f1(scores, targets), 4 / 7)
    np.testing.assert_allclose(metrics.g_mean(scores, targets), np.sqrt(2) / 3)
    np.testing.assert_allclose(metrics.balanced_accuracy(scores, targets), 0.5)
    np.testing.assert_allclose(metrics.majority_share(scores, targets), 0.5)
    # Of nine pairs 0.9 wins three, 0.5 wins one and ties one, 0.2 wins one.
    np.testing.assert_allclose(metrics.roc_auc(scores, targets), 5.5 / 9)
    # Thresholds 0.9, 0.5 and 0.2 find a positive each, at precisions 1/1, 2/4 and 3/5.
    np.testing.assert_allclose(metrics.pr_auc(scores, targets), (1 + 2 / 4 + 3 / 5) / 3, rtol=1e-6)


def test_macro_recall_equals_scikit_learn_where_classes_are_absent_and_examples_masked():
    rng = np.random.default_rng(8)
    targets = rng.integers(4, size=(6, 50)) % np.array([[4], [4], [3], [2], [1], [4]])  # Of five classes.
    decisions = np.where(rng.random((6, 50)) < 0.4, targets, rng.integers(4, size=(6, 50)))
    masks = rng.random((6, 50)) < 0.6
    masks[5] &= targets[5] != 2
    metric = jax.jit(metrics.macro_recall, static_argnums=2)
    expected = []
    for row, right, mask in zip(decisions, targets, masks, strict=True):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
            expected.append(sklearn_metrics.balanced_accuracy_score(right[mask], row[mask]))
    np.testing.assert_allclose(metric(decisions, targets, 5, masks), expected, rtol=1e-6)
    spoiled = np.where(masks, decisions, 99), np.where(masks, targets, -7)
    np.testing.assert_array_equal(metric(*spoiled, 5, masks), metric(decisions, targets, 5, masks))
    over_rows = jax.vmap(lambda *row: metrics.macro_recall(row[0], row[1], 5, row[2]))
    np.testing.assert_allclose(over_rows(decisions, targets, masks), expected, rtol=1e-6)
    np.testing.assert_allclose(
        metric(decisions[0], targets[0], 5), metric(decisions[0], targets[0], 5, np.ones(50) > 0)
    )


def test_macro_recall_by_hand():
    targets = jnp.array([0, 0, 0, 1, 1, 3])
    np.testing.assert_allclose(
        metrics.macro_recall(jnp.array([0, 0, 1, 1, -1, 3]), targets, 4), (2 / 3 + 1 / 2 + 1) / 3
    )
    assert metrics.macro_recall(jnp.zeros(6, int), targets, 4) == jnp.float32(1 / 3)
    assert np.isnan(metrics.macro_recall(targets, targets, 4, jnp.zeros(6, bool)))
    with pytest.raises(ValueError, match="same examples on the last axis"):
        metrics.macro_recall(targets[:, None], targets, 4)


def test_majority_share_is_that_of_the_larger_class_and_ignores_predictions():
    targets = jnp.array([[0, 0, 0, 1], [1, 1, 1, 1]])
    np.testing.assert_allclose(metrics.majority_share(jnp.full((2, 4), jnp.nan), targets), [0.75, 1])
    np.testing.assert_allclose(metrics.majority_share(jnp.zeros((3, 1, 4)), targets), [[0.75, 1]] * 3)
    np.testing.assert_allclose(metrics.majority_share(jnp.zeros(4), targets[0], weights=jnp.array([1, 1, 1, 9])), 0.75)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("excluded_by", ["mask", "weights"])
def test_excluded_examples_may_be_nan_and_could_as_well_not_be_there(name, excluded_by):
    metric = compiled(name)
    scores, targets, mask, weights = cohort(3, 200, ties=True)
    expected = metric(scores[mask], targets[mask], np.ones(mask.sum(), bool), weights[mask])
    spoiled = np.where(mask, scores, np.nan), np.where(mask, targets, np.nan)
    if excluded_by == "mask":
        actual = metric(*spoiled, mask, np.where(mask, weights, np.nan))
    else:
        actual = metric(*spoiled, np.ones(200, bool), weights * mask)
    np.testing.assert_allclose(actual, expected, rtol=1e-6)
    assert np.isfinite(actual)


def test_a_nan_that_counts_makes_its_row_nan_and_no_other():
    scores, targets, mask, weights = cohort(4, 50, ties=False)
    rows = np.stack([scores, scores])
    rows[0, np.flatnonzero(mask & (weights > 0))[5]] = np.nan
    for name, values in all_metrics(rows, targets, mask, weights).items():
        if name != "majority_share":  # It ignores predictions.
            assert np.isnan(values).tolist() == [True, False], name


@pytest.mark.parametrize("name", ALL)
def test_permutation_changes_nothing(name):
    scores, targets, mask, weights = cohort(5, 200, ties=True)
    order = np.random.default_rng(6).permutation(200)
    metric = compiled(name)
    np.testing.assert_allclose(
        metric(scores[order], targets[order], mask[order], weights[order]),
        metric(scores, targets, mask, weights),
        rtol=1e-6,
    )


def test_leading_axes_vmap_and_jit_equal_a_loop():
    rng = np.random.default_rng(7)
    scores, masks = rng.normal(size=(2, 3, 60)), rng.random((3, 60)) < 0.6
    targets = rng.random(60) < 0.5

    @jax.jit
    def batched(scores, targets, masks):
        return {
            name: (
                at_an_eighth(name)(scores, targets, masks),
                jax.vmap(jax.vmap(at_an_eighth(name), (0, None, 0)), (0, None, None))(scores, targets, masks),
            )
            for name in ALL
        }

    loop = [[all_metrics(row, targets, mask) for row, mask in zip(rows, masks, strict=True)] for rows in scores]
    for name, (leading_axes, over_rows) in batched(scores, targets, masks).items():
        expected = [[of_row[name] for of_row in of_rows] for of_rows in loop]
        np.testing.assert_allclose(leading_axes, expected, rtol=1e-6, err_msg=name)
        np.testing.assert_allclose(over_rows, expected, rtol=1e-6, err_msg=name)


def test_what_is_not_defined_is_nan():
    scores, ones, zeros = jnp.array([0.2, 0.7, 0.9]), jnp.ones(3), jnp.zeros(3)
    low = jnp.full(3, 0.1)
    for name in ["sensitivity", "roc_auc", "pr_auc", "g_mean", "balanced_accuracy"]:
        assert np.isnan(getattr(metrics, name)(scores, zeros)), name
    for name in ["specificity", "roc_auc", "g_mean", "balanced_accuracy"]:
        assert np.isnan(getattr(metrics, name)(scores, ones)), name
    assert np.isnan(metrics.precision(low, ones))
    assert np.isnan(metrics.f1(low, zeros))
    assert metrics.pr_auc(scores, ones) == 1
    for name in ALL:
        assert np.isnan(getattr(metrics, name)(scores, ones, jnp.zeros(3, bool))), name
        assert np.isnan(getattr(metrics, name)(scores[:0], ones[:0])), name


def test_infinite_scores_and_both_zeros_rank_as_numbers():
    scores = jnp.array([-jnp.inf, -0.0, 0.0, jnp.inf])
    np.testing.assert_allclose(metrics.roc_auc(scores, jnp.array([0, 0, 1, 1])), 3.5 / 4)
    np.testing.assert_allclose(metrics.pr_auc(scores, jnp.array([0, 0, 1, 1])), (1 + 2 / 3) / 2)


def test_large_totals_stay_exact():
    # 100 million pairs: their number is not a float32.
    scores, targets = np.arange(20_000), np.arange(20_000) % 2
    np.testing.assert_allclose(metrics.roc_auc(scores, targets), 0.5 + 0.5 / 10_000, rtol=1e-6)


def test_a_column_against_a_row_is_refused():
    with pytest.raises(ValueError, match="same examples on the last axis"):
        metrics.accuracy(jnp.zeros((5, 1)), jnp.zeros(5))
