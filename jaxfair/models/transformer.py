"""A Transformer encoder for sequences of measurements, with one representation for every patient."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import ArrayLike

from jaxfair.models.attention import FeedForward, MultiHeadAttention, ResidualNorm, sinusoidal_positions
from jaxfair.models.dropout import Dropout
from jaxfair.models.sequences import existing_steps, join_static, last_over_time, max_over_time, mean_over_time

POOLINGS = {"mean": mean_over_time, "last": last_over_time, "max": max_over_time}


class TransformerOutputs(NamedTuple):
    """What the encoder says about a batch.

    Attributes:
      outcome: `[batch]` logits.
      representation: `[batch, width + static]`: the pooled steps joined with the static features.
      attention: Of each block, `[batch, head, query step, key step]`. A step that does not exist has weight 0 as a key;
        what it attends to has no meaning.
    """

    outcome: jax.Array
    representation: jax.Array
    attention: tuple[jax.Array, ...]


class Transformer(nn.Module):
    """Predicts a binary outcome from the steps of a Transformer encoder, pooled.

        Z = X W + b + PE
        Z = LayerNorm(Z + MultiHead(Z)), then Z = LayerNorm(Z + FeedForward(Z)), in each block
        logit = wᵀ pool(Z) + b

    The norm comes after the sum, as in the paper and by default in PyTorch, and there is none after the last block.
    Dropout is MTATE's, before each sum; PyTorch also drops attention weights and hidden entries.

    `params` has `embedding`, `attention_0`, `attention_norm_0`, `feed_forward_0`, `feed_forward_norm_0` (and so on with
    the blocks) and `outcome_head`.

    Attributes:
      width: Entries of a step within the encoder.
      num_blocks: N.
      num_heads: Heads.
      head_dim: d_k. `None`: width / num_heads.
      hidden: Entries of the hidden layer of the feed-forward network.
      pooling: How the steps that exist become one: "mean", "max" of each entry, or the "last" one.
      dropout: Share set to 0 in training before each residual sum; needs `rngs={"dropout": key}`.

    References:
      Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.
    """

    width: int = 32
    num_blocks: int = 1
    num_heads: int = 4
    head_dim: int | None = None
    hidden: int = 64
    pooling: Literal["mean", "last", "max"] = "mean"
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
    ) -> TransformerOutputs:
        """Outcome, representation, attention.

        Args:
          inputs: X, `[batch, time, feature]`, standardised, with missing values filled in.
          time_mask: `[batch, time]` boolean, the steps that exist. The others may be NaN and change nothing; the
            position of a step counts them. A patient without a step is represented by 0. `None`: all.
          static: `[batch, static]`, joined with the pooled steps before the outcome head.
          mask: `[batch]` boolean, the patients that exist. The others may be NaN, and their outputs are finite and
            without meaning.
          train: Static. Dropout.

        Returns:
          `TransformerOutputs`.

        Raises:
          ValueError: A shape does not fit, the heads do not divide the width, or the pooling is not known.
          TypeError: A mask is not boolean.
        """
        if self.pooling not in POOLINGS:
            raise ValueError(f"Transformer: pooling must be one of {', '.join(POOLINGS)}, but is {self.pooling!r}.")
        head_dim = self.head_dim
        if head_dim is None:
            if self.width % self.num_heads:
                raise ValueError(
                    f"Transformer: without a head_dim, the {self.num_heads} heads must divide the width {self.width}."
                )
            head_dim = self.width // self.num_heads
        exists = existing_steps("Transformer", inputs, time_mask, mask)
        there = exists[..., None]
        drop = Dropout(self.dropout, deterministic=not train)
        values = nn.Dense(self.width, name="embedding")(jnp.where(there, inputs, 0))
        values = values + sinusoidal_positions(inputs.shape[1], self.width).astype(values.dtype)
        attention = []
        for block in range(self.num_blocks):
            attend = MultiHeadAttention(self.num_heads, head_dim, use_bias=True, name=f"attention_{block}")
            branch, weights = attend(values, exists)
            attention.append(weights)
            values = ResidualNorm(name=f"attention_norm_{block}")(values, drop(branch), mask=there)
            branch = FeedForward(self.hidden, name=f"feed_forward_{block}")(values)
            values = ResidualNorm(name=f"feed_forward_norm_{block}")(values, drop(branch), mask=there)
        representation = join_static("Transformer", POOLINGS[self.pooling](values, exists), static, mask)
        outcome = nn.Dense(1, name="outcome_head")(representation)[..., 0]
        return TransformerOutputs(outcome, representation, tuple(attention))
