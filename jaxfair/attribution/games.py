"""Values of players in cooperative games: Shapley, Beta-Shapley and Banzhaf, exactly or from sampled permutations.

A game is known by the worth `v(S)` of coalitions S, boolean masks over players. What a player is (an input, a group of
time steps, a training sample) and how a coalition's worth comes about (a prediction, a retraining) is the caller's.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special


class Estimate(NamedTuple):
    """Values from a sample of coalitions.

    Attributes:
      values: `[player, ...]`; the trailing axes are the worth's own.
      standard_error: `[player, ...]`, of `values` over the independent draws.
    """

    values: jax.Array
    standard_error: jax.Array


def coalitions(num_players: int) -> np.ndarray:
    """All coalitions, `[2**num_players, num_players]` boolean; row `sum_i 2**i S_i` is S.

    Raises:
      ValueError: More than 20 players, a million coalitions.
    """
    if num_players > 20:
        raise ValueError(f"coalitions: {num_players} players have 2**{num_players} coalitions; sample permutations.")
    return (np.arange(2**num_players)[:, None] >> np.arange(num_players)) & 1 == 1


def semivalue_weights(num_players: int, alpha: float = 1.0, beta: float = 1.0) -> np.ndarray:
    """What a gain over a coalition of s others weighs: `B(s + beta, n - s - 1 + alpha) / B(alpha, beta)`.

    `alpha = beta = 1` is the Shapley value, `s! (n - s - 1)! / n!`. A larger alpha stresses small coalitions, where one
    more player matters most. As both grow together the weights approach Banzhaf's, `1 / 2**(n - 1)` for every coalition
    (`banzhaf_weights`). The weights of all coalitions of others sum to 1.

    Args:
      num_players: n.
      alpha, beta: Positive.

    Returns:
      `[num_players]` float64, for s = 0, ..., n - 1.

    References:
      Kwon, Zou: Beta Shapley: a Unified and Noise-reduced Data Valuation Framework for Machine Learning, AISTATS 2022,
      equation 5.
    """
    others = np.arange(num_players)
    log_weights = special.betaln(others + beta, num_players - others - 1 + alpha) - special.betaln(alpha, beta)
    return np.exp(log_weights)


def banzhaf_weights(num_players: int) -> np.ndarray:
    """The same weight, `1 / 2**(n - 1)`, for every coalition of others: `[num_players]` float64."""
    return np.full(num_players, 0.5 ** (num_players - 1))


def exact_values(worth: jax.Array, weights: np.ndarray) -> jax.Array:
    """The semivalue of every player from the worth of all coalitions.

    `value_i = sum over S without i of weights[|S|] (v(S + i) - v(S))`.

    Args:
      worth: `[2**n, ...]`, in the order of `coalitions(n)`.
      weights: `[n]`, of `semivalue_weights` or `banzhaf_weights`.

    Returns:
      `[n, ...]`.
    """
    worth, masks = jnp.asarray(worth), coalitions(len(weights))
    if len(worth) != len(masks):
        raise ValueError(f"exact_values: {len(weights)} players have {len(masks)} coalitions, worth has {len(worth)}.")
    sizes, number = masks.sum(1), np.arange(len(masks))
    values = []
    for player in range(len(weights)):
        without = number[~masks[:, player]]
        gain = worth[without + 2**player] - worth[without]
        values.append(jnp.tensordot(jnp.asarray(weights[sizes[without]], gain.dtype), gain, 1))
    return jnp.stack(values)


def antithetic_orders(key: jax.Array, num_players: int, num_pairs: int) -> jax.Array:
    """Random orders of the players, each followed by its reverse: `[2 * num_pairs, num_players]` int32.

    A player who comes late in an order comes early in its reverse, so errors of both partly cancel.
    """
    orders = jax.vmap(lambda key: jax.random.permutation(key, num_players))(jax.random.split(key, num_pairs))
    return jnp.stack([orders, orders[:, ::-1]], 1).reshape(-1, num_players).astype(jnp.int32)


def prefixes(order: jax.Array) -> jax.Array:
    """The coalitions that grow along an order: `[n]` players to `[n + 1, n]` boolean, from none to all."""
    place = jnp.argsort(order)
    return place[None, :] < jnp.arange(len(order) + 1)[:, None]


def values_from_orders(worth: jax.Array, orders: jax.Array, weights: np.ndarray | None = None) -> Estimate:
    """Semivalues from the worth of the prefixes of sampled orders.

    A player's gain when it joins the s players before it is an unbiased draw of the Shapley value; times
    `n C(n - 1, s) weights[s]` of the semivalue with these weights.

    Args:
      worth: `[order, n + 1, ...]`, of `prefixes` of each order.
      orders: `[order, n]`, of `antithetic_orders`: neighbours are taken as one draw.
      weights: `[n]`; None means Shapley.

    Returns:
      Values and standard errors; with one pair the latter are NaN.

    Raises:
      ValueError: An odd number of orders.
    """
    count, num_players = orders.shape
    if count % 2:
        raise ValueError(f"values_from_orders: {count} orders are no pairs; take them from antithetic_orders.")
    gains = worth[:, 1:] - worth[:, :-1]
    if weights is not None:
        sizes = np.arange(num_players)
        ratio = num_players * special.comb(num_players - 1, sizes) * np.asarray(weights)
        gains *= jnp.asarray(ratio, gains.dtype).reshape(1, -1, *(1,) * (gains.ndim - 2))
    by_player = jax.vmap(lambda gain, order: jnp.zeros_like(gain).at[order].set(gain))(gains, orders)
    draws = by_player.reshape(count // 2, 2, *by_player.shape[1:]).mean(1)
    spread = jnp.std(draws, axis=0, ddof=1) if count > 2 else jnp.full(draws.shape[1:], jnp.nan)
    return Estimate(draws.mean(0), spread / np.sqrt(count // 2))


def banzhaf_from_masks(worth: jax.Array, masks: jax.Array) -> Estimate:
    """Banzhaf values from the worth of coalitions to which every player was drawn with probability 1/2.

    `value_i = mean of v(S) with i in S - mean of v(S) with i not in S`: each coalition counts for all players.

    Args:
      worth: `[coalition, ...]`.
      masks: `[coalition, player]` boolean.

    Returns:
      Values, and standard errors of the difference of two means.

    References:
      Wang, Jia: Data Banzhaf: A Robust Data Valuation Framework for Machine Learning, AISTATS 2023, section 4.2.
    """
    masks = jnp.asarray(masks)

    def of_player(member):
        def mean_and_variance(chosen):
            chosen = chosen.reshape(-1, *(1,) * (worth.ndim - 1))
            count = chosen.sum()
            mean = jnp.where(chosen, worth, 0).sum(0) / count
            return mean, jnp.where(chosen, (worth - mean) ** 2, 0).sum(0) / (count - 1) / count

        (with_it, its_variance), (without, other_variance) = mean_and_variance(member), mean_and_variance(~member)
        return Estimate(with_it - without, jnp.sqrt(its_variance + other_variance))

    return jax.vmap(of_player, in_axes=1)(masks)
