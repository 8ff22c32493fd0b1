"""The fully convolutional network for time series: three convolutions and nothing else."""

import dataclasses

import jax
from flax import linen as nn

from jaxfair.models.conv import Strategy
from jaxfair.models.conv_stack import ConvStack, StackConfig


@dataclasses.dataclass(frozen=True)
class FcnConfig(StackConfig):
    """Sizes of the network.

    Attributes:
      channels: Features of each convolution, as published.
    """

    channels: tuple[int, ...] = (128, 256, 128)


class Fcn(nn.Module):
    """Convolution, batch normalisation, ReLU, three times: the backbone of a `TimeSeriesClassifier`.

    Attributes:
      config: Sizes.
      strategy: How the convolutions are computed; None lets `conv` choose.

    References:
      Wang, Yan, Oates: Time series classification from scratch with deep neural networks: a strong baseline. IJCNN
      2017, section II.B. Ismail Fawaz et al.: Deep learning for time series classification: a review. Data Mining and
      Knowledge Discovery 33, 2019, section 3.2.2, whose code gives the sizes.
    """

    config: FcnConfig = FcnConfig()
    strategy: Strategy | None = None

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool, mask: jax.Array | None = None) -> jax.Array:
        """Maps finite `[batch, time, channel]` to `[batch, time, channels[-1]]`, not negative."""
        stack = ConvStack(self.config.channels, self.config, self.strategy, name="stack")
        return nn.relu(stack(inputs, train=train, mask=mask))
