"""Correlations against SciPy, scikit-learn and plain NumPy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from jaxfair import metrics

ALL = ["pearson", "spearman", "r2", "distance_correlation"]


def plain_distance_correlation(a, b):
    """The definition with n x n matrices."""
    distances = [np.abs(values[:, None] - values[None, :]) for values in (a, b)]
    first, second = (d - d.mean(0) - d.mean(1, keepdims=True) + d.mean() for d in distances)
    return np.sqrt((first * second).mean() / np.sqrt((first**2).mean() * (second**2).mean()))


REFERENCES = {
    "pearson": lambda p, t: stats.pearsonr(p, t).statistic,
    "spearman": lambda p, t: stats.spearmanr(p, t).statistic,
    "r2": lambda p, t: sklearn_metrics.r2_score(t, p),
    "distance_correlation": plain_distance_correlation,
}


@jax.jit
def all_correlations(*arguments):
    """All of them in one program: for four to compile takes little longer than for one."""
    return {name: getattr(metrics, name)(*arguments) for name in ALL}


def compiled(name):
    return lambda *arguments: all_correlations(*arguments)[name]


def ages(seed, size, ties=False):
    """Predicted and true ages in years (eighths are exact in float32), a mask, whole weights."""
    rng = np.random.default_rng(seed)
    targets = np.round(rng.normal(60, 15, size)) if ties else rng.normal(60, 15, size).astype(np.float32)
    predictions = 60 + 0.5 * (targets - 60) + rng.normal(0, 10, size)
    predictions = np.round(predictions / 5) * 5 if ties else predictions.astype(np.float32)
    return predictions, targets, rng.random(size) < 0.7, rng.integers(0, 4, size)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("name", ALL)
def test_equals_the_reference_under_mask_and_whole_weights(name, ties):
    metric, reference = compiled(name), REFERENCES[name]
    for seed, size in [(0, 9), (1, 300)]:
        predictions, targets, mask, weights = ages(seed, size, ties)
        everything = metric(predictions, targets, np.ones(size, bool), np.ones(size, int))
        np.testing.assert_allclose(everything, reference(predictions, targets), rtol=1e-5)
        repeated = [np.repeat(values, weights * mask) for values in (predictions, targets)]
        np.testing.assert_allclose(metric(predictions, targets, mask, weights), reference(*repeated), rtol=1e-5)


def test_fractional_weights_equal_the_weighted_formulas():
    predictions, targets, _, _ = ages(3, 300)
    weights = np.random.default_rng(4).random(300)
    covariance = np.cov(predictions, targets, aweights=weights)
    expected = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    np.testing.assert_allclose(metrics.pearson(predictions, targets, weights=weights), expected, rtol=1e-5)
    expected = sklearn_metrics.r2_score(targets, predictions, sample_weight=weights)
    np.testing.assert_allclose(metrics.r2(predictions, targets, weights=weights), expected, rtol=1e-5)


def test_hand_worked_values():
    a, b = jnp.array([1.0, 2, 3, 4]), jnp.array([1.0, 3, 2, 2])
    np.testing.assert_allclose(metrics.pearson(a, b), 1 / np.sqrt(10), rtol=1e-6)
    # Ranks 1 2 3 4 and 1 4 2.5 2.5: sum of products of deviations 1.5, of squares 5 and 4.5.
    np.testing.assert_allclose(metrics.spearman(a, b), 1.5 / np.sqrt(22.5), rtol=1e-6)
    # Squared residuals 0 1 1 4, squared deviations of b from 2: 1 1 0 0.
    np.testing.assert_allclose(metrics.r2(a, b), 1 - 6 / 2, rtol=1e-6)
    np.testing.assert_allclose(metrics.r2(b, b), 1)
    np.testing.assert_allclose(metrics.r2(jnp.full(4, 2.0), b), 0)


def test_distance_correlation_sees_what_pearson_does_not():
    a = np.linspace(-1, 1, 301)
    assert abs(metrics.pearson(a, a**2)) < 1e-5
    assert metrics.distance_correlation(a, a**2) > 0.4
    np.testing.assert_allclose(metrics.distance_correlation(a, 3 - 2 * a), 1, rtol=1e-6)


@pytest.mark.parametrize("name", ["pearson", "spearman", "distance_correlation"])
@pytest.mark.parametrize(("offset", "scale"), [(0.0, 1e25), (0.0, 1e-25), (2.0**15, 1.0)])
def test_offset_and_scale_change_nothing(name, offset, scale):
    predictions, targets, _, _ = ages(5, 40, ties=True)
    metric, every = compiled(name), np.ones(40, bool)
    np.testing.assert_allclose(
        metric(predictions * scale + offset, targets, every), metric(predictions, targets, every), rtol=1e-5
    )


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("spoil", [np.nan, np.inf])
def test_excluded_examples_have_no_effect(name, spoil):
    metric = compiled(name)
    predictions, targets, mask, weights = ages(6, 300)
    kept = np.repeat(predictions, weights * mask), np.repeat(targets, weights * mask)
    expected = REFERENCES[name](*kept)
    spoiled = np.where(mask, predictions, spoil), np.where(mask, targets, spoil)
    np.testing.assert_allclose(metric(*spoiled, mask, weights), expected, rtol=1e-5)
    np.testing.assert_allclose(metric(*spoiled, np.ones(300, bool), weights * mask), expected, rtol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_what_is_not_defined_is_nan(name):
    metric = compiled(name)
    predictions, targets, _, _ = ages(7, 40)
    every, third = np.ones(40, bool), np.arange(40) == 3
    # A tenth is no float32 and the mean of forty of them is another number than it.
    assert np.isnan(metric(predictions, np.full(40, 0.1), every))
    assert np.isnan(metric(predictions, targets, ~every))
    assert np.isnan(metric(predictions, targets, third))
    assert np.isnan(metric(np.where(third, np.nan, predictions), targets, every))
    constant = metric(np.full(40, 0.1), targets, every)
    assert constant < 0 if name == "r2" else np.isnan(constant)


def test_leading_axes_vmap_and_jit_equal_a_loop():
    rng = np.random.default_rng(8)
    predictions, masks, targets = rng.normal(size=(2, 3, 40)), rng.random((3, 40)) < 0.6, rng.normal(size=40)

    @jax.jit
    def batched(predictions, targets, masks):
        return {
            name: (
                getattr(metrics, name)(predictions, targets, masks),
                jax.vmap(jax.vmap(getattr(metrics, name), (0, None, 0)), (0, None, None))(predictions, targets, masks),
            )
            for name in ALL
        }

    loop = [
        [all_correlations(row, targets, mask) for row, mask in zip(rows, masks, strict=True)] for rows in predictions
    ]
    for name, (leading_axes, over_rows) in batched(predictions, targets, masks).items():
        expected = [[of_row[name] for of_row in of_rows] for of_rows in loop]
        np.testing.assert_allclose(leading_axes, expected, rtol=1e-5, err_msg=name)
        np.testing.assert_allclose(over_rows, expected, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("name", ALL)
def test_permutation_changes_nothing(name):
    metric = compiled(name)
    predictions, targets, mask, weights = ages(9, 300, ties=True)
    order = np.random.default_rng(10).permutation(300)
    np.testing.assert_allclose(
        metric(predictions[order], targets[order], mask[order], weights[order]),
        metric(predictions, targets, mask, weights),
        rtol=1e-5,
    )
