"""LAFTR: the adversaries' errors, the reversal, and what a fresh probe still reads."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_tabular
from small_tabular import EPOCHS, SETTING, TRAIN

from jaxfair.methods import classifier, laftr
from jaxfair.methods.domain_heads import DomainHeads

DATA = small_tabular.draw(0.75)


def plain_errors(logits, domains, outcome, mask, criterion):
    """Sum over groups of the mean of |h − a|, for each domain."""
    total = np.zeros(domains.shape[1])
    for d in range(domains.shape[1]):
        h = 1 / (1 + np.exp(-logits[:, d]))
        for a in (0, 1):
            for outcomes in [(0,), (1,)] if criterion == "equalized_odds" else [(0, 1, None)]:
                belongs = mask & (domains[:, d] == a)
                if None not in outcomes:
                    belongs = belongs & np.isin(outcome, outcomes)
                if belongs.any():
                    total[d] += np.abs(h[belongs] - a).mean()
    return total


@pytest.mark.parametrize("criterion", laftr.CRITERIA)
def test_errors_and_their_gradient(criterion):
    _, logits, outcome, domains, mask = small_tabular.tiny_batch()

    def errors(logits):
        return laftr.adversary_errors(logits, jnp.float32(domains), jnp.float32(outcome), mask, criterion)

    np.testing.assert_allclose(
        errors(jnp.float32(logits)), plain_errors(logits, domains, outcome, mask, criterion), rtol=1e-5
    )
    small_tabular.assert_loss_and_gradient(
        lambda logits: errors(logits).sum(),
        lambda logits: plain_errors(logits, domains, outcome, mask, criterion).sum(),
        logits,
    )
    # Without a known label there is neither error nor gradient.
    gradient = jax.grad(lambda logits: errors(logits).sum())(jnp.float32(logits))
    assert (np.asarray(gradient)[np.isnan(domains)] == 0).all()


def test_an_adversary_without_information_has_an_error_of_half_the_groups():
    rng = np.random.default_rng(0)
    domains, outcome = np.float32(rng.random((50, 2)) < 0.1), np.float32(rng.random(50) < 0.3)
    domains[:3], outcome[:3] = [[1, 1], [1, 1], [1, 1]], [0, 1, 1]
    for constant in (-3.0, 0.0, 5.0):
        for criterion, expected in (("demographic_parity", 1), ("equalized_odds", 2)):
            logits, mask = jnp.full((50, 2), constant), np.ones(50, bool)
            found = laftr.adversary_errors(logits, domains, outcome, mask, criterion)
            np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.fixture(scope="module")
def result():
    stage = laftr.laftr(SETTING, EPOCHS, "demographic_parity")
    return small_tabular.train(stage, DATA, seed=[0, 1, 2], fairness_weight=[0, 0.5])


def test_without_weight_the_network_is_plains(result):
    small_tabular.assert_same_network(result, small_tabular.plain(0.75), slice(0, None, 2))


def test_adversaries_learn_nevertheless_and_apart_from_each_other(result):
    heads = result.state["variables"]["params"]["adversaries"]["heads"]
    kernel = np.asarray(heads["Dense_0"]["kernel"])
    assert kernel.shape == (6, 2, 2, 32)  # Members, domains, representation, hidden.
    assert np.abs(kernel[:, 0] - kernel[:, 1]).max() > 0.1
    assert (np.asarray(heads["Dense_1"]["bias"]) != 0).all()  # They begin at 0.


def test_a_fresh_probe_reads_less_and_selection_rates_draw_nearer(result):
    small_tabular.assert_fairer_than_plain(result, slice(1, None, 2))


def test_equalized_odds_shows_the_adversaries_the_outcome():
    member = jax.tree.map(lambda leaf: leaf[0], small_tabular.members(fairness_weight=[1]))
    state = jax.eval_shape(laftr.laftr(SETTING, EPOCHS).init, member, None, DATA, jax.random.key(0))
    assert state["variables"]["params"]["adversaries"]["heads"]["Dense_0"]["kernel"].shape == (2, 2 + 1, 32)


def test_the_network_gets_the_reversed_gradient_of_the_error_and_adversaries_the_gradient():
    stage = laftr.laftr(SETTING, 1, "equalized_odds", hidden=(4,))
    network, adversaries = small_tabular.Network(), DomainHeads(2, (4,))
    rows = np.arange(1, 9)  # One batch: what moves after one step is against the sign of its gradient (Adam).
    train = np.isin(np.arange(len(TRAIN)), rows)
    member = small_tabular.members(fairness_weight=[3.0])
    member = jax.tree.map(lambda leaf: leaf[0], member)._replace(train=jnp.asarray(train))
    before = jax.jit(stage.init)(member, None, DATA, jax.random.key(7))
    after, _ = jax.jit(stage.epoch)(member, before, DATA, jax.random.key(8), 0)
    before, after = before["variables"]["params"], after["variables"]["params"]
    domains, outcome = DATA["domains"][rows], DATA["outcome"][rows]

    def error(params, of):
        outputs = network.apply({"params": params}, DATA["inputs"][rows])
        seen = jnp.concatenate([outputs.representation, jnp.nan_to_num(outcome)[:, None]], axis=1)
        logits = adversaries.apply({"params": params["adversaries"]}, seen)
        adversary = laftr.adversary_errors(logits, domains, outcome, np.ones(8, bool), "equalized_odds").mean()
        primary = classifier.outcome_loss(outputs.outcome, outcome, np.ones(8, bool))
        return primary + (adversary if of == "adversaries" else -3.0 * adversary)

    both = jax.jit(lambda params: {of: jax.grad(error)(params, of) for of in ("network", "adversaries")})(before)
    for group in before:
        gradient = both["adversaries" if group == "adversaries" else "network"][group]
        for old, new, slope in zip(
            *(jax.tree.leaves(each) for each in (before[group], after[group], gradient)), strict=True
        ):
            large = np.abs(slope) > 1e-5
            assert large.any()
            np.testing.assert_array_equal(np.sign(new - old)[large], -np.sign(slope)[large])


def test_another_criterion_is_refused():
    with pytest.raises(ValueError, match="criterion must be one of"):
        laftr.laftr(SETTING, EPOCHS, "equal_opportunity")
