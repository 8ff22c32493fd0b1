"""LAFTR: a representation that no adversary can use to tell the groups apart (Madras et al.)."""

import functools
from typing import Literal

import jax
import jax.numpy as jnp

from jaxfair import losses
from jaxfair.gradient_reversal import reverse_gradient
from jaxfair.methods import classifier
from jaxfair.methods.classifier import Setting
from jaxfair.methods.domain_heads import DomainHeads, initial_with_heads
from jaxfair.training import Stage

CRITERIA = ("demographic_parity", "equalized_odds")


@functools.lru_cache(maxsize=128)
def laftr(
    setting: Setting,
    num_epochs: int,
    criterion: Literal["demographic_parity", "equalized_odds"] = "equalized_odds",
    name: str = "classifier",
    hidden: tuple[int, ...] = (32,),
) -> Stage:
    """Cross-entropy of the outcome against the adversaries' group-normalised error, `L = L_C + γ mean_d L_Adv,d`.

    An adversary for each domain sees the representation, and for equalized odds the outcome too, and raises L_Adv, that
    is, lowers its `adversary_errors`; the network lowers L_Adv through a gradient reversal of strength γ. Both move in
    the same step, where the paper alternates. There is no decoder, as in the paper's experiments on classification.

    An example without a known outcome takes part in L_Adv alone for demographic parity, and in nothing for equalized
    odds.

    Hyperparameters: `learning_rate`, and `fairness_weight`, γ (0: the network is trained as by `classifier.plain`).

    Args:
      setting: What is compiled in.
      num_epochs: Epochs.
      criterion: What the adversaries' error bounds: the gap in selection rates, or in true and false positive rates.
      name: The stage's.
      hidden: Widths of the adversaries' hidden layers.

    Returns:
      The stage. Its state is that of `classifier.plain`; the variables have the adversaries' parameters beside the
      network's, as `adversaries`. `train/loss` is the cross-entropy plus the adversaries' mean error.

    Raises:
      ValueError: The criterion is none of these.

    References:
      Madras et al., "Learning Adversarially Fair and Transferable Representations", ICML 2018: the
      group-normalised L_Adv for demographic parity and for equalized odds, in the section on learning.
    """
    if criterion not in CRITERIA:
        raise ValueError(f"laftr: criterion must be one of {CRITERIA}, but is {criterion!r}.")

    def init(member, previous, data, key):
        outcomes = int(criterion == "equalized_odds")  # Seen by the adversaries.
        variables = initial_with_heads(setting, data, key, name="adversaries", hidden=hidden, num_more_inputs=outcomes)
        return {"variables": variables}

    def loss(variables, state, member, data, batch, key, epoch):
        outputs, here, collections = classifier.forward(setting, variables, data, batch, key)
        representation = jnp.where(batch.mask[:, None], outputs.representation, 0)
        seen = reverse_gradient(representation, member.hyperparameters["fairness_weight"])
        if criterion == "equalized_odds":
            seen = jnp.concatenate([seen, jnp.nan_to_num(here["outcome"])[:, None]], axis=1)
        adversaries = DomainHeads(here["domains"].shape[1], hidden)
        logits = adversaries.apply({"params": variables["params"]["adversaries"]}, seen)
        errors = adversary_errors(logits, here["domains"], here["outcome"], batch.mask, criterion)
        return classifier.outcome_loss(outputs.outcome, here["outcome"], batch.mask) + errors.mean(), collections

    return classifier.fit(setting, name, num_epochs, init, loss)


def adversary_errors(
    logits: jax.Array, domains: jax.Array, outcome: jax.Array, mask: jax.Array, criterion: str
) -> jax.Array:
    """What each adversary lowers: the sum over groups of its mean absolute error in the group.

    With h the adversary's probability and a the label, for demographic parity and for equalized odds,

        1 − L_Adv = Σ_i 1/|D_i| Σ_{D_i} |h − a|,    2 − L_Adv = Σ_{i,j} 1/|D_i^j| Σ_{D_i^j} |h − a|,

    D_i being the examples with a = i, D_i^j those with a = i and y = j. A group without an example in the batch
    contributes 0. Dividing by the size of each group is what bounds the gap: a small group counts as much as a
    large one, and an adversary without information has an error of 1 (or 2), whatever it says.

    Args:
      logits: `[batch, domain]`.
      domains: `[batch, domain]`: 0, 1 or NaN.
      outcome: `[batch]`: 0, 1 or NaN; only looked at for equalized odds.
      mask: `[batch]` boolean, the examples that exist.
      criterion: As for `laftr`.

    Returns:
      `[domain]`.
    """
    known = mask[:, None] & ~jnp.isnan(domains)
    probability = jax.nn.sigmoid(jnp.where(known, logits, 0))
    errors = jnp.where(domains == 1, 1 - probability, probability)
    belongs = mask[:, None, None] & (domains[..., None] == jnp.arange(2))  # NaN equals neither.
    if criterion == "equalized_odds":
        of_outcome = (outcome[:, None] == jnp.arange(2))[:, None, None, :]
        belongs = (belongs[..., None] & of_outcome).reshape(*domains.shape, 4)
    each = jnp.broadcast_to(errors[..., None], belongs.shape)
    return losses.masked_mean(each, belongs, axis=0).sum(-1)
