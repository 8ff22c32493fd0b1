"""Slopes of functions of one number between two points: `(f(at) - f(reference)) / (at - reference)`.

The quotient as it stands loses all its digits where the points are close. Most functions have a formula without that
difference; of the others the derivative in the middle is taken where the points are close.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

# Closer than this share of their size two points say nothing about the slope between them: in float32 the quotient of
# their differences is mostly rounding. The derivative is taken instead.
_NEAR = 1e-6
# Smooth functions have their derivative in the middle instead already when the points are closer than this share of
# the length on which the function bends: its error, distance^2 / 24 times the third derivative, is then below the
# quotient's rounding.
_CLOSE = 4e-3


def difference(at: jax.Array, reference: jax.Array) -> jax.Array:
    """`at - reference`; 0 between equal infinities too, with which masked logits are written."""
    return jnp.where(at == reference, 0, at - reference)


def are_near(at: jax.Array, reference: jax.Array) -> jax.Array:
    """Whether the points are one but for rounding."""
    return jnp.abs(difference(at, reference)) <= _NEAR * jnp.maximum(jnp.abs(at), jnp.abs(reference))


def slope(
    name: str,
    params: dict,
    at: jax.Array,
    reference: jax.Array,
    share: jax.Array,
    derivative: jax.Array,
) -> jax.Array:
    """The slope of a function of one real or complex number.

    Args:
      name: The primitive's.
      params: The primitive's.
      at: One point.
      reference: The other one.
      share: What the function differs by.
      derivative: The function's, in the middle of both.
    """
    quotient = quotient_or_derivative(name, at, reference, share, derivative)
    if name not in _FORMULAS or jnp.iscomplexobj(at):
        return quotient
    # What is infinite or NaN shows in the quotient.
    formula = _FORMULAS[name](at, reference, **{key: params[key] for key in _PARAMS.get(name, ())})
    return jnp.where(jnp.isfinite(share), formula, quotient)


def quotient_or_derivative(
    name: str, at: jax.Array, reference: jax.Array, share: jax.Array, derivative: jax.Array
) -> jax.Array:
    """`share / (at - reference)`, or the derivative where the points are close."""
    distance, near = difference(at, reference), are_near(at, reference)
    if name in _LENGTHS:
        near |= jnp.abs(distance) <= _CLOSE * _LENGTHS[name](jnp.abs((at + reference) / 2))
    # A derivative that is infinite in one point (the root's in 0) multiplies a change of 0 there.
    derivative = jnp.where(jnp.isfinite(derivative), derivative, 0)
    return jnp.where(near, derivative, share / jnp.where(near, 1, distance))


def _of_small(function: Callable[[jax.Array], jax.Array]) -> Callable[[jax.Array], jax.Array]:
    """`function(x) / x` of a function that is `x` near 0."""

    def ratio(x):
        small = jnp.abs(x) < jnp.finfo(x.dtype).eps
        return jnp.where(small, 1, function(jnp.where(small, 1, x)) / jnp.where(small, 1, x))

    return ratio


_expm1_ratio, _log1p_ratio, _sin_ratio, _sinh_ratio = map(_of_small, (jnp.expm1, jnp.log1p, jnp.sin, jnp.sinh))


def _exp(at, reference):
    """From the larger point downwards, which neither overflows nor takes a difference."""
    return jnp.exp(jnp.maximum(at, reference)) * _expm1_ratio(-jnp.abs(difference(at, reference)))


def _logistic(at, reference):
    high, low = jnp.maximum(at, reference), jnp.minimum(at, reference)
    return jax.nn.sigmoid(high) * jax.nn.sigmoid(-low) * _expm1_ratio(-jnp.abs(difference(at, reference)))


def _log(at, reference):
    low = jnp.minimum(at, reference)
    return _log1p_ratio(jnp.abs(at - reference) / low) / low


def _reciprocal(total):
    """0 where the points are both 0, which is where the change is 0."""
    return jnp.where(total == 0, 0, 1 / jnp.where(total == 0, 1, total))


def _cbrt(at, reference):
    one, other = jnp.cbrt(at), jnp.cbrt(reference)
    return _reciprocal(((one + other) ** 2 + one**2 + other**2) / 2)


def _integer_pow(at, reference, y):
    """`a^(n-1) + a^(n-2) b + ... + b^(n-1)`, over `-a^n b^n` where the power is negative."""
    if not y:
        return jnp.zeros_like(at)
    total, power = jnp.ones_like(at), jnp.ones_like(at)
    for _ in range(abs(y) - 1):
        power = power * reference
        total = total * at + power
    return total if y > 0 else -total / at**-y / reference**-y


_FORMULAS = {
    "exp": _exp,
    "expm1": _exp,
    "exp2": lambda at, reference: math.log(2) * _exp(math.log(2) * at, math.log(2) * reference),
    "logistic": _logistic,
    "tanh": lambda at, reference: 4 * _logistic(2 * at, 2 * reference),
    "log": _log,
    "log1p": lambda at, reference: _log(1 + at, 1 + reference),
    "sqrt": lambda at, reference: _reciprocal(jnp.sqrt(at) + jnp.sqrt(reference)),
    "rsqrt": lambda at, reference: -jax.lax.rsqrt(at) * jax.lax.rsqrt(reference) / (jnp.sqrt(at) + jnp.sqrt(reference)),
    "cbrt": _cbrt,
    "sin": lambda at, reference: jnp.cos((at + reference) / 2) * _sin_ratio((at - reference) / 2),
    "cos": lambda at, reference: -jnp.sin((at + reference) / 2) * _sin_ratio((at - reference) / 2),
    "tan": lambda at, reference: _sin_ratio(at - reference) / jnp.cos(at) / jnp.cos(reference),
    "sinh": lambda at, reference: jnp.cosh((at + reference) / 2) * _sinh_ratio((at - reference) / 2),
    "cosh": lambda at, reference: jnp.sinh((at + reference) / 2) * _sinh_ratio((at - reference) / 2),
    "integer_pow": _integer_pow,
}
_PARAMS = {"integer_pow": ("y",)}


def _of_the_size(middle):
    return jnp.minimum(1, middle)


# The length on which the others bend, from the size of the middle of both points.
_LENGTHS = (
    dict.fromkeys((*_FORMULAS, "pow", "lgamma", "digamma"), _of_the_size)
    | dict.fromkeys(("erf", "erfc"), lambda middle: 1 / jnp.maximum(1, middle))
    | dict.fromkeys(("atan", "asinh"), lambda middle: jnp.maximum(1, middle))
    | dict.fromkeys(("asin", "acos", "atanh", "erf_inv"), lambda middle: 1 - middle)
    | {"acosh": lambda middle: middle - 1}
)
