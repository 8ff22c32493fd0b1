"""Blend-Res2Net: two residual channels side by side, which blend a series with its spectrum."""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxfair.models.conv import Strategy
from jaxfair.models.conv_stack import ConvStack, Shortcut, StackConfig
from jaxfair.models.spectrum import Kind, spectrum


@dataclasses.dataclass(frozen=True)
class BlendRes2NetConfig(StackConfig):
    """Sizes and choices. Only the two sums and the order of the layers are published, no size and no choice below.

    Attributes:
      channels: Features of each block. Those of the residual network for time series that the paper builds on.
      depth: Blocks in each channel, 1 to `len(channels)`. The paper's 'restrained learning' estimates the depth from
        the data, by a rule that is not public; here it is chosen on a held-out part of the training set, outside.
      transform: Which real form the complex transform takes, see `spectrum`. The magnitude does not change when the
        series is shifted around its ends, and convolutions pooled over all time hardly see a shift either.
      transform_every_block: Whether each block transforms its own input, the equations as they stand for every layer.
        Without it only the first block does, and later ones are plain residual blocks: the spectrum is then a
        second input of the network, which is how an explainer without a rule for the transform could have been used.
      merge: "concatenate" lets the dense layer weigh each feature of both channels; "add" gives it their sums, and
        half as many weights.
      spectrum_epsilon: The least magnitude, see `spectrum`.
    """

    channels: tuple[int, ...] = (64, 128, 128)
    depth: int = 3
    transform: Kind = "magnitude"
    transform_every_block: bool = True
    merge: Literal["concatenate", "add"] = "concatenate"
    spectrum_epsilon: float = 1e-3

    def __post_init__(self):
        if not 1 <= self.depth <= len(self.channels):
            raise ValueError(f"BlendRes2NetConfig: depth {self.depth} must be 1 to {len(self.channels)} (channels).")
        if self.merge not in ("concatenate", "add"):
            raise ValueError(f'BlendRes2NetConfig: merge {self.merge!r} is neither "concatenate" nor "add".')


class BlendRes2Net(nn.Module):
    """Two parallel residual networks, merged: the backbone of a `TimeSeriesClassifier`.

    Block by block `H1(x) = ReLU(F(x) + S(T(x)))` in the first channel and `H2(x) = ReLU(F(T(x)) + S(x))` in the second.
    T is the transform (`spectrum`), F a `ConvStack` of three convolutions, S a `Shortcut` that fits the channels; each
    has its own weights. Where the second channel convolves a spectrum, its time axis holds frequencies.

    Attributes:
      config: Sizes and choices.
      strategy: How the convolutions are computed; None lets `conv` choose.

    References:
      Ukil, Jara, Marin: Blend-Res2Net: Blended representation space by transformation of residual mapping with
      restrained learning for time series classification. ICASSP 2021. Ukil, Jara, Marin: Explainability by Shapley
      attribution for electrocardiogram-based algorithmic diagnosis under subtractive counterfactual reasoning setup.
      EXPLIMED 2024, section 4.
    """

    config: BlendRes2NetConfig = BlendRes2NetConfig()
    strategy: Strategy | None = None

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool, mask: jax.Array | None = None) -> jax.Array:
        """Maps finite `[batch, time, channel]` to `[batch, time, feature]`, not negative."""
        config = self.config
        first = second = inputs
        for number, features in enumerate(config.channels[: config.depth]):
            transforms = number == 0 or config.transform_every_block
            first = self._block(f"first_{number}", features, first, self._spectrum(first, transforms), train, mask)
            second = self._block(f"second_{number}", features, self._spectrum(second, transforms), second, train, mask)
        return first + second if config.merge == "add" else jnp.concatenate([first, second], axis=-1)

    def _block(self, name, features, convolved, added, train, mask):
        sizes = (features,) * len(self.config.kernel_sizes)
        stack = ConvStack(sizes, self.config, self.strategy, name=f"{name}_stack")
        shortcut = Shortcut(features, self.config, self.strategy, name=f"{name}_shortcut")
        return nn.relu(stack(convolved, train=train, mask=mask) + shortcut(added, train=train, mask=mask))

    def _spectrum(self, values, transforms):
        if not transforms:
            return values
        return spectrum(values, self.config.transform, epsilon=self.config.spectrum_epsilon)
