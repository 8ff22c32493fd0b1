"""float64 and large whole numbers: offsets, tiny differences, extremes, against SciPy and scikit-learn in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from jaxfair import metrics

SIZE = 24
RNG = np.random.default_rng(0)
STEPS = RNG.permutation(SIZE) - 7.0
OTHER = STEPS + RNG.integers(-9, 9, SIZE)
CLASSES = (OTHER > 4).astype(int)

# Each is an increasing function of whole numbers; a correlation is theirs, but for the rounding of float64.
SHIFTED = {
    "offset": lambda x: 1e9 + x / 8,
    "tiny": lambda x: 1 + x * 2.0**-30,
    "huge": lambda x: x * 1e300,
    "vanishing": lambda x: x * 1e-300,
    "denormal": lambda x: x * 1e-40,
    "int32": lambda x: (2**30 + x.astype(np.int32)).astype(np.int32),
    "int64": lambda x: 2**62 + x.astype(np.int64),
    "negative": lambda x: -(2**62) + x.astype(np.int64),
    "uint64": lambda x: np.uint64(2**63) + (x + 100).astype(np.uint64),
    "list": lambda x: (1e12 + x).tolist(),
}


def plain_distance_correlation(a, b):
    distances = [np.abs(values[:, None] - values[None, :]) for values in (a, b)]
    first, second = (d - d.mean(0) - d.mean(1, keepdims=True) + d.mean() for d in distances)
    return np.sqrt((first * second).mean() / np.sqrt((first**2).mean() * (second**2).mean()))


CONTINUOUS = {
    "pearson": lambda p, t: stats.pearsonr(p, t).statistic,
    "spearman": lambda p, t: stats.spearmanr(p, t).statistic,
    "r2": lambda p, t: sklearn_metrics.r2_score(t, p),
    "distance_correlation": plain_distance_correlation,
}
RANKING = {
    "roc_auc": lambda p, t: sklearn_metrics.roc_auc_score(t, p),
    "pr_auc": lambda p, t: sklearn_metrics.average_precision_score(t, p),
}


@pytest.mark.parametrize("shift", SHIFTED)
def test_large_offsets_and_small_differences_lose_nothing(shift):
    predictions, targets = SHIFTED[shift](STEPS), SHIFTED[shift](OTHER)
    for name, reference in CONTINUOUS.items():
        actual = getattr(metrics, name)(predictions, targets)
        np.testing.assert_allclose(actual, reference(STEPS, OTHER), rtol=2e-6, err_msg=name)
    for name, reference in RANKING.items():
        actual = getattr(metrics, name)(predictions, CLASSES)
        np.testing.assert_allclose(actual, reference(STEPS, CLASSES), rtol=2e-6, err_msg=name)


def test_times_in_order_correlate_and_close_scores_rank():
    order, classes = np.arange(float(SIZE)), np.arange(SIZE) % 2
    np.testing.assert_allclose(metrics.pearson(1e9 + order, order), 1, rtol=1e-6)
    expected = sklearn_metrics.roc_auc_score(classes, 1 + 1e-9 * order)
    np.testing.assert_allclose(metrics.roc_auc(1 + 1e-9 * order, classes), expected, rtol=1e-6)
    assert expected > 0.54


@pytest.mark.parametrize("name", [*CONTINUOUS, *RANKING])
@pytest.mark.parametrize("how", ["mask", "weights"])
def test_what_does_not_count_may_be_anything(name, how):
    """It sets neither the offset nor the unit."""
    targets = CLASSES if name in RANKING else OTHER / 8 + 1e9
    predictions = STEPS / 8 + 1e9
    counts = np.arange(SIZE) % 5 > 0
    reference = (RANKING | CONTINUOUS)[name](predictions[counts], targets[counts])
    spoiled = np.where(counts, predictions, [1e300, -np.inf] * (SIZE // 2))
    actual = getattr(metrics, name)(spoiled, targets, **{how: counts if how == "mask" else counts.astype(int)})
    np.testing.assert_allclose(actual, reference, rtol=1e-5)
    rows = getattr(metrics, name)(np.stack([spoiled, spoiled]), targets, counts & (np.arange(2)[:, None] < 1))
    np.testing.assert_allclose(rows, [reference, np.nan], rtol=1e-5)


def test_the_side_of_a_threshold_is_that_of_float64():
    targets = np.arange(SIZE) // 4 % 2
    for threshold in (0.5, 0.3, 7.0, np.float64(1e9)):
        scores = threshold * (1 + np.tile([-1e-12, 1e-12, 0, -1e-9], SIZE // 4))
        called = scores >= threshold
        for name, reference in (
            ("accuracy", sklearn_metrics.accuracy_score),
            ("balanced_accuracy", sklearn_metrics.balanced_accuracy_score),
            ("f1", sklearn_metrics.f1_score),
        ):
            actual = getattr(metrics, name)(scores, targets, threshold=threshold)
            np.testing.assert_allclose(actual, reference(targets, called), rtol=1e-6)
        assert metrics.g_mean(scores, targets, threshold=threshold) == 0.5
    soft = np.tile([0.5 + 1e-12, 0.5 - 1e-12, 0.5, 1.0], SIZE // 4)
    assert metrics.majority_share(soft, soft) == 0.5
    assert metrics.accuracy(np.tile([1.0, 0, 0, 1], SIZE // 4), soft) == 1


def test_a_nan_still_counts():
    predictions = np.where(np.arange(SIZE) == 3, np.nan, 1e9 + STEPS)
    for name in [*CONTINUOUS, *RANKING, "accuracy"]:
        assert np.isnan(getattr(metrics, name)(predictions, CLASSES)), name


def test_whole_numbers_beyond_32_bits_are_not_wrapped():
    assert metrics.macro_recall(np.array([2**32, 1, 2**32 + 1]), np.array([0, 1, 1]), 2) == 0.25
    assert metrics.accuracy(np.array([1.0, 0.0]), np.array([1, 1]), weights=np.array([3 * 2**40, 2**40])) == 0.75


@pytest.mark.slow
def test_the_bootstrap_takes_them_too():
    options = {"key": jax.random.key(0), "num_resamples": 50}
    for name, targets in (("pearson", OTHER), ("roc_auc", CLASSES), ("accuracy", CLASSES)):
        metric = getattr(metrics, name)
        plain = metrics.bootstrap_interval(metric, STEPS, targets, np.arange(SIZE), **options)
        scores = 0.5 + STEPS * 2.0**-40 if name == "accuracy" else 2.0**30 + STEPS / 8
        shifted = metrics.bootstrap_interval(metric, scores, targets, np.arange(SIZE), **options)
        if name == "accuracy":
            plain = metrics.bootstrap_interval(metric, STEPS + 0.5, targets, np.arange(SIZE), **options)
        np.testing.assert_allclose(list(map(float, shifted)), list(map(float, plain)), rtol=1e-5)


def test_what_float32_holds_or_jax_has_is_left_as_it_is():
    prepared = [getattr(metrics, name) for name in metrics.__all__ if hasattr(getattr(metrics, name), "prepare")]
    assert len(prepared) == 15
    exact = [STEPS.astype(np.float32) / 3, STEPS, STEPS.astype(np.int64), jnp.asarray(STEPS / 3), np.array([np.nan, 1])]
    for metric in prepared:
        for values in exact:
            assert metric.prepare(values, values)[0] is values
        jax.eval_shape(lambda p, metric=metric: metric(p, 1e9 + STEPS / 3), jnp.zeros(SIZE))
