"""Convolutions with batch normalisation: the part that the networks for time series have in common."""

import dataclasses

import jax
from flax import linen as nn

from jaxfair.models.conv import Conv, Strategy
from jaxfair.models.normalization import BatchNorm


@dataclasses.dataclass(frozen=True)
class StackConfig:
    """What every stack of convolutions in a network shares.

    Attributes:
      kernel_sizes: Samples that each convolution sees. 8, 5, 3 as in Wang et al., section II. The even one is padded
        by 3 samples in front and 4 behind, as XLA and Keras do with "same".
      momentum: Share of the running statistics that a step keeps. 0.99 is Keras's, with which the published accuracies
        were made: an average of some 200 batches, wanted for batches of 2 series, but 1 % of the starting values is
        still there after 460 steps. Take 0.9 for trainings of a few hundred steps.
      epsilon: Added to the variances. Keras's too.
    """

    kernel_sizes: tuple[int, ...] = (8, 5, 3)
    momentum: float = 0.99
    epsilon: float = 1e-3


class ConvStack(nn.Module):
    """Convolutions, each followed by batch normalisation, with ReLU between them and none after the last.

    The convolutions have no bias, as the normalisation would subtract it again (Keras's originals keep theirs, which
    changes their count of parameters and nothing else).

    Attributes:
      features: Channels that each convolution gives.
      config: Kernel sizes, one for each entry of `features`, and the normalisation.
      strategy: How the convolutions are computed; None lets `conv` choose.
    """

    features: tuple[int, ...]
    config: StackConfig = StackConfig()
    strategy: Strategy | None = None

    @nn.compact
    def __call__(self, values: jax.Array, *, train: bool, mask: jax.Array | None = None) -> jax.Array:
        """Maps `[batch, time, channel]` to `[batch, time, features[-1]]`; `mask` as in `BatchNorm`."""
        sizes = self.config.kernel_sizes
        if len(sizes) != len(self.features):
            raise ValueError(f"ConvStack: {self.features} features need as many kernel sizes, got {sizes}.")
        for number, (features, size) in enumerate(zip(self.features, sizes, strict=True)):
            if number:
                values = nn.relu(values)
            values = _convolve(features, size, self.strategy, f"conv_{number}")(values)
            values = _normalize(self.config, f"norm_{number}")(values, train=train, mask=mask)
        return values


class Shortcut(nn.Module):
    """The way around a stack: batch normalisation, after a convolution of one sample where the channels differ.

    He et al. leave an input whose channels fit as it is; the residual network for time series normalises that too.

    Attributes:
      features: Channels to give.
      config: The normalisation.
      strategy: How the convolution is computed.
    """

    features: int
    config: StackConfig = StackConfig()
    strategy: Strategy | None = None

    @nn.compact
    def __call__(self, values: jax.Array, *, train: bool, mask: jax.Array | None = None) -> jax.Array:
        """Maps `[batch, time, channel]` to `[batch, time, features]`; `mask` as in `BatchNorm`."""
        if values.shape[-1] != self.features:
            values = _convolve(self.features, 1, self.strategy, "conv")(values)
        return _normalize(self.config, "norm")(values, train=train, mask=mask)


def _convolve(features, size, strategy, name):
    # Glorot's uniform weights are Keras's default, which the published accuracies started from.
    initial = nn.initializers.glorot_uniform()
    return Conv(features, (size,), use_bias=False, strategy=strategy, kernel_init=initial, name=name)


def _normalize(config, name):
    return BatchNorm(momentum=config.momentum, epsilon=config.epsilon, name=name)
