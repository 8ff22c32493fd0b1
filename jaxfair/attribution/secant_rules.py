"""What DeepLIFT makes of each primitive operation: the rules by which `secant` interprets a function."""

import functools

import jax
import jax.numpy as jnp

from jaxfair.attribution.secant import Pair, UnsupportedPrimitive, as_pair, bind, change_of, interpret, rule, side

# Closer than this share of their size two points say nothing about the slope between them: in float32 the quotient of
# their differences is mostly rounding. The derivative is taken instead.
_NEAR = 1e-6
# Smooth functions have their derivative in the middle instead already when the points are closer than this share of
# the middle (at most 1): its error, distance^2 / 24 times the third derivative, is then below the quotient's rounding.
_CLOSE = 4e-3


@rule(
    "add", "sub", "neg", "add_any", "reduce_sum", "cumsum", "real", "imag", "complex", "conj", "fft",
    "broadcast_in_dim", "reshape", "squeeze", "expand_dims", "transpose", "rev", "slice", "pad", "concatenate", "stack",
    "unstack", "copy", "copy_p", "reduce_precision", "split", "tile", "convert_element_type",
)  # fmt: skip
def _linear(primitive, params, values):
    """Linear in all that it is given together."""
    tracked = [number for number, value in enumerate(values) if isinstance(value, Pair)]
    changes = [change_of(values[number], primitive.name) for number in tracked]

    def of_tracked(*parts):
        full = list(values)
        for number, part in zip(tracked, parts, strict=True):
            full[number] = part
        return bind(primitive, params, full)

    at = of_tracked(*(values[number].at for number in tracked))
    reference = of_tracked(*(values[number].reference for number in tracked))
    _, change = jax.jvp(of_tracked, tuple(values[number].at for number in tracked), tuple(changes))
    return [Pair(*each) for each in zip(at, reference, change, strict=True)]


@rule("optimization_barrier", "stop_gradient")
def _identity(primitive, params, values):
    """What has no derivative still has a difference: a softmax depends on its largest logit as it is computed."""
    return values


@rule("gather", "dynamic_slice", "dynamic_update_slice", "scatter", "scatter-add", "scatter_add")
def _at_indices(primitive, params, values):
    """Linear where the indices are the same at both points."""
    if any(isinstance(value, Pair) and value.change is None for value in values):
        raise UnsupportedPrimitive(
            f"deep_shap: {primitive.name!r} looks at positions that depend on the inputs; DeepLIFT has no rule for it."
        )
    return _linear(primitive, params, values)


@rule("mul", "dot_general", "conv_general_dilated")
def _product(primitive, params, values):
    """Linear in one factor. Of two that change each gets its Shapley value: its change times the other's mean."""
    left, right = values
    if not (isinstance(left, Pair) and isinstance(right, Pair)):
        return _linear(primitive, params, values)
    at, reference = (bind(primitive, params, side(values, which))[0] for which in ("at", "reference"))
    by_left = bind(primitive, params, [change_of(left, primitive.name), (right.at + right.reference) / 2])[0]
    by_right = bind(primitive, params, [(left.at + left.reference) / 2, change_of(right, primitive.name)])[0]
    return [Pair(at, reference, by_left + by_right)]


def _elementwise(smooth):
    def apply(primitive, params, values):
        """A function of single elements: one that changes (Rescale), or two (their Shapley values, rescaled)."""
        tracked = [number for number, value in enumerate(values) if isinstance(value, Pair)]

        def function(*parts):
            full = list(values)
            for number, part in zip(tracked, parts, strict=True):
                full[number] = part
            return bind(primitive, params, full)[0]

        pairs = [values[number] for number in tracked]
        if len(pairs) > 2:
            raise UnsupportedPrimitive(f"deep_shap: {primitive.name!r} of {len(pairs)} changing values has no rule.")
        at, reference = function(*side(pairs, "at")), function(*side(pairs, "reference"))
        if len(pairs) == 1:
            shares = [_difference(at, reference)]
        else:
            first, second = pairs
            only_first = function(first.at, second.reference)
            only_second = function(first.reference, second.at)
            shares = [
                (only_first - reference + at - only_second) / 2,
                (only_second - reference + at - only_first) / 2,
            ]
        change = 0
        middles = [(pair.at + pair.reference) / 2 for pair in pairs]
        for number, (pair, share) in enumerate(zip(pairs, shares, strict=True)):
            ones = [
                jnp.ones_like(middle) if n == number else jnp.zeros_like(middle) for n, middle in enumerate(middles)
            ]
            derivative = jax.jvp(function, tuple(middles), tuple(ones))[1]
            slope = _slope(pair, share, derivative, middles[number], smooth and len(pairs) == 1)
            change += slope * change_of(pair, primitive.name)
        return [Pair(at, reference, change)]

    return apply


def _slope(pair, share, derivative, middle, smooth):
    distance = _difference(pair.at, pair.reference)
    near = _are_near(pair)
    if smooth:
        near |= jnp.abs(distance) <= _CLOSE * jnp.minimum(1, jnp.abs(middle))
    # A derivative that is infinite in one point (the root's in 0) multiplies a change of 0 there.
    derivative = jnp.where(jnp.isfinite(derivative), derivative, 0)
    return jnp.where(near, derivative, share / jnp.where(near, 1, distance))


def _are_near(pair):
    distance = jnp.abs(_difference(pair.at, pair.reference))
    return distance <= _NEAR * jnp.maximum(jnp.abs(pair.at), jnp.abs(pair.reference))


def _difference(at, reference):
    """0 between equal infinities too, with which masked logits are written."""
    return jnp.where(at == reference, 0, at - reference)


for _name in (
    "exp", "exp2", "log", "log1p", "expm1", "tanh", "logistic", "erf", "erfc", "sin", "cos", "tan", "atan", "asin",
    "acos", "sinh", "cosh", "asinh", "acosh", "atanh", "sqrt", "rsqrt", "cbrt", "integer_pow", "pow", "atan2",
    "lgamma", "digamma",
):  # fmt: skip
    rule(_name)(_elementwise(smooth=True))
for _name in ("sign", "floor", "ceil", "round", "clamp", "rem", "nextafter"):
    rule(_name)(_elementwise(smooth=False))


@rule("div")
def _ratio(primitive, params, values):
    """The numerator times the reciprocal, whose slope is `-1 / (at * reference)` without any difference."""
    numerator, denominator = values
    if not isinstance(denominator, Pair):
        return _linear(primitive, params, values)
    at, reference = (bind(primitive, params, side(values, point))[0] for point in ("at", "reference"))
    numerator = as_pair(numerator)
    middle = (numerator.at + numerator.reference) / 2
    change = -change_of(denominator, "div") * middle / denominator.at / denominator.reference
    change += change_of(numerator, "div") * (1 / denominator.at + 1 / denominator.reference) / 2
    return [Pair(at, reference, change)]


@rule("square")
def _square(primitive, params, values):
    """As every product of two that change: the sum of both points, without any difference."""
    (value,) = values
    return [Pair(value.at**2, value.reference**2, (value.at + value.reference) * change_of(value, "square"))]


@rule("abs")
def _absolute(primitive, params, values):
    (value,) = values
    if not jnp.iscomplexobj(value.at):
        return _elementwise(smooth=False)(primitive, params, values)

    def magnitude(real, imaginary):
        return jnp.sqrt(real * real + imaginary * imaginary)

    parts = [
        Pair(part(value.at), part(value.reference), part(change_of(value, "abs"))) for part in (jnp.real, jnp.imag)
    ]
    closed = jax.make_jaxpr(magnitude)(*(part.at for part in parts))
    return interpret(closed.jaxpr, closed.consts, parts)


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
    went = [_difference(case.at, case.reference) if isinstance(case, Pair) else jnp.zeros_like(at) for case in cases]
    moved = _difference(at, reference)
    up = jnp.sign(moved)
    here_further = up * pick(which_at, went) >= up * pick(which_reference, went)
    change = jnp.zeros_like(at)
    for number, case in enumerate(cases):
        if not isinstance(case, Pair):
            continue
        here, there = which_at == number, which_reference == number
        share = jnp.where(jnp.where(here_further, here, there), moved, 0)
        # One choice at both points is the case itself, however small its change.
        slope = jnp.where(here & there & ~jnp.isnan(moved), 1, _kink(share, case))
        change += slope * change_of(case, name)
    return Pair(at, reference, change)


def _kink(share, pair):
    """The slope of a kink: 0 where the points are one."""
    near = _are_near(pair)
    return jnp.where(near, 0, share / jnp.where(near, 1, _difference(pair.at, pair.reference)))


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
    slope = jnp.where(here & there & ~spread(jnp.isnan(at - reference)), 1, _kink(share, value))
    return [Pair(at, reference, (slope * change_of(value, primitive.name)).sum(axes))]


def _winner(values, axes, name):
    """Where along `axes` the first extreme entry is, as a mask."""
    kept = [axis for axis in range(values.ndim) if axis not in axes]
    flat = values.transpose(*kept, *axes).reshape(*(values.shape[axis] for axis in kept), -1)
    index = flat.argmax(-1) if name == "reduce_max" else flat.argmin(-1)
    mask = jax.nn.one_hot(index, flat.shape[-1], dtype=bool)
    order = [*kept, *axes]
    return mask.reshape([values.shape[axis] for axis in order]).transpose([order.index(n) for n in range(values.ndim)])


@rule("scan")
def _scan(primitive, params, values):
    """Step by step; what is carried changes from the second step on even where the first value does not."""
    num_consts, num_carry, closed = params["num_consts"], params["num_carry"], params["jaxpr"]
    consts, carry, each = (
        values[:num_consts],
        values[num_consts : num_consts + num_carry],
        values[num_consts + num_carry :],
    )

    def body(carry, each):
        outputs = [as_pair(value) for value in interpret(closed.jaxpr, closed.consts, [*consts, *carry, *each])]
        return outputs[:num_carry], outputs[num_carry:]

    options = {name: params[name] for name in ("length", "reverse", "unroll")}
    carry, stacked = jax.lax.scan(body, [as_pair(value) for value in carry], list(each), **options)
    return [*carry, *stacked]
