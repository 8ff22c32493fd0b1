"""What holds for every attack: the order of a batch, single examples, members, eager code, losses, and what is NaN."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from attack_models import examples, perceptron, perceptron_weights

from jaxfair import attacks

pytestmark = pytest.mark.slow

# The three of `gradient_sign` are one function: of them BIM, and PGD for its start.
ATTACKS = {
    "deepfool": lambda logits, inputs, labels: attacks.deepfool(logits, inputs, labels, width=4),
    "basic_iterative": functools.partial(attacks.basic_iterative, epsilon=0.4, norm="l2", num_steps=5),
    "smooth": functools.partial(
        attacks.smooth_adversarial_perturbation,
        epsilon=0.6,
        num_steps=4,
        num_start_steps=2,
        kernel_sizes=(3,),
        sigmas=(1.0, 2.0),
    ),
}
# A start drawn by place in the batch: for the laws that do not move examples about.
RANDOM = {
    "random_start": lambda logits, inputs, labels: attacks.projected_gradient(
        logits, inputs, labels, 0.3, key=jax.random.key(3), num_steps=5
    )
}
LABELS = np.arange(10) % 4


def on(weights, attack, inputs, labels=LABELS):
    return attack(functools.partial(perceptron, weights), inputs, labels)


def assert_same(actual, expected, atol=1e-5):
    assert type(actual) is attacks.Adversarial
    for name, one, other in zip(actual._fields, actual, expected, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), atol=atol, err_msg=name)


@pytest.mark.parametrize("name", ATTACKS)
def test_examples_do_not_know_of_each_other(name):
    order = np.random.default_rng(0).permutation(10)

    @jax.jit
    def everything(weights, inputs, labels):
        attack = ATTACKS[name]
        together, permuted = on(weights, attack, inputs), on(weights, attack, inputs[order], labels[order])
        alone = jax.lax.map(lambda one: on(weights, attack, one[0][None], one[1][None]), (inputs, labels))
        return together, permuted, jax.tree.map(lambda leaf: leaf[:, 0], alone)

    together, permuted, alone = everything(perceptron_weights(), examples(), jnp.asarray(LABELS))
    assert_same(permuted, jax.tree.map(lambda leaf: leaf[order], together))
    assert_same(alone, together)
    assert 0 < (np.asarray(together.decision_before) != LABELS).sum() < 10
    assert together.success.any()
    np.testing.assert_array_equal(together.perturbation, together.inputs - examples())


@pytest.mark.parametrize("name", ATTACKS | RANDOM)
def test_members_side_by_side_equal_members_one_by_one(name):
    members = [perceptron_weights(seed) for seed in range(3)]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *members)
    one = functools.partial(on, attack=(ATTACKS | RANDOM)[name], inputs=examples())
    together, alone = jax.jit(lambda stacked: (jax.vmap(one)(stacked), jax.lax.map(one, stacked)))(stacked)
    assert_same(together, alone)
    assert together.success.shape == (3, 10)
    assert len(np.unique(np.asarray(together.relative_norm))) > 3


@pytest.mark.parametrize("name", ["deepfool", "random_start"])
def test_compiled_equals_eager(name):
    one = functools.partial(on, attack=(ATTACKS | RANDOM)[name], inputs=examples())
    assert_same(jax.jit(one)(perceptron_weights()), one(perceptron_weights()))


@pytest.mark.parametrize("name", ATTACKS | RANDOM)
def test_inside_a_training_loss_an_attack_is_a_constant(name):
    attack = (ATTACKS | RANDOM)[name]

    def cross_entropy(weights, inputs):
        return optax.softmax_cross_entropy_with_integer_labels(perceptron(weights, inputs), LABELS).mean()

    def hardened(weights, inputs):
        made = on(weights, attack, inputs)
        return cross_entropy(weights, made.inputs) + made.relative_norm.sum(), made.inputs

    @jax.jit
    def slopes(weights, inputs):
        (_, made), found = jax.value_and_grad(hardened, argnums=(0, 1), has_aux=True)(weights, inputs)
        return found, jax.grad(cross_entropy)(weights, made), jax.grad(cross_entropy)(weights, inputs)

    (to_weights, to_inputs), expected, clean = slopes(perceptron_weights(), examples())
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), to_weights, expected)
    assert np.abs(to_weights["hidden"] - clean["hidden"]).max() > 1e-3
    np.testing.assert_array_equal(to_inputs, 0)


@pytest.mark.parametrize("name", ATTACKS | RANDOM)
def test_nan_and_labels_that_are_no_class_stay_with_their_example(name):
    inputs, labels = examples(), LABELS.copy()
    inputs[2, 1, 1] = np.nan
    labels[4], labels[6] = 4, -1
    one = jax.jit(functools.partial(on, perceptron_weights(), (ATTACKS | RANDOM)[name]))
    found, clean = one(inputs, labels), one(examples(), LABELS)
    lost = np.isin(np.arange(10), [2, 4, 6])
    assert_same(*(jax.tree.map(lambda leaf: leaf[~lost], made) for made in (found, clean)))
    assert not found.success[lost].any()
    np.testing.assert_array_equal(found.decision[lost], -1)
    for leaf in (found.inputs, found.perturbation, found.relative_norm):
        assert np.isnan(leaf[lost]).all()


def test_the_relative_norm_of_zeros():
    inputs = np.zeros((2, 3, 1), np.float32)
    weights = jnp.arange(6.0).reshape(3, 2)
    found = jax.jit(
        lambda epsilon: attacks.fast_gradient_sign(lambda v: v[..., 0] @ weights, inputs, np.array([0, 1]), epsilon)
    )(np.array([0.0, 0.1], np.float32))
    np.testing.assert_array_equal(found.relative_norm, [0, np.inf])
