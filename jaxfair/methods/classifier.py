"""A binary classifier on any network, and what the methods that make one fair have in common with it.

The data of these stages are a dict of arrays with a leading example axis: what the network is given (`inputs`, and
`time_mask` and `static` where there are any; `Setting.arguments` says otherwise), `outcome` `[example]` (0 or 1, NaN
where not known) and, for the methods that look at them, `domains` `[example, domain]` (0, 1 or NaN).

Every method's last stage is called `classifier` unless told otherwise. A stage's random numbers come from its name and
the member's seed, so with the same seed all methods begin with the same network and see the same batches: compare them
in pairs.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from jaxfair import losses, metrics
from jaxfair.training import Batches, Stage, descent, selected


def standard_arguments(data: Mapping[str, Any]) -> dict[str, Any]:
    """`inputs`, and `time_mask` and `static` where the data have them: what the networks of `jaxfair.models` take."""
    return {name: data[name] for name in ("inputs", "time_mask", "static") if name in data}


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is compiled in; everything that is swept is a hyperparameter of the members.

    Equal settings share their compiled programs. `arguments` is compared by identity: give the same function again, not
    a new lambda.

    Attributes:
      network: Any Flax module whose call takes, besides `arguments`, the keywords `train` and `mask` (`[batch]`
        boolean, the examples that exist; left out in evaluation), and whose outputs have `outcome` `[batch]` (logits)
        and `representation` `[batch, k]`. It may have further collections, and draw from `rngs` `dropout` and `masks`.
      num_batches: Batches in an epoch, `training.num_batches(train masks, batch_size)`.
      num_validate: Most validation examples of any member, `training.num_batches(validate masks, 1)`.
      batch_size: Examples in a batch.
      patience: Epochs in a row without a better one, after which a member stops; None: it never does.
      warm_up: Epochs at the start that are neither the best nor count towards the patience, or the name of a
        hyperparameter that says how many.
      validation: What makes an epoch the best. "roc_auc": the ROC AUC of the validation examples. "constant": all
        epochs are equally good, so the first one after the warm-up is kept. With `warm_up="epochs"` and a patience of 1
        a member keeps the variables after the epoch that its hyperparameter `epochs` numbers (from 0) and stops one
        epoch later; this refits on all data for a number of epochs that is known, say the `best.epoch` of an earlier
        training. A stage of no more epochs than the warm-up keeps the initial variables.
      arguments: `rows of the data -> keyword arguments of the network`.
    """

    network: nn.Module
    num_batches: int
    num_validate: int
    batch_size: int = 64
    patience: int | None = 10
    warm_up: int | str = 0
    validation: Literal["roc_auc", "constant"] = "roc_auc"
    arguments: Callable[[Mapping[str, Any]], Mapping[str, Any]] = standard_arguments

    def __post_init__(self):
        if self.validation not in ("roc_auc", "constant"):
            raise ValueError(f'Setting: validation must be "roc_auc" or "constant", but is {self.validation!r}.')


@functools.lru_cache(maxsize=128)
def plain(setting: Setting, num_epochs: int, name: str = "classifier") -> Stage:
    """Trains from scratch with Adam on the mean cross-entropy of the examples whose outcome is known.

    Hyperparameter: `learning_rate`.

    Args:
      setting: What is compiled in.
      num_epochs: Epochs.
      name: The stage's.

    Returns:
      The stage. Its state has `variables` (of the last epoch) and `best`, a `stopping.Best` whose `kept` are the
      variables to use. It logs `train/loss` and `validate/loss`, 1 minus the ROC AUC (0 where nothing is selected).
    """
    return fit(setting, name, num_epochs, fresh(setting), plain_loss(setting))


def apply(setting: Setting, variables: Any, data: Mapping[str, Any]) -> Any:
    """The network's outputs in evaluation, for all examples of `data`.

    Args:
      setting: That of the training.
      variables: From the training's state; what a method keeps beside the network's own is ignored.
      data: As at the top of this module; `outcome` is ignored, and so is `domains` unless the network is given it.

    Returns:
      What the network returns, with `outcome` `[example]` (logits) and `representation` `[example, k]`.
    """
    return setting.network.apply(variables, **setting.arguments(data), train=False)


def fit(setting: Setting, name: str, num_epochs: int, init: Callable, loss: Callable, *, selects: bool = True) -> Stage:
    """The `descent` of all these methods: Adam trains every parameter, and the setting says which epoch is kept.

    Hyperparameter: `learning_rate`.

    Args:
      setting: What is compiled in.
      name: The stage's.
      num_epochs: Epochs.
      init: As for `descent`.
      loss: As for `descent`.
      selects: False: neither selection nor stopping; the state has no `best`.

    Returns:
      The stage.
    """

    def validate(state, member, data, logs):
        if setting.validation == "constant":
            return jnp.float32(0)
        batch = selected(member.validate, setting.num_validate)
        here = rows(data, batch)
        known = batch.mask & ~jnp.isnan(here["outcome"])
        return 1 - metrics.roc_auc(apply(setting, state["variables"], here).outcome, here["outcome"], known)

    return descent(
        name,
        num_epochs,
        init=init,
        loss=loss,
        trained=None,
        optimizer=lambda member: optax.flatten(optax.adam(member.hyperparameters["learning_rate"])),
        batch_size=setting.batch_size,
        num_batches=setting.num_batches,
        validate=validate if selects else None,
        patience=setting.patience if selects else None,
        warm_up=setting.warm_up if selects else 0,
    )


def fresh(setting: Setting) -> Callable:
    """The `init` for `fit` of a stage that starts from scratch and needs nothing but the network."""
    return lambda member, previous, data, key: {"variables": initial(setting, data, key)}


def plain_loss(setting: Setting) -> Callable:
    """The `loss` for `fit`, `outcome_loss`; with the state's `weights` `[example]`, if a method has put any there."""

    def loss(variables, state, member, data, batch, key, epoch):
        outputs, here, collections = forward(setting, variables, data, batch, key)
        weights = state["weights"][batch.indices] if "weights" in state else None
        return outcome_loss(outputs.outcome, here["outcome"], batch.mask, weights), collections

    return loss


def initial(setting: Setting, data: Mapping[str, Any], key: jax.Array) -> dict[str, Any]:
    """The network's initial variables, whose shapes are those for an example of the data.

    Args:
      setting: What is compiled in.
      data: All of them.
      key: A typed key.

    Returns:
      Flax variables, `params` and what other collections the network has.
    """
    return dict(setting.network.init(key, **setting.arguments(first_example(data)), train=False))


def first_example(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data of the first example, as a batch of one."""
    return jax.tree.map(lambda values: values[:1], dict(data))


def rows(data: Mapping[str, Any], batch: Batches) -> dict[str, Any]:
    """The batch's rows of the data, and 0 in the rows that do not exist.

    A padded row is a copy of some example, whose NaN would otherwise reach a kernel's gradient as 0 times NaN.

    Args:
      data: Arrays `[example, ...]` by name.
      batch: The batch.

    Returns:
      Arrays `[batch, ...]` by name.
    """

    def take(values):
        taken = values[batch.indices]
        exists = batch.mask.reshape(batch.mask.shape + (1,) * (taken.ndim - 1))
        return jnp.where(exists, taken, jnp.zeros((), taken.dtype))

    return jax.tree.map(take, dict(data))


def forward(
    setting: Setting,
    variables: Mapping[str, Any],
    data: Mapping[str, Any],
    batch: Batches,
    key: jax.Array,
    **further: Any,
) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """The network on one batch in training.

    Args:
      setting: What is compiled in.
      variables: The network's, and whatever a method keeps beside them.
      data: All of them.
      batch: The batch.
      key: The step's.
      **further: More arguments of the network.

    Returns:
      The outputs, the batch's rows of the data (`rows`), and all collections but `params` after the step.
    """
    here = rows(data, batch)
    dropout, masks = jax.random.split(key)
    collections = {name: values for name, values in variables.items() if name != "params"}
    outputs, moved = setting.network.apply(
        variables,
        **setting.arguments(here),
        **further,
        mask=batch.mask,
        train=True,
        rngs={"dropout": dropout, "masks": masks},
        mutable=list(collections),
    )
    return outputs, here, {**collections, **moved}


def cross_entropies(logits: jax.Array, labels: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The cross-entropy of each label that is known, 0 for the others, and which are known.

    Args:
      logits: `[batch]` or `[batch, domain]`; what is not known may be NaN.
      labels: As `logits`: 0, 1 or NaN.
      mask: `[batch]` boolean, the examples that exist.

    Returns:
      Two arrays in the shape of `logits`.
    """
    known = mask.reshape(mask.shape + (1,) * (logits.ndim - 1)) & ~jnp.isnan(labels)
    values = optax.sigmoid_binary_cross_entropy(jnp.where(known, logits, 0), jnp.where(known, labels, 0))
    return jnp.where(known, values, 0), known


def outcome_loss(logits: jax.Array, outcome: jax.Array, mask: jax.Array, weights: jax.Array | None = None) -> jax.Array:
    """The mean of `weights` times cross-entropy over the examples that exist and whose outcome is known.

    It divides by their number, not by the sum of their weights, which differs from batch to batch: so an example weighs
    the same in whichever batch it is.

    Args:
      logits: `[batch]`.
      outcome: `[batch]`: 0, 1 or NaN.
      mask: `[batch]` boolean, the examples that exist.
      weights: `[batch]`. None: all 1.

    Returns:
      A scalar, 0 where no outcome is known.
    """
    values, known = cross_entropies(logits, outcome, mask)
    return losses.masked_mean(values if weights is None else weights * values, known)
