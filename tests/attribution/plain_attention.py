"""Attention by DeepLIFT's rules, written plainly in NumPy and float64: what deep_shap is compared with.

A value is `(at, reference, map)`: at both points, and as a linear map of the inputs' change, `[..., input]`.
"""

from typing import NamedTuple

import numpy as np


class Value(NamedTuple):
    at: np.ndarray
    reference: np.ndarray
    map: np.ndarray


def inputs(at, reference):
    at, reference = np.asarray(at, float), np.asarray(reference, float)
    return Value(at, reference, np.eye(at.size).reshape(*at.shape, at.size))


def linear(function, value):
    """`function` works on the axes of the value; the inputs of the map go in front of them, one after another."""
    maps = np.stack([function(each) for each in np.moveaxis(value.map, -1, 0)], -1)
    return Value(function(value.at), function(value.reference), maps)


def affine(value, equation, kernel, bias):
    product = linear(lambda part: np.einsum(equation, part, kernel), value)
    return product._replace(at=product.at + bias, reference=product.reference + bias)


def product(equation, left, right):
    """Each factor's change times the mean of the other one."""
    first, rest = equation.split(",")
    second, out = rest.split("->")
    mean_left, mean_right = (left.at + left.reference) / 2, (right.at + right.reference) / 2
    return Value(
        np.einsum(equation, left.at, right.at),
        np.einsum(equation, left.reference, right.reference),
        np.einsum(f"{first}Z,{second}->{out}Z", left.map, mean_right, optimize=True)
        + np.einsum(f"{first},{second}Z->{out}Z", mean_left, right.map, optimize=True),
    )


def maximum(value):
    """Along the last axis: to the largest at the point whose maximum is larger, rescaled; kept as an axis of 1."""
    here, there = value.at.argmax(-1)[..., None], value.reference.argmax(-1)[..., None]
    at, reference = np.take_along_axis(value.at, here, -1), np.take_along_axis(value.reference, there, -1)
    chosen = np.where(at > reference, here, there)
    went = np.take_along_axis(value.at - value.reference, chosen, -1)
    slope = np.where(here == there, 1, (at - reference) / np.where(went == 0, 1, went))
    return Value(at, reference, slope[..., None] * np.take_along_axis(value.map, chosen[..., None], -2))


def minus(left, right):
    return Value(*(one - other for one, other in zip(left, right, strict=True)))


def exponential(value):
    at, reference, distance = np.exp(value.at), np.exp(value.reference), value.at - value.reference
    slope = np.where(distance == 0, at, (at - reference) / np.where(distance == 0, 1, distance))
    return Value(at, reference, slope[..., None] * value.map)


def ratio(left, right):
    """The numerator times the reciprocal, whose slope is `-1 / (at * reference)`."""
    one = Value(1 / right.at, 1 / right.reference, -right.map / (right.at * right.reference)[..., None])
    return Value(
        left.at * one.at,
        left.reference * one.reference,
        left.map * ((one.at + one.reference) / 2)[..., None] + one.map * ((left.at + left.reference) / 2)[..., None],
    )


def softmax(value):
    shifted = exponential(minus(value, maximum(value)))
    total = Value(*(part.sum(-1 if n < 2 else -2, keepdims=True) for n, part in enumerate(shifted)))
    return ratio(shifted, total)


def masked(value, mask):
    """Very small where the mask is false, at both points."""
    return Value(
        np.where(mask, value.at, -1e30),
        np.where(mask, value.reference, -1e30),
        np.where(mask[..., None], value.map, 0),
    )


def attention(query, key, value, mask=None):
    """`[position, head, depth]` each."""
    scale = 1 / np.sqrt(query.at.shape[-1])
    logits = linear(lambda part: part * scale, product("qhd,khd->hqk", query, key))
    weights = softmax(logits if mask is None else masked(logits, np.broadcast_to(mask, logits.at.shape)))
    return product("hqk,khd->qhd", weights, value)


def multi_head(params, query, memory, mask=None):
    """Flax's `MultiHeadDotProductAttention`."""
    params = {name: {part: np.asarray(leaf, float) for part, leaf in layer.items()} for name, layer in params.items()}

    def projected(value, name):
        return affine(value, "ld,dhf->lhf", params[name]["kernel"], params[name]["bias"])

    heads = attention(projected(query, "query"), projected(memory, "key"), projected(memory, "value"), mask)
    return affine(heads, "qhf,hfo->qo", params["out"]["kernel"], params["out"]["bias"])


def contributions(function, examples, background):
    """`[example, output, ...]`: the mean over the background of multipliers times changes."""
    values = []
    for example in np.asarray(examples, float):
        of_pairs = []
        for reference in np.asarray(background, float):
            maps = function(inputs(example, reference)).map.reshape(-1, example.size)
            of_pairs.append(maps * (example - reference).ravel())
        values.append(np.mean(of_pairs, axis=0).reshape(-1, *example.shape))
    return np.array(values)
