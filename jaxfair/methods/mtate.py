"""MTATE's training: outcome, domains and contrast in one loss, selected by the ROC AUC of validation patients."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxfair import losses, metrics
from jaxfair.models.mtate import Mtate, MtateOutputs
from jaxfair.models.mtate_modules import domain_losses
from jaxfair.training import Stage, descent, selected


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is compiled in; everything that is swept is a hyperparameter of the members.

    Attributes:
      network: The model.
      num_batches: Batches in an epoch, `training.num_batches(train masks, batch_size)`.
      num_validate: Most validation examples of any member, `training.num_batches(validate masks, 1)`.
      batch_size: Examples in a batch.
      patience: Epochs without a higher ROC AUC of the validation examples, after which a member stops.
      domain_labels: Whether the representation-wise attention sees the patients' own domain losses; False: the
        classifiers' expected ones, so that nothing changes where labels are not known.
      reverse: The gradient of the domain classifiers is reversed on its way to what they look at: the paper's DANN*.
    """

    network: Mtate
    num_batches: int
    num_validate: int
    batch_size: int = 64
    patience: int = 10
    domain_labels: bool = True
    reverse: bool = False


def classifier(setting: Setting, num_epochs: int) -> Stage:
    """Trains from scratch with Adam; the variables of the epoch with the highest validation ROC AUC count.

    `data` has `inputs` `[example, time, feature]`, `outcome` `[example]` (0 or 1, NaN where not known: such an example
    trains the domains alone) and `domains` `[example, domain]` (0, 1 or NaN); it may have `time_mask` `[example, time]`
    and `static` `[example, feature]`.

    The loss is `L_p + contrastive_weight L_c + domain_weight L_d`: cross-entropy of the outcome, the supervised
    contrastive loss of the representations, and the mean cross-entropy of the domains that are known. The paper adds no
    L_d, and nothing else would teach the domain classifiers (docs/papers/mtate.md).

    Hyperparameters: `learning_rate`, `domain_weight`, `contrastive_weight`; with `setting.reverse` also `reversal`, the
    strength that Ganin's schedule `2 / (1 + exp(-10 p)) - 1` rises to, p being the share of the epochs that are over.

    Args:
      setting: What is compiled in.
      num_epochs: Epochs.

    Returns:
      The stage. Its state has `variables` (of the last epoch) and `best`, a `stopping.Best` whose `kept` are the
      variables to use. It logs `train/loss` and `validate/loss`, 1 minus the ROC AUC.

    References:
      "Unbiased Representation of Electronic Health Records for Patient Outcome Prediction", submitted to ICLR 2023,
      sections 2.6 and 3.2. Ganin et al.: Domain-Adversarial Training of Neural Networks, JMLR 2016, section 5.2.2.
    """

    def init(member, previous, data, key):
        return {"variables": setting.network.init(key, data["inputs"][:1], static=_first(data, "static"))}

    def loss(variables, state, member, data, batch, key, epoch):
        here = jax.tree.map(lambda values: values[batch.indices], data)
        reversal = None
        if setting.reverse:
            risen = 2 / (1 + jnp.exp(-10 * epoch / num_epochs)) - 1
            reversal = member.hyperparameters["reversal"] * risen
        dropout, masks = jax.random.split(key)
        outputs, collections = setting.network.apply(
            variables,
            here["inputs"],
            **_given(setting, here),
            mask=batch.mask,
            train=True,
            reversal=reversal,
            rngs={"dropout": dropout, "masks": masks},
            mutable=["masks"],
        )
        return total_loss(outputs, here, batch.mask, member.hyperparameters), collections

    def validate(state, member, data, logs):
        batch = selected(member.validate, setting.num_validate)
        here = jax.tree.map(lambda values: values[batch.indices], data)
        outcome = apply(setting, state["variables"], here).outcome
        known = batch.mask & ~jnp.isnan(here["outcome"])
        return 1 - metrics.roc_auc(outcome, here["outcome"], known)

    return descent(
        "classifier",
        num_epochs,
        init=init,
        loss=loss,
        trained=_groups(setting.network),
        optimizer=lambda member: optax.flatten(optax.adam(member.hyperparameters["learning_rate"])),
        batch_size=setting.batch_size,
        num_batches=setting.num_batches,
        validate=validate,
        patience=setting.patience,
    )


def total_loss(outputs: MtateOutputs, data: Any, mask: jax.Array, hyperparameters: Any) -> jax.Array:
    """The loss of `classifier` on a batch: `data` as there, of the batch's examples, of which those in `mask` count."""
    known = mask & ~jnp.isnan(data["outcome"])
    outcome = jnp.where(known, data["outcome"], 0)
    of_outcome = losses.masked_mean(optax.sigmoid_binary_cross_entropy(outputs.outcome, outcome), known)
    contrast = losses.supervised_contrastive(outputs.representation, outcome, known)
    # Not `outputs.domain_losses`, which hold entropies where the attention gets no labels.
    labelled = mask[:, None] & ~jnp.isnan(data["domains"])
    of_domains = losses.masked_mean(domain_losses(outputs.domains, data["domains"]), labelled)
    weights = hyperparameters["contrastive_weight"], hyperparameters["domain_weight"]
    return of_outcome + weights[0] * contrast + weights[1] * of_domains


def apply(setting: Setting, variables: Any, data: Any, *, domain_labels: bool | None = None) -> MtateOutputs:
    """The network's outputs in evaluation, for all examples of `data`.

    Args:
      setting: Of the training.
      variables: Of its state.
      data: As in `classifier`; `outcome` is not looked at.
      domain_labels: Whether the patients' own domain losses are seen; None: as in training.
    """
    given = _given(setting, data)
    if domain_labels is not None:
        given["domain_labels"] = data["domains"] if domain_labels else None
    return setting.network.apply(variables, data["inputs"], **given)


def _given(setting, data):
    return {
        "time_mask": data.get("time_mask"),
        "static": data.get("static"),
        "domain_labels": data["domains"] if setting.domain_labels else None,
    }


def _first(data, name):
    return data[name][:1] if name in data else None


def _groups(network):
    """The network's groups of parameters."""
    config = network.config
    blocks = range(config.num_blocks)
    temporal = [f"temporal_{block}" for block in blocks] if config.temporal_attention else []
    rest = ["representation_attention"] if config.representation_attention else []
    return (*temporal, *(f"feature_{block}" for block in blocks), "domain_classifiers", *rest, "outcome_head")
