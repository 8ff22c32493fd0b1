"""The parts of a transformer encoder: positions, attention under a mask, the feed-forward network, residual and norm.

Every part takes a boolean mask of what exists. What does not may hold NaN; it has exactly zero gradient, and what is
put out in its place is finite and without meaning unless a docstring says more.
"""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxfair.models.computed_once import computed_once


def sinusoidal_positions(num_positions: int, num_features: int) -> jax.Array:
    """The position encoding of Vaswani et al., to be added to the inputs.

    `PE[t, 2i] = sin(t / 10000^(2i/d))` and `PE[t, 2i+1] = cos(t / 10000^(2i/d))`. With an odd number of features the
    last one is a sine without its cosine.

    Its entries are as large as standardised inputs, and of the first few features they change from step to step.

    Args:
      num_positions: Time steps.
      num_features: d.

    Returns:
      `[num_positions, num_features]`.

    References:
      Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.5.
    """
    feature = jnp.arange(num_features)
    rate = 10000.0 ** (-(feature - feature % 2) / num_features)
    angle = jnp.arange(num_positions)[:, None] * rate
    return jnp.where(feature % 2 == 0, jnp.sin(angle), jnp.cos(angle))


@jax.custom_vjp
def matrix_product(left: jax.Array, right: jax.Array) -> jax.Array:
    """`left @ right` with the same leading axes, and with gradients in the form for which XLA has fast CPU kernels.

    The gradients are a custom rule, so there is no forward-mode derivative.

    Args:
      left: `[..., row, k]`.
      right: `[..., k, column]`.

    Returns:
      `[..., row, column]`.
    """
    return left @ right


def _forward(left, right):
    return left @ right, (left, right)


def _backward(residuals, cotangent):
    left, right = residuals
    to_left = cotangent @ jnp.swapaxes(right, -1, -2)
    if jax.default_backend() != "cpu":
        return to_left, jnp.swapaxes(left, -1, -2) @ cotangent
    # On CPUs XLA is slow at a product with a transposed factor: the kernel's gradient of [3072, 64] by [64, 7] for 9
    # domains takes 2.1 ms, and 0.3 ms in this form. So the narrower factor is transposed in memory first; without
    # `computed_once` XLA would fold the transposes back into the product.
    if left.shape[-1] <= cotangent.shape[-1]:
        return to_left, computed_once(jnp.swapaxes(left, -1, -2)) @ cotangent
    transposed = computed_once(jnp.swapaxes(cotangent, -1, -2)) @ left
    return to_left, jnp.swapaxes(computed_once(transposed), -1, -2)


matrix_product.defvjp(_forward, _backward)


def product_over_last(inputs: jax.Array, kernel: jax.Array) -> jax.Array:
    """`inputs @ kernel` as one product of two matrices, the leading axes of the inputs joined into one.

    With more than one leading axis XLA on CPUs takes the kernel's gradient from a transposed copy of the cotangent, at
    a fifth to a thirtieth of the speed.

    Args:
      inputs: `[..., k]`.
      kernel: `[k, column]`.

    Returns:
      `[..., column]`.
    """
    # The variables of a finished sweep are NumPy arrays, which must not reach a custom derivative inside vmap and jit
    # (jax 0.10: "non-canonical constant"). The factor 1 makes JAX arrays of them, and XLA removes it.
    product = matrix_product(1 * inputs.reshape(-1, inputs.shape[-1]), 1 * kernel)
    return product.reshape(*inputs.shape[:-1], kernel.shape[-1])


def scaled_dot_product_attention(
    query: jax.Array, key: jax.Array, value: jax.Array, key_mask: jax.Array | None = None
) -> tuple[jax.Array, jax.Array]:
    """`softmax(Q Kᵀ / √d) V`, the softmax over the keys that exist.

    Args:
      query: `[..., query, d]`.
      key: `[..., key, d]`.
      value: `[..., key, v]`.
      key_mask: `[..., key]` boolean, the keys that exist; leading axes broadcast. `None`: all.

    Returns:
      The attended values `[..., query, v]`, and the weights `[..., query, key]`, which sum to 1 over the keys. A key
      that does not exist has weight 0; where none exists, all weights and the attended values are 0.

    References:
      Vaswani et al., "Attention Is All You Need", NeurIPS 2017, Eq. 1.
    """
    if key_mask is not None:
        # A weight of 0 would not keep NaN out of the sum over values, nor out of the gradient of the products.
        key = jnp.where(key_mask[..., None], key, 0)
        value = jnp.where(key_mask[..., None], value, 0)
    scores = matrix_product(query, jnp.swapaxes(key, -1, -2)) / jnp.sqrt(query.shape[-1]).astype(query.dtype)
    if key_mask is None:
        weights = jax.nn.softmax(scores)
    else:
        exists = key_mask[..., None, :]
        # Not -inf: where no key exists softmax would be NaN; so it is uniform, and then set to 0.
        weights = jax.nn.softmax(jnp.where(exists, scores, jnp.finfo(scores.dtype).min))
        weights = jnp.where(exists, weights, 0)
    return matrix_product(weights, value), weights


class MultiHeadAttention(nn.Module):
    """Attention of the tokens of a sequence to each other, in several heads side by side.

    `Concat(softmax(Q_h K_hᵀ / √d) V_h) W_O` with `Q_h, K_h, V_h = X W_Q^h, X W_K^h, X W_V^h`. Parameters are laid out
    and named as in `flax.linen.MultiHeadDotProductAttention`, with which it agrees. Unlike that module it gives the
    weights of each head back, and 0 where no key exists (Flax averages over the masked tokens there).

    Attributes:
      num_heads: Heads.
      head_dim: d, features of query, key and value in each head; it need not divide the width of the inputs.
      use_bias: Biases of the four projections. MTATE writes none.
    """

    num_heads: int
    head_dim: int
    use_bias: bool = False

    @nn.compact
    def __call__(self, inputs: jax.Array, mask: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        """Attends.

        Args:
          inputs: `[..., token, feature]`.
          mask: `[..., token]` boolean, the tokens that exist.

        Returns:
          `[..., token, feature]` and the weights `[..., head, query token, key token]`.
        """
        if mask is not None:
            inputs = jnp.where(mask[..., None], inputs, 0)
            mask = mask[..., None, :]  # The same for all heads.

        num_features, heads = inputs.shape[-1], (self.num_heads, self.head_dim)

        def project(name):
            kernel, bias = _Projection((num_features,), heads, self.use_bias, name=name)()
            projected = product_over_last(inputs, kernel) + bias
            return jnp.swapaxes(projected.reshape(*inputs.shape[:-1], *heads), -3, -2)

        attended, weights = scaled_dot_product_attention(project("query"), project("key"), project("value"), mask)
        kernel, bias = _Projection(heads, (num_features,), self.use_bias, name="out")()
        joined = jnp.swapaxes(attended, -3, -2).reshape(*inputs.shape[:-1], -1)
        return product_over_last(joined, kernel) + bias, weights


class _Projection(nn.Module):
    """The parameters of `flax.linen.DenseGeneral` as a matrix and a vector (0 without a bias), for one flat product."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    use_bias: bool

    @nn.compact
    def __call__(self) -> tuple[jax.Array, jax.Array | float]:
        rows, columns = math.prod(self.before), math.prod(self.after)

        def init(key, shape):
            return nn.initializers.lecun_normal()(key, (rows, columns)).reshape(shape)

        kernel = self.param("kernel", init, (*self.before, *self.after)).reshape(rows, columns)
        if not self.use_bias:
            return kernel, 0.0
        return kernel, self.param("bias", nn.initializers.zeros, self.after).reshape(columns)


class FeedForward(nn.Module):
    """The point-wise network `max(0, x W_1 + b_1) W_2 + b_2`, the same at every time step.

    Attributes:
      hidden: Columns of W_1.
      num_features: Features that have parameters; `None`: as many as the inputs have.
    """

    hidden: int
    num_features: int | None = None

    @nn.compact
    def __call__(self, inputs: jax.Array, rows: jax.Array | None = None) -> jax.Array:
        """Maps `[..., feature]` to the same shape.

        Args:
          inputs: `[..., feature]`.
          rows: `[feature]` integers: which of the `num_features` each feature of the inputs is. `None`: they are all of
            them, in order.

        Returns:
          `[..., feature]`.
        """
        width = self.num_features or inputs.shape[-1]
        kernel_1 = self.param("kernel_1", nn.initializers.he_normal(), (width, self.hidden))
        bias_1 = self.param("bias_1", nn.initializers.zeros, (self.hidden,))
        kernel_2 = self.param("kernel_2", nn.initializers.lecun_normal(), (self.hidden, width))
        bias_2 = self.param("bias_2", nn.initializers.zeros, (width,))
        if rows is not None:
            kernel_1, kernel_2, bias_2 = kernel_1[rows], kernel_2[:, rows], bias_2[rows]
        hidden = nn.relu(product_over_last(inputs, kernel_1) + bias_1)
        return product_over_last(hidden, kernel_2) + bias_2


class ResidualNorm(nn.Module):
    """`LayerNorm(inputs + branch)`: what stands around every part of a transformer.

    Mean and variance are those over the last axis, of the entries that exist there. `flax.linen.LayerNorm` takes such a
    mask too, but gives NaN where it leaves nothing.

    Attributes:
      num_features: Entries of the last axis that have a scale and a bias; `None`: as many as the inputs have.
      epsilon: Added to the variance. 1e-5 as in PyTorch; Flax has 1e-6, and the paper says nothing.
    """

    num_features: int | None = None
    epsilon: float = 1e-5

    @nn.compact
    def __call__(
        self,
        inputs: jax.Array,
        branch: jax.Array,
        *,
        rows: jax.Array | None = None,
        mask: jax.Array | None = None,
    ) -> jax.Array:
        """Adds and normalises.

        Args:
          inputs: `[..., feature]`.
          branch: The same shape.
          rows: As in `FeedForward`.
          mask: Boolean, broadcasting to the inputs: the entries that exist.

        Returns:
          `[..., feature]`; 0 where an entry does not exist.
        """
        width = self.num_features or inputs.shape[-1]
        scale = self.param("scale", nn.initializers.ones, (width,))
        bias = self.param("bias", nn.initializers.zeros, (width,))
        if rows is not None:
            scale, bias = scale[rows], bias[rows]
        values = inputs + branch
        mask = jnp.ones(values.shape, bool) if mask is None else jnp.broadcast_to(mask, values.shape)
        values = jnp.where(mask, values, 0)
        count = jnp.maximum(mask.sum(-1, keepdims=True), 1).astype(values.dtype)
        centered = jnp.where(mask, values - values.sum(-1, keepdims=True) / count, 0)
        variance = jnp.square(centered).sum(-1, keepdims=True) / count
        return jnp.where(mask, centered * jax.lax.rsqrt(variance + self.epsilon) * scale + bias, 0)
