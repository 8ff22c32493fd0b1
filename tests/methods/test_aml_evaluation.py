"""Every metric against scikit-learn and SciPy, computed from the model's own predictions on the mask."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
import small_age_study as study
from sklearn import metrics as reference

from jaxfair import probes
from jaxfair.methods import aml_evaluation

BANDS = {"00_40": (0, 40), "40_55": (40, 55), "55_70": (55, 70), "70_plus": (70, 200)}
RATES = ("error_rate", "sensitivity", "specificity")
DETECTION = {"accuracy", "sensitivity", "specificity", "f1", "g_mean", "roc_auc", "pr_auc", "majority_share"}
DETECTION |= {"score_age_pearson_healthy", "score_age_spearman_healthy"}
DETECTION |= {f"{rate}_age_{band}" for rate in RATES for band in BANDS}
AGE = {"age_pearson", "age_r2", "predicted_age_mean", "predicted_age_std"}
PROBES = {
    f"probe_{kind}_{what}{who}" for kind in ("ridge", "mlp") for what in ("r2", "pearson") for who in ("", "_healthy")
}
NUM_FOLDS = 3
SUBJECT = np.arange(study.SIZE) * 2 // 3  # Every other one has two examples.
RNG = np.random.default_rng(1)
# With ties.
SCORE = RNG.integers(0, 12, 90).astype(np.float32) / 11
INFARCTION = (SCORE + RNG.normal(scale=0.4, size=90) > 0.6).astype(np.float32)
AGES = RNG.uniform(20, 90, 90).round().astype(np.float32)
MASK = RNG.random(90) < 0.7
detection, age_prediction = jax.jit(aml_evaluation.detection), jax.jit(aml_evaluation.age_prediction)


@pytest.fixture(scope="module")
def data():
    return study.dataset()


@functools.cache
def program():
    count = int(SUBJECT.max()) + 1
    subjects = aml_evaluation.Subjects(jnp.asarray(SUBJECT), count, jnp.asarray(SUBJECT % NUM_FOLDS), NUM_FOLDS)

    def evaluate(variables, member, data):
        return aml_evaluation.evaluate(study.setting(), variables, member, data, subjects, num_resamples=100)

    return jax.jit(evaluate)


@pytest.fixture(scope="module")
def variables(data):
    return study.run("baseline", study.member(), None, data).state["variables"]


@pytest.fixture(scope="module")
def evaluation(data, variables):
    return jax.tree.map(np.asarray, program()(variables, study.member(), data))


def expected_detection(score, infarction, age):
    called, healthy = score >= 0.5, infarction == 0
    values = {
        "accuracy": reference.accuracy_score(infarction, called),
        "sensitivity": reference.recall_score(infarction, called),
        "specificity": reference.recall_score(infarction, called, pos_label=0),
        "f1": reference.f1_score(infarction, called),
        "roc_auc": reference.roc_auc_score(infarction, score),
        "pr_auc": reference.average_precision_score(infarction, score),
        "majority_share": max(infarction.mean(), 1 - infarction.mean()),
        "score_age_pearson_healthy": scipy.stats.pearsonr(score[healthy], age[healthy])[0],
        "score_age_spearman_healthy": scipy.stats.spearmanr(score[healthy], age[healthy])[0],
    }
    values["g_mean"] = np.sqrt(values["sensitivity"] * values["specificity"])
    for band, (low, high) in BANDS.items():
        inside = (low <= age) & (age < high)
        wrong, sick = (called != (infarction == 1))[inside], (infarction == 1)[inside]
        values[f"error_rate_age_{band}"] = wrong.mean() if inside.any() else np.nan
        values[f"sensitivity_age_{band}"] = 1 - wrong[sick].mean() if sick.any() else np.nan
        values[f"specificity_age_{band}"] = 1 - wrong[~sick].mean() if (~sick).any() else np.nan
    return values


def test_detection_agrees_with_scikit_learn():
    expected = expected_detection(SCORE[MASK], INFARCTION[MASK], AGES[MASK])
    assert expected.keys() == DETECTION
    spoiled = [np.where(MASK, values, np.nan).astype(np.float32) for values in (SCORE, INFARCTION, AGES)]
    for arrays in ((SCORE, INFARCTION, AGES), spoiled):  # What the mask leaves out may be NaN.
        values = detection(*arrays, MASK)
        assert values.keys() == DETECTION
        for name, value in values.items():
            np.testing.assert_allclose(value, expected[name], rtol=1e-5, err_msg=name)


def test_a_band_begins_with_its_lower_age_and_ends_before_the_next():
    age = np.array([39, 40, 54, 55, 69, 70, 89, 0], np.float32)
    wrong = np.array([0, 1, 0, 0, 0, 1, 1, 0], np.float32)  # All healthy, these called sick.
    values = detection(wrong, np.zeros(8, np.float32), age, np.ones(8, bool))
    rates = [float(values[f"error_rate_age_{band}"]) for band in BANDS]
    assert rates == [0, 0.5, 0, 1]
    assert np.isnan(values["sensitivity_age_70_plus"])  # Nobody has an infarction.
    assert np.isnan(values["roc_auc"])


def test_age_prediction_agrees_with_scipy():
    predicted = (0.3 * AGES + RNG.normal(scale=8, size=90)).astype(np.float32)
    spoiled = np.where(MASK, predicted, np.nan).astype(np.float32)
    values = age_prediction(spoiled, AGES, MASK)
    assert values.keys() == AGE
    chosen, age = predicted[MASK], AGES[MASK]
    np.testing.assert_allclose(values["age_pearson"], scipy.stats.pearsonr(chosen, age)[0], rtol=1e-5)
    np.testing.assert_allclose(values["age_r2"], reference.r2_score(age, chosen), rtol=1e-4)
    np.testing.assert_allclose(values["predicted_age_mean"], chosen.mean(), rtol=1e-5)
    np.testing.assert_allclose(values["predicted_age_std"], chosen.std(), rtol=1e-5)


def test_an_age_head_that_ran_away_is_seen():
    runaway = np.linspace(-1e5, 1e5, 90).astype(np.float32)
    values = age_prediction(runaway, AGES, MASK)
    assert values["predicted_age_std"] > 1e4
    constant = age_prediction(np.full(90, 55, np.float32), AGES, MASK)
    assert constant["predicted_age_std"] < 1e-3
    assert np.isnan(constant["age_pearson"])


def test_an_evaluation_has_all_metrics_and_they_are_those_of_its_predictions(data, evaluation):
    assert evaluation.metrics.keys() == DETECTION | AGE | PROBES
    predicted, evaluated = evaluation.predictions, study.EVALUATE
    age = data["age"][evaluated]
    expected = expected_detection(predicted.infarction[evaluated], data["infarction"][evaluated], age)
    expected["age_pearson"] = scipy.stats.pearsonr(predicted.age[evaluated], age)[0]
    expected["age_r2"] = reference.r2_score(age, predicted.age[evaluated])
    expected["predicted_age_mean"] = predicted.age[evaluated].mean()
    expected["predicted_age_std"] = predicted.age[evaluated].std()
    for name, value in expected.items():
        np.testing.assert_allclose(evaluation.metrics[name], value, rtol=1e-3, atol=1e-5, err_msg=name)


def test_probes_are_fitted_on_the_training_mask_and_evaluated_on_the_other(data, evaluation):
    healthy = data["infarction"] == 0
    for suffix, who in (("", np.ones(study.SIZE, bool)), ("_healthy", healthy)):
        arguments = evaluation.predictions.representation, data["age"], SUBJECT % NUM_FOLDS, NUM_FOLDS
        fitted = study.TRAIN & who
        read = np.clip(probes.ridge_probe(*arguments, fitted), data["age"][fitted].min(), data["age"][fitted].max())
        evaluated = study.EVALUATE & who
        expected = reference.r2_score(data["age"][evaluated], read[evaluated])
        np.testing.assert_allclose(evaluation.metrics[f"probe_ridge_r2{suffix}"], expected, rtol=1e-2, atol=1e-3)
    for name in PROBES:
        assert evaluation.metrics[name] <= 1, name
        assert name.split("_")[2] == "r2" or evaluation.metrics[name] >= -1, name


def test_intervals_hold_their_estimates(evaluation):
    names = {"accuracy", "roc_auc", "score_age_pearson_healthy", "age_pearson"}
    assert evaluation.intervals.keys() == names | {name for name in PROBES if "_r2" in name}
    for name, interval in evaluation.intervals.items():
        np.testing.assert_allclose(interval.estimate, evaluation.metrics[name], rtol=1e-4, atol=1e-6, err_msg=name)
        assert interval.low <= interval.high, name
        if name in names:  # The R2 of a probe on so few examples is too skewed for a percentile interval.
            assert interval.low <= interval.estimate <= interval.high, name
            assert interval.low < interval.high, name


def test_a_diverged_model_gives_nan_and_no_error(data, variables):
    diverged = jax.tree.map(lambda leaf: jnp.full_like(leaf, jnp.nan), variables)
    evaluation = program()(diverged, study.member(), data)
    kept = {"majority_share"}  # No model is asked.
    for name, value in evaluation.metrics.items():
        assert np.isnan(value) != (name in kept), name
    assert all(np.isnan(interval.estimate) for interval in evaluation.intervals.values())
