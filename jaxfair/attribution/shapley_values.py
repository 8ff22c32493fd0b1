"""Shapley values of a function's inputs, exactly or sampled: no rule about the function, only evaluations."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxfair.attribution import games


class ShapleyValues(NamedTuple):
    """Shapley values of the inputs, or of groups of them.

    Attributes:
      values: `[example, output, player]`.
      standard_error: `[example, output, player]`; 0 if exact.
      predictions: `[example, output]`.
      expected: `[output]`, the mean over the background. The values sum to `predictions - expected`.
    """

    values: jax.Array
    standard_error: jax.Array
    predictions: jax.Array
    expected: jax.Array


def exact_shapley(
    function: Callable[[jax.Array], jax.Array],
    inputs: ArrayLike,
    background: ArrayLike,
    *,
    players: ArrayLike | None = None,
) -> ShapleyValues:
    """Shapley values by enumeration of all coalitions of at most 20 players.

    The worth of a coalition is the mean over the background of the function where the coalition's inputs are the
    example's and all others the background's (interventional: others are replaced whatever they go with).

    Args:
      function: `[batch, ...]` to `[batch, output]`, each example on its own.
      inputs: `[example, ...]`.
      background: `[background, ...]`.
      players: `[...]` int, the player that each entry of an input belongs to, 0, 1, ...; None makes each entry one.
        Neighbouring time steps in one group are cheaper and easier to read.

    Returns:
      `ShapleyValues`, whose standard errors are 0.
    """
    inputs, background, players = _checked(inputs, background, players)
    num_players = int(players.max()) + 1
    masks = jnp.asarray(games.coalitions(num_players))
    weights = games.semivalue_weights(num_players)

    def of_example(example):
        worth = jax.lax.map(lambda mask: _worth(function, example, background, mask[players]), masks, batch_size=16)
        return games.exact_values(worth, weights).T, worth[-1], worth[0]

    values, predictions, expected = jax.lax.map(of_example, inputs)
    return ShapleyValues(values, jnp.zeros_like(values), predictions, expected[0])


def sampled_shapley(
    function: Callable[[jax.Array], jax.Array],
    inputs: ArrayLike,
    background: ArrayLike,
    key: jax.Array,
    *,
    players: ArrayLike | None = None,
    num_pairs: int = 32,
) -> ShapleyValues:
    """Shapley values from random orders of the players and their reverses, with standard errors.

    Unbiased for any function, and complete whatever the number of orders: along each order the gains sum to the
    prediction minus the mean over the background. The error falls with the square root of `num_pairs`.

    Args:
      function: As in `exact_shapley`.
      inputs: `[example, ...]`.
      background: `[background, ...]`.
      key: A typed key. Every example draws orders of its own.
      players: As in `exact_shapley`.
      num_pairs: Orders, each with its reverse. A pair takes `2 (players + 1) background` evaluations.

    Returns:
      `ShapleyValues`.

    References:
      Castro, Gomez, Tejada: Polynomial calculation of the Shapley value based on sampling, Computers & Operations
      Research 2009. Mitchell, Cooper, Frank, Holmes: Sampling Permutations for Shapley Value Estimation, JMLR 2022
      (antithetic pairs, section 4.1).
    """
    inputs, background, players = _checked(inputs, background, players)
    num_players = int(players.max()) + 1

    def of_example(each):
        example, key = each
        orders = games.antithetic_orders(key, num_players, num_pairs)

        def along(order):
            masks = games.prefixes(order)
            return jax.vmap(lambda mask: _worth(function, example, background, mask[players]))(masks)

        worth = jax.lax.map(along, orders)
        estimate = games.values_from_orders(worth, orders)
        return estimate.values.T, estimate.standard_error.T, worth[0, -1], worth[0, 0]

    values, errors, predictions, expected = jax.lax.map(of_example, (inputs, jax.random.split(key, len(inputs))))
    return ShapleyValues(values, errors, predictions, expected[0])


def _worth(function, example, background, kept):
    return function(jnp.where(kept, example, background)).mean(0)


def _checked(inputs, background, players):
    inputs, background = jnp.asarray(inputs), jnp.asarray(background)
    if not len(background):
        raise ValueError("The background is empty; give it at least one example to compare with.")
    if inputs.shape[1:] != background.shape[1:]:
        raise ValueError(f"Inputs {inputs.shape} and background {background.shape} differ in more than their number.")
    shape = inputs.shape[1:]
    players = np.arange(np.prod(shape, dtype=int)).reshape(shape) if players is None else np.asarray(players)
    if players.shape != shape or set(np.unique(players)) != set(range(players.max() + 1)):
        raise ValueError(f"players must have the shape {shape} of an input and hold each of 0, 1, ... at least once.")
    return inputs, background, players
