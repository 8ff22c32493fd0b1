"""DeepLIFT's RevealCancel rule: what raises a value and what lowers it are carried separately through the function.

The rules of Rescale compute the values at both points; those here add the parts. A `Pair` without parts is split by the
sign of its difference, so an operation that has no rule here is treated by Rescale and what it gives is split anew.
"""

import functools

import jax
import jax.numpy as jnp

# They register the rules of Rescale.
from jaxfair.attribution import secant_choices, secant_loops, secant_rules  # noqa: F401
from jaxfair.attribution.secant import RULES, Pair, Part, bind, change_of

# Closer than this share of its size a part says nothing about a slope: the quotient would be mostly rounding.
_NEAR = 1e-6
# Sums, and whatever only moves entries about. What raises an operand raises the result, but for those that count
# negatively: of these numbers among the operands.
_SUMS = (
    "add", "add_any", "reduce_sum", "cumsum", "broadcast_in_dim", "reshape", "squeeze", "expand_dims", "transpose",
    "rev", "slice", "pad", "concatenate", "stack", "unstack", "copy", "copy_p", "reduce_precision", "split", "tile",
    "convert_element_type", "gather", "dynamic_slice", "dynamic_update_slice", "scatter", "scatter-add", "scatter_add",
    "reduce_window_sum",
)  # fmt: skip
_NEGATIVE = {"neg": (0,), "sub": (1,)}
# Non-linear and finite everywhere, so also where only one of both parts is added to the reference. A logarithm is not.
_KINKS = ("max", "min", "clamp", "abs")
_SMOOTH = ("tanh", "logistic", "erf", "erfc", "sin", "cos", "atan", "asinh", "square")


def _parts(pair, name):
    """The positive and the negative part; by the difference's sign, half each at 0, where nothing else says."""
    if pair.parts is not None:
        return pair.parts
    # Equal infinities, with which masked logits are written, differ by 0.
    difference = jnp.where(pair.at == pair.reference, 0, pair.at - pair.reference)
    change, share = change_of(pair, name), (1 + jnp.sign(difference)) / 2
    positive = Part(jnp.maximum(difference, 0), share * change)
    return positive, Part(jnp.minimum(difference, 0), (1 - share) * change)


def _by_rescale(primitive, params, values):
    """The rule of Rescale; what it gives is split by its sign."""
    return RULES[primitive.name](primitive, params, [_plain(value) for value in values])


def _plain(value):
    return value._replace(parts=None) if isinstance(value, Pair) else value


def _with_parts(output, positive, negative):
    return Pair(output.at, output.reference, positive.change + negative.change, (positive, negative))


def _has_parts(rule):
    """Leaves complex numbers, which are neither positive nor negative, to Rescale."""

    @functools.wraps(rule)
    def apply(primitive, params, values):
        parts_of = [value.at if isinstance(value, Pair) else value for value in values]
        return (_by_rescale if any(map(jnp.iscomplexobj, parts_of)) else rule)(primitive, params, values)

    return apply


@_has_parts
def _sum(primitive, params, values):
    """Each part goes through the operation on its own."""
    tracked = [number for number, value in enumerate(values) if isinstance(value, Pair)]
    outputs = _by_rescale(primitive, params, values)
    parts = []
    for number in tracked:
        both = _parts(values[number], primitive.name)
        parts.append(both[::-1] if number in _NEGATIVE.get(primitive.name, ()) else both)

    def of_tracked(*given):
        full = list(values)
        for number, part in zip(tracked, given, strict=True):
            full[number] = part
        return bind(primitive, params, full)

    _, along = jax.linearize(of_tracked, *(values[number].at for number in tracked))
    # [sign][difference or change][output]
    through = [[along(*each) for each in zip(*one_sign, strict=True)] for one_sign in zip(*parts, strict=True)]
    positive, negative = ([Part(*each) for each in zip(*one_sign, strict=True)] for one_sign in through)
    return [_with_parts(*each) for each in zip(outputs, positive, negative, strict=True)]


def _choice(primitive, params, values):
    """A mask that does not depend on the inputs only moves entries; a comparison of them is for Rescale."""
    return (_by_rescale if isinstance(values[0], Pair) else _sum)(primitive, params, values)


@_has_parts
def _weighted(primitive, params, values):
    """A product with constants: the positive part is what is raised by positive and lowered by negative weights.

    Matrix products and convolutions take the sign of the input's whole difference, as in the paper. A scale keeps the
    parts as they come: batch normalisation after a convolution would otherwise leave nothing to reveal.
    """
    tracked = [number for number, value in enumerate(values) if isinstance(value, Pair)]
    if len(tracked) > 1 or (primitive.name == "div" and tracked == [1]):
        return _by_rescale(primitive, params, values)
    (output,) = _by_rescale(primitive, params, values)
    (number,) = tracked
    weights = 1 / values[1] if primitive.name == "div" else values[1 - number]
    pair = values[number] if primitive.name in ("mul", "div") else _plain(values[number])
    positive, negative = _parts(pair, primitive.name)

    def by(sign, part):
        if primitive.name == "div":
            return part * sign(weights, 0)
        return bind(primitive, params, [part, sign(weights, 0)] if number == 0 else [sign(weights, 0), part])[0]

    def together(up, down):
        return Part(*(by(jnp.maximum, one) + by(jnp.minimum, other) for one, other in zip(up, down, strict=True)))

    return [_with_parts(output, together(positive, negative), together(negative, positive))]


def _revealed(primitive, params, values):
    """Each part's Shapley value: the mean of what it does before and after the other one.

    `dy+ = ((f(x + dx+) - f(x)) + (f(x + dx- + dx+) - f(x + dx-))) / 2` with x the reference, likewise `dy-`.
    """
    tracked = [number for number, value in enumerate(values) if isinstance(value, Pair)]
    if len(tracked) > 1 or jnp.iscomplexobj(values[tracked[0]].at):
        return _by_rescale(primitive, params, values)
    (number,) = tracked
    pair = values[number]
    (output,) = _by_rescale(primitive, params, values)
    parts = _parts(pair, primitive.name)

    def function(part):
        return bind(primitive, params, [*values[:number], part, *values[number + 1 :]])[0]

    def with_derivative(part):
        return jax.jvp(function, (part,), (jnp.ones_like(part),))

    _, derivative = with_derivative(pair.reference)
    alone = [with_derivative(pair.reference + part.difference) for part in parts]
    size = jnp.abs(pair.reference) + jnp.abs(parts[0].difference) + jnp.abs(parts[1].difference)
    if primitive.name in _SMOOTH:  # All of them bend on a length of 1 or more.
        size = jnp.maximum(size, 1)
    revealed = []
    for part, (mine, _), (others, after_other) in zip(parts, alone, alone[::-1], strict=True):
        difference = (mine - output.reference + output.at - others) / 2
        near = jnp.abs(part.difference) <= _NEAR * size
        slope = jnp.where(near, (derivative + after_other) / 2, difference / jnp.where(near, 1, part.difference))
        if primitive.name in _KINKS:  # What is more than 1 is rounding.
            slope = jnp.clip(slope, -1, 1)
        revealed.append(Part(difference, slope * part.change))
    return [_with_parts(output, *revealed)]


REVEAL_CANCEL = (
    dict.fromkeys(RULES, _by_rescale)
    | {name: RULES[name] for name in ("optimization_barrier", "stop_gradient")}
    | dict.fromkeys((*_SUMS, *_NEGATIVE), _sum)
    | dict.fromkeys(("mul", "div", "dot_general", "conv_general_dilated"), _weighted)
    | {"select_n": _choice}
    | dict.fromkeys((*_KINKS, *_SMOOTH), _revealed)
)
