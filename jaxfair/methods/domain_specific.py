"""Domain-specific heads: the outcome of every group is read from the representation by a head of its own."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxfair.methods.classifier import Setting
from jaxfair.models.sequences import SequenceOutputs


class DomainSpecific(nn.Module):
    """Any network's representation, with a linear outcome head for each group of each domain.

        logit = 1/N_d Σ_d (w_{d, g_d} · r + b_{d, g_d})

    with g_d the patient's group in domain d: 0, 1, or that of the patients whose label is not known, which have a head
    as well. No head gets a gradient from another group's patients. It is the opposite extreme of a representation that
    is the same for all groups, and needs the labels of the domains at test time.

    `params` has the groups `network`, with an outcome head of its own that is never used nor trained, and `kernel`
    `[domain, 3, k]` and `bias` `[domain, 3]`.

    Attributes:
      network: As in `classifier.Setting`.
    """

    network: nn.Module

    @nn.compact
    def __call__(
        self, *, domains: jax.Array, mask: jax.Array | None = None, train: bool = False, **arguments: Any
    ) -> SequenceOutputs:
        """Outcome and representation.

        Args:
          domains: `[batch, domain]`: 0, 1 or NaN.
          mask: `[batch]` boolean, the examples that exist. `None`: all.
          train: Static. Passed to the network.
          **arguments: The network's.

        Returns:
          `SequenceOutputs`: logits `[batch]`, and the network's representation `[batch, k]`, 0 outside the mask.
        """
        representation = self.network(**arguments, mask=mask, train=train).representation
        if mask is not None:
            representation = jnp.where(mask[:, None], representation, 0)
        num_domains = domains.shape[1]
        fan_in = nn.initializers.lecun_normal(in_axis=-1, out_axis=(), batch_axis=(0, 1))
        kernel = self.param("kernel", fan_in, (num_domains, 3, representation.shape[-1]))
        bias = self.param("bias", nn.initializers.zeros, (num_domains, 3))
        logits = jnp.einsum("bk,dgk->bdg", representation, kernel) + bias
        group = jnp.where(jnp.isnan(domains), 2, (domains == 1).astype(jnp.int32))
        own = jnp.where(group[..., None] == jnp.arange(3), logits, 0).sum(-1)
        return SequenceOutputs(own.mean(-1), representation)


def domain_specific(setting: Setting) -> Setting:
    """The setting with its network in a `DomainSpecific`, for `classifier.plain`, `classifier.apply` or any method.

    Args:
      setting: Of the network without these heads.

    Returns:
      A setting whose network is also given `domains`. Equal settings give equal ones, which share their programs.
    """
    arguments = _WithDomains(setting.arguments)
    return dataclasses.replace(setting, network=DomainSpecific(setting.network), arguments=arguments)


@dataclasses.dataclass(frozen=True)
class _WithDomains:
    """What the network is given, and the domains; a class, so that two of the same are equal."""

    arguments: Callable[[Mapping[str, Any]], Mapping[str, Any]]

    def __call__(self, data):
        return {**self.arguments(data), "domains": data["domains"]}
