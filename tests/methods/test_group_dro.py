"""Group DRO: losses of groups, the online weights, and the worst group's accuracy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_tabular
from small_tabular import EPOCHS, SETTING, TRAIN

from jaxfair.methods import classifier, group_dro


def plain_group_losses(logits, domains, outcome, mask):
    """L_g, NaN without an example, as nested loops."""
    found = np.full((domains.shape[1], 2, 2), np.nan)
    for d, a, y in np.ndindex(found.shape):
        belongs = [i for i in range(len(mask)) if mask[i] and domains[i, d] == a and outcome[i] == y]
        if belongs:
            found[d, a, y] = np.mean([small_tabular.entropy(logits[i], y) for i in belongs])
    return found


def test_losses_of_groups_and_their_gradient():
    logits, _, outcome, domains, mask = small_tabular.tiny_batch()
    domains[:, 1] = np.where(outcome == 1, 0, domains[:, 1])  # An absent group.
    expected = plain_group_losses(logits, domains, outcome, mask)
    found = group_dro.group_losses(jnp.float32(logits), jnp.float32(domains), jnp.float32(outcome), mask)
    assert np.isnan(expected).any()
    np.testing.assert_allclose(found, np.nan_to_num(expected), rtol=1e-5)

    q = np.random.default_rng(0).dirichlet(np.ones(8)).reshape(2, 2, 2)

    def loss(logits):
        of_groups = group_dro.group_losses(logits, jnp.float32(domains), jnp.float32(outcome), mask)
        return jnp.sum(q * of_groups)

    def plain(logits):
        return np.nansum(q * plain_group_losses(logits, domains, outcome, mask))

    small_tabular.assert_loss_and_gradient(loss, plain, logits)


def test_weights_follow_the_papers_update():
    rng = np.random.default_rng(0)
    q, losses = rng.dirichlet(np.ones(8)).reshape(2, 2, 2), 3 * rng.random((2, 2, 2))
    present = rng.random((2, 2, 2)) < 0.6
    q[0, 0, 0], present[0, 0, 0] = 0, False  # Never occurs.
    q /= q.sum()
    expected = np.where(present, q * np.exp(0.3 * losses), q)
    found = group_dro.updated_log_weights(jnp.log(jnp.float32(q)), jnp.where(present, losses, 0), 0.3)
    np.testing.assert_allclose(jnp.exp(found), expected / expected.sum(), rtol=1e-5)
    # However far ahead one group is, the others can come back, and nothing overflows.
    far = jnp.log(jnp.float32(q))
    for _ in range(3):
        far = group_dro.updated_log_weights(far, jnp.zeros((2, 2, 2)).at[1].set(100), 1.0)
    for _ in range(3):
        far = group_dro.updated_log_weights(far, jnp.zeros((2, 2, 2)).at[0].set(100), 1.0)
    np.testing.assert_allclose(jnp.exp(far), q, rtol=1e-4)
    assert (jax.grad(lambda of: group_dro.updated_log_weights(far, of, 1.0)[1].sum())(jnp.ones((2, 2, 2))) == 0).all()


@pytest.fixture(scope="module")
def result():
    stage, data = group_dro.group_dro(SETTING, EPOCHS), small_tabular.draw(0.9)
    return small_tabular.train(stage, data, seed=[0, 1, 2], step_size=[0.0, 0.1])


def test_without_a_step_size_the_weights_stay_and_groups_count_equally(result):
    q = np.asarray(group_dro.group_weights(result.state["variables"]))
    np.testing.assert_allclose(q[::2], 1 / 8, rtol=1e-5)
    np.testing.assert_allclose(q.sum((1, 2, 3)), 1, rtol=1e-5)
    # With as many examples in each group, the mean over groups is the mean over examples.
    domains, outcome = np.float32(np.indices((2, 2, 2)).reshape(3, 8).T[:, :2]), np.float32([0, 1] * 4)
    logits, mask = np.float32(np.random.default_rng(0).normal(size=8)), np.ones(8, bool)
    of_groups = group_dro.group_losses(logits, domains, outcome, mask)
    np.testing.assert_allclose(of_groups.mean(), classifier.outcome_loss(logits, outcome, mask), rtol=1e-6)


def test_the_weight_goes_to_the_groups_in_which_the_spurious_feature_is_wrong(result):
    # Of the first domain: in the end neither side is far ahead, for the network follows the weights.
    q = np.asarray(group_dro.group_weights(result.state["variables"]))[1::2, 0]
    assert (q[:, [0, 1], [1, 0]].sum(1) > q[:, [0, 1], [0, 1]].sum(1)).all()


def test_the_worst_group_is_classified_better_than_by_plain_training(result):
    plain = small_tabular.worst_accuracy(small_tabular.plain(0.9)).mean()
    assert plain < 0.5
    assert small_tabular.worst_accuracy(result)[1::2].mean() > plain + 0.1


def test_a_group_that_does_not_occur_has_no_weight():
    data = small_tabular.draw(0.9)
    data["domains"][TRAIN & (data["outcome"] == 1), 1] = 0
    init = jax.jit(group_dro.group_dro(SETTING, EPOCHS).init)
    member = jax.tree.map(lambda leaf: leaf[0], small_tabular.members(step_size=[0.1]))
    q = group_dro.group_weights(init(member, None, data, jax.random.key(0))["variables"])
    assert q[1, 1, 1] == 0
    np.testing.assert_allclose(np.delete(q, 7), 1 / 7, rtol=1e-5)


def test_where_no_group_is_known_nothing_is_lost():
    logits, _, outcome, domains, mask = (jnp.float32(values) for values in small_tabular.tiny_batch())
    nowhere = jnp.full((domains.shape[1], 2, 2), -jnp.inf)

    def loss(logits):
        by_group = group_dro.group_losses(logits, jnp.full_like(domains, jnp.nan), outcome, mask == 1)
        return jnp.sum(jnp.exp(group_dro.updated_log_weights(nowhere, by_group, 0.1)) * by_group)

    value, gradient = jax.value_and_grad(loss)(logits)
    assert value == 0
    assert (gradient == 0).all()
