"""Domain-adversarial training: a representation from which no domain can be read (Ganin et al.)."""

import functools

import jax
import jax.numpy as jnp

from jaxfair import losses
from jaxfair.gradient_reversal import ganin_schedule, reverse_gradient
from jaxfair.methods import classifier
from jaxfair.methods.classifier import Setting
from jaxfair.methods.domain_heads import DomainHeads, initial_with_heads
from jaxfair.training import Stage


@functools.lru_cache(maxsize=128)
def domain_adversarial(
    setting: Setting, num_epochs: int, name: str = "classifier", hidden: tuple[int, ...] = (32,)
) -> Stage:
    """Cross-entropy of the outcome, plus that of the domains behind a gradient reversal.

    A head for each domain learns to read it from the network's representation; the network gets the gradient of their
    cross-entropy times `−reversal (2 / (1 + exp(−10 p)) − 1)`, p being the share of the epochs that are over. An
    example without a known outcome takes part in the domains' cross-entropy alone.

    Hyperparameters: `learning_rate`, and `reversal`, what the schedule rises to (the paper's 1; 0: the network is
    trained as by `classifier.plain`).

    Args:
      setting: What is compiled in.
      num_epochs: Epochs.
      name: The stage's.
      hidden: Widths of the heads' hidden layers.

    Returns:
      The stage. Its state is that of `classifier.plain`; the variables have the heads' parameters beside the network's,
      as `domain_heads`. `train/loss` is the sum of both cross-entropies.

    References:
      Ganin et al., "Domain-Adversarial Training of Neural Networks", JMLR 17(59), 2016, Algorithm 1 and section 5.2.2.
    """

    def init(member, previous, data, key):
        return {"variables": initial_with_heads(setting, data, key, name="domain_heads", hidden=hidden)}

    def loss(variables, state, member, data, batch, key, epoch):
        outputs, here, collections = classifier.forward(setting, variables, data, batch, key)
        strength = member.hyperparameters["reversal"] * ganin_schedule(epoch / num_epochs)
        seen = reverse_gradient(jnp.where(batch.mask[:, None], outputs.representation, 0), strength)
        heads = DomainHeads(here["domains"].shape[1], hidden)
        logits = heads.apply({"params": variables["params"]["domain_heads"]}, seen)
        primary = classifier.outcome_loss(outputs.outcome, here["outcome"], batch.mask)
        return primary + domain_loss(logits, here["domains"], batch.mask), collections

    return classifier.fit(setting, name, num_epochs, init, loss)


def domain_loss(logits: jax.Array, domains: jax.Array, mask: jax.Array) -> jax.Array:
    """The mean cross-entropy of the domain labels that are known, all domains together.

    Args:
      logits: `[batch, domain]`.
      domains: `[batch, domain]`: 0, 1 or NaN.
      mask: `[batch]` boolean, the examples that exist.

    Returns:
      A scalar, 0 where no label is known.
    """
    return losses.masked_mean(*classifier.cross_entropies(logits, domains, mask))
