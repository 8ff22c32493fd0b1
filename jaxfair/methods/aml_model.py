"""The age study's model as its stages see it: one network, two heads, two losses, and the units they count in."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxfair import losses
from jaxfair.models.ecg_cnn import EcgCnn
from jaxfair.training import Batches


@dataclasses.dataclass(frozen=True)
class Setting:
    """What the stages share and what is compiled in (everything that is swept is a hyperparameter).

    Attributes:
      network: The model.
      num_batches: Batches in an epoch, `training.num_batches(train masks, batch_size)`.
      num_evaluated: Examples in the largest evaluation mask.
      batch_size: The paper's 32.
      optimizer: A name in `OPTIMIZERS`; the paper says stochastic gradient descent.
      standardize_age: Train on (age - mean) / sd of the training split instead of years.
    """

    network: EcgCnn
    num_batches: int
    num_evaluated: int
    batch_size: int = 32
    optimizer: str = "sgd"
    standardize_age: bool = False


class Predictions(NamedTuple):
    """What a model predicts of every example.

    Attributes:
      infarction: `[example]`, the probability of infarction.
      age: `[example]`, in years, by the age head.
      representation: `[example, feature]`, the backbone's output.
    """

    infarction: jax.Array
    age: jax.Array
    representation: jax.Array


class Scale(NamedTuple):
    """What follows from a member's training split and stays the same in every step.

    Attributes:
      class_weights: `[2]`, by which the cross-entropy weights healthy and infarction.
      age_mean: Subtracted from ages.
      age_unit: Years in the unit of age; 1 (and mean 0) unless ages are standardised.
    """

    class_weights: jax.Array
    age_mean: jax.Array
    age_unit: jax.Array


def scale_of(setting: Setting, data: Mapping, train: jax.Array) -> Scale:
    """The scale of a training split, `train` `[example]` boolean."""
    weights = losses.class_weights(data["infarction"], train)
    if not setting.standardize_age:
        return Scale(weights, jnp.float32(0), jnp.float32(1))
    mean = losses.masked_mean(data["age"], train)
    return Scale(weights, mean, jnp.sqrt(losses.masked_mean((data["age"] - mean) ** 2, train)))


def predict(setting: Setting, variables: Any, data: Any, train: jax.Array, *, chunk: int = 512) -> Predictions:
    """Applies a model to all examples in evaluation mode, `chunk` at a time to bound the memory.

    Args:
      setting: As in training.
      variables: The model's, `state["variables"]` of any stage here.
      data: The data set.
      train: `[example]` boolean, the training mask, from which the unit of age follows.
      chunk: Examples at once.
    """
    size = data["inputs"].shape[0]
    starts = jnp.arange(-(-size // chunk)) * chunk

    def represent(start):
        indices = jnp.minimum(start + jnp.arange(chunk), size - 1)
        return setting.network.apply(variables, data["inputs"][indices], train=False, method="represent")

    representation = jax.lax.map(represent, starts)
    representation = representation.reshape(-1, representation.shape[-1])[:size]
    return apply_heads(setting, variables, representation, scale_of(setting, data, train))


def apply_heads(setting: Setting, variables: Mapping, representation: jax.Array, scale: Scale) -> Predictions:
    """What both heads predict from a representation."""
    logits = setting.network.apply(variables, representation, method="disease")
    age = setting.network.apply(variables, representation, method="age") * scale.age_unit + scale.age_mean
    # XLA:CPU (jaxlib 0.10.2) fuses a ReLU behind a large product such that NaN becomes 0: the head of a diverged model
    # would then predict 0.5 of every example.
    lost = jnp.isnan(representation).any(-1)
    return Predictions(jnp.where(lost, jnp.nan, jax.nn.softmax(logits)[..., 1]), age, representation)


def represent_batch(setting: Setting, variables: Mapping, data: Mapping, batch: Batches, key=None):
    """The representation of a training batch, and the batch statistics after it."""
    return setting.network.apply(
        variables,
        data["inputs"][batch.indices],
        train=True,
        mask=batch.mask,
        method="represent",
        mutable=["batch_stats"],
        rngs=None if key is None else {"dropout": key},
    )


def disease_loss(setting: Setting, variables, representation, scale: Scale, data, batch: Batches) -> jax.Array:
    """Class-weighted cross-entropy, the mean over the batch."""
    logits = setting.network.apply(variables, representation, method="disease")
    each = losses.weighted_cross_entropy(logits, data["infarction"][batch.indices], scale.class_weights, batch.mask)
    return losses.masked_mean(each, batch.mask)


def age_pair(setting: Setting, variables, representation, scale: Scale, data, batch: Batches):
    """Predicted and true age of a batch, in the unit that is trained on."""
    predicted = setting.network.apply(variables, representation, method="age")
    return predicted, (data["age"][batch.indices] - scale.age_mean) / scale.age_unit


def age_loss(setting: Setting, variables, representation, scale: Scale, data, batch: Batches) -> jax.Array:
    """Mean squared error of age, in the unit that is trained on, squared."""
    predicted, age = age_pair(setting, variables, representation, scale, data, batch)
    return squared_error(predicted, age, batch.mask)


def squared_error(predicted: jax.Array, age: jax.Array, mask: jax.Array) -> jax.Array:
    """The mean over the mask. What is NaN outside must be gone before it is squared, or it reaches the gradient."""
    return losses.masked_mean(jnp.where(mask, predicted - age, 0) ** 2, mask)
