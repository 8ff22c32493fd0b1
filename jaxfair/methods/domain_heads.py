"""Heads that read the domains from a representation: one for each domain, side by side."""

from collections.abc import Sequence

import jax
from flax import linen as nn

from jaxfair.models.heads import DenseHead


class DomainHeads(nn.Module):
    """A network of dense layers for each domain on the same representation; vmapped, so that they are one.

    The parameters have the domain as first axis.

    Attributes:
      num_domains: N_d.
      hidden: Widths of the hidden layers; without one the heads are linear.
    """

    num_domains: int
    hidden: Sequence[int] = (32,)

    @nn.compact
    def __call__(self, representation: jax.Array) -> jax.Array:
        """`[batch, k]` to `[batch, domain]` logits."""
        heads = nn.vmap(
            DenseHead,
            in_axes=None,
            out_axes=1,
            axis_size=self.num_domains,
            variable_axes={"params": 0},
            split_rngs={"params": True},
        )
        return heads((*self.hidden, 1), name="heads")(representation)[..., 0]
