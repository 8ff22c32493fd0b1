"""MTATE's training: outcome, domains and contrast in one loss, selected by the ROC AUC of validation patients."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxfair import losses
from jaxfair.gradient_reversal import ganin_schedule
from jaxfair.methods import classifier as base
from jaxfair.models.mtate import MtateOutputs
from jaxfair.models.mtate_modules import domain_losses
from jaxfair.training import Stage


def labelled_arguments(data: Mapping[str, Any]) -> dict[str, Any]:
    """What the networks of `jaxfair.models` take, and the patients' domain labels."""
    return {**base.standard_arguments(data), "domain_labels": data["domains"]}


@dataclasses.dataclass(frozen=True)
class Setting(base.Setting):
    """What is compiled in, as of any classifier; `network` is a `models.mtate.Mtate`.

    Attributes:
      arguments: By default the representation-wise attention sees the patients' own domain losses. With
        `classifier.standard_arguments` it sees the classifiers' expected ones, so that nothing changes where labels are
        not known.
      reverse: The gradient of the domain classifiers is reversed on its way to what they look at: the paper's DANN*.
    """

    arguments: Callable[[Mapping[str, Any]], Mapping[str, Any]] = labelled_arguments
    reverse: bool = False


@functools.lru_cache(maxsize=128)
def classifier(setting: Setting, num_epochs: int) -> Stage:
    """Trains from scratch with Adam, and keeps the variables of the epoch that is best by `setting.validation`.

    `data` has `inputs` `[example, time, feature]`, `outcome` `[example]` (0 or 1, NaN where not known: such an example
    trains the domains alone) and `domains` `[example, domain]` (0, 1 or NaN); it may have `time_mask` `[example, time]`
    and `static` `[example, feature]`.

    The loss is `L_p + contrastive_weight L_c + domain_weight L_d`: cross-entropy of the outcome, the supervised
    contrastive loss of the representations, and the mean cross-entropy of the domains that are known. The paper adds no
    L_d, and nothing else would teach the domain classifiers (docs/papers/mtate.md).

    Hyperparameters: `learning_rate`, `domain_weight`, `contrastive_weight`; with `setting.reverse` also `reversal`, the
    strength that `ganin_schedule` rises to, of the share of the epochs that are over.

    Args:
      setting: What is compiled in.
      num_epochs: Epochs.

    Returns:
      The stage. Its state has `variables` (of the last epoch) and `best`, a `stopping.Best` whose `kept` are the
      variables to use. It logs `train/loss` and `validate/loss`, 1 minus the ROC AUC.

    References:
      "Unbiased Representation of Electronic Health Records for Patient Outcome Prediction", submitted to ICLR 2023,
      sections 2.6 and 3.2.
    """

    def loss(variables, state, member, data, batch, key, epoch):
        reversal = None
        if setting.reverse:
            reversal = member.hyperparameters["reversal"] * ganin_schedule(epoch / num_epochs)
        outputs, here, collections = base.forward(setting, variables, data, batch, key, reversal=reversal)
        return total_loss(outputs, here, batch.mask, member.hyperparameters), collections

    return base.fit(setting, "classifier", num_epochs, base.fresh(setting), loss)


def total_loss(outputs: MtateOutputs, data: Any, mask: jax.Array, hyperparameters: Any) -> jax.Array:
    """The loss of `classifier` on a batch, `L_p + contrastive_weight L_c + domain_weight L_d`.

    Args:
      outputs: Of the network, for the batch.
      data: The batch's rows of the data of `classifier`; only `outcome` and `domains` are looked at.
      mask: `[batch]` boolean, the examples that exist.
      hyperparameters: With `contrastive_weight` and `domain_weight`.

    Returns:
      A scalar.
    """
    prediction = base.outcome_loss(outputs.outcome, data["outcome"], mask)
    known = mask & ~jnp.isnan(data["outcome"])
    contrast = losses.supervised_contrastive(outputs.representation, jnp.where(known, data["outcome"], 0), known)
    # Not `outputs.domain_losses`, which hold entropies where the attention gets no labels.
    labelled = mask[:, None] & ~jnp.isnan(data["domains"])
    domains = losses.masked_mean(domain_losses(outputs.domains, data["domains"]), labelled)
    weights = hyperparameters["contrastive_weight"], hyperparameters["domain_weight"]
    return prediction + weights[0] * contrast + weights[1] * domains


def apply(setting: Setting, variables: Any, data: Any, *, domain_labels: bool | None = None) -> MtateOutputs:
    """The network's outputs in evaluation, for all examples of `data`.

    Args:
      setting: Of the training.
      variables: Of its state.
      data: As in `classifier`; `outcome` is not looked at.
      domain_labels: Whether the representation-wise attention sees the losses of the patients' own domain labels;
        None: as in training.

    Returns:
      `MtateOutputs` of all examples, the masks being those of `variables`.
    """
    arguments = dict(setting.arguments(data))
    if domain_labels is not None:
        arguments["domain_labels"] = data["domains"] if domain_labels else None
    return setting.network.apply(variables, **arguments)
