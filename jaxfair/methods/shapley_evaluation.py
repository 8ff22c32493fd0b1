"""The Shapley study's evaluation of one trained member: how accurate it is, and what it resists."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxfair import attacks, metrics
from jaxfair.attacks.adversarial import decide
from jaxfair.methods.shapley import Setting, logits_of
from jaxfair.metrics.counted import ratio


class Counterfactuals(NamedTuple):
    """What DeepFool made of some beats on one model, `[beat, ...]`.

    Attributes:
      inputs: The changed beats.
      right: Whether the model was right before.
      fooled: Whether it was right before and is wrong now: the beats on which other models are tested.
      relative_norm: `||r|| / ||x||`.
    """

    inputs: jax.Array
    right: jax.Array
    fooled: jax.Array
    relative_norm: jax.Array


class Evaluation(NamedTuple):
    """What a model does on the test beats: metrics by name, `[]`, and for each beat decision and own probability."""

    metrics: dict[str, jax.Array]
    decision: jax.Array
    probability: jax.Array


def logits_of_all(setting: Setting, variables: Any, inputs: jax.Array, *, chunk: int = 64) -> jax.Array:
    """Logits of all examples in evaluation mode, `chunk` of them in memory at a time: `[example, class]`."""
    logits = logits_of(setting, variables)
    return jax.lax.map(lambda one: logits(one[None])[0], inputs, batch_size=min(chunk, len(inputs)))


def predictions(setting: Setting, variables: Any, inputs: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Whether each example is classified correctly, `[example]` boolean, and its cross-entropy, `[example]`."""
    logits = logits_of_all(setting, variables, inputs)
    return decide(logits) == labels, optax.softmax_cross_entropy_with_integer_labels(logits, labels)


def counterfactuals(setting: Setting, variables: Any, inputs: jax.Array, labels: jax.Array) -> Counterfactuals:
    """DeepFool on beats `[beat, time, channel]` with their labels; beats that the model gets wrong stay as they are."""
    # A member runs on one core of a CPU, where 32 at a time take 1.2 to 1.4 times as long as 8, and 4 as long as 8. One
    # device with all cores, or a GPU, wants more: the default.
    width = 8 if jax.default_backend() == "cpu" else None
    made = attacks.deepfool(logits_of(setting, variables), inputs, labels, width=width)
    right = made.decision_before == labels
    return Counterfactuals(made.inputs, right, right & made.success, made.relative_norm)


def evaluate(
    setting: Setting,
    variables: Any,
    full: Any,
    of_full: Counterfactuals,
    of_surrogate: Counterfactuals,
    key: jax.Array,
    test: Mapping[str, jax.Array],
    attacked: Mapping[str, jax.Array],
    epsilon: jax.Array,
) -> Evaluation:
    """Everything the study reports of one model.

    `accuracy`, `balanced_accuracy`, `loss` on the test beats. On the attacked beats, a part of them:

    - `counterfactual_norm`: DeepFool's `||r|| / ||x||` on this model, mean over the beats on which it succeeds; and
      `counterfactual_norm_ratio`, that mean over the one of the full model, both over the beats on which it succeeds on
      both. Where DeepFool gives up, its norm measures no resistance: it may be 0 where all gradients are.
    - `counterfactual_success`: the share of the beats it is right about on which DeepFool succeeds.
    - `counterfactual_accuracy_own`: on what DeepFool crafted on this model. 0 by construction where DeepFool succeeds.
    - `counterfactual_accuracy_full`: on what it crafted on the full model of the same seed; for the full model, own.
    - `counterfactual_accuracy_crossed`: of the full model on what was crafted on this one.
    - `counterfactual_accuracy_surrogate`: on what was crafted on a third model, trained on everything from other
      initial weights: the one test of these that no model under comparison made itself.
    - `pgd_accuracy`: under projected gradient descent, ten steps on this model, within the ball of `epsilon`.

    Accuracies over counterfactuals count the beats that the crafting model was fooled by, NaN if there is none.

    Args:
      setting: The network's.
      variables: Of the model that is evaluated.
      full: Variables of the full model of its seed.
      of_full: Its counterfactuals, of `attacked`.
      of_surrogate: Those of the surrogate.
      key: Of the random start of projected gradients.
      test: `inputs`, `label`.
      attacked: `inputs`, `label`.
      epsilon: `[]`, in the unit of the inputs.
    """
    model, labels = logits_of(setting, variables), attacked["label"]
    logits = logits_of_all(setting, variables, test["inputs"])
    own = counterfactuals(setting, variables, attacked["inputs"], labels)
    both = own.fooled & of_full.fooled
    each_loss = optax.softmax_cross_entropy_with_integer_labels(logits, test["label"])
    decision = decide(logits)

    # One call of the network for all three sets: each call is compiled by itself.
    sets = jnp.concatenate([own.inputs, of_full.inputs, of_surrogate.inputs])
    right = decide(model(sets)).reshape(3, -1) == labels
    crossed = decide(logits_of(setting, full)(own.inputs)) == labels
    pressed = attacks.projected_gradient(model, attacked["inputs"], labels, epsilon, key=key, num_steps=10)
    alive = jnp.isfinite(logits).all()
    values = {
        "accuracy": (decision == test["label"]).mean(),
        "balanced_accuracy": metrics.macro_recall(decision, test["label"], logits.shape[1]),
        "loss": each_loss.mean(),
        "counterfactual_norm": _mean(own.relative_norm, own.fooled),
        "counterfactual_norm_ratio": _mean(own.relative_norm, both) / _mean(of_full.relative_norm, both),
        "counterfactual_success": _mean(own.fooled, own.right),
        "counterfactual_accuracy_own": _mean(right[0], own.fooled),
        "counterfactual_accuracy_full": _mean(right[1], of_full.fooled),
        "counterfactual_accuracy_crossed": _mean(crossed, own.fooled),
        "counterfactual_accuracy_surrogate": _mean(right[2], of_surrogate.fooled),
        "pgd_accuracy": (pressed.decision == labels).mean(),
    }
    values = {name: jnp.where(alive, value, jnp.nan) for name, value in values.items()}
    return Evaluation(values, decision, jnp.exp(-each_loss))


def _mean(values: jax.Array, mask: jax.Array) -> jax.Array:
    """The mean of the masked-in values, NaN if there is none."""
    return ratio(jnp.where(mask, values, 0).sum().astype(jnp.float32), mask.sum())
