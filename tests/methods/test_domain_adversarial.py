"""Domain-adversarial training: the domains' loss, the reversal, and what a fresh probe still reads."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_tabular
from small_tabular import EPOCHS, SETTING

from jaxfair.methods import domain_adversarial
from jaxfair.methods.domain_heads import DomainHeads, initial_with_heads

DATA = small_tabular.draw(0.75)


def test_the_domains_loss_and_its_gradient():
    _, logits, _, domains, mask = small_tabular.tiny_batch()
    labelled = mask[:, None] & ~np.isnan(domains)

    def plain(logits):
        return np.mean([small_tabular.entropy(logits[i], domains[i]) for i in zip(*np.nonzero(labelled), strict=True)])

    def loss(logits):
        return domain_adversarial.domain_loss(logits, jnp.float32(domains), mask)

    small_tabular.assert_loss_and_gradient(loss, plain, logits)
    assert (np.asarray(jax.grad(loss)(jnp.float32(logits)))[~labelled] == 0).all()


def test_each_head_is_a_network_of_its_own():
    rng = np.random.default_rng(0)
    heads, representation = DomainHeads(3, (4,)), np.float32(rng.normal(size=(5, 6)))
    params = jax.jit(heads.init)(jax.random.key(0), representation)["params"]
    layers = [jax.tree.map(np.float64, params["heads"][f"Dense_{layer}"]) for layer in range(2)]
    found = jax.jit(heads.apply)({"params": params}, representation)
    assert found.shape == (5, 3)
    for d in range(3):
        hidden = np.maximum(representation @ layers[0]["kernel"][d] + layers[0]["bias"][d], 0)
        expected = hidden @ layers[1]["kernel"][d] + layers[1]["bias"][d]
        np.testing.assert_allclose(found[:, d], expected[:, 0], rtol=1e-4, atol=1e-6)
    assert np.abs(layers[0]["kernel"][0] - layers[0]["kernel"][1]).max() > 0.1


def test_a_name_that_the_network_has_is_refused():
    with pytest.raises(ValueError, match="'hidden' of its own"):
        initial_with_heads(SETTING, DATA, jax.random.key(0), name="hidden", hidden=())


@pytest.fixture(scope="module")
def result():
    stage = domain_adversarial.domain_adversarial(SETTING, EPOCHS)
    return small_tabular.train(stage, DATA, seed=[0, 1, 2], reversal=[0, 1])


def test_without_reversal_the_network_is_plains(result):
    small_tabular.assert_same_network(result, small_tabular.plain(0.75), slice(0, None, 2))
    heads = result.state["variables"]["params"]["domain_heads"]["heads"]
    assert (np.asarray(heads["Dense_1"]["bias"]) != 0).all()


def test_in_the_first_epoch_nothing_is_reversed(result):
    # Ganin's schedule begins at 0, and members differ by nothing else.
    logged = result.logs["classifier"]["train/loss"]
    np.testing.assert_allclose(logged[::2, 0], logged[1::2, 0], rtol=1e-6)
    assert (logged[1::2, -1] > logged[::2, -1]).all()


def test_a_fresh_probe_reads_less_and_selection_rates_draw_nearer(result):
    small_tabular.assert_fairer_than_plain(result, slice(1, None, 2))
