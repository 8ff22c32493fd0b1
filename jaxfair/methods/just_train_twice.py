"""Just train twice: what a briefly trained classifier gets wrong weighs more in the second training (Liu et al.)."""

import dataclasses
import functools

import jax
import jax.numpy as jnp

from jaxfair.methods import classifier
from jaxfair.methods.classifier import Setting
from jaxfair.training import Stage, epoch_batches


def just_train_twice(
    setting: Setting, num_epochs: int, identification_epochs: int, name: str = "classifier"
) -> list[Stage]:
    """Two stages: identification by `classifier.plain` for T epochs, and from scratch with the errors' weight raised.

    The second minimises, with E the training examples that the first network classifies wrongly at a probability of
    one half,

        λ Σ_{i ∈ E} ℓ(x_i, y_i) + Σ_{i ∉ E} ℓ(x_i, y_i),

    divided by the sum of the weights, which makes it the mean over the data with E repeated λ times. No domain label is
    used, not even in selection, unlike in the paper, whose T and λ are chosen by the worst group of labelled validation
    data.

    Hyperparameters: `learning_rate` of both, and `upweight`, λ (1: as `classifier.plain`).

    Args:
      setting: What is compiled in; `patience`, `warm_up` and `validation` are the second stage's.
      num_epochs: Epochs of the second stage.
      identification_epochs: T. Few, so that the network has learnt only what is easy.
      name: The second stage's; the first is called `identification`.

    Returns:
      The stages. The last state is that of `classifier.plain`, with `weights` `[example]`, of mean 1 over the training
      examples whose outcome is known.

    References:
      Liu et al., "Just Train Twice: Improving Group Robustness without Training Group Information", ICML 2021,
      section 4, Algorithm 1.
    """
    # The second stage's selection is left out, so that the first stage is one program for all of them.
    unselected = dataclasses.replace(setting, patience=None, warm_up=0, num_validate=1, validation="constant")
    return [_identification(unselected, identification_epochs), _upweighted(setting, num_epochs, name)]


@functools.lru_cache(maxsize=128)
def _identification(setting, num_epochs):
    init, loss = classifier.fresh(setting), classifier.plain_loss(setting)
    return classifier.fit(setting, "identification", num_epochs, init, loss, selects=False)


@functools.lru_cache(maxsize=128)
def _upweighted(setting, num_epochs, name):
    def init(member, previous, data, key):
        logits = train_logits(setting, previous["variables"], data, member.train)
        example_weights = weights(logits, data["outcome"], member.train, member.hyperparameters["upweight"])
        return {"variables": classifier.initial(setting, data, key), "weights": example_weights}

    return classifier.fit(setting, name, num_epochs, init, classifier.plain_loss(setting))


def train_logits(setting, variables, data, mask):
    """The network's logits of the examples in `mask`, computed batch by batch to save memory.

    Args:
      setting: That of the training.
      variables: Of the network.
      data: All of them.
      mask: `[example]` boolean, no more examples than `setting.num_batches` batches hold.

    Returns:
      `[example]`, 0 outside the mask.
    """
    batches = epoch_batches(jax.random.key(0), mask, setting.batch_size, setting.num_batches)
    found = jax.lax.map(
        lambda batch: classifier.apply(setting, variables, classifier.rows(data, batch)).outcome, batches
    )
    size = mask.shape[0]
    return jnp.zeros(size, found.dtype).at[jnp.where(batches.mask, batches.indices, size)].set(found, mode="drop")


def weights(logits: jax.Array, outcome: jax.Array, mask: jax.Array, upweight: jax.Array) -> jax.Array:
    """λ for the errors and 1 for the others, divided by their mean.

    Args:
      logits: `[example]`, of the identification's network.
      outcome: `[example]`: 0, 1 or NaN.
      mask: `[example]` boolean, the training examples.
      upweight: λ.

    Returns:
      `[example]`, 0 where an example does not count or has no known outcome.
    """
    counted = mask & ~jnp.isnan(outcome)
    wrong = (logits > 0) != (outcome == 1)
    raw = jnp.where(counted, jnp.where(wrong, upweight, 1.0), 0)
    return raw * (counted.sum() / jnp.maximum(raw.sum(), jnp.finfo(raw.dtype).tiny))
