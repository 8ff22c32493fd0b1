"""Adversarial multitask learning against age: the stages of Ibrahimi, Rivolta and Sassi, and two that go further.

The data of these stages are a dict of arrays with a leading example axis: `inputs` `[example, time, lead]` (mV),
`infarction` `[example]` (0 healthy, 1 infarction) and `age` `[example]` (years).

References:
  Ibrahimi, Rivolta, Sassi. Adversarial Multitask Learning Reduces the Correlation Between Age and Deep Learning
  Predictions of Myocardial Infarction from Electrocardiograms. Computing in Cardiology 2024.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxfair import gradient_reversal, losses
from jaxfair.methods.aml_model import (
    Setting,
    age_loss,
    age_pair,
    apply_heads,
    disease_loss,
    predict,
    represent_batch,
    scale_of,
    squared_error,
)
from jaxfair.metrics import accuracy, pearson, roc_auc
from jaxfair.training import Stage, descent, selected

OPTIMIZERS = {"sgd": optax.sgd, "adam": optax.adam, "adamw": optax.adamw}
ADVERSARIES = ("reversed_mse", "ncov")


def baseline(setting: Setting, num_epochs: int = 100) -> Stage:
    """Stage 1 (Eq. 1): backbone and disease head by class-weighted cross-entropy.

    Hyperparameter: `baseline_learning_rate` (the paper's 1e-4).
    """

    def loss(variables, state, member, data, batch, key, epoch):
        representation, statistics = represent_batch(setting, variables, data, batch)
        return disease_loss(setting, variables, representation, state["scale"], data, batch), statistics

    return _descent(
        setting,
        "baseline",
        num_epochs,
        init=_fresh(setting),
        loss=loss,
        trained=("backbone", "disease_head"),
        optimizer=lambda member: OPTIMIZERS[setting.optimizer](member.hyperparameters["baseline_learning_rate"]),
    )


def age_head(setting: Setting, num_epochs: int = 200) -> Stage:
    """Stage 2 (Eq. 2): the age head by mean squared error on the frozen backbone, whose features are computed once.

    Hyperparameter: `age_learning_rate` (the paper's 1e-3).
    """

    def init(member, previous, data, key):
        features = predict(setting, previous["variables"], data, member.train).representation
        return {"variables": previous["variables"], "scale": previous["scale"], "features": features}

    def loss(variables, state, member, data, batch, key, epoch):
        # Padding points at any example: features that are NaN there would reach the kernel's gradient.
        features = jnp.where(batch.mask[:, None], state["features"][batch.indices], 0)
        value = age_loss(setting, variables, features, state["scale"], data, batch)
        return value, {"batch_stats": variables["batch_stats"]}

    return _descent(
        setting,
        "age_head",
        num_epochs,
        init=init,
        loss=loss,
        trained=("age_head",),
        optimizer=lambda member: OPTIMIZERS[setting.optimizer](member.hyperparameters["age_learning_rate"]),
    )


def adversarial(setting: Setting, num_epochs: int = 100, *, adversary: str | None = "ncov") -> Stage:
    """Stage 3 (Eq. 3): the backbone against the age head, through gradient reversal.

    The backbone descends on cross-entropy - alpha * adversarial loss; the disease head is frozen. Descending on
    -alpha * NCOV = alpha * cov^2 drives the covariance of predicted and true age to 0; descending on -alpha * MSE has
    no minimum, so that arm may run away. Batch statistics of the backbone follow its training batches, as they must
    when its weights move.

    Hyperparameters, so that one program trains all arms:
      adversarial_learning_rate: The backbone's (not published: stage 1's).
      alpha: The paper's 0.001; 0 is the control with the same extra epochs, which has no adversary at all.
      adversary_learning_rate: With which the age head follows the backbone by its own mean squared error. The paper
        freezes it: 0.
      healthy_only: 1 lets the adversarial loss count the healthy of the batch only, so that it does not fight the
        dependence between infarction and age; 0 all examples, as in the paper.
      reversed_mse: Only where `adversary` is None. 1 takes `reversed_mse`, 0 `ncov`.

    Args:
      setting: As in stages 1 and 2.
      num_epochs: The paper's 100.
      adversary: `reversed_mse` or `ncov` (Section 2.5). None leaves it to each member's hyperparameters, so that a
        sweep over both compiles once; the numbers are the same up to rounding.

    Raises:
      ValueError: The adversary is none of these.
    """
    if adversary is not None and adversary not in ADVERSARIES:
        raise ValueError(f"adversary must be one of {ADVERSARIES}, not {adversary!r}.")

    def against(member, predicted, age, mask):
        if adversary == "reversed_mse":
            return squared_error(predicted, age, mask)
        if adversary == "ncov":
            return losses.negative_squared_covariance(predicted, age, mask)
        # A branch, so that a loss that has run away leaves no NaN in the gradient of the other.
        return jax.lax.cond(
            member.hyperparameters["reversed_mse"] > 0,
            squared_error,
            losses.negative_squared_covariance,
            predicted,
            age,
            mask,
        )

    rates = {"backbone": "adversarial_learning_rate", "age_head": "adversary_learning_rate"}

    def optimizer(member):
        rule = OPTIMIZERS[setting.optimizer]
        rules = {group: rule(member.hyperparameters[rate]) for group, rate in rates.items()}
        return optax.partition(rules, {group: group for group in rates})

    def loss(variables, state, member, data, batch, key, epoch):
        representation, statistics = represent_batch(setting, variables, data, batch)
        value = disease_loss(setting, variables, representation, state["scale"], data, batch)
        counted = (data["infarction"][batch.indices] == 0) | (member.hyperparameters["healthy_only"] == 0)
        head = jax.lax.stop_gradient(variables)
        reversed_ = gradient_reversal.reverse_gradient(representation, member.hyperparameters["alpha"])
        predicted, age = age_pair(setting, head, reversed_, state["scale"], data, batch)
        value += against(member, predicted, age, batch.mask & counted)
        # A frozen head learns from no example: its own error is 0, and so is its gradient, whatever it predicts.
        learns = batch._replace(mask=batch.mask & (member.hyperparameters["adversary_learning_rate"] > 0))
        own = age_loss(setting, variables, jax.lax.stop_gradient(representation), state["scale"], data, learns)
        return value + own, statistics

    return _descent(
        setting,
        "adversarial",
        num_epochs,
        init=lambda member, previous, data, key: {name: previous[name] for name in ("variables", "scale")},
        loss=loss,
        trained=tuple(rates),
        optimizer=optimizer,
    )


def joint(setting: Setting, num_epochs: int = 40, *, ramp_epochs: int = 10, bandwidth: float = 8.0) -> Stage:
    """Trains from scratch on cross-entropy + alpha * dependence on age within the healthy.

    The dependence is `HSIC(representation, age) + score_share * HSIC(score, age)`, both normalised, with Gaussian
    kernels on values standardised over the healthy members of the batch; the score is the log odds of infarction.
    Conditioning on the healthy leaves the model free to know that infarction is a disease of the old. No adversary has
    to be kept in step, and non-linear dependence counts. The score has a term of its own because it is one of many
    directions of the representation, and its kernel hardly notices a single one. AdamW's learning rate falls to 0
    along half a cosine.

    Hyperparameters: `joint_learning_rate`, `weight_decay`, `score_share`, `alpha` (0 is the control).

    Args:
      setting: Use a batch size of 256: HSIC of 32 examples is mostly noise.
      num_epochs: Epochs.
      ramp_epochs: Epochs over which alpha rises linearly from 0.
      bandwidth: Sigma of the representation's kernel exp(-d^2 / (2 sigma^2)); 8 is the square root of the 64
        features, so that two typical examples have a kernel value of exp(-1). Age and score have sigma sqrt(1/2).
    """
    num_steps = num_epochs * setting.num_batches

    def optimizer(member):
        peak = member.hyperparameters["joint_learning_rate"]

        def rate(step):
            return peak * 0.5 * (1 + jnp.cos(jnp.pi * jnp.minimum(step / num_steps, 1.0)))

        return optax.adamw(rate, weight_decay=member.hyperparameters["weight_decay"])

    def loss(variables, state, member, data, batch, key, epoch):
        representation, statistics = represent_batch(setting, variables, data, batch, key)
        value = disease_loss(setting, variables, representation, state["scale"], data, batch)
        healthy = batch.mask & (data["infarction"][batch.indices] == 0)
        logits = setting.network.apply(variables, representation, method="disease")
        age = losses.standardize(data["age"][batch.indices], healthy)

        def dependence(values, sigma):
            values = losses.standardize(values, healthy)
            return losses.normalized_hsic(values, age, healthy, bandwidth_x=sigma, bandwidth_y=0.5**0.5)

        total = dependence(representation, bandwidth)
        total += member.hyperparameters["score_share"] * dependence(logits[:, 1] - logits[:, 0], 0.5**0.5)
        ramp = jnp.minimum(1.0, (epoch + 1) / ramp_epochs)
        return value + member.hyperparameters["alpha"] * ramp * total, statistics

    return _descent(
        setting,
        "joint",
        num_epochs,
        init=_fresh(setting),
        loss=loss,
        trained=("backbone", "disease_head"),
        optimizer=optimizer,
    )


def _descent(setting: Setting, name: str, num_epochs: int, **arguments: Any) -> Stage:
    def evaluate(state, member, data):
        """Curves on the evaluation mask; nothing is chosen by them."""
        indices, mask = selected(member.evaluate, setting.num_evaluated)
        if "features" in state:
            representation = state["features"][indices]
        else:
            representation = setting.network.apply(
                state["variables"], data["inputs"][indices], train=False, method="represent"
            )
        outputs = apply_heads(setting, state["variables"], representation, state["scale"])
        infarction, age = data["infarction"][indices], data["age"][indices]
        return {
            "evaluate/accuracy": accuracy(outputs.infarction, infarction, mask),
            "evaluate/roc_auc": roc_auc(outputs.infarction, infarction, mask),
            "evaluate/age_pearson": pearson(outputs.age, age, mask),
        }

    return descent(
        name,
        num_epochs,
        batch_size=setting.batch_size,
        num_batches=setting.num_batches,
        evaluate=evaluate,
        **arguments,
    )


def _fresh(setting: Setting):
    def init(member, previous, data, key):
        variables = setting.network.init(key, data["inputs"][:1])
        return {"variables": variables, "scale": scale_of(setting, data, member.train)}

    return init
