"""Domain-specific heads: whose head says what, whom it learns from, and what it is for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_tabular
from sklearn.metrics import roc_auc_score
from small_tabular import EPOCHS, EVALUATE, SETTING

from jaxfair.methods import classifier
from jaxfair.methods.domain_specific import DomainSpecific, domain_specific

SPECIFIC = domain_specific(SETTING)
NETWORK = DomainSpecific(small_tabular.Network())


@pytest.fixture(scope="module")
def case():
    """Inputs, domains, a mask outside of which inputs are 0 and domains NaN, and variables that are nowhere 0."""
    rng = np.random.default_rng(0)
    _, _, _, domains, mask = small_tabular.tiny_batch()
    inputs = np.float32(np.where(mask[:, None], rng.normal(size=(12, 3)), 0))
    variables = jax.jit(NETWORK.init)(jax.random.key(0), inputs=inputs, domains=jnp.float32(domains))
    variables = jax.tree.map(lambda leaf: leaf + np.float32(rng.normal(size=leaf.shape)), variables)
    return inputs, jnp.float32(domains), mask, variables


def test_the_logits_of_a_patients_own_heads_are_averaged(case):
    inputs, domains, mask, variables = case
    outputs = NETWORK.apply(variables, inputs=inputs, domains=domains, mask=mask)
    params = jax.tree.map(np.float64, variables["params"])
    hidden = np.tanh(inputs @ params["network"]["hidden"]["kernel"] + params["network"]["hidden"]["bias"])
    for i in np.flatnonzero(mask):
        logits = []
        for d in range(2):
            group = 2 if np.isnan(domains[i, d]) else int(domains[i, d])
            logits.append(hidden[i] @ params["kernel"][d, group] + params["bias"][d, group])
        np.testing.assert_allclose(outputs.outcome[i], np.mean(logits), rtol=1e-4)
        np.testing.assert_allclose(outputs.representation[i], hidden[i], rtol=1e-4, atol=1e-6)


def test_a_head_gets_a_gradient_from_its_own_group_alone(case):
    inputs, domains, mask, variables = case

    def logit(params, i):
        return NETWORK.apply({"params": params}, inputs=inputs, domains=domains, mask=mask).outcome[i]

    of_each = jax.jit(jax.vmap(jax.grad(logit), (None, 0)))(variables["params"], jnp.arange(12))
    for i in np.flatnonzero(mask):
        for d, group in np.ndindex(2, 3):
            own = group == (2 if np.isnan(domains[i, d]) else int(domains[i, d]))
            assert (np.asarray(of_each["kernel"])[i, d, group] != 0).all() == own
            assert of_each["bias"][i, d, group] == own / 2
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(of_each["network"]["outcome_head"]))


def test_heads_begin_as_a_dense_layer_does():
    params = jax.jit(NETWORK.init)(jax.random.key(0), inputs=jnp.ones((1, 3)), domains=jnp.ones((1, 200)))["params"]
    assert params["kernel"].shape == (200, 3, 2)
    np.testing.assert_allclose(params["kernel"].std(), 2**-0.5, rtol=0.05)


def test_equal_settings_are_equal():
    assert domain_specific(SETTING) == SPECIFIC
    assert classifier.plain(domain_specific(SETTING), 3) is classifier.plain(SPECIFIC, 3)


def test_groups_in_which_a_feature_means_the_opposite_are_both_classified():
    data = small_tabular.draw(0.5)
    sign = np.where(data["domains"][:, 0] == 1, -1, 1)
    data["inputs"][:, 0] *= sign
    data["inputs"][:, 1] = 0  # The network itself does not know the domain.
    specific = small_tabular.train(classifier.plain(SPECIFIC, EPOCHS), data, seed=[0, 1, 2])
    plain = small_tabular.train(classifier.plain(SETTING, EPOCHS), data, seed=[0, 1, 2])
    judged = EVALUATE & ~np.isnan(data["outcome"])

    def auc(result, setting, given):
        logits = small_tabular.predict(result, given, setting).outcome
        return np.array([roc_auc_score(data["outcome"][judged], each[judged]) for each in logits])

    assert (auc(plain, SETTING, data) < 0.65).all()
    assert (auc(specific, SPECIFIC, data) > 0.8).all()
    # It needs the labels at test time.
    flipped = data | {"domains": 1 - data["domains"]}
    assert (auc(specific, SPECIFIC, flipped) < 0.4).all()
