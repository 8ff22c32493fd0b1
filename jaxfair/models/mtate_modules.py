"""The pieces of the masked triple attention transformer encoder, each written for one stream or one domain.

`jaxfair.models.mtate` puts them together. The symbols are those of the paper: N_t time steps, N_f features, N_d
domains, N_l features that a domain's masking leaves.
"""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import ArrayLike

from jaxfair.models.attention import FeedForward, MultiHeadAttention, ResidualNorm
from jaxfair.models.dropout import Dropout


def num_kept(num_features: int, masking_rate: float) -> int:
    """N_l: the features that remain when `masking_rate * num_features` of them, rounded, are removed.

    A half is rounded up, so that more is removed; the paper does not say how it rounds.

    Raises:
      ValueError: If none remains, or the rate is not in [0, 1).
    """
    if not 0 <= masking_rate < 1:
        raise ValueError(f"The masking rate must be at least 0 and less than 1, but is {masking_rate}.")
    remaining = num_features - math.floor(masking_rate * num_features + 0.5)
    if remaining < 1:
        raise ValueError(
            f"A masking rate of {masking_rate} leaves none of the {num_features} features; "
            f"the largest that leaves one is below {1 - 0.5 / num_features:.4g}."
        )
    return remaining


def draw_kept(key: jax.Array, num_domains: int, num_features: int, masking_rate: float) -> jax.Array:
    """Draws, for each domain by itself, the latent features that its masking leaves.

    Two domains may draw the same ones, and some feature may be left by none.

    Args:
      key: Typed key.
      num_domains: N_d.
      num_features: N_f.
      masking_rate: Share that is removed, see `num_kept`.

    Returns:
      `[domain, N_l]` integers, rising in each row.

    Raises:
      ValueError: As in `num_kept`.
    """
    remaining = num_kept(num_features, masking_rate)
    order = jnp.argsort(jax.random.uniform(key, (num_domains, num_features)), axis=1)
    return jnp.sort(order[:, :remaining], axis=1)


def reinsert(latent: jax.Array, kept: jax.Array, num_features: int) -> jax.Array:
    """Z to Z^o: puts the features that a masking left back to their places, and 0 where it removed one.

    Args:
      latent: `[..., N_l]`.
      kept: `[N_l]` integers.
      num_features: N_f.

    Returns:
      `[..., N_f]`.
    """
    return jnp.zeros((*latent.shape[:-1], num_features), latent.dtype).at[..., kept].set(latent)


def domain_losses(logits: jax.Array, labels: ArrayLike | None = None) -> jax.Array:
    """The binary cross-entropy of each domain classifier: L_d, which weighs the representations.

    With p = sigmoid(logit) it is `−y log p − (1 − y) log(1 − p)`. Where the label is not known, y is p: the loss that
    the classifier itself expects, which is its entropy. A classifier that is sure counts as right there.

    To train the classifiers, average over the known labels alone: lowering an entropy teaches nothing about a domain.

    Args:
      logits: `[batch, domain]`.
      labels: `[batch, domain]`, 0 or 1, NaN where not known. `None`: none is known.

    Returns:
      `[batch, domain]`.
    """
    expected = jax.nn.sigmoid(logits)
    if labels is not None:
        labels = jnp.asarray(labels, logits.dtype)
        known = ~jnp.isnan(labels)
        expected = jnp.where(known, jnp.where(known, labels, 0), expected)
    return jax.nn.softplus(logits) - expected * logits


class TemporalRelevanceAttention(nn.Module):
    """`Z = LayerNorm(MultiHead(X) + X)` over time steps, Eq. 1 to 4; X has its positions added already.

    Attributes:
      num_heads: N_h.
      head_dim: d_k.
      dropout: Share of the attention's output set to 0 in training.
    """

    num_heads: int
    head_dim: int
    dropout: float = 0.0

    @nn.compact
    def __call__(self, inputs: jax.Array, time_mask: jax.Array, train: bool = False) -> tuple[jax.Array, jax.Array]:
        """`[batch, time, N_f]` to the same, 0 at steps that do not exist, and A_TR `[batch, head, time, time]`."""
        attended, weights = MultiHeadAttention(self.num_heads, self.head_dim, name="attention")(inputs, time_mask)
        attended = Dropout(self.dropout, deterministic=not train)(attended)
        return ResidualNorm(name="norm")(inputs, attended, mask=time_mask[..., None]), weights


class FeatureRelevanceAttention(nn.Module):
    """The module of one domain, Eq. 12 to 14: masking, attention between features, point-wise network.

    With M `[N_l, N_t]` what the masking leaves of Zᵀ, `M' = LayerNorm(MultiHead(M) + M)` and
    `Z' = LayerNorm(FFN(M'ᵀ) + M'ᵀ)`. A token is the time course of one feature, so that the projections have N_t rows,
    and a trained module takes sequences of that length alone, padded where they are shorter.

    Attributes:
      num_heads: N'_h.
      head_dim: d'_k.
      hidden: Columns of W_1.
      attention: False leaves the attention, its residual and its norm out: `M' = M`.
      norm_axis: "time" normalises the time course of each feature, as the layer norm of a transformer on M does:
        every feature loses its level and its scale, unless the attention writes them into its shape, and of a patient
        with a single step nothing is left. "feature" normalises each time step over the features, as after the
        point-wise network.
      num_features: N_f where masks are redrawn: the point-wise network and the norms then have parameters for every
        feature, and use those of the features that are left. `None`: for the N_l alone.
      dropout: Share of the outputs of attention and network set to 0 in training.
    """

    num_heads: int
    head_dim: int
    hidden: int
    attention: bool = True
    norm_axis: str = "time"
    num_features: int | None = None
    dropout: float = 0.0

    @nn.compact
    def __call__(
        self, latent: jax.Array, kept: jax.Array, time_mask: jax.Array, train: bool = False
    ) -> tuple[jax.Array, jax.Array | None]:
        """Attends.

        Args:
          latent: Z, `[batch, time, N_f]`.
          kept: `[N_l]` integers, the features that remain.
          time_mask: `[batch, time]` boolean.
          train: Static. Dropout.

        Returns:
          Z' `[batch, time, N_l]`, 0 at steps that do not exist; A_FR `[batch, head, N_l, N_l]`, `None` without
          attention.
        """
        rows = None if self.num_features is None else kept
        exists, weights = time_mask[..., None], None
        drop = Dropout(self.dropout, deterministic=not train)
        masked = jnp.where(exists, latent[..., kept], 0)
        if self.attention:
            tokens = jnp.swapaxes(masked, -1, -2)
            attended, weights = MultiHeadAttention(self.num_heads, self.head_dim, name="attention")(tokens)
            attended = drop(attended)
            if self.norm_axis == "time":
                tokens = ResidualNorm(name="attention_norm")(tokens, attended, mask=time_mask[..., None, :])
                masked = jnp.swapaxes(tokens, -1, -2)
            else:
                attended = jnp.swapaxes(attended, -1, -2)
                norm = ResidualNorm(self.num_features, name="attention_norm")
                masked = norm(masked, attended, rows=rows, mask=exists)
        transformed = drop(FeedForward(self.hidden, self.num_features, name="feed_forward")(masked, rows))
        norm = ResidualNorm(self.num_features, name="feed_forward_norm")
        return norm(masked, transformed, rows=rows, mask=exists), weights


class DomainClassifier(nn.Module):
    """One linear layer on the maximum over time of Z', section 2.4; a sigmoid makes the logit a probability.

    Attributes:
      num_features: As in `FeatureRelevanceAttention`.
    """

    num_features: int | None = None

    @nn.compact
    def __call__(self, pooled: jax.Array, kept: jax.Array) -> jax.Array:
        """`[batch, N_l]` and `[N_l]` to `[batch]` logits."""
        width = self.num_features or pooled.shape[-1]
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (width, 1))[:, 0]
        bias = self.param("bias", nn.initializers.zeros, ())
        return pooled @ (kernel if self.num_features is None else kernel[kept]) + bias


class RepresentationAttention(nn.Module):
    """`a = softmax(tanh(Concat(E, L_d) U_A) W_A)` over the domains and `C = Σ_i a_i E_i`, Eq. 5.

    Attributes:
      attention_dim: d_a.
    """

    attention_dim: int

    @nn.compact
    def __call__(self, representations: jax.Array, losses: jax.Array) -> tuple[jax.Array, jax.Array]:
        """E `[batch, domain, N_f]` and L_d `[batch, domain]` to C `[batch, N_f]` and a `[batch, domain]`."""
        joined = jnp.concatenate([representations, losses[..., None]], axis=-1)
        hidden = jnp.tanh(nn.Dense(self.attention_dim, use_bias=False, name="hidden")(joined))
        weights = jax.nn.softmax(nn.Dense(1, use_bias=False, name="score")(hidden)[..., 0])
        return jnp.einsum("...d,...df->...f", weights, representations), weights
