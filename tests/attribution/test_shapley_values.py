"""Shapley values of inputs, exact and sampled, and integrated gradients, against closed forms and numbers by SciPy."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate

from jaxfair.attribution.gradients import gradient_times_input, integrated_gradients
from jaxfair.attribution.shapley_values import exact_shapley, sampled_shapley


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


INPUTS, BACKGROUND, WEIGHTS = draw(3, 4), draw(6, 4, seed=1), draw(4, 2, seed=2)


def interacting(x):
    return jnp.stack([jnp.tanh(x[:, 0] * x[:, 1] * x[:, 2] + x[:, 3]), jnp.max(x, 1)], 1)


def by_definition(function, example, background):
    """Gains averaged over all orders of the inputs, the absent ones replaced by each background example in turn."""
    size = len(example)

    def worth(players):
        mixed = background.copy()
        mixed[:, list(players)] = example[list(players)]
        return np.asarray(function(mixed)).mean(0)

    values = np.zeros((size, 2))
    for order in itertools.permutations(range(size)):
        for place, player in enumerate(order):
            values[player] += worth(order[: place + 1]) - worth(order[:place])
    return values.T / math.factorial(size)


def test_exact_values_are_the_definition():
    found = exact_shapley(interacting, INPUTS, BACKGROUND)
    for values, example in zip(found.values, INPUTS, strict=True):
        np.testing.assert_allclose(values, by_definition(interacting, example, BACKGROUND), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.predictions, interacting(INPUTS), rtol=1e-6)
    np.testing.assert_allclose(found.values.sum(-1), found.predictions - found.expected, rtol=1e-4, atol=1e-6)


def test_players_are_groups_of_inputs():
    players = np.array([1, 0, 1, 0])
    found = exact_shapley(interacting, INPUTS, BACKGROUND, players=players)

    both = exact_shapley(interacting, INPUTS, BACKGROUND).predictions
    first = jnp.stack([interacting(np.where(players == 0, x, BACKGROUND)).mean(0) for x in INPUTS])
    second = jnp.stack([interacting(np.where(players == 1, x, BACKGROUND)).mean(0) for x in INPUTS])
    nobody = interacting(BACKGROUND).mean(0)
    np.testing.assert_allclose(found.values[..., 0], (first - nobody + both - second) / 2, rtol=1e-4, atol=1e-6)
    assert found.values.shape == (3, 2, 2)
    with pytest.raises(ValueError, match=r"players must have the shape \(4,\)"):
        exact_shapley(interacting, INPUTS, BACKGROUND, players=np.array([0, 2, 2, 0]))


def test_sampled_values_are_complete_and_within_their_errors():
    exact = exact_shapley(interacting, INPUTS, BACKGROUND)
    found = sampled_shapley(interacting, INPUTS, BACKGROUND, jax.random.key(0), num_pairs=100)
    np.testing.assert_allclose(found.values.sum(-1), found.predictions - found.expected, rtol=1e-4, atol=1e-6)
    assert (jnp.abs(found.values - exact.values) <= 4 * found.standard_error + 1e-6).all()
    assert 0 < found.standard_error.max() < 0.1


def test_of_a_linear_function_every_draw_is_the_value():
    found = sampled_shapley(lambda x: x @ WEIGHTS, INPUTS, BACKGROUND, jax.random.key(0), num_pairs=2)
    expected = (INPUTS - BACKGROUND.mean(0))[:, None] * WEIGHTS.T
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.standard_error, 0, atol=1e-5)


def test_integrated_gradients_are_the_integral():
    def function(x):
        return jnp.stack([jnp.exp(x[:, 0] * x[:, 1]), jnp.sin(x).prod(1)], 1)

    found = integrated_gradients(function, INPUTS, BACKGROUND)
    x, start = INPUTS[0].astype(float), BACKGROUND[0].astype(float)

    def slope(place):  # d exp(a b) / da along the line.
        a, b = (start + place * (x - start))[:2]
        return b * math.exp(a * b)

    expected = integrate.quad(slope, 0, 1)[0] * (x - start)[0]
    one = integrated_gradients(function, INPUTS[:1], BACKGROUND[:1])
    np.testing.assert_allclose(one.values[0, 0, 0], expected, rtol=1e-5)
    np.testing.assert_allclose(found.residual, 0, atol=1e-4)
    single = jax.jit(lambda start: integrated_gradients(function, INPUTS, start).values)
    each = np.stack([single(start[None]) for start in BACKGROUND])
    np.testing.assert_allclose(found.values, each.mean(0), rtol=1e-4, atol=1e-6)


def test_gradient_times_input_of_a_linear_function_is_its_terms():
    np.testing.assert_allclose(
        gradient_times_input(lambda x: x @ WEIGHTS + 3, INPUTS), INPUTS[:, None] * WEIGHTS.T, rtol=1e-6
    )


@pytest.mark.parametrize("method", [exact_shapley, integrated_gradients])
def test_bad_input_is_one_sentence(method):
    with pytest.raises(ValueError, match="background is empty; give it at least one example"):
        method(interacting, INPUTS, BACKGROUND[:0])
    with pytest.raises(ValueError, match="differ in more than their number"):
        method(interacting, INPUTS, BACKGROUND[:, :3])
