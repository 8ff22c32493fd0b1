"""The residual network for time series."""

import dataclasses

import jax
from flax import linen as nn

from jaxfair.models.conv import Strategy
from jaxfair.models.conv_stack import ConvStack, Shortcut, StackConfig


@dataclasses.dataclass(frozen=True)
class TimeSeriesResNetConfig(StackConfig):
    """Sizes of the network.

    Attributes:
      channels: Features of each block, and so how many blocks there are. 64, 128, 128 are those of the code of Ismail
        Fawaz et al., with which the published accuracies were made.
    """

    channels: tuple[int, ...] = (64, 128, 128)


class TimeSeriesResNet(nn.Module):
    """Blocks `ReLU(F(x) + shortcut(x))` at the full length: the backbone of a `TimeSeriesClassifier`.

    `F` is a `ConvStack` of three convolutions, the shortcut a `Shortcut`: in the first two blocks of the default a
    convolution of one sample with batch normalisation, in the third, whose channels fit, batch normalisation alone.

    Attributes:
      config: Sizes.
      strategy: How the convolutions are computed; None lets `conv` choose.

    References:
      Wang, Yan, Oates: Time series classification from scratch with deep neural networks: a strong baseline. IJCNN
      2017, section II.C. Ismail Fawaz et al.: Deep learning for time series classification: a review. Data Mining and
      Knowledge Discovery 33, 2019, section 3.2.3, whose code gives the sizes.
    """

    config: TimeSeriesResNetConfig = TimeSeriesResNetConfig()
    strategy: Strategy | None = None

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool, mask: jax.Array | None = None) -> jax.Array:
        """Maps finite `[batch, time, channel]` to `[batch, time, channels[-1]]`, not negative."""
        config, values = self.config, inputs
        for number, features in enumerate(config.channels):
            stack = ConvStack((features,) * len(config.kernel_sizes), config, self.strategy, name=f"stack_{number}")
            shortcut = Shortcut(features, config, self.strategy, name=f"shortcut_{number}")
            values = nn.relu(stack(values, train=train, mask=mask) + shortcut(values, train=train, mask=mask))
        return values
