"""Values of training samples, against enumeration, closed forms and retraining."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxfair.attribution import data_values, games
from jaxfair.attribution.deep_shap import deep_shap


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def knn_worth(train, labels, sample, label, k, chosen):
    """The share of the sample's k nearest among the chosen that have its label."""
    chosen = np.flatnonzero(chosen)
    nearest = chosen[np.argsort(((train[chosen] - sample) ** 2).sum(1), kind="stable")][:k]
    return (labels[nearest] == label).sum() / k


@pytest.mark.parametrize("k", [1, 2, 3, 7])
def test_knn_shapley_is_the_shapley_value_by_enumeration(k):
    train, test = draw(7, 3), draw(4, 3, seed=1)
    train[4] = train[2]  # A tie.
    labels, test_labels = np.array([0, 1, 2, 0, 1, 2, 0]), np.array([0, 1, 2, 1])
    masks = games.coalitions(7)
    worth = np.array(
        [
            np.mean(
                [
                    knn_worth(train, labels, sample, label, k, mask)
                    for sample, label in zip(test, test_labels, strict=True)
                ]
            )
            for mask in masks
        ],
        np.float32,
    )
    exact = games.exact_values(worth, games.semivalue_weights(7))
    found = data_values.knn_shapley(train, labels, test, test_labels, k)
    np.testing.assert_allclose(found, exact, atol=1e-6)
    np.testing.assert_allclose(found.sum(), worth[-1], atol=1e-6)


def test_knn_shapley_by_hand():
    # One neighbour, at distances 1, 2, 3 a hit, a miss and a hit: s_3 = 1/3, s_2 = 1/3 - 1/2, s_1 = s_2 + 1.
    train, labels = np.float32([[1], [2], [3]]), np.array([1, 0, 1])
    found = data_values.knn_shapley(train, labels, np.float32([[0]]), np.array([1]), 1)
    np.testing.assert_allclose(found, [5 / 6, -1 / 6, 1 / 3], rtol=1e-6)
    with pytest.raises(ValueError, match="4 neighbours of 3 training samples; give 1 to 3"):
        data_values.knn_shapley(train, labels, train, labels, 4)


@pytest.mark.parametrize("k", [1, 2, 4])
def test_knn_shapley_among_is_the_mean_over_the_other_samples_by_enumeration(k):
    train, labels = draw(5, 2, 2, seed=4), np.array([0, 1, 0, 1, 0])
    train[3] = train[0]  # A tie, of different classes.
    expected = np.zeros(5)
    for test in range(5):
        others = np.delete(np.arange(5), test)
        flat = train.reshape(5, -1)
        worth = [
            knn_worth(flat[others], labels[others], flat[test], labels[test], k, mask) for mask in games.coalitions(4)
        ]
        expected[others] += games.exact_values(np.array(worth, np.float32), games.semivalue_weights(4)) / 4
    np.testing.assert_allclose(data_values.knn_shapley_among(train, labels, k), expected, atol=1e-6)


def test_knn_shapley_among_is_a_loop_over_knn_shapley_and_jit_and_order_change_nothing():
    train, labels, k = draw(70, 6), np.random.default_rng(1).integers(3, size=70), 5  # More than one block of samples.
    one = jax.jit(data_values.knn_shapley, static_argnums=4)
    expected = np.zeros(70)
    for test in range(70):
        others = np.delete(np.arange(70), test)
        expected[others] += one(train[others], labels[others], train[test : test + 1], labels[test : test + 1], k) / 69
    among = jax.jit(data_values.knn_shapley_among, static_argnums=2)
    found = among(train, labels, k)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(data_values.knn_shapley_among(train, labels, k), found, atol=1e-6)
    order = np.random.default_rng(2).permutation(70)
    np.testing.assert_allclose(among(train[order], labels[order], k), found[order], atol=1e-6)


def test_knn_shapley_takes_whole_numbers_and_names_what_it_cannot_do():
    train, labels = np.array([[0], [1], [3], [7]]), np.array([0, 0, 1, 1])
    among = data_values.knn_shapley_among(train, labels, 2)
    np.testing.assert_array_equal(among, data_values.knn_shapley_among(train.astype(np.float32), labels, 2))
    assert np.abs(among).min() > 0
    with pytest.raises(ValueError, match="4 neighbours of 3 other samples; give 1 to 3"):
        data_values.knn_shapley_among(train, labels, 4)


def test_scores_are_sums_over_the_inputs_of_the_own_class():
    values, labels = draw(5, 3, 4, 2), np.array([2, 0, 1, 1, 0])
    own = np.stack([values[number, label].ravel() for number, label in enumerate(labels)])
    for kind, expected in zip(data_values.SCORES, (own, np.maximum(own, 0), np.abs(own)), strict=True):
        np.testing.assert_allclose(data_values.attribution_scores(values, labels, kind), expected.sum(1), rtol=1e-5)
    with pytest.raises(ValueError, match="kind 'squares' is none of signed_sum"):
        data_values.attribution_scores(values, labels, "squares")


def test_the_papers_score_ranks_by_confidence():
    weights, x, labels = draw(6, 3), draw(9, 6, seed=1), np.arange(9) % 3

    def probabilities(x):
        return jax.nn.softmax(jax.nn.relu(x) @ weights)

    found = deep_shap(probabilities, x, x)
    scores = data_values.attribution_scores(found.values, labels)
    own = np.asarray(probabilities(x))[np.arange(9), labels]
    expected = np.asarray(probabilities(x)).mean(0)[labels]
    np.testing.assert_allclose(scores, own - expected, atol=1e-5)


def test_out_of_bag_counts_only_learners_without_the_sample():
    correct = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0]], bool)
    in_bag = np.array([[1, 0, 1], [0, 0, 1], [0, 1, 1]], bool)
    found = data_values.out_of_bag(correct, in_bag)
    np.testing.assert_allclose(found.values, [0.5, 0.5, np.nan])
    assert np.isnan(found.standard_error[2])


def test_out_of_bag_has_the_standard_error_of_a_mean():
    rng = np.random.default_rng(4)
    correct, in_bag = rng.normal(size=(30, 5)), rng.random((30, 5)) < 0.5
    found = data_values.out_of_bag(correct, in_bag)
    out = [correct[~in_bag[:, sample], sample] for sample in range(5)]
    np.testing.assert_allclose(found.values, [part.mean() for part in out], rtol=1e-5)
    np.testing.assert_allclose(found.standard_error, [stats.sem(part) for part in out], rtol=1e-5)


def squared(params, sample):
    x, y = sample
    return 0.5 * (x @ params["weights"] - y) ** 2


def test_tracin_is_the_gradients_dot_products_by_closed_form():
    train, test = (draw(8, 3), draw(8, seed=1)), (draw(5, 3, seed=2), draw(5, seed=3))
    steps, rates = draw(2, 3, seed=4), np.float32([0.1, 0.3])
    found = data_values.tracin(squared, {"weights": steps}, rates, train, test, at_once=3)
    expected = np.zeros(8)
    for weights, rate in zip(steps, rates, strict=True):
        own, other = ((x @ weights - y)[:, None] * x for x, y in (train, test))
        expected += rate * own @ other.mean(0)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_influence_is_the_closed_form_and_predicts_leaving_one_out():
    x, test = draw(30, 3), (draw(10, 3, seed=2), draw(10, seed=3))
    y = x @ np.float32([1, -2, 0.5]) + draw(30, seed=1)
    damping = 0.05

    def fit(chosen):
        x_, y_ = x[chosen].astype(float), y[chosen].astype(float)
        return np.linalg.solve(x_.T @ x_ + 30 * damping * np.eye(3), x_.T @ y_)

    everyone = np.arange(30)
    weights = fit(everyone)

    def test_loss(weights):
        return 0.5 * ((test[0] @ weights - test[1]) ** 2).mean()

    params = {"weights": jnp.asarray(weights, jnp.float32)}
    found = data_values.influence(squared, params, (x, y), test, damping=damping, iterations=20)
    hessian = x.T @ x / 30 + damping * np.eye(3)
    towards = np.linalg.solve(hessian, ((test[0] @ weights - test[1])[:, None] * test[0]).mean(0))
    np.testing.assert_allclose(found, (x @ weights - y) * (x @ towards) / 30, rtol=1e-3, atol=1e-6)
    left_out = [test_loss(fit(everyone != one)) - test_loss(weights) for one in everyone]
    assert np.corrcoef(found, left_out)[0, 1] > 0.97
