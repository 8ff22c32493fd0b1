"""Group DRO: the groups with the highest loss get the most weight while training (Sagawa et al.)."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxfair import losses
from jaxfair.methods import classifier
from jaxfair.methods.classifier import Setting
from jaxfair.training import Stage


@functools.lru_cache(maxsize=128)
def group_dro(setting: Setting, num_epochs: int, name: str = "classifier") -> Stage:
    """Lowers the loss of the worst group, by the online algorithm: in every step

        q_g ← q_g exp(η L_g) / Z,    θ ← θ − Adam(∇ Σ_g q_g L_g),

    with L_g the mean cross-entropy of group g in the batch, and q summing to 1. A group without an example in the batch
    keeps its q up to the division by Z.

    A group is a value of a domain together with an outcome. Groups of different domains overlap, unlike the paper's: an
    example belongs to one group of each domain whose label is known, and to none if its outcome is not known; then it
    trains nothing. q begins uniform over the groups of the member's training examples. The paper regularises strongly,
    because a network that fits every example has no worst group; here the choice of the best epoch takes that place.

    Hyperparameters: `learning_rate`, and `step_size`, η (the paper's 0.01; 0 leaves q as it began).

    Args:
      setting: What is compiled in.
      num_epochs: Epochs.
      name: The stage's.

    Returns:
      The stage. Its state is that of `classifier.plain`; q belongs to the variables, see `group_weights`.

    References:
      Sagawa et al., "Distributionally Robust Neural Networks for Group Shifts", ICLR 2020, Algorithm 1.
    """

    def init(member, previous, data, key):
        present = groups(data["domains"], data["outcome"], member.train).any(0)
        uniform = jnp.log(jnp.where(present, 1 / jnp.maximum(present.sum(), 1), 0))
        return {"variables": classifier.initial(setting, data, key) | {"group_dro": {"log_weights": uniform}}}

    def loss(variables, state, member, data, batch, key, epoch):
        outputs, here, collections = classifier.forward(setting, variables, data, batch, key)
        by_group = group_losses(outputs.outcome, here["domains"], here["outcome"], batch.mask)
        step_size = member.hyperparameters["step_size"]
        log_weights = updated_log_weights(variables["group_dro"]["log_weights"], by_group, step_size)
        collections = collections | {"group_dro": {"log_weights": log_weights}}
        return jnp.sum(jnp.exp(log_weights) * by_group), collections

    return classifier.fit(setting, name, num_epochs, init, loss)


def groups(domains: jax.Array, outcome: jax.Array, mask: jax.Array) -> jax.Array:
    """Which groups each example belongs to.

    Args:
      domains: `[example, domain]`: 0, 1 or NaN.
      outcome: `[example]`: 0, 1 or NaN.
      mask: `[example]` boolean, the examples that count.

    Returns:
      `[example, domain, value, outcome]` boolean.
    """
    has_value = domains[..., None] == jnp.arange(2)  # NaN equals neither.
    has_outcome = outcome[:, None] == jnp.arange(2)
    return mask[:, None, None, None] & has_value[..., None] & has_outcome[:, None, None, :]


def group_losses(logits: jax.Array, domains: jax.Array, outcome: jax.Array, mask: jax.Array) -> jax.Array:
    """The mean cross-entropy of each group, 0 where it has no example.

    Args:
      logits: `[batch]`, of the outcome.
      domains: `[batch, domain]`: 0, 1 or NaN.
      outcome: `[batch]`: 0, 1 or NaN.
      mask: `[batch]` boolean, the examples that exist.

    Returns:
      `[domain, value, outcome]`.
    """
    values, _ = classifier.cross_entropies(logits, outcome, mask)
    belongs = groups(domains, outcome, mask)
    each = jnp.broadcast_to(values[:, None, None, None], belongs.shape)
    return losses.masked_mean(each, belongs, axis=0)


def updated_log_weights(log_weights: jax.Array, by_group: jax.Array, step_size: jax.Array) -> jax.Array:
    """log q after one step: q_g times exp(η L_g), normalised.

    Kept as logarithms, in which the weight of a group that does well can become very small and still recover.

    Args:
      log_weights: log q, `[domain, value, outcome]`, minus infinity for groups that do not occur.
      by_group: L, `[domain, value, outcome]`, 0 for a group without an example; no gradient flows through it.
      step_size: η, a scalar.

    Returns:
      `[domain, value, outcome]`; minus infinity everywhere if no group occurs.
    """
    higher = log_weights + step_size * jax.lax.stop_gradient(by_group)
    total = jax.scipy.special.logsumexp(higher)
    return higher - jnp.where(jnp.isneginf(total), 0, total)


def group_weights(variables: Mapping[str, Any]) -> jax.Array:
    """q, `[domain, value, outcome]`, which sums to 1, from the `variables` of a training's state."""
    return jnp.exp(variables["group_dro"]["log_weights"])
