"""Values by retraining: a small classifier's, against enumeration of all subsets."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxfair import losses, training
from jaxfair.attribution import games, retraining

PLAYERS = np.array([1, 3, 4, 6, 7, 9, 10, 12])
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2)).astype(np.float32)
Y = (X @ np.float32([1, -1]) + 0.3 * RNG.normal(size=60) > 0).astype(np.float32)
Y[6] = 1 - Y[6]
EVALUATE = np.arange(60) >= 20
DATA = {"x": X, "y": Y}


def init(member, previous, data, key):
    return jnp.zeros(2)


def epoch(member, weights, data, key, epoch):
    def loss(weights):
        logits = data["x"] @ weights
        return losses.masked_mean(jnp.logaddexp(0, -logits * (2 * data["y"] - 1)), member.train)

    return weights - member.hyperparameters["rate"] * jax.grad(loss)(weights), {}


def worth(member, weights, data):
    """Minus the mean log loss on what is evaluated, and the accuracy."""
    logits, sign = data["x"] @ weights, 2 * data["y"] - 1
    parts = jnp.stack([-jnp.logaddexp(0, -logits * sign), (logits * sign > 0).astype(float)], 1)
    return jnp.where(member.evaluate[:, None], parts, 0).sum(0) / member.evaluate.sum()


def plain_worth(subset):
    """The same in NumPy."""
    chosen, weights = PLAYERS[np.asarray(subset, bool)], np.zeros(2)
    sign = 2 * Y.astype(float) - 1
    for _ in range(30):
        if len(chosen):
            share = 1 / (1 + np.exp((X[chosen] @ weights) * sign[chosen]))
            weights = weights + 0.5 * ((share * sign[chosen])[:, None] * X[chosen]).mean(0)
    margin = (X @ weights * sign)[EVALUATE]
    return np.array([-np.logaddexp(0, -margin).mean(), (margin > 0).mean()])


@pytest.fixture(scope="module")
def worth_of():
    stages = [training.Stage("fit", 30, init, epoch)]
    return retraining.worth_by_retraining(
        stages, worth, DATA, jax.random.key(0), PLAYERS, EVALUATE, hyperparameters={"rate": 0.5}, places=32
    )


@pytest.fixture(scope="module")
def exact(worth_of):
    return np.asarray(worth_of(games.coalitions(8)))


def test_a_subset_is_worth_what_a_model_trained_on_it_alone_reaches(worth_of, exact):
    masks = games.coalitions(8)
    np.testing.assert_allclose(exact, [plain_worth(mask) for mask in masks], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(worth_of(masks[[5, 77, 255]]), exact[[5, 77, 255]])


def test_leaving_one_out_is_the_difference(worth_of, exact):
    np.testing.assert_array_equal(retraining.leave_one_out(worth_of, 8), exact[-1] - exact[255 - 2 ** np.arange(8)])


@pytest.mark.parametrize("weights", [None, games.semivalue_weights(8, 4, 1)], ids=["shapley", "beta"])
def test_sampled_values_converge_to_enumeration(exact, weights):
    def look_up(masks):
        return exact[masks @ 2 ** np.arange(8)]

    values = games.exact_values(exact, games.semivalue_weights(8) if weights is None else weights)
    errors = []
    for num_pairs in (20, 2000):
        found = retraining.sampled_semivalues(look_up, 8, jax.random.key(1), num_pairs=num_pairs, weights=weights)
        assert (np.abs(found.values - values) <= 4.5 * found.standard_error + 1e-6).all()
        errors.append(np.sqrt(np.mean((found.values - values) ** 2)))
    assert errors[1] < errors[0] / 4


def test_banzhaf_converges_to_enumeration(exact):
    values = games.exact_values(exact, games.banzhaf_weights(8))
    found = retraining.sampled_banzhaf(
        lambda masks: exact[masks @ 2 ** np.arange(8)], 8, jax.random.key(2), num_subsets=4000
    )
    assert (np.abs(found.values - values) <= 4.5 * found.standard_error).all()
    assert np.abs(found.values - values).max() < 0.01


def test_truncation_retrains_less_stays_complete_and_underestimates_harm(exact):
    asked = []

    def look_up(masks):
        asked.append(len(masks))
        return exact[masks @ 2 ** np.arange(8)]

    key, counts, found = jax.random.key(3), [], []
    for tolerance in (0.0, 0.05):
        asked.clear()
        found.append(retraining.sampled_semivalues(look_up, 8, key, num_pairs=200, tolerance=tolerance, block=1))
        counts.append(sum(asked))
    assert counts[0] == 2 + 400 * 7
    assert counts[1] < 0.9 * counts[0]
    for part in found:
        np.testing.assert_allclose(part.values.sum(0), exact[-1] - exact[0], rtol=1e-4)
    mislabelled = np.flatnonzero(PLAYERS == 6)[0]
    assert found[0].values[mislabelled, 0] < found[1].values[mislabelled, 0] < 0


def test_the_mislabelled_sample_is_worth_least(exact):
    values = games.exact_values(exact, games.semivalue_weights(8))
    assert values[:, 0].argmin() == np.flatnonzero(PLAYERS == 6)[0]
