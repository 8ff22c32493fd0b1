"""What DeepLIFT makes of arithmetic and of functions of single elements: rules for `secant`."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxfair.attribution.secant import Pair, UnsupportedPrimitive, as_pair, as_written, bind, change_of, rule, side
from jaxfair.attribution.secant_slopes import difference, quotient_or_derivative, slope


@rule(
    "add", "sub", "neg", "add_any", "reduce_sum", "cumsum", "real", "imag", "complex", "conj", "fft",
    "broadcast_in_dim", "reshape", "squeeze", "expand_dims", "transpose", "rev", "slice", "pad", "concatenate", "stack",
    "unstack", "reduce_window_sum", "copy", "copy_p", "reduce_precision", "split", "tile", "convert_element_type",
)  # fmt: skip
def linear(primitive, params, values):
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
    return linear(primitive, params, values)


@rule("mul", "dot_general", "conv_general_dilated")
def _product(primitive, params, values):
    """Linear in one factor. Of two that change each gets its Shapley value: its change times the other's mean."""
    left, right = values
    if not (isinstance(left, Pair) and isinstance(right, Pair)):
        return linear(primitive, params, values)
    at, reference = (bind(primitive, params, side(values, which))[0] for which in ("at", "reference"))
    by_left = bind(primitive, params, [change_of(left, primitive.name), (right.at + right.reference) / 2])[0]
    by_right = bind(primitive, params, [(left.at + left.reference) / 2, change_of(right, primitive.name)])[0]
    return [Pair(at, reference, by_left + by_right)]


@rule(
    "exp", "exp2", "log", "log1p", "expm1", "tanh", "logistic", "erf", "erfc", "erf_inv", "sin", "cos", "tan", "atan",
    "asin", "acos", "sinh", "cosh", "asinh", "acosh", "atanh", "sqrt", "rsqrt", "cbrt", "integer_pow", "pow", "atan2",
    "lgamma", "digamma", "sign", "floor", "ceil", "round", "clamp", "rem", "nextafter",
)  # fmt: skip
def _elementwise(primitive, params, values):
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
    middles = [(pair.at + pair.reference) / 2 for pair in pairs]

    def derivative(number):
        directions = [jnp.ones_like(each) if n == number else jnp.zeros_like(each) for n, each in enumerate(middles)]
        return jax.jvp(function, tuple(middles), tuple(directions))[1]

    if len(pairs) == 1:
        (pair,) = pairs
        share = difference(at, reference)
        along = slope(primitive.name, params, pair.at, pair.reference, share, derivative(0))
        return [Pair(at, reference, along * change_of(pair, primitive.name))]
    first, second = pairs
    only_first, only_second = function(first.at, second.reference), function(first.reference, second.at)
    shares = (only_first - reference + at - only_second) / 2, (only_second - reference + at - only_first) / 2
    change = 0
    for number, (pair, share) in enumerate(zip(pairs, shares, strict=True)):
        along = quotient_or_derivative("", pair.at, pair.reference, share, derivative(number))
        change += along * change_of(pair, primitive.name)
    return [Pair(at, reference, change)]


@rule("reduce_prod")
def _product_of_all(primitive, params, values):
    """Each factor gets its Shapley value: its change times the mean of what the others multiply to.

    Of a multilinear function that is the integral of its gradient along the line between the points, a polynomial,
    which Gauss-Legendre quadrature integrates exactly.
    """
    (value,) = values
    axes = params["axes"]
    at, reference = (bind(primitive, params, [part])[0] for part in (value.at, value.reference))

    def in_front(factors):
        return jnp.moveaxis(factors, axes, range(len(axes))).reshape(-1, *at.shape)

    here, there, change = map(in_front, (value.at, value.reference, change_of(value, primitive.name)))
    slopes = jnp.zeros_like(here)
    for node, weight in zip(*np.polynomial.legendre.leggauss(len(here) // 2 + 1), strict=True):
        between = (here + there + float(node) * (here - there)) / 2
        before, behind = jnp.cumprod(between[:-1], 0), jnp.cumprod(between[:0:-1], 0)[::-1]
        one = jnp.ones_like(between[:1])
        slopes += float(weight) / 2 * jnp.concatenate([one, before]) * jnp.concatenate([behind, one])
    return [Pair(at, reference, (slopes * change).sum(0))]


@rule("cumprod", "cumlogsumexp")
def _cumulative(primitive, params, values):
    """Two by two, in the order of a parallel scan: each pair by the rules of what it is combined with."""
    combine = {"cumprod": jnp.multiply, "cumlogsumexp": jnp.logaddexp}[primitive.name]
    return as_written(lambda x: jax.lax.associative_scan(combine, x, params["reverse"], params["axis"]), values)


@rule("div")
def _ratio(primitive, params, values):
    """The numerator times the reciprocal, whose slope is `-1 / (at * reference)` without any difference."""
    numerator, denominator = values
    if not isinstance(denominator, Pair):
        return linear(primitive, params, values)
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
        return _elementwise(primitive, params, values)

    parts = [
        Pair(part(value.at), part(value.reference), part(change_of(value, "abs"))) for part in (jnp.real, jnp.imag)
    ]
    return as_written(lambda real, imaginary: jnp.sqrt(real * real + imaginary * imaginary), parts)
