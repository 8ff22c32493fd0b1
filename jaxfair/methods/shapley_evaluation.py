"""The Shapley study's judgement of one trained member: its training samples' scores, and what it resists."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp

from jaxfair import attacks, metrics
from jaxfair.attacks.adversarial import decide
from jaxfair.attribution import deep_shap
from jaxfair.attribution.data_values import attribution_scores
from jaxfair.methods.shapley import Setting


class Scores(NamedTuple):
    """What a trained network says of its training samples.

    Attributes:
      by_name: `[sample]` each. `signed_sum` (the paper's), `positive_sum` and `absolute_sum` of the attribution of the
        probability of the sample's own class; `loss`, by how much the sample's inputs lower its loss below that of
        the background's inputs with its label.
      probability: `[sample]`, of its own class.
      contributions: `[sample, time]`, of the inputs to that probability, summed over channels.
      residual: `[sample]`, the largest part of either output that the attribution does not account for.
    """

    by_name: dict[str, jax.Array]
    probability: jax.Array
    contributions: jax.Array
    residual: jax.Array


class Counterfactuals(NamedTuple):
    """What DeepFool made of some beats on one model, `[beat, ...]`.

    Attributes:
      inputs: The changed beats.
      right: Whether the model told the beat's class before.
      fooled: Whether it was right before and is wrong now: the beats on which other models are tested.
      relative_norm: `||r|| / ||x||`.
    """

    inputs: jax.Array
    right: jax.Array
    fooled: jax.Array
    relative_norm: jax.Array


class Judged(NamedTuple):
    """What a model does on the test beats: metrics by name, `[]`, and for each beat decision and own probability."""

    metrics: dict[str, jax.Array]
    decision: jax.Array
    probability: jax.Array


def frozen(setting: Setting, variables: Any) -> Callable[[jax.Array], jax.Array]:
    """The network's logits as a function of its inputs; NaN where the variables are not all finite.

    XLA's CPU compiler may turn a NaN into 0 on its way through a ReLU, and a broken network would look like a bad one.
    """
    whole = _whole(variables)

    def logits(inputs):
        return jnp.where(whole, setting.network.apply(variables, inputs), jnp.nan)

    return logits


def logits_of_all(setting: Setting, variables: Any, inputs: jax.Array, *, chunk: int = 64) -> jax.Array:
    """Logits of all examples in evaluation mode, `chunk` of them in memory at a time: `[example, class]`."""
    logits = frozen(setting, variables)
    return jax.lax.map(lambda one: logits(one[None])[0], inputs, batch_size=min(chunk, len(inputs)))


def predictions(setting: Setting, variables: Any, inputs: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Whether each example is told rightly, `[example]` boolean, and its cross-entropy, `[example]`."""
    logits = logits_of_all(setting, variables, inputs)
    return decide(logits) == labels, _cross_entropy(logits, labels)


def training_scores(
    setting: Setting, variables: Any, inputs: jax.Array, labels: jax.Array, background: jax.Array, *, at_once: int = 4
) -> Scores:
    """Scores of training samples by DeepSHAP, against a background of training samples; NaN of a broken network.

    Only the two outputs that a sample's scores need are explained, the probability of its own class and its loss, so
    the number of classes costs nothing.

    Args:
      setting: The network's.
      variables: Of the trained network.
      inputs: `[sample, time, channel]`.
      labels: `[sample]` int.
      background: `[background, time, channel]`.
      at_once: Samples that are explained at a time.

    References:
      The paper's section 2; `attribution.data_values.attribution_scores` says what its score amounts to.
    """
    network = setting.network

    def of_one(each):
        sample, label = each
        own = jax.nn.one_hot(label, network.num_classes)

        def outputs(values):
            logits = network.apply(variables, values)
            return jnp.stack([jax.nn.softmax(logits) @ own, logsumexp(logits, axis=-1) - logits @ own], axis=-1)

        return jax.tree.map(
            lambda leaf: leaf[0] if leaf.ndim > 1 else leaf, deep_shap(outputs, sample[None], background)
        )

    said = jax.lax.map(of_one, (inputs, labels), batch_size=at_once)
    first = jnp.zeros(len(inputs), jnp.int32)
    by_name = {kind: attribution_scores(said.values[:, :1], first, kind) for kind in ("signed_sum", "positive_sum")}
    by_name["absolute_sum"] = attribution_scores(said.values[:, :1], first, "absolute_sum")
    by_name["loss"] = -attribution_scores(said.values[:, 1:], first)
    scores = Scores(by_name, said.predictions[:, 0], said.values[:, 0].sum(-1), jnp.abs(said.residual).max(-1))
    whole = _whole(variables)
    return jax.tree.map(lambda leaf: jnp.where(whole, leaf, jnp.nan), scores)


def counterfactuals(setting: Setting, variables: Any, inputs: jax.Array, labels: jax.Array) -> Counterfactuals:
    """DeepFool on beats `[beat, time, channel]` with their labels; beats that the model gets wrong stay as they are."""
    made = attacks.deepfool(frozen(setting, variables), inputs, labels)
    right = made.decision_before == labels
    return Counterfactuals(made.inputs, right, right & made.success, made.relative_norm)


def judge(
    setting: Setting,
    variables: Any,
    full: Any,
    of_full: Counterfactuals,
    of_surrogate: Counterfactuals,
    key: jax.Array,
    test: Mapping[str, jax.Array],
    attacked: Mapping[str, jax.Array],
    epsilon: jax.Array,
) -> Judged:
    """Everything the study says of one model.

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
      variables: Of the model that is judged.
      full: Variables of the full model of its seed.
      of_full: Its counterfactuals, of `attacked`.
      of_surrogate: Those of the surrogate.
      key: Of the random start of projected gradients.
      test: `inputs`, `label`.
      attacked: `inputs`, `label`.
      epsilon: `[]`, in the unit of the inputs.
    """
    model, labels = frozen(setting, variables), attacked["label"]
    logits = logits_of_all(setting, variables, test["inputs"])
    own = counterfactuals(setting, variables, attacked["inputs"], labels)
    both = own.fooled & of_full.fooled
    each_loss = _cross_entropy(logits, test["label"])
    decision = decide(logits)

    # One call of the network for all three sets: each call is compiled by itself.
    sets = jnp.concatenate([own.inputs, of_full.inputs, of_surrogate.inputs])
    right = (decide(model(sets)).reshape(3, -1) == labels).astype(jnp.float32)
    crossed = decide(frozen(setting, full)(own.inputs)) == labels
    pressed = attacks.projected_gradient(model, attacked["inputs"], labels, epsilon, key=key, num_steps=10)
    alive = jnp.isfinite(logits).all()
    values = {
        "accuracy": _mean(decision == test["label"]),
        "balanced_accuracy": metrics.macro_recall(decision, test["label"], logits.shape[1]),
        "loss": each_loss.mean(),
        "counterfactual_norm": _mean(own.relative_norm, own.fooled),
        "counterfactual_norm_ratio": _mean(own.relative_norm, both) / _mean(of_full.relative_norm, both),
        "counterfactual_success": _mean(own.fooled, own.right),
        "counterfactual_accuracy_own": _mean(right[0], own.fooled),
        "counterfactual_accuracy_full": _mean(right[1], of_full.fooled),
        "counterfactual_accuracy_crossed": _mean(crossed, own.fooled),
        "counterfactual_accuracy_surrogate": _mean(right[2], of_surrogate.fooled),
        "pgd_accuracy": _mean(pressed.decision == labels),
    }
    values = {name: jnp.where(alive, value, jnp.nan) for name, value in values.items()}
    return Judged(values, decision, jnp.exp(-each_loss))


def _whole(variables: Any) -> jax.Array:
    """Whether all variables are finite."""
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(variables)]).all()


def _cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return logsumexp(logits, axis=-1) - jnp.take_along_axis(logits, labels[:, None], 1)[:, 0]


def _mean(values: jax.Array, mask: jax.Array | None = None) -> jax.Array:
    """The mean of the masked-in values, NaN if there is none."""
    mask = jnp.ones(len(values), bool) if mask is None else mask
    count = mask.sum()
    total = jnp.where(mask, jnp.asarray(values, jnp.float32), 0).sum()
    return jnp.where(count > 0, total / jnp.maximum(count, 1), jnp.nan)
