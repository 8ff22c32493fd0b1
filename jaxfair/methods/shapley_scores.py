"""What a network of the Shapley study attributes to its training samples."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxfair.attribution import data_values, deep_shap
from jaxfair.methods.shapley import Setting, is_finite


class Scores(NamedTuple):
    """Scores of training samples by a trained network.

    Attributes:
      by_name: `[sample]` each. `signed_sum` (the paper's), `positive_sum` and `absolute_sum` of the attribution of the
        probability of the sample's own class; `loss`, by how much the sample's inputs lower its loss below that of
        the background's inputs with its label.
      probability: `[sample]`, of its own class.
      contributions: `[sample, time]`, of the inputs to that probability, summed over channels.
      residual: `[sample]`, the largest part of either output that the attribution does not account for.
      residual_of_allowed: `[sample]`, the largest residual of either output as a share of what rounding allows. Where
        it is more than 1 the attribution is wrong, which only a caller can say: within a compiled program there is no
        warning.
    """

    by_name: dict[str, jax.Array]
    probability: jax.Array
    contributions: jax.Array
    residual: jax.Array
    residual_of_allowed: jax.Array


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
            return jnp.stack([jax.nn.softmax(logits) @ own, optax.softmax_cross_entropy(logits, own)], axis=-1)

        attributions = deep_shap(outputs, sample[None], background)
        found = attributions.values, attributions.predictions, attributions.residual, attributions.allowed
        return tuple(part[0] for part in found)

    values, predictions, residual, allowed = jax.lax.map(of_one, (inputs, labels), batch_size=at_once)
    first = jnp.zeros(len(inputs), jnp.int32)
    probability, loss = values[:, :1], values[:, 1:]
    by_name = {kind: data_values.attribution_scores(probability, first, kind) for kind in data_values.SCORES}
    by_name["loss"] = -data_values.attribution_scores(loss, first)
    residual = jnp.abs(residual)
    # Nothing is left of what may leave nothing: an output that is the same number everywhere.
    share = jnp.where(residual == 0, 0, residual / allowed)
    scores = Scores(by_name, predictions[:, 0], probability[:, 0].sum(-1), residual.max(-1), share.max(-1))
    return jax.tree.map(lambda leaf: jnp.where(is_finite(variables), leaf, jnp.nan), scores)
