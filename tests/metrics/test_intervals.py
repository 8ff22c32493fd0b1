"""Bootstrap intervals against a plain loop and their coverage; t intervals against SciPy."""

import jax
import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from jaxfair import metrics

# The same for several tests, which share the compiled programs; 70 are no multiple of 32.
OPTIONS = {"num_resamples": 70, "level": 0.9, "batch_size": 32}


def clustered(seed, num_subjects=30, per_subject=3):
    rng = np.random.default_rng(seed)
    subject = np.repeat(np.arange(num_subjects), per_subject)
    targets = (rng.random(num_subjects) < 0.4)[subject].astype(np.int32)
    predictions = (rng.normal(size=num_subjects)[subject] + rng.normal(size=subject.size) + targets).astype(np.float32)
    return predictions, targets, subject, rng.random(subject.size) < 0.8


@pytest.mark.parametrize(
    ("metric", "reference"),
    [
        (metrics.roc_auc, lambda p, t: sklearn_metrics.roc_auc_score(t, p)),
        (metrics.spearman, lambda p, t: stats.spearmanr(p, t).statistic),
    ],
)
def test_equals_a_loop_over_resampled_indices(metric, reference):
    predictions, targets, subject, mask = clustered(0)
    key = jax.random.key(1)
    interval = metrics.bootstrap_interval(metric, predictions, targets, subject, key=key, mask=mask, **OPTIONS)
    resample_subjects = jax.jit(metrics.resample_subjects, static_argnums=2)
    values = []
    for resample in range(70):
        times = resample_subjects(jax.random.fold_in(key, resample), subject, 30, mask)
        chosen = np.repeat(np.arange(subject.size), np.asarray(times, int))
        chosen = chosen[mask[chosen]]
        values.append(reference(predictions[chosen], targets[chosen]))
    np.testing.assert_allclose(interval.estimate, reference(predictions[mask], targets[mask]), rtol=1e-5)
    np.testing.assert_allclose([interval.low, interval.high], np.quantile(values, [0.05, 0.95]), rtol=1e-5)
    assert interval.num_undefined == 0
    assert interval.low < interval.estimate < interval.high


def test_subjects_are_drawn_whole_and_as_many_as_are_evaluated():
    subject = np.array([0, 0, 1, 2, 2, 2, 3, 4])
    mask = np.array([1, 0, 1, 1, 1, 1, 0, 1], bool)  # Subject 3 has nothing to evaluate.

    @jax.jit
    def draw(key):
        return jax.vmap(lambda key: metrics.resample_subjects(key, subject, 5, mask))(jax.random.split(key, 4000))

    times = np.asarray(draw(jax.random.key(0)))
    per_subject = times[:, [0, 2, 3, 6, 7]]
    np.testing.assert_array_equal(times, per_subject[:, subject])
    assert (per_subject[:, 3] == 0).all()
    np.testing.assert_array_equal(per_subject.sum(axis=1), 4)
    drawn = per_subject[:, [0, 1, 2, 4]]
    # Multinomial with four equal cells: mean 1, variance 3/4; 5 standard errors of 4,000 draws.
    np.testing.assert_allclose(drawn.mean(axis=0), 1, atol=5 * np.sqrt(0.75 / 4000))
    np.testing.assert_allclose(drawn.var(axis=0), 0.75, atol=0.1)


def test_rows_share_their_draws_and_masks_may_differ_by_row():
    predictions, targets, subject, mask = clustered(2)
    rows, masks = np.stack([predictions, -predictions]), np.stack([mask, np.ones_like(mask)])
    both = metrics.bootstrap_interval(
        metrics.roc_auc, rows, targets, subject, key=jax.random.key(3), mask=masks, **OPTIONS
    )
    for row in range(2):
        single = metrics.bootstrap_interval(
            metrics.roc_auc, rows[row], targets, subject, key=jax.random.key(3), mask=masks[row], **OPTIONS
        )
        for field in single._fields:
            np.testing.assert_allclose(getattr(both, field)[row], getattr(single, field), rtol=1e-6)


def test_masked_subjects_names_and_tracing_change_nothing():
    predictions, targets, subject, mask = clustered(4)
    arguments = {"key": jax.random.key(5), **OPTIONS}
    expected = metrics.bootstrap_interval(metrics.roc_auc, predictions, targets, subject, mask=mask, **arguments)
    padded = metrics.bootstrap_interval(
        metrics.roc_auc,
        np.append(predictions, [np.nan] * 7),
        np.append(targets, [1] * 7),
        np.append(subject, 30 + np.arange(7)),
        mask=np.append(mask, [False] * 7),
        **arguments,
    )
    named = metrics.bootstrap_interval(
        metrics.roc_auc, predictions, targets, np.char.mod("patient %03d", subject), mask=mask, **arguments
    )
    traced = jax.jit(
        lambda p, s: metrics.bootstrap_interval(metrics.roc_auc, p, targets, s, mask=mask, num_subjects=30, **arguments)
    )(predictions, subject)
    for other in (padded, named, traced):
        np.testing.assert_allclose(other, expected, rtol=1e-6)


def test_undefined_resamples_are_counted_and_left_out():
    # One positive of six subjects: 1 - (5/6)^6 = 0.665 of the resamples have it.
    targets, predictions = np.eye(6)[0], np.array([0.5, 0.9, 0.1, 0.2, 0.3, 0.4])
    interval = metrics.bootstrap_interval(
        metrics.roc_auc, predictions, targets, np.arange(6), key=jax.random.key(6), num_resamples=2000
    )
    share = (5 / 6) ** 6
    assert abs(interval.num_undefined / 2000 - share) < 5 * np.sqrt(share * (1 - share) / 2000)
    assert 0 <= interval.low < interval.high <= 1
    never = metrics.bootstrap_interval(
        metrics.roc_auc, predictions, 0 * targets, np.arange(6), key=jax.random.key(6), num_resamples=2000
    )
    assert np.isnan([never.estimate, never.low, never.high]).all()
    assert never.num_undefined == 2000


def test_coverage_needs_subjects_and_not_examples():
    """Three equal examples a subject: subjects cover about 95 %, examples only P(|z| < 1.96 / sqrt(3)) = 74 %."""
    num_datasets, num_subjects = 300, 60
    subject = np.repeat(np.arange(num_subjects), 3)
    correct = (np.random.default_rng(7).random((num_datasets, num_subjects)) < 0.7)[:, subject].astype(np.float32)

    def covered(subject):
        interval = metrics.bootstrap_interval(
            metrics.accuracy,
            correct,
            np.ones(subject.size),
            subject,
            key=jax.random.key(8),
            num_resamples=400,
            num_subjects=len(subject),
        )
        return np.mean((interval.low <= 0.7) & (interval.high >= 0.7))

    # Standard error of a share of 0.95 over 300 data sets: 0.013; the percentile method on 60 subjects loses 0.01.
    assert 0.89 < covered(subject) < 0.985
    assert covered(np.arange(subject.size)) < 0.83


def test_one_subject_has_no_interval_and_two_have():
    """However many examples it has; as codes, as names, and traced."""
    predictions, targets = np.array([0.9, 0.8, 0.2, 0.6]), np.array([1, 1, 0, 0])
    options = {"key": jax.random.key(0), "num_resamples": 40, "num_subjects": 3}
    bootstrap = jax.jit(
        lambda subject, mask: metrics.bootstrap_interval(
            metrics.accuracy, predictions, targets, subject, mask=mask, **options
        )
    )
    one = bootstrap(np.zeros(4, int), np.ones(4, bool))
    masked = bootstrap(np.array([0, 0, 1, 2]), np.array([True, True, False, False]))
    none = bootstrap(np.array([0, 0, 1, 2]), np.zeros(4, bool))
    two = bootstrap(np.array([0, 0, 0, 1]), np.ones(4, bool))
    for found, estimate, number in ((one, 0.75, 1), (masked, 1, 1), (none, np.nan, 0), (two, 0.75, 2)):
        np.testing.assert_array_equal([found.estimate, found.num_subjects], [estimate, number])
        assert np.isnan(found.low) == np.isnan(found.high) == (number < 2)
    assert (two.low, two.high) == (0, 1)
    named = metrics.bootstrap_interval(metrics.accuracy, predictions, targets, list("aaaa"), key=options["key"])
    np.testing.assert_array_equal([float(part) for part in named], [0.75, np.nan, np.nan, 0, 1])
    rows = bootstrap(np.array([0, 0, 0, 1]), np.array([[True] * 4, [True, True, True, False]]))
    np.testing.assert_array_equal(rows.num_subjects, [2, 1])
    np.testing.assert_array_equal(np.isnan(rows.low), [False, True])


def test_one_resample_is_no_interval():
    predictions, targets, subject, _ = clustered(9)
    found = metrics.bootstrap_interval(
        metrics.accuracy, predictions, targets, subject, key=jax.random.key(0), num_resamples=1
    )
    assert np.isnan([found.low, found.high]).all()
    assert found.num_undefined == 0


BAD = [
    ({"subject": np.arange(89)}, "subject has shape .* 90 examples"),
    ({"subject": [None, *range(89)]}, "subject of example 0 is missing"),
    ({"subject": [0.5, np.nan, *range(88)]}, "subject of example 1 is missing"),
    ({"subject": np.array([1, "a"] * 45, object)}, "subjects must all be of one type"),
    ({"subject": np.arange(90), "num_subjects": 10}, "codes from 0 to 9, got 0 to 89"),
    ({"subject": np.arange(90) - 1, "num_subjects": 90}, "codes from 0 to 89, got -1 to 88"),
    ({"subject": np.arange(90.0), "num_subjects": 90}, "integer codes, but has dtype float64"),
    ({"num_subjects": 30.0}, "num_subjects must be a whole number, not 30.0"),
    ({"num_resamples": 0}, "num_resamples must be 1 or more, got 0"),
    ({"num_resamples": -5}, "num_resamples must be 1 or more, got -5"),
    ({"num_resamples": 99.5}, "num_resamples must be a whole number, not 99.5"),
    ({"batch_size": 0}, "batch_size must be 1 or more, got 0"),
    ({"batch_size": None}, "batch_size must be a whole number, not None"),
    ({"level": 95}, "between 0 and 1 .*, got 95"),
    ({"level": "0.95"}, "between 0 and 1 .*, got '0.95'"),
    ({"level": None}, "between 0 and 1 .*, got None"),
    ({"level": np.nan}, "between 0 and 1 .*, got nan"),
    ({"level": [0.9, 0.95]}, "between 0 and 1 .*, got"),
    ({"predictions": 0.5}, "predictions must be"),
]


@pytest.mark.parametrize(("changed", "words"), BAD)
def test_bad_arguments_are_named_in_one_sentence(changed, words):
    predictions, targets, subject, _ = clustered(9)
    arguments = {"predictions": predictions, "targets": targets, "subject": subject, "key": jax.random.key(0)} | changed
    with pytest.raises(ValueError, match=words):
        metrics.bootstrap_interval(metrics.accuracy, **arguments)


def test_traced_subjects_need_their_number():
    predictions, targets, subject, _ = clustered(9)
    key = jax.random.key(0)
    with pytest.raises(ValueError, match="give num_subjects"):
        jax.jit(lambda s: metrics.bootstrap_interval(metrics.accuracy, predictions, targets, s, key=key))(subject)


@pytest.mark.parametrize("level", [1.0, 0, "0.95", None])
def test_bad_levels_of_means_are_refused(level):
    with pytest.raises(ValueError, match="between 0 and 1"):
        metrics.mean_interval(np.ones(3), level=level)


def test_mean_interval_equals_scipy_and_skips_missing():
    values = np.random.default_rng(10).normal(3, 2, (4, 12))
    values[0, 3] = values[2, :11] = values[3] = np.nan
    actual = metrics.mean_interval(values)
    for row in (0, 1):
        known = values[row][~np.isnan(values[row])]
        t_test = stats.ttest_1samp(known, 0).confidence_interval(0.95)
        np.testing.assert_allclose(actual.mean[row], known.mean())
        np.testing.assert_allclose(actual.standard_deviation[row], known.std(ddof=1))
        np.testing.assert_allclose([actual.low[row], actual.high[row]], t_test)
    np.testing.assert_array_equal(actual.n, [11, 12, 1, 0])
    np.testing.assert_allclose(actual.mean[2], values[2, 11])
    assert np.isnan([actual.standard_deviation[2:], actual.low[2:], actual.high[2:]]).all()
    assert np.isnan(actual.mean[3])
    for field, transposed in zip(actual, metrics.mean_interval(values.T, axis=0), strict=True):
        np.testing.assert_array_equal(field, transposed)


def test_mean_interval_of_a_diverged_member_shows_it():
    actual = metrics.mean_interval(np.array([1.0, np.inf, 2.0]), level=0.9)
    assert np.isinf(actual.mean)
    assert np.isnan(actual.standard_deviation)
    # By hand: 1, 2, 3 with t_2(0.95) = 2.919986.
    actual = metrics.mean_interval(np.array([1.0, 2.0, 3.0]), level=0.9)
    np.testing.assert_allclose(actual.high, 2 + 2.919986 / np.sqrt(3), rtol=1e-6)
