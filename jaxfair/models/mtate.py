"""The masked triple attention transformer encoder (MTATE): one fair representation out of one per domain."""

import dataclasses
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import ArrayLike

from jaxfair.gradient_reversal import reverse_gradient
from jaxfair.models.attention import sinusoidal_positions
from jaxfair.models.mtate_modules import (
    DomainClassifier,
    FeatureRelevanceAttention,
    RepresentationAttention,
    TemporalRelevanceAttention,
    domain_losses,
    draw_kept,
    reinsert,
)
from jaxfair.models.sequences import check_shape, existing_steps, join_static, max_over_time


@dataclasses.dataclass(frozen=True)
class MtateConfig:
    """Sizes and switches. The paper publishes no size but the masking rate.

    The parts that the paper's Table 3 removes are `temporal_attention`, `feature_attention` and
    `representation_attention`, False each, and `masking_rate` 0.

    Attributes:
      num_domains: N_d, binary domains, one feature relevance module and one classifier each. 9 are named in the paper:
        age, gender, race, Charlson index, diabetes, hypertension, cardiovascular disease, kidney disease, sepsis.
      masking_rate: Share of the latent features that each module goes without. 0.4 was best in appendix A.4.
      redraw_masks: False: drawn once, at `init`. True: at every call with `train=True` anew (`rngs={"masks": key}`),
        and those of `init` otherwise. The paper says "randomly selected"; N_l and the shapes of Eq. 14 fit both, one
        weight to one feature only the first.
      num_blocks: N of Figure 2, how often temporal and feature relevance attention are stacked.
      num_heads: N_h, heads of the temporal relevance attention.
      head_dim: d_k. 4 heads of 8 are 32 columns of each projection, more than twice the paper's dozen of features.
      feature_heads: N'_h, heads of the feature relevance attentions.
      feature_head_dim: d'_k, much smaller than N_t: a time course is summed up, not copied.
      hidden: Columns of W_1 in the point-wise networks, several times N_l as in Vaswani et al.
      attention_dim: d_a of the representation-wise attention.
      dropout: Share set to 0 in training before each residual sum; needs `rngs={"dropout": key}`. Not in the paper.
      feature_norm: Axis of the layer norm after feature relevance attention. "time" is what the text says (M is
        transposed back after it); "feature" keeps the levels, see `FeatureRelevanceAttention.norm_axis`.
      temporal_attention: False: `Z = X`, without positions.
      feature_attention: False: masking and point-wise networks remain, so that the domains still differ.
      representation_attention: False: all domains weigh the same, `a_i = 1/N_d`.
      stop_domain_loss: The gradient of the outcome does not flow through L_d in Eq. 5. Otherwise the domain classifiers
        learn to be wrong, or sure, wherever that weighs a useful representation more. The paper says nothing.
    """

    num_domains: int = 9
    masking_rate: float = 0.4
    redraw_masks: bool = False
    num_blocks: int = 1
    num_heads: int = 4
    head_dim: int = 8
    feature_heads: int = 4
    feature_head_dim: int = 8
    hidden: int = 64
    attention_dim: int = 16
    dropout: float = 0.0
    feature_norm: Literal["time", "feature"] = "time"
    temporal_attention: bool = True
    feature_attention: bool = True
    representation_attention: bool = True
    stop_domain_loss: bool = True

    def __post_init__(self):
        if self.feature_norm not in ("time", "feature"):
            raise ValueError(f'MtateConfig: feature_norm must be "time" or "feature", but is {self.feature_norm!r}.')
        for name in ("num_domains", "num_blocks"):
            if getattr(self, name) < 1:
                raise ValueError(f"MtateConfig: {name} must be at least 1, but is {getattr(self, name)}.")


class MtateOutputs(NamedTuple):
    """What the network says about a batch.

    Attributes:
      outcome: `[batch]` logits.
      representation: h, `[batch, N_f + static]`: C joined with the static features, of which the contrastive loss is
        taken and which other classifiers may be trained on.
      domains: `[batch, N_d]` logits.
      domain_losses: L_d, `[batch, N_d]`, entropies where labels are not known: see `domain_losses`.
      representation_weights: a, `[batch, N_d]`.
      domain_representations: E, `[batch, N_d, N_f]`.
      temporal_attention: A_TR of each block: `[batch, head, time, time]` of the first, `[batch, N_d, head, time, time]`
        of the later ones; empty without that attention.
      feature_attention: A_FR of each block, `[batch, N_d, head, N_l, N_l]`; empty without that attention.
      kept: `[N_d, N_l]`, the features that the last two axes of `feature_attention` are.
    """

    outcome: jax.Array
    representation: jax.Array
    domains: jax.Array
    domain_losses: jax.Array
    representation_weights: jax.Array
    domain_representations: jax.Array
    temporal_attention: tuple[jax.Array, ...]
    feature_attention: tuple[jax.Array, ...]
    kept: jax.Array


class Mtate(nn.Module):
    """Predicts a binary outcome from a sequence of features, through one representation for each domain.

    `params` has the groups `temporal_0`, `feature_0` (and so on with the blocks), `domain_classifiers`,
    `representation_attention` and `outcome_head`. The N_d modules of a group are one, vmapped: its parameters have the
    domain as first axis. The masks are no parameters but the variable `kept` of the collection `masks`, drawn by `init`
    from its key; put your own `[N_d, N_l]` integers there to choose them.

    In blocks after the first every domain has a stream of its own: the re-inserted output of the block before, through
    a temporal and a feature relevance attention of its own, with the same mask.

    The domain classifiers learn nothing from the outcome (with `stop_domain_loss`): add
    `masked_mean(outputs.domain_losses, known)` to the loss, or an equivalent.

    Attributes:
      config: Sizes and switches.

    References:
      "Unbiased Representation of Electronic Health Records for Patient Outcome Prediction", submitted to ICLR 2023;
      docs/papers/mtate.md has a table from its equations to this code.
    """

    config: MtateConfig = MtateConfig()

    @nn.compact
    def __call__(
        self,
        inputs: jax.Array,
        *,
        time_mask: jax.Array | None = None,
        static: jax.Array | None = None,
        domain_labels: ArrayLike | None = None,
        mask: jax.Array | None = None,
        train: bool = False,
        reversal: ArrayLike | None = None,
    ) -> MtateOutputs:
        """All outputs.

        Args:
          inputs: X, `[batch, time, N_f]`, standardised, with missing values filled in.
          time_mask: `[batch, time]` boolean, the steps that exist. The others may be NaN and change nothing. A patient
            without a step is represented by 0. `None`: all.
          static: `[batch, static]`, joined with the representation before the outcome head.
          domain_labels: `[batch, N_d]`, 0 or 1, NaN where not known; `None` where none is, as at test time.
          mask: `[batch]` boolean, the patients that exist. The others may be NaN, and their outputs are finite and
            without meaning.
          train: Static. Dropout and, if the configuration asks for it, new masks.
          reversal: A scalar: the gradient from the domain classifiers to what is below them is multiplied by minus it
            (`reverse_gradient`), which is the paper's baseline DANN*. `None`: passed on as it is.

        Returns:
          `MtateOutputs`.

        Raises:
          ValueError: A shape does not fit, or the masking rate leaves no feature.
          TypeError: A mask is not boolean.
        """
        config = self.config
        time_mask = existing_steps("Mtate", inputs, time_mask, mask)
        check_shape("Mtate", "domain_labels", domain_labels, (len(inputs), config.num_domains))
        num_features = inputs.shape[-1]
        kept = self._kept(num_features, train)
        # What is NaN outside the mask must be gone before the first product, or it reaches the kernels' gradient.
        values = jnp.where(time_mask[..., None], inputs, 0)
        if config.temporal_attention:
            positions = sinusoidal_positions(*inputs.shape[1:]).astype(values.dtype)
            values = jnp.where(time_mask[..., None], values + positions, 0)
        latent, temporal, feature = self._blocks(values, kept, time_mask, train)

        of_features = num_features if config.redraw_masks else None
        pooled = max_over_time(latent, time_mask[:, None])
        judged = pooled if reversal is None else reverse_gradient(pooled, reversal)
        classify = self._per_domain(DomainClassifier, (1, 0))(of_features, name="domain_classifiers")
        domains = classify(judged, kept)
        losses = domain_losses(domains, domain_labels)

        candidates = _reinsert_all(pooled, kept, num_features)
        if config.representation_attention:
            weighing = jax.lax.stop_gradient(losses) if config.stop_domain_loss else losses
            attend = RepresentationAttention(config.attention_dim, name="representation_attention")
            final, weights = attend(candidates, weighing)
        else:
            final = candidates.mean(axis=1)
            weights = jnp.full(domains.shape, 1 / config.num_domains, final.dtype)
        representation = join_static("Mtate", final, static, mask)
        outcome = nn.Dense(1, name="outcome_head")(representation)[..., 0]
        return MtateOutputs(
            outcome, representation, domains, losses, weights, candidates, tuple(temporal), tuple(feature), kept
        )

    def _kept(self, num_features, train):
        """The features that each domain's masking leaves, `[domain, N_l]`."""
        config = self.config

        def draw(stream):
            return draw_kept(self.make_rng(stream), config.num_domains, num_features, config.masking_rate)

        kept = self.variable("masks", "kept", draw, "params").value
        if config.redraw_masks and train and not self.is_initializing():
            return draw("masks")
        return kept

    def _per_domain(self, module, in_axes):
        """N_d modules with parameters of their own as one; the domain is the second axis of what they put out."""
        return nn.vmap(
            module,
            in_axes=in_axes,
            out_axes=1,
            axis_size=self.config.num_domains,
            variable_axes={"params": 0},
            split_rngs={"params": True, "dropout": True},
        )

    def _blocks(self, values, kept, time_mask, train):
        """Z' of the last block, `[batch, domain, time, N_l]`, and the attentions of all."""
        config, num_features = self.config, values.shape[-1]
        temporal, feature = [], []
        for block in range(config.num_blocks):
            axis = None if block == 0 else 1  # One stream for all domains first, then one for each.
            if config.temporal_attention:
                kind = TemporalRelevanceAttention
                kind = kind if block == 0 else self._per_domain(kind, (axis, None, None))
                attend = kind(config.num_heads, config.head_dim, config.dropout, name=f"temporal_{block}")
                values, weights = attend(values, time_mask, train)
                temporal.append(weights)
            attend = self._per_domain(FeatureRelevanceAttention, (axis, 0, None, None))(
                config.feature_heads,
                config.feature_head_dim,
                config.hidden,
                attention=config.feature_attention,
                norm_axis=config.feature_norm,
                num_features=num_features if config.redraw_masks else None,
                dropout=config.dropout,
                name=f"feature_{block}",
            )
            latent, weights = attend(values, kept, time_mask, train)
            if config.feature_attention:
                feature.append(weights)
            values = _reinsert_all(latent, kept, num_features)
        return latent, temporal, feature


def _reinsert_all(latent, kept, num_features):
    """`reinsert` of each domain by its own mask: `[batch, domain, ..., N_l]` to `[batch, domain, ..., N_f]`."""
    return jax.vmap(reinsert, (1, 0, None), 1)(latent, kept, num_features)
