"""Just train twice: which examples are raised, from what, and what for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_tabular
from small_tabular import EPOCHS, SETTING, TRAIN

from jaxfair.methods import classifier
from jaxfair.methods.just_train_twice import just_train_twice, train_logits, weights

DATA = small_tabular.draw(0.9)


STAGES = just_train_twice(SETTING, EPOCHS, identification_epochs=15)


@pytest.fixture(scope="module")
def results():
    first = small_tabular.train(STAGES[:1], DATA, seed=[0, 1, 2], upweight=[1, 16])
    return first, small_tabular.train(STAGES, DATA, seed=[0, 1, 2], upweight=[1, 16])


def test_the_loss_is_the_mean_over_data_with_the_errors_repeated():
    logits, _, outcome, _, mask = small_tabular.tiny_batch()
    judged = np.random.default_rng(3).normal(size=12)
    each = weights(jnp.float32(judged), jnp.float32(outcome), mask, 4.0)

    def plain(logits):
        repeated = []
        for i in np.flatnonzero(mask & ~np.isnan(outcome)):
            error = (judged[i] > 0) != (outcome[i] == 1)
            repeated += [small_tabular.entropy(logits[i], outcome[i])] * (4 if error else 1)
        assert 8 < len(repeated) < 4 * 8
        return np.mean(repeated)

    small_tabular.assert_loss_and_gradient(
        lambda logits: classifier.outcome_loss(logits, jnp.float32(outcome), mask, each), plain, logits
    )
    assert (np.asarray(each)[~mask | np.isnan(outcome)] == 0).all()


def test_the_weights_are_those_of_the_first_networks_errors(results):
    first, both = results
    counted = TRAIN & ~np.isnan(DATA["outcome"])
    for member in range(6):
        params = jax.tree.map(lambda leaf, member=member: np.float64(leaf[member]), first.state["variables"]["params"])
        hidden = np.tanh(DATA["inputs"] @ params["hidden"]["kernel"] + params["hidden"]["bias"])
        logits = (hidden @ params["outcome_head"]["kernel"] + params["outcome_head"]["bias"])[:, 0]
        error = (logits > 0) != (DATA["outcome"] == 1)
        assert 10 < error[counted].sum() < 60
        expected = np.where(counted, np.where(error, [1, 16][member % 2], 1), 0)
        np.testing.assert_allclose(both.state["weights"][member], expected / expected[counted].mean(), rtol=1e-5)


def test_logits_are_those_of_all_training_examples_whatever_the_batches(results):
    variables = jax.tree.map(lambda leaf: leaf[0], results[0].state["variables"])
    few = TRAIN & (np.arange(len(TRAIN)) < 250)  # Of the four batches one is partly and two are wholly empty.
    whole, found = jax.jit(
        lambda data: (classifier.apply(SETTING, variables, data).outcome, train_logits(SETTING, variables, data, few))
    )(DATA)
    np.testing.assert_allclose(found[few], whole[few], rtol=1e-5)
    assert (found[~few] == 0).all()


def test_with_a_weight_of_one_it_is_plain(results):
    small_tabular.assert_same_network(results[1], small_tabular.plain(0.9), slice(0, None, 2))


def test_the_first_stage_selects_nothing(results):
    first, both = results
    assert "best" not in first.state
    assert (first.epochs_run["identification"] == 15).all()
    assert list(both.logs) == ["identification", "classifier"]
    # Stages are known by their functions: sweeps of the same ones share programs.
    assert just_train_twice(SETTING, EPOCHS, identification_epochs=15) == STAGES


def test_the_worst_group_is_classified_better_without_a_domain_label(results):
    plain = small_tabular.worst_accuracy(small_tabular.plain(0.9)).mean()
    assert plain < 0.5
    assert small_tabular.worst_accuracy(results[1])[1::2].mean() > plain + 0.1
