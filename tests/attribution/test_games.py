"""Values of players, against their definitions written plainly."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxfair.attribution import games

SIZE = 5
WORTH = np.random.default_rng(0).normal(size=(2**SIZE, 2)).astype(np.float32)
ORDERS = np.array([list(order) for order in itertools.permutations(range(SIZE)) if order[0] < order[-1]])
ORDERS = np.stack([ORDERS, ORDERS[:, ::-1]], 1).reshape(-1, SIZE)  # All orders, each beside its reverse.


def worth_of(players):
    return WORTH[sum(2**player for player in players)]


def shapley_by_orders():
    """The mean gain over all orders."""
    values = np.zeros((SIZE, 2))
    for order in itertools.permutations(range(SIZE)):
        for place, player in enumerate(order):
            values[player] += worth_of(order[: place + 1]) - worth_of(order[:place])
    return values / math.factorial(SIZE)


def semivalue_by_subsets(weight):
    values = np.zeros((SIZE, 2))
    for player in range(SIZE):
        others = [other for other in range(SIZE) if other != player]
        for size in range(SIZE):
            for subset in itertools.combinations(others, size):
                values[player] += weight(size) * (worth_of((*subset, player)) - worth_of(subset))
    return values


def beta_weight(alpha, beta):
    def function(a, b):
        return math.gamma(a) * math.gamma(b) / math.gamma(a + b)

    return lambda size: function(size + beta, SIZE - size - 1 + alpha) / function(alpha, beta)


def worth_of_prefixes(orders):
    masks = np.asarray(jax.vmap(games.prefixes)(jnp.asarray(orders)))
    return WORTH[masks @ 2 ** np.arange(SIZE)]


def test_coalitions_are_all_subsets_in_binary_order():
    masks = games.coalitions(3)
    assert masks.tolist()[:4] == [[False] * 3, [True, False, False], [False, True, False], [True, True, False]]
    assert len(np.unique(masks, axis=0)) == 8
    with pytest.raises(ValueError, match=r"21 players have 2\*\*21 coalitions; sample"):
        games.coalitions(21)


def test_exact_shapley_values_are_mean_gains_over_all_orders():
    values = games.exact_values(WORTH, games.semivalue_weights(SIZE))
    np.testing.assert_allclose(values, shapley_by_orders(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(values.sum(0), WORTH[-1] - WORTH[0], rtol=1e-5)


def test_a_two_player_game_by_hand():
    # Nobody 0, the first alone 1, the second alone 2, both 6: gains 1 or 4 and 2 or 5.
    np.testing.assert_allclose(games.exact_values(np.float32([0, 1, 2, 6]), games.semivalue_weights(2)), [2.5, 3.5])


@pytest.mark.parametrize(("alpha", "beta"), [(1, 1), (4, 1), (1, 16), (2.5, 0.5)])
def test_beta_shapley_is_its_definition(alpha, beta):
    weights = games.semivalue_weights(SIZE, alpha, beta)
    values = games.exact_values(WORTH, weights)
    np.testing.assert_allclose(values, semivalue_by_subsets(beta_weight(alpha, beta)), rtol=1e-4, atol=1e-6)
    assert math.isclose(sum(math.comb(SIZE - 1, size) * weights[size] for size in range(SIZE)), 1)
    from_orders = games.values_from_orders(worth_of_prefixes(ORDERS), ORDERS, weights)
    np.testing.assert_allclose(from_orders.values, values, rtol=1e-4, atol=1e-5)


def test_banzhaf_is_its_definition():
    values = games.exact_values(WORTH, games.banzhaf_weights(SIZE))
    np.testing.assert_allclose(values, semivalue_by_subsets(lambda _: 1 / 16), rtol=1e-4, atol=1e-6)
    sampled = games.banzhaf_from_masks(WORTH, games.coalitions(SIZE))
    np.testing.assert_allclose(sampled.values, values, rtol=1e-4, atol=1e-6)


def test_orders_come_with_their_reverses_and_grow_by_one_player():
    orders = games.antithetic_orders(jax.random.key(0), 7, 3)
    np.testing.assert_array_equal(np.sort(orders, 1), np.tile(np.arange(7), (6, 1)))
    np.testing.assert_array_equal(orders[1::2], orders[::2, ::-1])
    masks = np.asarray(games.prefixes(orders[0]))
    assert not masks[0].any()
    for place, player in enumerate(np.asarray(orders[0])):
        np.testing.assert_array_equal(np.flatnonzero(masks[place + 1] & ~masks[place]), [player])
    with pytest.raises(ValueError, match="3 orders are no pairs"):
        games.values_from_orders(jnp.zeros((3, 8)), orders[:3])


def test_sampled_values_are_unbiased_and_their_standard_errors_are_right():
    exact = games.exact_values(WORTH, games.semivalue_weights(SIZE))

    @jax.jit
    def estimate(key):
        orders = games.antithetic_orders(key, SIZE, 8)
        masks = jax.vmap(games.prefixes)(orders)
        return games.values_from_orders(jnp.asarray(WORTH)[masks @ 2 ** jnp.arange(SIZE)], orders)

    repeated = jax.vmap(estimate)(jax.random.split(jax.random.key(1), 2000))
    spread = repeated.values.std(0)
    np.testing.assert_array_less(jnp.abs(repeated.values.mean(0) - exact), 4.5 * spread / 2000**0.5)
    np.testing.assert_allclose((repeated.standard_error**2).mean(0), spread**2, rtol=0.15)


def test_sampled_banzhaf_values_are_unbiased_and_their_standard_errors_are_right():
    exact = games.exact_values(WORTH, games.banzhaf_weights(SIZE))

    @jax.jit
    def estimate(key):
        masks = jax.random.bernoulli(key, 0.5, (200, SIZE))
        return games.banzhaf_from_masks(jnp.asarray(WORTH)[masks @ 2 ** jnp.arange(SIZE)], masks)

    repeated = jax.vmap(estimate)(jax.random.split(jax.random.key(2), 1000))
    spread = repeated.values.std(0)
    np.testing.assert_array_less(jnp.abs(repeated.values.mean(0) - exact), 4.5 * spread / 1000**0.5)
    np.testing.assert_allclose((repeated.standard_error**2).mean(0), spread**2, rtol=0.2)
