"""Dropout from a byte of randomness an entry; of a small model on a CPU, 32 bits are a tenth of a training step."""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn


class Dropout(nn.Module):
    """Sets a share of all entries to 0 in training and divides the others by the share that is left.

    As `flax.linen.Dropout`, but that the share is a multiple of 1/256, the nearest to `rate`; what is left is divided
    by exactly what is left on average, so the mean of an entry is its value.

    Attributes:
      rate: The share, from 0 to 1, wanting `rngs={"dropout": key}`.
      deterministic: True: nothing is dropped.

    References:
      Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 2014.
    """

    rate: float
    deterministic: bool | None = None

    @nn.compact
    def __call__(self, values: jax.Array, deterministic: bool | None = None) -> jax.Array:
        """The values, some of them 0.

        Args:
          values: Of any shape.
          deterministic: Here or as an attribute.

        Raises:
          ValueError: `rate` is no share, or `deterministic` is given twice or not at all.
        """
        deterministic = nn.merge_param("deterministic", self.deterministic, deterministic)
        if not 0 <= self.rate <= 1:
            raise ValueError(f"Dropout: rate must lie between 0 and 1, but is {self.rate}.")
        dropped = round(256 * self.rate)
        if deterministic or dropped == 0:
            return values
        if dropped == 256:
            return jnp.zeros_like(values)
        size = math.prod(values.shape)
        words = jax.random.bits(self.make_rng("dropout"), (-(-size // 4),), jnp.uint32)
        bytes_ = jax.lax.bitcast_convert_type(words, jnp.uint8).reshape(-1)[:size].reshape(values.shape)
        return jnp.where(bytes_ >= dropped, values * (256 / (256 - dropped)), 0).astype(values.dtype)
