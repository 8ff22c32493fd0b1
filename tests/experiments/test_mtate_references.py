"""Models without a series: what they are given, what nobody has, and what a diverged representation leaves."""

import contextlib
import types

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from experiments.mtate import references

EXAMPLES, FOLDS = 200, 2


class Run:
    """Windows of which the second variable tells the outcome, the third is measured in one fold's training examples
    only and the fourth never."""

    def __init__(self, names):
        rng = np.random.default_rng(0)
        outcome = (np.arange(EXAMPLES) % 3 == 0).astype(np.float32)
        values = rng.normal(size=(EXAMPLES, 6, 4)).astype(np.float32)
        values[..., 1] += outcome[:, None]
        values[rng.random(values.shape) < 0.3] = np.nan
        side = np.arange(EXAMPLES) // 50
        train = np.stack([side < 2, side >= 2])
        values[:100, :, 2] = np.nan
        values[..., 3] = np.nan
        self.data = types.SimpleNamespace(
            num_folds=FOLDS, outcome=outcome, values=values, static=np.full((EXAMPLES, 1), np.nan, np.float32),
            train=train, validate=np.stack([side == 2, side == 0]), evaluate=np.stack([side == 3, side == 1]),
            other=None,
        )  # fmt: skip
        self.config = types.SimpleNamespace(references=names, downstream=names)

    def bar(self, *arguments):
        return contextlib.nullcontext(types.SimpleNamespace(update=lambda: None))


@pytest.fixture(scope="module")
def run():
    return Run(("logistic_regression", "gradient_boosting"))


@pytest.fixture(scope="module")
def found(run):
    return {name: each["logit"] for name, each in references.reference(run, {}).arrays.items()}


def test_features_that_no_training_example_has_stop_nothing(run, found):
    asked = run.data.validate | run.data.evaluate
    for name, logit in found.items():
        assert logit.shape == (FOLDS, EXAMPLES), name
        np.testing.assert_array_equal(np.isfinite(logit), asked & ~run.data.train)
        for fold in range(FOLDS):
            own = run.data.evaluate[fold]
            assert roc_auc_score(run.data.outcome[own], logit[fold, own]) > 0.8, name


def test_what_is_asked_does_not_train(run, found):
    outcome = np.where(run.data.train[0], run.data.outcome, 1 - run.data.outcome)
    other = Run(("logistic_regression", "gradient_boosting"))
    other.data.outcome = outcome
    for name, each in references.reference(other, {}).arrays.items():
        np.testing.assert_array_equal(each["logit"][0], found[name][0])
        assert (each["logit"][1] != found[name][1])[np.isfinite(found[name][1])].any()


@pytest.mark.parametrize("name", ["gradient_boosting", "svm"])
def test_a_diverged_representation_has_no_logits_and_stops_nothing(name):
    run = Run((name,))
    rng = np.random.default_rng(1)
    representation = rng.normal(size=(FOLDS, 2, EXAMPLES, 3)) + 2 * run.data.outcome[:, None]
    representation[1, 0] = np.nan
    inputs = {"mtate": types.SimpleNamespace(arrays={"representation": representation})}
    logit = references.downstream(run, inputs).arrays[f"mtate_{name}"]["logit"]
    assert logit.shape == (FOLDS, 2, EXAMPLES)
    assert np.isnan(logit[1, 0]).all()
    for fold, seed in ((0, 0), (0, 1), (1, 1)):
        own = run.data.evaluate[fold]
        assert roc_auc_score(run.data.outcome[own], logit[fold, seed, own]) > 0.8


def test_features_by_hand():
    """Standardised by those who train, 0 where unknown, and a flag for what some do not have."""
    nan = np.nan
    columns = np.float32([[1, nan, 2], [3, nan, nan], [5, nan, 4], [nan, nan, 3]])
    train = np.array([True, True, True, False])
    found = references._features(columns, train, "logistic_regression")
    spread = np.sqrt(8 / 3)
    scaled = np.array([[-2 / spread, 0, -1], [0, 0, 0], [2 / spread, 0, 1], [0, 0, 0]])
    np.testing.assert_allclose(found[:, :3], scaled, atol=1e-6)
    np.testing.assert_array_equal(found[:, 3:], [[0, 0], [0, 1], [0, 0], [1, 0]])
    assert references._features(columns, train, "gradient_boosting") is columns


def test_logits_are_those_of_the_model(run, found):
    columns = references._columns(run.data)
    assert columns.shape == (EXAMPLES, 4 * 8 + 1)
    train, own = run.data.train[1], run.data.evaluate[1]
    features = references._features(columns, train, "logistic_regression")
    model = LogisticRegression(C=0.01, max_iter=1000).fit(features[train], run.data.outcome[train])
    np.testing.assert_allclose(found["logistic_regression"][1, own], model.decision_function(features[own]), atol=1e-5)
