"""Linear probes against scikit-learn on the same folds."""

import jax
import numpy as np
import pytest
from probing import NUM_FOLDS, binary, compiled, representation, run, standardized, with_penalty
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.metrics import log_loss
from sklearn.model_selection import PredefinedSplit

from jaxfair import metrics, probes


@pytest.mark.parametrize(("name", "num_products"), [("ridge", 3), ("logistic", 5)])
def test_closed_forms_ask_for_all_digits_of_every_product(name, num_products):
    """By default a GPU keeps 10 bits of float32 factors, which a CPU running these tests would not show."""
    program = str(jax.make_jaxpr(compiled(name))(*representation(0)))
    assert program.count("dot_general[") == num_products  # Of the one fit that the program holds.
    assert program.count("precision=(Precision.HIGHEST, Precision.HIGHEST)") == num_products


@pytest.mark.parametrize("penalty", [0.1, 10.0, 1e4])
def test_ridge_equals_scikit_learn(penalty):
    features, attribute, fold, train = representation(0)
    scaled = standardized(features, train)
    expected = Ridge(alpha=penalty).fit(scaled[train], attribute[train]).predict(scaled)
    actual = with_penalty("ridge")(features, attribute, fold, train, penalty)
    np.testing.assert_allclose(actual, expected, rtol=2e-5)


def test_ridge_chooses_as_scikit_learn_on_the_same_folds():
    chosen = set()
    for seed, noise in [(1, 0), (2, 60), (3, 300)]:
        features, attribute, fold, train = representation(seed)
        attribute += noise * np.random.default_rng(seed).normal(size=400).astype(np.float32)
        scaled = standardized(features, train)
        reference = RidgeCV(
            probes.RIDGE_PENALTIES, cv=PredefinedSplit(fold[train]), scoring="neg_mean_squared_error"
        ).fit(scaled[train], attribute[train])
        chosen.add(reference.alpha_)
        np.testing.assert_allclose(run("ridge", features, attribute, fold, train), reference.predict(scaled), rtol=5e-5)
    assert len(chosen) == 3  # Otherwise a fixed penalty would pass.


def test_ridge_keeps_its_digits_with_nearly_equal_features_and_more_features_than_examples():
    rng = np.random.default_rng(4)
    for size, dim in [(300, 6), (24, 40)]:
        features = rng.normal(size=(size, dim)).astype(np.float32)
        features[:, 1] = features[:, 0] + 1e-3 * features[:, 1]
        attribute = (features @ rng.normal(size=dim) + rng.normal(size=size)).astype(np.float32)
        train = np.arange(size) % 6 > 0
        scaled = standardized(features, train)
        expected = Ridge(alpha=0.01).fit(scaled[train], attribute[train]).predict(scaled)
        fold = np.arange(size) % NUM_FOLDS
        actual = with_penalty("ridge")(features, attribute, fold, train, 0.01)
        np.testing.assert_allclose(actual, expected, atol=2e-3 * np.std(expected))


@pytest.mark.parametrize("penalty", [0.01, 1.0, 100.0])
def test_logistic_equals_scikit_learn(penalty):
    features, attribute, fold, train = representation(5)
    scaled = standardized(features, train)
    reference = LogisticRegression(C=1 / penalty, solver="newton-cholesky", tol=1e-10)
    reference.fit(scaled[train], binary(attribute)[train])
    actual = with_penalty("logistic")(features, binary(attribute), fold, train, penalty)
    np.testing.assert_allclose(actual, reference.predict_proba(scaled)[:, 1], atol=2e-5)


def test_logistic_chooses_the_least_held_out_log_loss():
    chosen = set()
    for seed, noise in [(6, 0), (7, 100)]:
        features, attribute, fold, train = representation(seed, size=200)
        attribute += noise * np.random.default_rng(seed).normal(size=200).astype(np.float32)
        scaled = standardized(features, train)
        labels = binary(attribute)

        def fit(penalty, where, scaled=scaled, labels=labels):
            return LogisticRegression(C=1 / penalty, solver="newton-cholesky", tol=1e-10).fit(
                scaled[where], labels[where]
            )

        def held_out_loss(penalty, fold=fold, train=train, scaled=scaled, labels=labels, fit=fit):
            chances = np.empty(200)
            for k in range(NUM_FOLDS):
                chances[fold == k] = fit(penalty, train & (fold != k)).predict_proba(scaled[fold == k])[:, 1]
            return log_loss(labels[train], chances[train])

        best = min(probes.LOGISTIC_PENALTIES, key=held_out_loss)
        chosen.add(best)
        expected = fit(best, train).predict_proba(scaled)[:, 1]
        np.testing.assert_allclose(run("logistic", features, attribute, fold, train), expected, atol=5e-5)
    assert len(chosen) == 2


def test_logistic_stays_finite_where_classes_are_separable_or_single():
    features, _, fold, train = representation(8)
    separable = (features[:, 3] > np.median(features[:, 3])).astype(np.float32)
    predictions = compiled("logistic")(features, separable, fold, train)
    assert np.isfinite(predictions).all()
    assert metrics.roc_auc(predictions, separable, ~train) > 0.99
    single = compiled("logistic")(features, np.ones(400, np.float32), fold, train)
    assert (np.asarray(single) > 0.9).all()
