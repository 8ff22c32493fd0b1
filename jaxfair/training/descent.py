"""A stage that moves some parameter groups of a model down a loss, batch by batch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxfair.training.batches import Batches, epoch_batches, over_batches
from jaxfair.training.stage import Data, Logs, Member, Stage

# loss(variables, state, member, data, batch, key, epoch) -> (scalar, the collections other than params)
Loss = Callable[..., tuple[jax.Array, Mapping[str, Any]]]


def descent(
    name: str,
    num_epochs: int,
    *,
    init: Callable[[Member, Any, Data, jax.Array], dict[str, Any]],
    loss: Loss,
    trained: Sequence[str],
    optimizer: Callable[[Member], optax.GradientTransformation],
    batch_size: int,
    num_batches: int,
    evaluate: Callable[[Mapping[str, Any], Member, Data], Logs] | None = None,
) -> Stage:
    """A `Stage` of gradient steps.

    Its state is a dict with `variables` (Flax collections, `params` grouped by name at the top), `optimizer`, and
    whatever else `init` gives. Groups outside `trained` are constants of the stage: they get neither a gradient nor
    an optimizer state, so no weight decay or momentum can move them.

    Args:
      name: The stage's.
      num_epochs: The stage's.
      init: `(member, previous, data, key) -> state`, without `optimizer`.
      loss: `(variables, state, member, data, batch, key, epoch) -> (value, collections)`; `variables` to
        differentiate, `batch` a `Batches` of one batch, `key` the step's own, `collections` the other collections
        after this step (batch statistics).
      trained: The top-level names in `params` that move.
      optimizer: Of one member, whose learning rates are traced.
      batch_size: Examples in a batch.
      num_batches: Batches in an epoch (`training.num_batches`).
      evaluate: `(state, member, data) -> logs`, after every epoch, for curves.

    Returns:
      The stage, which logs `train/loss` (the mean over examples) and what `evaluate` says.
    """

    def full_init(member, previous, data, key):
        state = init(member, previous, data, key)
        params = {group: state["variables"]["params"][group] for group in trained}
        return state | {"optimizer": optimizer(member).init(params)}

    def epoch_(member, state, data, key, epoch):
        order_key, steps_key = jax.random.split(key)
        rule = optimizer(member)

        def step(carry, indices, mask, number):
            state, total = carry
            all_params = state["variables"]["params"]
            params = {group: all_params[group] for group in trained}

            def of_params(params):
                variables = {**state["variables"], "params": {**all_params, **params}}
                step_key = jax.random.fold_in(steps_key, number)
                return loss(variables, state, member, data, Batches(indices, mask), step_key, epoch)

            (value, collections), gradients = jax.value_and_grad(of_params, has_aux=True)(params)
            updates, optimizer_state = rule.update(gradients, state["optimizer"], params)
            moved = {**all_params, **optax.apply_updates(params, updates)}
            state = state | {"variables": {**collections, "params": moved}, "optimizer": optimizer_state}
            return state, total + value * mask.sum()

        batches = epoch_batches(order_key, member.train, batch_size, num_batches)
        state, total = over_batches(step, (state, jnp.float32(0)), batches)
        logs = {"train/loss": total / jnp.maximum(batches.mask.sum(), 1)}
        return state, logs | dict(evaluate(state, member, data) if evaluate else {})

    return Stage(name, num_epochs, full_init, epoch_)
