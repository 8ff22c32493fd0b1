"""Three ways to compute a convolution, with the same values and gradients.

Training here runs inside `lax.scan`, where XLA on CPUs no longer rewrites convolutions into the form that its fast
kernel takes. The weight gradient that JAX derives for `lax.conv_general_dilated` then runs tens of times slower than
outside the scan. "slices" contains no convolution at all, "canonical" only convolutions that are in that form already.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxfair.models.product import product


class Geometry(NamedTuple):
    """Where a convolution looks, one entry for each spatial axis. Hashable: it is static."""

    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int


def _slices(inputs: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    strides, padding, dilation, groups = geometry
    *window, channels, features = kernel.shape
    config = [(0, 0, 0), *((before, after, 0) for before, after in padding), (0, 0, 0)]
    padded = lax.pad(inputs, jnp.zeros((), inputs.dtype), config)
    space = [
        (size - (taps - 1) * spacing - 1) // stride + 1
        for size, taps, spacing, stride in zip(padded.shape[1:-1], window, dilation, strides, strict=True)
    ]

    def shifted(tap):
        start = [index * spacing for index, spacing in zip(tap, dilation, strict=True)]
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
        flat = product(patches.reshape(-1, patches.shape[-1]), kernel.reshape(-1, features))
        return flat.reshape(len(inputs), *space, features)
    patches = patches.reshape(-1, len(taps), groups, channels)
    matrices = kernel.reshape(len(taps), channels, groups, features // groups)
    return jnp.einsum("nkgi,kigo->ngo", patches, matrices).reshape(len(inputs), *space, features)


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


def _reference(inputs: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    return _convolution(inputs, kernel, *geometry)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _canonical(inputs: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
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


STRATEGIES = {"slices": _slices, "canonical": _canonical, "reference": _reference}
