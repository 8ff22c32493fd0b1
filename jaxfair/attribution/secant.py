"""A function between two of its points as a linear map, which is what DeepLIFT propagates, by reading its jaxpr."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend import core


class Part(NamedTuple):
    """The positive or the negative part of what a value differs by.

    Attributes:
      difference: The part of `at - reference`.
      change: Its image of the inputs' change, linear in that as `Pair.change` is.
    """

    difference: jax.Array
    change: jax.Array


class Pair(NamedTuple):
    """A value that differs between the two points.

    Attributes:
      at: The value at the point that is explained.
      reference: The value at the reference.
      change: The image of the inputs' change so far, or None where it has none (integers and booleans). The map that
        is built is linear in it, and takes `at - reference` of the inputs to `at - reference` of this value.
      parts: The positive and the negative part, which add up to the difference and to the change; only the RevealCancel
        rule has them. None where they follow from the difference's sign.
    """

    at: jax.Array
    reference: jax.Array
    change: jax.Array | None
    parts: tuple[Part, Part] | None = None


class UnsupportedPrimitive(NotImplementedError):
    """A function uses an operation for which DeepLIFT has no rule here."""


Rule = Callable[..., Sequence[Any]]
RULES: dict[str, Rule] = {}
CALLS = ("jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "checkpoint", "remat2")


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Registers a rule for primitives: `rule(primitive, params, values) -> outputs`, values arrays or Pairs."""

    def register(function):
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


def secant(
    function: Callable[[Any], Any],
    at: jax.Array,
    reference: jax.Array,
    change: jax.Array,
    rules: Mapping[str, Rule] = RULES,
) -> Pair:
    """The linear map that takes `at - reference` to `function(at) - function(reference)` by DeepLIFT's rules.

    Linear operations are their own; an element-wise non-linear one becomes the multiplication by its slope between
    the two points (the Rescale rule). So the map is exact in this one direction, where a derivative is not.

    Args:
      function: From an array to an array, pure.
      at: The point to explain.
      reference: A point of the same shape and type.
      change: What the map is applied to, of the same shape and type. The map's transpose, by `jax.vjp` with respect
        to it, takes a cotangent of the outputs to multipliers of the inputs.
      rules: By a primitive's name; those of Rescale, unless others are given.

    Returns:
      The outputs at both points, and the image of the change.

    Raises:
      UnsupportedPrimitive: The function uses an operation without a rule on what depends on the inputs.
    """
    closed = jax.make_jaxpr(function)(at)
    (output,) = interpret(closed.jaxpr, closed.consts, [Pair(at, reference, change)], rules)
    return as_pair(output)._replace(parts=None)


def interpret(
    jaxpr: core.Jaxpr, consts: Sequence[Any], arguments: Sequence[Any], rules: Mapping[str, Rule] = RULES
) -> list[Any]:
    """Evaluates a jaxpr whose arguments may be Pairs; what depends on no Pair stays an array."""
    values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *arguments], strict=True))

    def read(atom):
        return atom.val if isinstance(atom, core.Literal) else values[atom]

    for equation in jaxpr.eqns:
        read_in = [read(atom) for atom in equation.invars]
        outputs = _apply(equation.primitive, equation.params, read_in, equation.outvars, rules)
        values.update(zip(equation.outvars, outputs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _apply(primitive, params, values, outvars, rules):
    if primitive.name in CALLS:
        # Derivatives that a function's author gave it are not secants, so what is called is interpreted as it stands.
        inner = params.get("call_jaxpr", params.get("jaxpr"))
        jaxpr, consts = (inner.jaxpr, inner.consts) if hasattr(inner, "consts") else (inner, ())
        return interpret(jaxpr, consts, values, rules)
    if not any(isinstance(value, Pair) for value in values):
        # The course of a loop is laid while the function is traced, so its counters must have values by then.
        is_counter = all(not variable.aval.shape and _is_integer(variable) for variable in outvars)
        known = is_counter and not any(isinstance(value, jax.core.Tracer) for value in values)
        with jax.ensure_compile_time_eval() if known else contextlib.nullcontext():
            return bind(primitive, params, values)
    if not any(jnp.issubdtype(variable.aval.dtype, jnp.inexact) for variable in outvars):
        # Comparisons, winners, masks: two values, and nothing between them to attribute.
        outputs = [bind(primitive, params, side(values, which)) for which in ("at", "reference")]
        return [Pair(*both, None) for both in zip(*outputs, strict=True)]
    if primitive.name in rules:
        return rules[primitive.name](primitive, params, values)
    raise UnsupportedPrimitive(
        f"deep_shap: the function uses {primitive.name!r} on values that depend on its inputs, for which there is no "
        "rule; write that part with supported operations "
        f"({', '.join(sorted(rules))}), or use sampled Shapley values, which need no rules."
    )


def _is_integer(variable):
    return jnp.issubdtype(variable.aval.dtype, jnp.integer) or jnp.issubdtype(variable.aval.dtype, jnp.bool_)


def as_written(function: Callable[..., Any], values: Sequence[Any]) -> list[Any]:
    """By the rules of what it is written with: the outputs, a list of one, of a function that gives one array."""
    closed = jax.make_jaxpr(function)(*side(values, "at"))
    return interpret(closed.jaxpr, closed.consts, values)


def bind(primitive: Any, params: dict, values: Sequence[Any]) -> list[Any]:
    """Applies a primitive to arrays; always a list of outputs."""
    outputs = primitive.bind(*values, **params)
    return list(outputs) if primitive.multiple_results else [outputs]


def side(values: Sequence[Any], which: str) -> list[Any]:
    """The values at one of the two points, `which` being "at" or "reference"."""
    return [getattr(value, which) if isinstance(value, Pair) else value for value in values]


def change_of(value: Any, name: str) -> jax.Array:
    """The change of a Pair; an error where it has none, because a comparison or a rounding lies behind it."""
    if value.change is None:
        raise no_rule_for_a_comparison(name)
    return value.change


def no_rule_for_a_comparison(name: str) -> UnsupportedPrimitive:
    """The error where the function jumps: nothing that changes goes into what comes out."""
    return UnsupportedPrimitive(
        f"deep_shap: {name!r} turns a comparison of values that depend on the inputs into a number; DeepLIFT has "
        "no rule for that step (write it with max, min, clip, or where between values that change)."
    )


def as_pair(value: Any) -> Pair:
    """A constant as a Pair that does not change."""
    if isinstance(value, Pair):
        return value
    value = jnp.asarray(value)
    return Pair(value, value, jnp.zeros_like(value) if jnp.issubdtype(value.dtype, jnp.inexact) else None)
