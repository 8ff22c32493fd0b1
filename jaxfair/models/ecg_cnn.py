"""The network of the age study: a backbone shared by a head for the disease and a head for the age."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxfair.models import product
from jaxfair.models.conv import Conv, Strategy
from jaxfair.models.heads import DenseHead
from jaxfair.models.normalization import BatchNorm
from jaxfair.models.pooling import max_pool


@dataclasses.dataclass(frozen=True)
class EcgCnnConfig:
    """Sizes of the network. The paper publishes the kinds and the number of layers, none of their sizes.

    Attributes:
      channels: Features of each convolutional block. 32 are nearly three for each of the 12 leads; doubled where
        pooling halves the time, so that both blocks cost about the same.
      kernel_size: Samples that a convolution sees. 5 are 50 ms at 100 Hz, half a normal QRS complex; with the pooling
        the second block sees 150 ms, a whole one.
      representation: Features that both heads see. 64 from 896 pooled values: wide enough that reading an attribute
        from them is a fair test, narrow enough for kernel statistics on a batch.
      disease_hidden: Width of the disease head's first layer, half the representation.
      num_classes: Logits of the disease head. Two with a softmax, as in the paper, for healthy and infarction.
      dropout: Share of the flattened features set to 0 in training, before the dense layer. 0 as in the paper; the
        joint training that removes age uses 0.3, as it overfits otherwise.
    """

    channels: tuple[int, ...] = (32, 64)
    kernel_size: int = 5
    representation: int = 64
    disease_hidden: int = 32
    num_classes: int = 2
    dropout: float = 0.0


class Outputs(NamedTuple):
    """What the network says about a batch.

    Attributes:
      representation: `[batch, feature]`.
      disease: `[batch, class]` logits.
      age: `[batch]`, in the unit the age head is trained in.
    """

    representation: jax.Array
    disease: jax.Array
    age: jax.Array


class EcgBackbone(nn.Module):
    """Blocks of convolution, ReLU, batch normalisation and max pooling, then one dense layer with ReLU.

    The order is the paper's: "convolutional blocks with ReLU activation, batch normalization and max pooling". As the
    ReLU stands between them, normalisation does not undo the convolution's bias, so the bias stays.

    Attributes:
      config: Sizes.
      strategy: How the convolutions are computed, see `jaxfair.models.conv`.
    """

    config: EcgCnnConfig = EcgCnnConfig()
    strategy: Strategy | None = None

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool, mask: jax.Array | None = None) -> jax.Array:
        """Maps `[batch, time, lead]` to `[batch, representation]`; see `EcgCnn.represent`."""
        config = self.config
        values = inputs
        if mask is not None:
            # What is NaN outside the mask must be gone before the first product, or it reaches the kernels' gradient.
            values = jnp.where(mask[:, None, None], values, 0)
        for number, channels in enumerate(config.channels):
            convolve = Conv(channels, (config.kernel_size,), strategy=self.strategy, name=f"conv_{number}")
            values = nn.relu(convolve(values))
            values = BatchNorm(name=f"norm_{number}")(values, train=train, mask=mask)
            values = max_pool(values, (2,))
        values = values.reshape(len(values), -1)
        if config.dropout:
            values = nn.Dropout(config.dropout, deterministic=not train)(values)
        dense = nn.Dense(
            config.representation,
            kernel_init=nn.initializers.he_normal(),
            dot_general=product.dot_general,  # The third largest product of a training step.
            name="dense",
        )
        return nn.relu(dense(values))


class EcgCnn(nn.Module):
    """Myocardial infarction and age from an average 12-lead beat.

    `params` has the groups `backbone`, `disease_head` and `age_head`, and `batch_stats` has `backbone`, so a training
    stage freezes a part by its name. Batch statistics are no parameters: `represent(..., train=True)` updates them even
    where only a head or nothing of the backbone is trained. The second stage (age head on the frozen backbone)
    therefore takes `train=False`; in the third (backbone trained, heads frozen) `train=True` is right, and the running
    statistics follow the backbone.

    Dropout is used only if the configuration asks for it, and then wants `rngs={"dropout": key}` in training.

    Attributes:
      config: Sizes.
      strategy: How the convolutions are computed; None lets `conv` choose.

    References:
      Ibrahimi, Rivolta, Sassi: Adversarial Multitask Learning Reduces the Correlation Between Age and Deep Learning
      Predictions of Myocardial Infarction from Electrocardiograms. Computing in Cardiology 2024, section 2.4.
    """

    config: EcgCnnConfig = EcgCnnConfig()
    strategy: Strategy | None = None

    def setup(self):
        self.backbone = EcgBackbone(self.config, self.strategy)
        self.disease_head = DenseHead((self.config.disease_hidden, self.config.num_classes))
        self.age_head = DenseHead((1,))

    def __call__(self, inputs: jax.Array, *, train: bool = False, mask: jax.Array | None = None) -> Outputs:
        """All three outputs; arguments as in `represent`."""
        representation = self.represent(inputs, train=train, mask=mask)
        return Outputs(representation, self.disease(representation), self.age(representation))

    def represent(self, inputs: jax.Array, *, train: bool = False, mask: jax.Array | None = None) -> jax.Array:
        """What the backbone makes of the beats.

        Args:
          inputs: `[batch, time, lead]`, mV.
          train: Static. Batch statistics and dropout (True) or running statistics (False).
          mask: `[batch]` boolean, the entries of the batch that exist. The others may be NaN, do not count in the
            statistics, and give finite outputs without meaning.

        Returns:
          `[batch, representation]`, not negative.
        """
        return self.backbone(inputs, train=train, mask=mask)

    def disease(self, representation: jax.Array) -> jax.Array:
        """`[batch, class]` logits; softmax makes them probabilities."""
        return self.disease_head(representation)

    def age(self, representation: jax.Array) -> jax.Array:
        """`[batch]` predicted ages: linear and unbounded, as a bounded output would let an adversary saturate it."""
        return self.age_head(representation)[..., 0]
