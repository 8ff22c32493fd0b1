"""Recurrent baselines for sequences of measurements: LSTM, and GRU-D, which knows when values were measured."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import ArrayLike

from jaxfair.models.dropout import Dropout
from jaxfair.models.recurrent_layers import GruLayer, LstmLayer
from jaxfair.models.sequences import SequenceOutputs, check_mask, check_shape, existing_steps, join_static


class Lstm(nn.Module):
    """Predicts a binary outcome from the last state of one or more layers of long short-term memory.

    `params` has the groups `layer_0` (and so on) and `outcome_head`.

    Attributes:
      hidden: Entries of each layer's state.
      num_layers: Layers, each over the states of the one before.
      dropout: Share of each layer's states set to 0 in training; needs `rngs={"dropout": key}`. PyTorch leaves out
        the last layer.

    References:
      `jaxfair.models.recurrent_layers.LstmLayer`.
    """

    hidden: int = 32
    num_layers: int = 1
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
    ) -> SequenceOutputs:
        """Outcome and representation.

        Args:
          inputs: `[batch, time, feature]`, standardised, with missing values filled in.
          time_mask: `[batch, time]` boolean, the steps that exist. The others may be NaN and change nothing. A patient
            without a step is represented by 0. `None`: all.
          static: `[batch, static]`, joined with the last state before the outcome head.
          mask: `[batch]` boolean, the patients that exist. The others may be NaN, and their outputs are finite and
            without meaning.
          train: Static. Dropout.

        Returns:
          `SequenceOutputs`, with a representation `[batch, hidden + static]`.

        Raises:
          ValueError: A shape does not fit.
          TypeError: A mask is not boolean.
        """
        exists = existing_steps("Lstm", inputs, time_mask, mask)
        values = inputs
        for layer in range(self.num_layers):
            values = LstmLayer(self.hidden, name=f"layer_{layer}")(values, exists)
            values = Dropout(self.dropout)(values, deterministic=not train)
        # The last step's, for the steps that do not exist have kept the state of the last one that does.
        representation = join_static("Lstm", values[:, -1], static, mask)
        return SequenceOutputs(nn.Dense(1, name="outcome_head")(representation)[..., 0], representation)


def steps_since_measured(measured: jax.Array, exists: jax.Array | None = None) -> jax.Array:
    """δ of Che et al. for steps one unit of time apart: how long ago each feature was last measured before each step.

    0 at the first step that exists. After it `δ_t = 1` if the feature was measured at t − 1, else `1 + δ_{t−1}`: before
    a first measurement δ counts from the first step. Steps that do not exist take their time.

    Args:
      measured: `[batch, time, feature]` boolean.
      exists: `[batch, time]` boolean. `None`: all.

    Returns:
      `[batch, time, feature]`, 32-bit floats, 0 where no step exists.
    """
    step = jnp.arange(measured.shape[1])[:, None]
    if exists is None:  # Not by `argmax` over a constant, which XLA takes a second to fold at compile time.
        first, counted = jnp.zeros((len(measured), 1, 1), step.dtype), measured
    else:
        first, counted = jnp.argmax(exists, axis=1)[:, None, None], measured & exists[..., None]
    last = jax.lax.cummax(jnp.where(counted, step, first), axis=1)
    before = jnp.concatenate([jnp.broadcast_to(first, last[:, :1].shape), last[:, :-1]], axis=1)
    since = step - before if exists is None else jnp.where(exists[..., None], step - before, 0)
    return since.astype(jnp.float32)


class GruD(nn.Module):
    """Gated recurrent units whose inputs and state decay since the last measurement, to the mean and to 0.

        γ_t = exp(−max(0, W_γ δ_t + b_γ)), once for the inputs (W_γ diagonal) and once for the state
        x̂_t = x_t where measured, else γ_x ⊙ x_t' + (1 − γ_x) ⊙ x̃
        h_t = GRU([x̂_t, m_t], γ_h ⊙ h_{t−1})

    with x_t' the last measured value and x̃ the mean of the training data, which also stands for x_t' before the first
    measurement (the paper does not say). The kernels that the paper calls W and V, of x̂ and m, are one, first the rows
    of x̂.

    `params` has the groups `gru`, `outcome_head`, and `input_decay_kernel` `[feature]`, `state_decay_kernel`
    `[feature, hidden]` with their biases.

    Attributes:
      hidden: Entries of the state.
      dropout: Share of the last state set to 0 in training; needs `rngs={"dropout": key}`.
      initial_decay: Decay per unit of `since` that `init` gives at most: uniform from 0, so that no max(0, ·) begins
        where it has no gradient. 0.1 is made for hours.

    References:
      Che et al., "Recurrent Neural Networks for Multivariate Time Series with Missing Values", Scientific Reports 2018,
      section "GRU-D".
    """

    hidden: int = 32
    dropout: float = 0.0
    initial_decay: float = 0.1

    @nn.compact
    def __call__(
        self,
        inputs: jax.Array,
        *,
        measured: ArrayLike | None = None,
        since: ArrayLike | None = None,
        means: ArrayLike | None = None,
        time_mask: ArrayLike | None = None,
        static: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        train: bool = False,
    ) -> SequenceOutputs:
        """Outcome and representation.

        Args:
          inputs: `[batch, time, feature]`, standardised. What was not measured may be NaN or filled in: it is not used.
          measured: m, `[batch, time, feature]` boolean. `None`: everything was.
          since: δ, `[batch, time, feature]`: the time since each feature's last measurement before the step, in any
            unit. `None`: `steps_since_measured`.
          means: x̃, `[feature]`, of the training data. `None`: 0, as standardised inputs have.
          time_mask: `[batch, time]` boolean, the steps that exist; see `Lstm`.
          static: `[batch, static]`, joined with the last state before the outcome head.
          mask: `[batch]` boolean, the patients that exist; see `Lstm`.
          train: Static. Dropout.

        Returns:
          `SequenceOutputs`, with a representation `[batch, hidden + static]`.

        Raises:
          ValueError: A shape does not fit.
          TypeError: A mask, or `measured`, is not boolean.
        """
        exists = existing_steps("GruD", inputs, time_mask, mask)
        check_mask("GruD", "measured", measured, inputs.shape)
        check_shape("GruD", "since", since, inputs.shape)
        num_features = inputs.shape[-1]
        check_shape("GruD", "means", means, (num_features,))
        measured = jnp.ones(inputs.shape, bool) if measured is None else jnp.asarray(measured)
        measured = measured & exists[..., None]
        if since is None:
            since = steps_since_measured(measured, exists if time_mask is not None else None)
        since = jnp.where(exists[..., None], since, 0)
        since = since.astype(inputs.dtype)
        means = jnp.zeros(num_features, inputs.dtype) if means is None else jnp.asarray(means)

        per_feature, zeros = nn.initializers.uniform(self.initial_decay), nn.initializers.zeros
        kernel = self.param("input_decay_kernel", per_feature, (num_features,))
        bias = self.param("input_decay_bias", zeros, (num_features,))
        input_decay = jnp.exp(-nn.relu(since * kernel + bias))
        # The rates of all features add up.
        per_feature = nn.initializers.uniform(self.initial_decay / num_features)
        kernel = self.param("state_decay_kernel", per_feature, (num_features, self.hidden))
        bias = self.param("state_decay_bias", zeros, (self.hidden,))
        state_decay = jnp.exp(-nn.relu(since @ kernel + bias))

        values = jnp.where(measured, inputs, 0)
        last = _last_measured(values, measured, means)
        values = jnp.where(measured, values, input_decay * last + (1 - input_decay) * means)
        with_mask = jnp.concatenate([values, measured.astype(values.dtype)], axis=-1)
        states = GruLayer(self.hidden, name="gru")(with_mask, exists, state_decay)
        last_state = Dropout(self.dropout)(states[:, -1], deterministic=not train)
        representation = join_static("GruD", last_state, static, mask)
        return SequenceOutputs(nn.Dense(1, name="outcome_head")(representation)[..., 0], representation)


def _last_measured(values, measured, means):
    """The last measured value of each feature up to each step, and the mean before there is one."""
    step = jnp.where(measured, jnp.arange(measured.shape[1])[:, None], -1)
    place = jax.lax.cummax(step, axis=1)
    return jnp.where(place >= 0, jnp.take_along_axis(values, jnp.maximum(place, 0), axis=1), means)
