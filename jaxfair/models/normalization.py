"""Batch normalisation that knows which examples of a batch exist."""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax


class BatchNorm(nn.Module):
    """Normalises each channel by the mean and the variance over the batch and over space.

    `outputs = (inputs - mean) / sqrt(variance + epsilon) * scale + bias`. In training, mean and variance are the
    batch's and the running ones (collection `batch_stats`) move towards them; in evaluation they are the running ones.

    Whoever calls with `train=True` updates the running statistics, whatever the optimiser does with the parameters:
    freezing a network by giving it no updates does not freeze its statistics, `train=False` does.

    Mean and mean of squares come from one pass in float32; the variance is their difference, cut off at 0. That is
    exact enough while the mean does not exceed the standard deviation by some thousands, so standardise raw inputs.
    The running variance is the biased one, as in Flax (PyTorch keeps the unbiased one).

    Attributes:
      momentum: Share of the running statistics that a step keeps. 0.9 forgets within some tens of batches, so they
        describe the weights of now; PyTorch calls the same setting 0.1.
      epsilon: Keeps the division finite where a channel is constant.
    """

    momentum: float = 0.9
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool, mask: jax.Array | None = None) -> jax.Array:
        """Normalises.

        Args:
          inputs: `[batch, ..., channel]`.
          train: Static. True takes the batch's statistics and updates the running ones.
          mask: `[batch]` boolean (or with more of the leading axes). Entries outside do not count in the statistics;
            they are normalised all the same and must be finite, so mask a network's inputs once where they enter:
            selecting again in every layer costs a tenth of a training step. Where no entry counts, the running
            statistics are used and kept.

        Returns:
          `[batch, ..., channel]`.
        """
        channels = inputs.shape[-1:]
        scale = self.param("scale", nn.initializers.ones, channels)
        bias = self.param("bias", nn.initializers.zeros, channels)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, channels, jnp.float32)
        running_variance = self.variable("batch_stats", "var", jnp.ones, channels, jnp.float32)
        mean, variance = running_mean.value, running_variance.value
        if train:
            mean, variance = _batch_statistics(inputs, mask, mean, variance)
            if not self.is_initializing():
                running_mean.value = _towards(running_mean.value, mean, self.momentum)
                running_variance.value = _towards(running_variance.value, variance, self.momentum)
        factor = scale * lax.rsqrt(variance + self.epsilon)
        return (inputs * factor + (bias - mean * factor)).astype(inputs.dtype)


def _batch_statistics(inputs, mask, otherwise_mean, otherwise_variance):
    """Mean and variance of each channel over the entries that count."""
    wide = inputs.astype(jnp.float32)
    mask = jnp.ones(inputs.shape[:1], bool) if mask is None else mask
    # Each example's own sums first: the mask then selects among a few numbers and not among all entries.
    space = tuple(range(mask.ndim, inputs.ndim - 1))
    count = mask.sum() * math.prod(inputs.shape[axis] for axis in space)
    counts = jnp.maximum(count, 1).astype(jnp.float32)

    def average(values):
        return jnp.where(mask[..., None], values.sum(space), 0).sum(tuple(range(mask.ndim))) / counts

    mean = average(wide)
    variance = jnp.maximum(average(jnp.square(wide)) - jnp.square(mean), 0)
    return jnp.where(count > 0, mean, otherwise_mean), jnp.where(count > 0, variance, otherwise_variance)


def _towards(running, batch, momentum):
    return lax.stop_gradient(momentum * running + (1 - momentum) * batch)
