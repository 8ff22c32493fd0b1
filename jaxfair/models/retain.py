"""RETAIN: attention to time steps and to features, each from a recurrent network that runs back in time."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import ArrayLike

from jaxfair.models.dropout import Dropout
from jaxfair.models.recurrent_layers import GruLayer
from jaxfair.models.sequences import existing_steps, join_static


class RetainOutputs(NamedTuple):
    """What RETAIN says about a batch.

    Attributes:
      outcome: `[batch]` logits.
      representation: `[batch, embedding + static]`: the context c joined with the static features.
      temporal_attention: α, `[batch, time]`, which sum to 1 over the steps that exist; 0 elsewhere.
      feature_attention: β, `[batch, time, embedding]`, between −1 and 1; 0 where no step exists.
      contributions: ω, `[batch, time, feature]`: their sum, the bias of the outcome head and what that head gives the
        static features are the logit. 0 where no step exists.
    """

    outcome: jax.Array
    representation: jax.Array
    temporal_attention: jax.Array
    feature_attention: jax.Array
    contributions: jax.Array


class Retain(nn.Module):
    """Predicts a binary outcome by a sum over steps and features that can be read off.

        v_j = W_emb x_j
        g_T, ..., g_1 = RNN_α(v_T, ..., v_1)
        h_T, ..., h_1 = RNN_β(v_T, ..., v_1)
        α = softmax_j(w_αᵀ g_j)
        β_j = tanh(W_β h_j + b_β)
        c = Σ_j α_j β_j ⊙ v_j
        logit = wᵀ c + b
        ω_jk = α_j wᵀ(β_j ⊙ W_emb[:, k]) x_jk

    The RNNs are gated recurrent units (`GruLayer`). The paper adds a bias to the scores before the softmax, which takes
    it out again: it is left out here, as its gradient would be rounding noise.

    `params` has `embedding`, `temporal_gru`, `temporal_score`, `feature_gru`, `feature_attention`, `outcome_head`.

    Attributes:
      embedding: Entries of v. The embedding is linear and without a bias: otherwise ω would not sum to the logit.
      temporal_hidden: Entries of g.
      feature_hidden: Entries of h.
      dropout: Share of c set to 0 in training; needs `rngs={"dropout": key}`. The contributions do not know of it.

    References:
      Choi et al., "RETAIN: An Interpretable Predictive Model for Healthcare using Reverse Time Attention Mechanism",
      NeurIPS 2016, section 2.2, and section 3 for ω.
    """

    embedding: int = 32
    temporal_hidden: int = 32
    feature_hidden: int = 32
    dropout: float = 0.0

    @nn.compact
    def __call__(
        self,
        inputs: jax.Array,
        *,
        time_mask: ArrayLike | None = None,
        static: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        train: bool = False,
    ) -> RetainOutputs:
        """Outcome, representation, attention, contributions.

        Args:
          inputs: X, `[batch, time, feature]`, standardised, with missing values filled in.
          time_mask: `[batch, time]` boolean, the steps that exist. The others may be NaN and change nothing. A patient
            without a step has the context 0. `None`: all.
          static: `[batch, static]`, joined with the context before the outcome head.
          mask: `[batch]` boolean, the patients that exist. The others may be NaN, and their outputs are finite and
            without meaning.
          train: Static. Dropout.

        Returns:
          `RetainOutputs`.

        Raises:
          ValueError: A shape does not fit.
          TypeError: A mask is not boolean.
        """
        exists = existing_steps("Retain", inputs, time_mask, mask)
        there = exists[..., None]
        inputs = jnp.where(there, inputs, 0)
        embed = nn.Dense(self.embedding, use_bias=False, name="embedding")
        values = embed(inputs)

        states = GruLayer(self.temporal_hidden, reverse=True, name="temporal_gru")(values, exists)
        scores = nn.Dense(1, use_bias=False, name="temporal_score")(states)[..., 0]
        # Not -inf: where no step exists softmax would be NaN; so it is uniform, and then set to 0.
        alpha = jax.nn.softmax(jnp.where(exists, scores, jnp.finfo(scores.dtype).min))
        alpha = jnp.where(exists, alpha, 0)

        states = GruLayer(self.feature_hidden, reverse=True, name="feature_gru")(values, exists)
        beta = jnp.tanh(nn.Dense(self.embedding, name="feature_attention")(states))
        beta = jnp.where(there, beta, 0)

        context = jnp.einsum("bt,bte,bte->be", alpha, beta, values)
        context = Dropout(self.dropout)(context, deterministic=not train)
        representation = join_static("Retain", context, static, mask)
        head = nn.Dense(1, name="outcome_head")
        outcome = head(representation)[..., 0]

        weights = head.get_variable("params", "kernel")[: self.embedding, 0]
        of_features = (beta * weights) @ embed.get_variable("params", "kernel").T
        return RetainOutputs(outcome, representation, alpha, beta, alpha[..., None] * of_features * inputs)
