"""What DeepLIFT makes of choices between values: maxima, minima, what is in order, and selections."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxfair.attribution.secant import (
    Pair,
    UnsupportedPrimitive,
    as_pair,
    as_written,
    bind,
    change_of,
    no_rule_for_a_comparison,
    rule,
    side,
)
from jaxfair.attribution.secant_rules import linear
from jaxfair.attribution.secant_slopes import are_near, difference


@rule("max", "min")
def _larger(primitive, params, values):
    """Of two, like a choice; a constant beside one that changes is the Rescale rule of ReLU."""
    choose = jnp.greater_equal if primitive.name == "max" else jnp.less_equal
    # NaN wins, as it does in the operation itself: the second wins by not losing.
    which = [
        (choose(first, second) | jnp.isnan(first)).astype(int)
        for first, second in (side(values, point) for point in ("at", "reference"))
    ]
    return [_chosen(values[::-1], *which, primitive.name)]


@rule("select_n")
def _select(primitive, params, values):
    """A choice. Where it is the same at both points its own change counts; where not, see `_chosen`."""
    which, *cases = values
    if not isinstance(which, Pair):
        points_and_change = zip(*(as_pair(case)[:3] for case in cases), strict=True)
        return [Pair(*(bind(primitive, params, [which, *each])[0] for each in points_and_change))]
    if not any(isinstance(case, Pair) for case in cases):
        raise no_rule_for_a_comparison(primitive.name)
    shape = jnp.broadcast_shapes(*(jnp.shape(case) for case in side(cases, "at")))
    points = (jnp.broadcast_to(point.astype(int), shape) for point in (which.at, which.reference))
    return [_chosen(cases, *points, primitive.name)]


def _chosen(cases, which_at, which_reference, name):
    """The change of `cases[which]`, where the choice may differ between the points.

    If it does, all of the output's change is the merit of one of the two cases chosen: of the one that itself went
    further in that direction. For a maximum that is the case with the larger output, which is DeepLIFT's rule as SHAP
    has it, for a minimum the one with the smaller; for the ReLU, a choice with a constant, it is the Rescale rule.
    """

    def pick(which, parts):
        return functools.reduce(lambda rest, part: jnp.where(which == part[0], part[1], rest), enumerate(parts), 0.0)

    at, reference = pick(which_at, side(cases, "at")), pick(which_reference, side(cases, "reference"))
    went = [difference(case.at, case.reference) if isinstance(case, Pair) else jnp.zeros_like(at) for case in cases]
    moved = difference(at, reference)
    up = jnp.sign(moved)
    here_further = up * pick(which_at, went) >= up * pick(which_reference, went)
    change = jnp.zeros_like(at)
    for number, case in enumerate(cases):
        if not isinstance(case, Pair):
            continue
        here, there = which_at == number, which_reference == number
        share = jnp.where(jnp.where(here_further, here, there), moved, 0)
        # One choice at both points is the case itself, however small its change.
        slope = _kink(share, case)
        if name in ("max", "min"):  # What is more than 1 is rounding.
            slope = jnp.clip(slope, 0, 1)
        slope = jnp.where(here & there & ~jnp.isnan(moved), 1, slope)
        change += slope * change_of(case, name)
    return Pair(at, reference, change)


def _kink(share, pair):
    """The slope of a kink: 0 where the points are one."""
    near = are_near(pair.at, pair.reference)
    return jnp.where(near, 0, share / jnp.where(near, 1, difference(pair.at, pair.reference)))


@rule("reduce_max", "reduce_min")
def _largest(primitive, params, values):
    """The rule of `_chosen` between all entries: the first extreme one of each point is its choice."""
    (value,) = values
    axes = params["axes"]
    at, reference = (bind(primitive, params, [part])[0] for part in (value.at, value.reference))
    between = (jnp.maximum if primitive.name == "reduce_max" else jnp.minimum)(at, reference)
    here, there = _winner(value.at, axes, primitive.name), _winner(value.reference, axes, primitive.name)

    def spread(reduced):
        return jnp.expand_dims(reduced, axes)

    share = jnp.where(here, spread(between - reference), 0) + jnp.where(there, spread(at - between), 0)
    slope = jnp.where(here & there & ~spread(jnp.isnan(at - reference)), 1, jnp.clip(_kink(share, value), 0, 1))
    return [Pair(at, reference, (slope * change_of(value, primitive.name)).sum(axes))]


def _winner(values, axes, name):
    """Where along `axes` the first extreme entry is, as a mask."""
    kept = [axis for axis in range(values.ndim) if axis not in axes]
    flat = values.transpose(*kept, *axes).reshape(*(values.shape[axis] for axis in kept), -1)
    index = flat.argmax(-1) if name == "reduce_max" else flat.argmin(-1)
    mask = jax.nn.one_hot(index, flat.shape[-1], dtype=bool)
    order = [*kept, *axes]
    return mask.reshape([values.shape[axis] for axis in order]).transpose([order.index(n) for n in range(values.ndim)])


@rule("reduce_window_max", "reduce_window_min")
def _largest_of_windows(primitive, params, values):
    """The rule of `_largest` in each window; padding is never chosen."""
    largest = primitive.name == "reduce_window_max"

    def of_windows(x):
        windows, axes = _windows(x, -jnp.inf if largest else jnp.inf, **params)
        return (windows.max if largest else windows.min)(axes)

    return as_written(of_windows, values)


def _windows(x, fill, window_dimensions, window_strides, padding, base_dilation, window_dilation):
    """What each window holds, and along which axes."""
    sizes = [1 + (size - 1) * step for size, step in zip(window_dimensions, window_dilation, strict=True)]
    dilated = zip(padding, base_dilation, strict=True)
    x = jax.lax.pad(x, jnp.asarray(fill, x.dtype), [(*each, step - 1) for each, step in dilated])
    counts = [
        (length - size) // stride + 1 for length, size, stride in zip(x.shape, sizes, window_strides, strict=True)
    ]
    strides = [size if count == 1 else each for size, count, each in zip(sizes, counts, window_strides, strict=True)]
    if sizes == list(window_dimensions) == strides:
        # Side by side they are axes of their own.
        x = x[tuple(slice(count * size) for count, size in zip(counts, sizes, strict=True))]
        shape = [each for pair in zip(counts, sizes, strict=True) for each in pair]
        return x.reshape(shape), tuple(range(1, len(shape), 2))
    windows = []
    for offsets in np.ndindex(*window_dimensions):
        starts = [offset * step for offset, step in zip(offsets, window_dilation, strict=True)]
        ends = [start + (count - 1) * stride + 1 for start, count, stride in zip(starts, counts, strides, strict=True)]
        windows.append(jax.lax.slice(x, starts, ends, strides))
    return jnp.stack(windows), (0,)


@rule("cummax", "cummin")
def _running_extreme(primitive, params, values):
    """Two by two, in the order of a parallel scan, which gives each entry what `_largest` of those before it gives."""
    larger = jnp.maximum if primitive.name == "cummax" else jnp.minimum
    return as_written(lambda x: jax.lax.associative_scan(larger, x, params["reverse"], params["axis"]), values)


@rule("sort")
def _sort(primitive, params, values):
    """A network of maxima and minima of two (`_in_order`); by constants it only moves entries about."""
    num_keys = params["num_keys"]
    if not any(isinstance(key, Pair) for key in values[:num_keys]):
        return linear(primitive, params, values)
    at, reference = (bind(primitive, params, side(values, which)) for which in ("at", "reference"))
    if num_keys > 1 or any(jnp.issubdtype(other.dtype, jnp.inexact) for other in at[1:]):
        raise UnsupportedPrimitive(
            "deep_shap: 'sort' orders numbers by others that depend on the inputs; DeepLIFT has no rule for it."
        )
    (in_order,) = as_written(lambda x: _in_order(x, params["dimension"]), values[:1])
    return [in_order, *(Pair(*both, None) for both in zip(at[1:], reference[1:], strict=True))]


@rule("top_k")
def _top_k(primitive, params, values):
    """The last of the order that `_sort` gives, from behind."""
    (value,) = values
    k, axis = params["k"], params["axis"]
    (_, at), (_, reference) = (bind(primitive, params, [part]) for part in (value.at, value.reference))

    def last(x):
        length = x.shape[axis]
        return jnp.flip(jax.lax.slice_in_dim(_in_order(x, axis), length - k, length, axis=axis), axis)

    return [*as_written(last, values), Pair(at, reference, None)]


def _in_order(x, axis):
    """Sorted by Batcher's bitonic network, all steps of which are maxima and minima of two.

    So every entry of the result is complete. To give an entry's change to the elements that have its rank at either
    point would not be: a third may have passed both. The first and the last are those of `_largest`.
    """
    x = jnp.moveaxis(x, axis, -1)
    length = x.shape[-1]
    size = 1 << max(length - 1, 0).bit_length()
    x = jnp.concatenate([x, jnp.full((*x.shape[:-1], size - length), jnp.inf, x.dtype)], -1)
    for block in (2**n for n in range(1, size.bit_length())):
        step = block // 2
        while step:
            pairs = x.reshape(*x.shape[:-1], -1, 2, step)
            low, high = pairs.min(-2), pairs.max(-2)
            ascending = (np.arange(size // (2 * step)) * 2 * step // block % 2 == 0)[:, None]
            x = jnp.stack([jnp.where(ascending, low, high), jnp.where(ascending, high, low)], -2).reshape(x.shape)
            step //= 2
    return jnp.moveaxis(x[..., :length], -1, axis)
