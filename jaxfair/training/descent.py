"""A stage that moves some parameter groups of a model down a loss, batch by batch, and may stop early."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxfair.training import stopping
from jaxfair.training.batches import Batches, epoch_batches, over_batches
from jaxfair.training.stage import Data, Logs, Member, Stage

# loss(variables, state, member, data, batch, key, epoch) -> (scalar, the collections other than params)
Loss = Callable[..., tuple[jax.Array, Mapping[str, Any]]]
# validate(state, member, data, the epoch's logs) -> scalar, lower is better
Validate = Callable[[Mapping[str, Any], Member, Data, Logs], jax.Array]


def descent(
    name: str,
    num_epochs: int,
    *,
    init: Callable[[Member, Any, Data, jax.Array], dict[str, Any]],
    loss: Loss,
    trained: Sequence[str] | None,
    optimizer: Callable[[Member], optax.GradientTransformation],
    batch_size: int,
    num_batches: int,
    evaluate: Callable[[Mapping[str, Any], Member, Data], Logs] | None = None,
    validate: Validate | None = None,
    patience: int | str | jax.Array | None = None,
    warm_up: int | str | jax.Array = 0,
) -> Stage:
    """A `Stage` of gradient steps, which may keep its best epoch and stop early.

    Its state is a dict with `variables` (Flax collections, `params` grouped by name at the top), `optimizer`, and
    whatever else `init` gives. Groups outside `trained` are constants of the stage: they get neither a gradient nor
    an optimizer state, so no weight decay or momentum can move them.

    With `validate` the state also has `best`, a `stopping.Best` whose `kept` are the variables of the best epoch (the
    initial ones, where no epoch counts): use these, not `variables`, which are the last epoch's. With a `patience` it
    has `stopped` too, a boolean, and the member runs no further epoch once `patience` epochs in a row after the warm-up
    have not bettered the best.

    Args:
      name: The stage's.
      num_epochs: The stage's.
      init: `(member, previous, data, key) -> state`, without `optimizer`, `best` and `stopped`.
      loss: `(variables, state, member, data, batch, key, epoch) -> (value, collections)`; `variables` to
        differentiate, `batch` a `Batches` of one batch, `key` the step's own, `collections` the other collections
        after this step (batch statistics).
      trained: The top-level names in `params` that move; None: all of them, whatever the model calls them.
      optimizer: Of one member, whose learning rates are traced.
      batch_size: Examples in a batch.
      num_batches: Batches in an epoch (`training.num_batches`).
      evaluate: `(state, member, data) -> logs`, after every epoch, for curves.
      validate: `(state, member, data, logs) -> []`, after every epoch, lower is better: a loss on `member.validate`,
        which is all False unless the members were made with one; or any of the epoch's `logs`.
      patience: Epochs, 1 or more; None means that `validate` selects but never stops. The name of a hyperparameter
        gives every member its own.
      warm_up: Epochs at the start that are neither the best nor count towards the patience; like `patience`.

    Returns:
      The stage, which logs `train/loss` (the mean over examples), what `evaluate` returns, and as `validate/loss` what
      `validate` returns.

    Raises:
      ValueError: There is a patience or warm-up without `validate`, a patience below 1, or, once the stage is used, a
        name that is no hyperparameter.
    """
    if validate is None and (patience is not None or not isinstance(warm_up, int) or warm_up):
        raise ValueError(f"descent: stage {name!r} has a patience or a warm-up but no validate to compare epochs by.")
    if isinstance(patience, int) and patience < 1:
        raise ValueError(f"descent: stage {name!r} has a patience of {patience} epochs; give 1 or more, or None.")

    def moving(params):
        return {group: params[group] for group in (params if trained is None else trained)}

    def full_init(member, previous, data, key):
        state = init(member, previous, data, key)
        params = moving(state["variables"]["params"])
        state = state | {"optimizer": optimizer(member).init(params)}
        if validate is not None:
            state["best"] = stopping.start(state["variables"])
        if patience is not None:
            state["stopped"] = jnp.bool_(False)
        return state

    def epoch_(member, state, data, key, epoch):
        order_key, steps_key = jax.random.split(key)
        rule = optimizer(member)

        def step(carry, indices, mask, number):
            state, total = carry
            all_params = state["variables"]["params"]
            params = moving(all_params)

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
        logs |= dict(evaluate(state, member, data) if evaluate else {})
        if validate is None:
            return state, logs
        value = validate(state, member, data, logs)
        best = stopping.update(
            state["best"], value, state["variables"], epoch, warm_up=_number("warm_up", warm_up, member)
        )
        state = state | {"best": best}
        if patience is not None:
            state["stopped"] = stopping.stopped(best, _number("patience", patience, member))
        return state, logs | {"validate/loss": value}

    return Stage(name, num_epochs, full_init, epoch_, None if patience is None else lambda state: state["stopped"])


def _number(argument, value, member):
    if not isinstance(value, str):
        return value
    if value not in member.hyperparameters:
        names = ", ".join(member.hyperparameters) or "none"
        raise ValueError(f"descent: {argument}={value!r} is no hyperparameter; the members have {names}.")
    return member.hyperparameters[value]
