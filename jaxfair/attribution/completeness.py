"""How much rounding may leave of a prediction unattributed, and a warning where more is left."""

import math
import warnings
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

# Rounding errors are sums of many independent ones: of n that are at most u each, the sum exceeds `c sqrt(n) u` with a
# probability below 2 exp(-c^2 / 2) (Higham and Mary 2019), which is 3e-14 for this c.
_CONFIDENCE = 8.0
# What matrix products of float32 keep unless a higher precision is asked for: TF32 on GPUs, bfloat16 on TPUs.
_EPS_OF_PRODUCTS = {"gpu": 2.0**-10, "tpu": 2.0**-7}


def relative_rounding(jaxpr: core.Jaxpr, backend: str | None = None) -> float:
    """By how much rounding may change what a function and its multipliers give, relative to the terms they add up.

    It is `c sqrt(n) eps`: n roundings behind one another, at most one for each operation and each term of its sums,
    and eps of the coarsest type among its values.

    References:
      Higham, Mary: A New Approach to Probabilistic Rounding Error Analysis, SIAM Journal on Scientific Computing 2019,
      theorem 2.4.
    """
    backend = backend or jax.default_backend()
    count, coarsest = 0, 0.0
    for equation, times in _equations(jaxpr):
        count += times * _terms(equation)
        coarsest = max([coarsest, *(_eps(equation, variable.aval.dtype, backend) for variable in equation.outvars)])
    return _CONFIDENCE * math.sqrt(max(count, 1)) * coarsest


def warn_of_residual(residual: Any, allowed: Any, *, stacklevel: int = 2) -> None:
    """Warns where the residual of an attribution is more than rounding allows, and says where it is most.

    Args:
      residual: `[example, output]`, or any other shape. NaN is more than what is allowed, if that is finite.
      allowed: Of the same shape, the attribution's `allowed`.
      stacklevel: Of the warning, as seen from the caller.
    """
    residual, allowed = np.abs(np.asarray(residual, np.float64)), np.asarray(allowed, np.float64)
    over = np.isfinite(allowed) & ~(residual <= allowed)
    if not over.any():
        return
    worst = np.unravel_index(np.where(over, np.nan_to_num(residual, nan=np.inf), -1).argmax(), over.shape)
    place = ", ".join(map(str, worst))
    warnings.warn(
        f"deep_shap: the contributions do not sum to the predictions: at [{place}] of [example, output] a residual of "
        f"{residual[worst]:.1e} is left, and rounding explains {allowed[worst]:.1e}; so it is in {over.sum()} of "
        f"{over.size} places. Do not trust these contributions: the function jumps from one formula to another "
        "between the two points, or loses its digits in differences of large values.",
        UserWarning,
        stacklevel=stacklevel + 1,
    )


def _equations(jaxpr: core.Jaxpr, times: int = 1) -> Iterator[tuple[Any, int]]:
    """All operations and how often each one follows itself; of branches all, as if they followed one another."""
    for equation in jaxpr.eqns:
        inner = [part for part in jax.tree.leaves(equation.params, is_leaf=_is_jaxpr) if _is_jaxpr(part)]
        for part in inner:
            repeated = equation.params["length"] if equation.primitive.name == "scan" else 1
            yield from _equations(getattr(part, "jaxpr", part), times * repeated)
        if not inner:
            yield equation, times


def _is_jaxpr(value):
    return isinstance(value, (core.Jaxpr, core.ClosedJaxpr))


def _terms(equation):
    """How many terms are added up for one number."""
    name, params = equation.primitive.name, equation.params
    shapes = [variable.aval.shape for variable in equation.invars]
    if name == "reduce_sum":
        return math.prod(shapes[0][axis] for axis in params["axes"])
    if name == "reduce_window_sum":
        return math.prod(params["window_dimensions"])
    if name == "cumsum":
        return shapes[0][params["axis"]]
    if name == "dot_general":
        return math.prod(shapes[0][axis] for axis in params["dimension_numbers"][0][0])
    if name == "conv_general_dilated":
        return math.prod(shapes[1]) // max(shapes[1][params["dimension_numbers"].rhs_spec[0]], 1)
    if name == "fft":
        return math.ceil(math.log2(max(2, math.prod(params["fft_lengths"]))))
    return 1


def _eps(equation, dtype, backend):
    if not jnp.issubdtype(dtype, jnp.inexact):
        return 0.0
    eps = float(jnp.finfo(dtype).eps)
    precision = equation.params.get("precision", "none here")
    if precision == "none here":
        return eps
    given = precision[0] if isinstance(precision, tuple) else precision
    is_default = given in (None, jax.lax.Precision.DEFAULT) and jax.config.jax_default_matmul_precision in (
        None,
        "default",
        "fastest",
    )
    return max(eps, _EPS_OF_PRODUCTS.get(backend, 0.0)) if is_default and dtype == jnp.float32 else eps
