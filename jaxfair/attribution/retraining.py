"""Values of training samples by retraining on subsets, thousands of them as members of one compiled program.

A subset is a training mask, so every retraining is the same program. `worth_by_retraining` turns stages into a function
from subsets to worth; the values here ask any such function, and count nothing twice.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxfair import sweeps, training
from jaxfair.attribution import games
from jaxfair.attribution.games import Estimate

# [subset, player] booleans to the worth [subset, ...] of each subset.
WorthOf = Callable[[np.ndarray], np.ndarray]


def worth_by_retraining(
    stages: Sequence[training.Stage],
    worth: Callable[[training.Member, Any, Any], jax.Array],
    data: Any,
    key: jax.Array,
    players: np.ndarray,
    evaluate: np.ndarray,
    *,
    hyperparameters: Mapping[str, float] | None = None,
    placement: sweeps.Placement | None = None,
    places: int | None = None,
    on_group: Callable[[int], None] | None = None,
) -> WorthOf:
    """The worth of a subset of training samples: what a model trained on it alone reaches.

    Every subset is trained from the same key: the same initial weights, so that differences come from the samples
    (the order of batches necessarily differs). The empty subset leaves the initial weights.

    Args:
      stages: How to train. Their batch counts must do for all players together.
      worth: `(member, state, data) -> [...]` numbers of a trained member, such as its accuracy on `member.evaluate`.
      data: As for `sweeps.sweep`.
      key: A typed key.
      players: `[player]` int, which examples of `data` are valued.
      evaluate: `[example]` boolean, which the worth is computed on.
      hyperparameters: Numbers by name, the same for all.
      placement: Devices and width.
      places: Retrainings per call of the program; by default 16 for each place on a device.
      on_group: Called with the number of retrainings done after every call, for progress.

    Returns:
      A function from `[subset, player]` booleans to `[subset, ...]` worths.
    """
    placement = placement or sweeps.default_placement()
    places = places or 16 * len(placement.devices) * placement.width
    players, evaluate = np.asarray(players), np.asarray(evaluate, bool)

    def one(member, data):
        state, _ = training.train(stages, member, data)
        return worth(member, state, data)

    def worth_of(subsets: np.ndarray) -> np.ndarray:
        subsets = np.asarray(subsets, bool)
        # Always the same number at once, so that a few subsets more need no other program.
        size = -(-len(subsets) // places) * places
        train = np.zeros((size, len(evaluate)), bool)
        train[: len(subsets), players] = subsets
        members = training.Member(
            key=jnp.broadcast_to(key, (size,)),
            hyperparameters={name: np.full(size, value, np.float32) for name, value in (hyperparameters or {}).items()},
            train=train,
            validate=np.zeros_like(train),
            evaluate=np.broadcast_to(evaluate, train.shape),
        )
        return sweeps.over_all(one, (members,), (data,), placement, places=places, on_group=on_group)[: len(subsets)]

    return worth_of


def leave_one_out(worth_of: WorthOf, num_players: int) -> np.ndarray:
    """`v(all) - v(all but the player)`, `[player, ...]`: what the last sample to come adds."""
    every_player = np.ones((1, num_players), bool)
    worth = worth_of(np.concatenate([every_player, ~np.eye(num_players, dtype=bool)]))
    return worth[0] - worth[1:]


def sampled_semivalues(
    worth_of: WorthOf,
    num_players: int,
    key: jax.Array,
    *,
    num_pairs: int,
    weights: np.ndarray | None = None,
    tolerance: float = 0.0,
    block: int | None = None,
) -> Estimate:
    """Shapley or Beta-Shapley values from random orders and their reverses, with truncation.

    Along an order samples are added one by one. Once a prefix's worth is within `tolerance` of that of all samples,
    the rest of the order is taken to add nothing and is not retrained (truncated Monte Carlo); 0 retrains everything.
    Truncation is decided for the mean over the worth's trailing axes, after every `block` prefixes.

    Args:
      worth_of: The game.
      num_players: Players.
      key: A typed key.
      num_pairs: Orders, each with its reverse.
      weights: `[player]`, of `games.semivalue_weights`; None means Shapley.
      tolerance: In the unit of the worth. Truncation biases: a harmful sample that would have come later in an order
        that is cut counts as 0 there, so harm is underestimated. Values still sum to the whole.
      block: Prefixes of all orders that are retrained together; by default a tenth of the players if there is a
        tolerance, else all.

    Returns:
      Values and standard errors over pairs of orders.

    References:
      Ghorbani, Zou: Data Shapley: Equitable Valuation of Data for Machine Learning, ICML 2019, algorithm 1.
    """
    orders = np.asarray(games.antithetic_orders(key, num_players, num_pairs))
    masks = np.asarray(jax.vmap(games.prefixes)(jnp.asarray(orders)))
    ends = worth_of(np.stack([np.zeros(num_players, bool), np.ones(num_players, bool)]))
    worth = np.broadcast_to(ends[1], (*masks.shape[:2], *ends.shape[1:])).copy()
    worth[:, 0] = ends[0]
    going = np.ones(len(orders), bool)
    block = block or (max(1, num_players // 10) if tolerance else num_players)
    for start in range(1, num_players, block):
        places = np.arange(start, min(start + block, num_players))
        asked = masks[going][:, places]
        if not asked.size:
            break
        got = worth_of(asked.reshape(-1, num_players))
        worth[np.ix_(going, places)] = got.reshape(*asked.shape[:2], *ends.shape[1:])
        if tolerance:
            last = worth[:, places[-1]].reshape(len(orders), -1).mean(1)
            going &= np.abs(last - ends[1].mean()) > tolerance
    return games.values_from_orders(jnp.asarray(worth), jnp.asarray(orders), weights)


def sampled_banzhaf(worth_of: WorthOf, num_players: int, key: jax.Array, *, num_subsets: int) -> Estimate:
    """Banzhaf values from random subsets with every player in half of them; see `games.banzhaf_from_masks`."""
    masks = np.asarray(jax.random.bernoulli(key, 0.5, (num_subsets, num_players)))
    return games.banzhaf_from_masks(jnp.asarray(worth_of(masks)), masks)
