"""The convolution of this project: one function, three ways to compute it, the same numbers from each.

Training here runs inside `lax.scan`, where XLA on CPUs no longer rewrites convolutions into the form that its fast
kernel takes. The weight gradient that JAX derives for `lax.conv_general_dilated` then runs tens of times slower than
outside the scan. Both other strategies avoid this: one contains no convolution at all, the other contains only
convolutions that are already in that form.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jax.typing import ArrayLike

Strategy = Literal["slices", "canonical", "reference"]
Padding = str | Sequence[tuple[int, int]]


class _Geometry(NamedTuple):
    """Where a convolution looks, one entry for each spatial axis. Hashable: it is static."""

    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int


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
        strategy = choose_strategy(kernel.shape, groups)
    if strategy not in _STRATEGIES:
        raise ValueError(f"conv: strategy {strategy!r} is none of {sorted(_STRATEGIES)}.")
    inner = kernel.ndim - 1  # Rank of one example: its spatial axes and channels.
    lead = inputs.shape[:-inner]
    outputs = _STRATEGIES[strategy](inputs.reshape(-1, *inputs.shape[-inner:]), kernel, geometry)
    return outputs.reshape(*lead, *outputs.shape[1:])


def choose_strategy(kernel_shape: Sequence[int], groups: int = 1, platform: str | None = None) -> Strategy:
    """The strategy that `conv` takes if it is told none.

    Args:
      kernel_shape: `[*window, channel / groups, feature]`.
      groups: Number of groups.
      platform: "cpu", "gpu" or "tpu"; None means JAX's default backend.
    """
    *window, channels, _ = kernel_shape
    taps = math.prod(window)
    if taps == 1 and groups == 1:
        return "slices"  # A 1x1 convolution is a matrix product; there is nothing to concatenate.
    if len(window) == 1 and (groups == 1 or channels == 1):
        return "slices"
    return "canonical" if (platform or jax.default_backend()) == "cpu" else "reference"


def _geometry(inputs_shape, kernel_shape, strides, padding, dilation, groups) -> _Geometry:
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
    return _Geometry(strides, padding, dilation, groups)


def _each(value: int | Sequence[int], rank: int, name: str) -> tuple[int, ...]:
    values = (value,) * rank if isinstance(value, int) else tuple(int(entry) for entry in value)
    if len(values) != rank or min(values) < 1:
        raise ValueError(f"conv: {name} {value!r} must be positive, one number or one for each of {rank} axes.")
    return values


def _slices(inputs: jax.Array, kernel: jax.Array, geometry: _Geometry) -> jax.Array:
    strides, padding, dilation, groups = geometry
    *window, channels, features = kernel.shape
    config = [(0, 0, 0), *((before, after, 0) for before, after in padding), (0, 0, 0)]
    padded = lax.pad(inputs, jnp.zeros((), inputs.dtype), config)
    space = [
        (size - (taps - 1) * apart - 1) // stride + 1
        for size, taps, apart, stride in zip(padded.shape[1:-1], window, dilation, strides, strict=True)
    ]

    def shifted(tap):
        start = [index * apart for index, apart in zip(tap, dilation, strict=True)]
        stop = [at + (size - 1) * stride + 1 for at, size, stride in zip(start, space, strides, strict=True)]
        last = padded.shape[-1]
        return lax.slice(padded, (0, *start, 0), (len(padded), *stop, last), (1, *strides, 1))

    taps = list(_positions(window))
    if groups > 1 and channels == 1:
        # Depthwise: no sum over channels, so nothing for a matrix product to do.
        depth = features // groups
        scales = kernel.reshape(*window, groups, depth)
        products = (shifted(tap)[..., None] * scales[tap] for tap in taps)
        return functools.reduce(jnp.add, products).reshape(len(inputs), *space, features)
    patches = jnp.concatenate([shifted(tap) for tap in taps], axis=-1)
    if groups == 1:
        # One product of two matrices: XLA's fastest CPU kernel, and a batched one under vmap over members.
        flat = _product(patches.reshape(-1, patches.shape[-1]), kernel.reshape(-1, features))
        return flat.reshape(len(inputs), *space, features)
    patches = patches.reshape(-1, len(taps), groups, channels)
    matrices = kernel.reshape(len(taps), channels, groups, features // groups)
    return jnp.einsum("nkgi,kigo->ngo", patches, matrices).reshape(len(inputs), *space, features)


@jax.custom_vjp
def _product(patches: jax.Array, matrix: jax.Array) -> jax.Array:
    """`patches @ matrix`, `[position, k] @ [k, feature]` with very many positions and few features."""
    return patches @ matrix


def _product_forward(patches, matrix):
    return _product(patches, matrix), (patches, matrix)


def _product_backward(residuals, cotangent):
    patches, matrix = residuals
    to_patches = cotangent @ matrix.T
    if jax.default_backend() != "cpu":
        return to_patches, patches.T @ cotangent
    # XLA's CPU kernel for a product whose left factor is transposed reaches half the speed of the plain one (409
    # against 224 us for [160, 928] @ [928, 64] on one core). So the narrow factor is transposed beforehand and the
    # small result afterwards (255 us in all); without the barriers XLA folds both transposes into the product again.
    narrow = lax.optimization_barrier(cotangent.T)
    return to_patches, lax.optimization_barrier(narrow @ patches).T


_product.defvjp(_product_forward, _product_backward)


def _positions(window: Sequence[int]):
    if not window:
        yield ()
        return
    for first in range(window[0]):
        for rest in _positions(window[1:]):
            yield (first, *rest)


def _convolution(inputs, kernel, strides, padding, dilation, groups, spread=None):
    """`lax.conv_general_dilated` with the batch first, channels last and features last; `spread` dilates inputs."""
    rank = kernel.ndim - 2
    if min(side for pair in padding for side in pair) < 0:
        # XLA on CPUs gives wrong numbers for some strided convolutions with negative padding (jaxlib 0.10.2: length
        # 11, window 2, stride 3, padding (-1, 3)). Cutting off beforehand means the same.
        cut = [(min(before, 0), min(after, 0)) for before, after in padding]
        config = [(*pair, step - 1) for pair, step in zip(cut, spread or (1,) * rank, strict=True)]
        inputs = lax.pad(inputs, jnp.zeros((), inputs.dtype), [(0, 0, 0), *config, (0, 0, 0)])
        padding = [(max(before, 0), max(after, 0)) for before, after in padding]
        spread = None
    axes = "".join(str(axis) for axis in range(rank))
    return lax.conv_general_dilated(
        inputs,
        kernel,
        window_strides=strides,
        padding=padding,
        lhs_dilation=spread,
        rhs_dilation=dilation,
        dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
        feature_group_count=groups,
    )


def _reference(inputs: jax.Array, kernel: jax.Array, geometry: _Geometry) -> jax.Array:
    return _convolution(inputs, kernel, *geometry)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _canonical(inputs: jax.Array, kernel: jax.Array, geometry: _Geometry) -> jax.Array:
    return _convolution(inputs, kernel, *geometry)


def _canonical_forward(inputs, kernel, geometry):
    return _canonical(inputs, kernel, geometry), (inputs, kernel)


def _canonical_backward(geometry, residuals, cotangent):
    inputs, kernel = residuals
    return _inputs_gradient(inputs, kernel, cotangent, geometry), _kernel_gradient(inputs, kernel, cotangent, geometry)


_canonical.defvjp(_canonical_forward, _canonical_backward)


def _inputs_gradient(inputs, kernel, cotangent, geometry):
    """The cotangent, spread out by the stride, convolved with the flipped kernel."""
    strides, padding, dilation, groups = geometry
    *window, channels, features = kernel.shape
    # [*window, channel, group, feature] -> [*window, feature, group * channel]: within a group it maps features back.
    flipped = jnp.flip(kernel, range(len(window))).reshape(*window, channels, groups, features // groups)
    flipped = jnp.swapaxes(flipped, -1, -3).reshape(*window, features // groups, channels * groups)
    pads = []
    for axis, (before, _) in enumerate(padding):
        reach = (window[axis] - 1) * dilation[axis] + 1
        spread = (cotangent.shape[1 + axis] - 1) * strides[axis] + 1
        front = reach - 1 - before
        pads.append((front, inputs.shape[1 + axis] + reach - 1 - spread - front))
    return _convolution(cotangent, flipped, (1,) * len(window), pads, dilation, groups, strides)


def _kernel_gradient(inputs, kernel, cotangent, geometry):
    """The inputs convolved with the cotangent as the kernel: examples are summed over as if they were channels."""
    strides, padding, dilation, groups = geometry
    *window, channels, _ = kernel.shape
    examples = len(inputs)
    swapped = inputs.reshape(*inputs.shape[:-1], groups, channels)
    # [example, *space, group, channel] -> [channel, *space, group * example].
    swapped = jnp.moveaxis(swapped, (-1, 0), (0, -1)).reshape(channels, *inputs.shape[1:-1], groups * examples)
    pads = []
    for axis, (before, _) in enumerate(padding):
        reach = (window[axis] - 1) * dilation[axis] + 1
        spread = (cotangent.shape[1 + axis] - 1) * strides[axis] + 1
        pads.append((before, spread + reach - 1 - inputs.shape[1 + axis] - before))
    gradient = _convolution(swapped, jnp.moveaxis(cotangent, 0, -2), dilation, pads, strides, groups)
    return jnp.moveaxis(gradient, 0, -2)


_STRATEGIES = {"slices": _slices, "canonical": _canonical, "reference": _reference}


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
