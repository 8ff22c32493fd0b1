"""Heads that read the domains from a network's representation: one for each domain, side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxfair.methods import classifier
from jaxfair.methods.classifier import Setting
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


def initial_with_heads(
    setting: Setting,
    data: Mapping[str, Any],
    key: jax.Array,
    *,
    name: str,
    hidden: Sequence[int],
    num_more_inputs: int = 0,
) -> dict[str, Any]:
    """The network's initial variables, and beside its parameters those of `DomainHeads` on its representation.

    Args:
      setting: What is compiled in.
      data: All of them.
      key: A typed key; the network's variables are those of `classifier.initial` with the same key.
      name: The heads' group in `params`, at which the network does not look.
      hidden: As in `DomainHeads`.
      num_more_inputs: Inputs of the heads beside the representation.

    Returns:
      Flax variables.

    Raises:
      ValueError: The network has a group of parameters of this name.
    """
    variables = classifier.initial(setting, data, key)
    if name in variables["params"]:
        raise ValueError(
            f"initial_with_heads: the network has parameters {name!r} of its own, and the method needs the name; "
            "rename the network's submodule."
        )
    outputs = jax.eval_shape(lambda: classifier.apply(setting, variables, classifier.first_example(data)))
    width = outputs.representation.shape[-1] + num_more_inputs
    heads = DomainHeads(data["domains"].shape[1], hidden)
    params = heads.init(jax.random.fold_in(key, 1), jnp.zeros((1, width)))["params"]
    return {**variables, "params": {**variables["params"], name: params}}
