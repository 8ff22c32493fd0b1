"""The convolution of this project: one function, three ways to compute it (`conv_strategies`), and its layer."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jax.typing import ArrayLike

from jaxfair.models.conv_strategies import STRATEGIES, Geometry

Strategy = Literal["slices", "canonical", "reference"]
Padding = str | Sequence[tuple[int, int]]


def conv(
    inputs: ArrayLike,
    kernel: ArrayLike,
    *,
    strides: int | Sequence[int] = 1,
    padding: Padding = "SAME",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    strategy: Strategy | None = None,
) -> jax.Array:
    """Convolution over the last axes but one, channels last, in 1-D or 2-D (or more).

    As everywhere in deep learning this is a cross-correlation, the kernel is not flipped:
    `outputs[t, o] = sum_{j, i} inputs[t * stride + j * dilation - pad_before, i] kernel[j, i, o]`.
    "SAME" pads as XLA does: with a stride the padding depends on the length, and an odd remainder goes behind, which
    is not what PyTorch's symmetric `padding=k // 2` does. Give explicit pairs to reproduce that.

    All strategies give the same values and gradients, up to the order of summation. "canonical" and "slices" have
    gradients of their own and so no forward-mode derivative; use "reference" under `jax.jvp`.

    Args:
      inputs: `[..., batch, *space, channel]`; the leading axes are treated as further batch axes.
      kernel: `[*window, channel / groups, feature]`. Its rank says how many spatial axes there are.
      strides: Step of the window along each spatial axis.
      padding: "SAME", "VALID", or one pair (before, after) for each spatial axis.
      dilation: Distance between neighbouring taps of the window along each spatial axis.
      groups: Into how many groups the channels and features are cut, each convolved on its own. As many groups as
        channels is a depthwise convolution.
      strategy: "slices" concatenates shifted slices of the inputs and multiplies once by the kernel as a matrix;
        "canonical" writes the convolution and both of its gradients in the layout of XLA's fast CPU kernel;
        "reference" is `lax.conv_general_dilated` with JAX's own gradients. None chooses, see `choose_strategy`.

    Returns:
      `[..., batch, *space', feature]`.

    Raises:
      ValueError: The arguments do not fit together.
    """
    inputs, kernel = jnp.asarray(inputs), jnp.asarray(kernel)
    dtype = jnp.promote_types(inputs.dtype, kernel.dtype)
    inputs, kernel = inputs.astype(dtype), kernel.astype(dtype)
    geometry = _geometry(inputs.shape, kernel.shape, strides, padding, dilation, groups)
    if strategy is None:
        strategy = choose_strategy(inputs.shape, kernel.shape, groups)
    if strategy not in STRATEGIES:
        raise ValueError(f"conv: strategy {strategy!r} is none of {sorted(STRATEGIES)}.")
    inner = kernel.ndim - 1  # Rank of one example: its spatial axes and channels.
    lead = inputs.shape[:-inner]
    outputs = STRATEGIES[strategy](inputs.reshape(-1, *inputs.shape[-inner:]), kernel, geometry)
    return outputs.reshape(*lead, *outputs.shape[1:])


def choose_strategy(
    inputs_shape: Sequence[int], kernel_shape: Sequence[int], groups: int = 1, platform: str | None = None
) -> Strategy:
    """The strategy that `conv` takes if none is given.

    Times are of one core for both gradients of a step inside `lax.scan`, "slices" against "canonical". Under `vmap`
    over batched kernels a canonical convolution becomes a grouped one, which XLA's CPU kernel computes 2.5 times
    slower than the batched product of "slices" even at 37 MB; a sweep on a CPU that wants a width above 1 should ask
    for "slices".

    Args:
      inputs_shape: `[..., batch, *space, channel]`.
      kernel_shape: `[*window, channel / groups, feature]`.
      groups: Number of groups.
      platform: "cpu", "gpu" or "tpu"; None means JAX's default backend.
    """
    *window, channels, _ = kernel_shape
    if math.prod(window) == 1 and groups == 1:
        return "slices"  # A product of matrices, with nothing to concatenate: 42 against 67 ms for 64 to 256 features.
    # Neighbouring samples stand in several slices. While all slices together stay in a core's caches this costs little
    # (58 x 12 samples, 0.4 MB: 0.30 against 0.57 ms; 3.6 MB: 4.0 against 4.2 ms), beyond it decides (7 MB: 10.7
    # against 8.1 ms; 37 MB: 68 against 42 ms).
    small = math.prod(inputs_shape) * math.prod(window) * 4 <= 4e6
    if (platform or jax.default_backend()) == "cpu":
        # Depthwise, XLA's kernel computes one channel at a time: 28 against 119 ms for 64 channels of 3 x 3.
        depthwise = groups > 1 and channels == 1
        return "slices" if small or depthwise else "canonical"
    # Elsewhere the vendor's kernels are as fast inside a scan. Small 1-D networks are there to be vmapped over
    # members, which turns their products into batched ones, and convolutions into grouped ones.
    return "slices" if small and len(window) == 1 else "reference"


def _geometry(inputs_shape, kernel_shape, strides, padding, dilation, groups) -> Geometry:
    rank = len(kernel_shape) - 2
    if rank < 1 or len(inputs_shape) < rank + 2:
        raise ValueError(
            f"conv: inputs {inputs_shape} and kernel {kernel_shape} must be [..., batch, *space, channel] and "
            "[*window, channel / groups, feature]."
        )
    *window, channels, features = kernel_shape
    if inputs_shape[-1] != channels * groups or features % groups:
        raise ValueError(
            f"conv: inputs have {inputs_shape[-1]} channels, kernel {kernel_shape} in {groups} groups takes "
            f"{channels * groups}; its {features} features must be a multiple of the groups."
        )
    strides, dilation = _each(strides, rank, "strides"), _each(dilation, rank, "dilation")
    space = inputs_shape[-1 - rank : -1]
    reach = [(size - 1) * step + 1 for size, step in zip(window, dilation, strict=True)]
    if isinstance(padding, str):
        if padding not in ("SAME", "VALID"):
            raise ValueError(f'conv: padding {padding!r} is neither "SAME", "VALID" nor a pair for each axis.')
        padding = lax.padtype_to_pads(space, reach, strides, padding)
    if len(padding) != rank or any(len(pair) != 2 for pair in padding):
        raise ValueError(f"conv: padding {padding!r} must hold one (before, after) pair for each of {rank} axes.")
    padding = tuple((int(before), int(after)) for before, after in padding)
    for size, (before, after), wide in zip(space, padding, reach, strict=True):
        if size + before + after < wide:
            raise ValueError(
                f"conv: a window that reaches over {wide} positions does not fit into {size} padded by "
                f"({before}, {after}); pad more or use a smaller kernel."
            )
    return Geometry(strides, padding, dilation, groups)


def _each(value: int | Sequence[int], rank: int, name: str) -> tuple[int, ...]:
    values = (value,) * rank if isinstance(value, int) else tuple(int(entry) for entry in value)
    if len(values) != rank or min(values) < 1:
        raise ValueError(f"conv: {name} {value!r} must be positive, one number or one for each of {rank} axes.")
    return values


class Conv(nn.Module):
    """`conv` with a kernel (He normal, as ReLU follows) and a bias (zeros) of its own.

    Leave the bias out where batch normalisation follows directly: the normalisation subtracts it again, its true
    gradient is 0, and an adaptive optimiser turns the rounding noise of that 0 into full steps.

    Attributes:
      features: Number of output channels.
      kernel_size: Window along each spatial axis.
      strides, padding, dilation, groups, strategy: As in `conv`.
      use_bias: Whether to add a bias.
      kernel_init, bias_init: Initialisers.
    """

    features: int
    kernel_size: Sequence[int]
    strides: int | Sequence[int] = 1
    padding: Padding = "SAME"
    dilation: int | Sequence[int] = 1
    groups: int = 1
    use_bias: bool = True
    strategy: Strategy | None = None
    kernel_init: Any = nn.initializers.he_normal()
    bias_init: Any = nn.initializers.zeros

    @nn.compact
    def __call__(self, inputs: ArrayLike) -> jax.Array:
        """Convolves `[..., batch, *space, channel]` to `[..., batch, *space', features]`."""
        inputs = jnp.asarray(inputs)
        shape = (*self.kernel_size, inputs.shape[-1] // self.groups, self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        outputs = conv(
            inputs,
            kernel,
            strides=self.strides,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            strategy=self.strategy,
        )
        if self.use_bias:
            outputs = outputs + self.param("bias", self.bias_init, (self.features,))
        return outputs
