"""What turns a representation into predictions."""

from collections.abc import Sequence

import jax
from flax import linen as nn


class DenseHead(nn.Module):
    """Dense layers with ReLU between them and nothing after the last.

    Logits and unbounded regressions both need the raw last layer: the losses apply softmax or sigmoid themselves.

    Attributes:
      features: Width of each layer; the last is the number of outputs. One entry is a linear head.
    """

    features: Sequence[int]

    @nn.compact
    def __call__(self, representation: jax.Array) -> jax.Array:
        """Maps `[..., channel]` to `[..., features[-1]]`."""
        *hidden, outputs = self.features
        values = representation
        for width in hidden:
            values = nn.relu(nn.Dense(width, kernel_init=nn.initializers.he_normal())(values))
        return nn.Dense(outputs)(values)
