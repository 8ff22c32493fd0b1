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

    A group is a value of a domain with an outcome, so that every example with all labels belongs to as many as there
    are domains; the paper's groups do not overlap. q begins uniform over the groups of the member's training examples.
    What has no known outcome, or no known domain, belongs to no group and trains nothing. The paper adds strong
    regularisation, for a network that fits every example has no worst group: here the best epoch stops it.

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
        of_groups = group_losses(outputs.outcome, here["domains"], here["outcome"], batch.mask)
        step_size = member.hyperparameters["step_size"]
        log_weights = raised(variables["group_dro"]["log_weights"], of_groups, step_size)
        collections = collections | {"group_dro": {"log_weights": log_weights}}
        return jnp.sum(jnp.exp(log_weights) * of_groups), collections

    return classifier.fit(setting, name, num_epochs, init, loss)


def groups(domains: jax.Array, outcome: jax.Array, mask: jax.Array) -> jax.Array:
    """Which groups each example belongs to, `[example, domain, value, outcome]` boolean."""
    of_domain = domains[..., None] == jnp.arange(2)  # NaN equals neither.
    of_outcome = outcome[:, None] == jnp.arange(2)
    return mask[:, None, None, None] & of_domain[..., None] & of_outcome[:, None, None, :]


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


def raised(log_weights: jax.Array, of_groups: jax.Array, step_size: jax.Array) -> jax.Array:
    """log q after one step. In logarithms, where the q of a group that does well may be small and still come back.

    Args:
      log_weights: log q, minus infinity for groups that do not occur.
      of_groups: L, in the same shape, 0 for a group without an example; nothing is differentiated through it.
      step_size: η.
    """
    higher = log_weights + step_size * jax.lax.stop_gradient(of_groups)
    return higher - jax.scipy.special.logsumexp(higher)


def group_weights(variables: Mapping[str, Any]) -> jax.Array:
    """q of a training's variables, `[domain, value, outcome]`, which sums to 1."""
    return jnp.exp(variables["group_dro"]["log_weights"])
