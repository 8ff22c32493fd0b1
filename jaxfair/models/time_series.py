"""Classifiers of time series: one of the backbones by its name, pooled over time, and a dense layer."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxfair.models.blend_res2net import BlendRes2Net, BlendRes2NetConfig
from jaxfair.models.conv import Strategy
from jaxfair.models.fcn import Fcn, FcnConfig
from jaxfair.models.heads import DenseHead
from jaxfair.models.time_series_resnet import TimeSeriesResNet, TimeSeriesResNetConfig

BACKBONES = {
    "blend_res2net": (BlendRes2Net, BlendRes2NetConfig),
    "resnet": (TimeSeriesResNet, TimeSeriesResNetConfig),
    "fcn": (Fcn, FcnConfig),
}


class TimeSeriesClassifier(nn.Module):
    """Logits from the mean over time of a backbone's features.

    `params` has the groups `backbone` and `head`, and `batch_stats` has `backbone`, so a training stage freezes a part
    by its name. Batch statistics are no parameters: `train=True` updates them even where the backbone is not trained.

    Attributes:
      backbone: Maps `[batch, time, channel]` to `[batch, time, feature]`.
      num_classes: Logits.
    """

    backbone: nn.Module
    num_classes: int

    def setup(self):
        self.head = DenseHead((self.num_classes,))

    def __call__(self, inputs: jax.Array, *, train: bool = False, mask: jax.Array | None = None) -> jax.Array:
        """`[batch, class]` logits; arguments as in `represent`. Softmax makes them probabilities."""
        return self.head(self.represent(inputs, train=train, mask=mask))

    def represent(self, inputs: jax.Array, *, train: bool = False, mask: jax.Array | None = None) -> jax.Array:
        """The pooled features.

        Args:
          inputs: `[batch, time, channel]`, standardised; a single lead has one channel.
          train: Static. Batch statistics (True) or running statistics (False).
          mask: `[batch]` boolean, the entries of the batch that exist. The others may be NaN, do not count in the
            statistics, and give finite outputs without meaning.

        Returns:
          `[batch, feature]`, not negative.
        """
        if mask is not None:
            # What is NaN outside the mask must be gone before the first product, or it reaches the kernels' gradient.
            inputs = jnp.where(mask[:, None, None], inputs, 0)
        return self.backbone(inputs, train=train, mask=mask).mean(axis=1)


def time_series_classifier(
    name: str, num_classes: int, *, strategy: Strategy | None = None, **sizes
) -> TimeSeriesClassifier:
    """The classifier of a backbone's name.

    Args:
      name: "blend_res2net", "resnet" or "fcn".
      num_classes: Logits.
      strategy: How the convolutions are computed; None lets `conv` choose.
      **sizes: Fields of the backbone's configuration (`BlendRes2NetConfig`, `TimeSeriesResNetConfig`, `FcnConfig`).

    Returns:
      A module of `module.apply(variables, inputs, train=False, mask=None)`.

    Raises:
      ValueError: No backbone has this name.
      TypeError: The configuration has no such field.
    """
    if name not in BACKBONES:
        raise ValueError(f"time_series_classifier: {name!r} is none of {sorted(BACKBONES)}.")
    backbone, config = BACKBONES[name]
    return TimeSeriesClassifier(backbone(config(**sizes), strategy), num_classes)
