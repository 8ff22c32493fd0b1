"""Attributions from gradients alone: gradient times input, and integrated gradients."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxfair.attribution.completeness import relative_rounding
from jaxfair.attribution.deep_shap import Attribution, check


def gradient_times_input(function: Callable[[jax.Array], jax.Array], inputs: ArrayLike) -> jax.Array:
    """`df_c/dx (x) * x`: the contribution of each entry to the function's linear part at the input.

    Complete only for functions that are linear or piecewise linear without constants; it compares with an input of 0.

    Args:
      function: `[batch, ...]` to `[batch, output]`, each example on its own.
      inputs: `[example, ...]`.

    Returns:
      `[example, output, ...]`.

    References:
      Shrikumar, Greenside, Kundaje: Learning Important Features Through Propagating Activation Differences, ICML 2017.
    """
    inputs = jnp.asarray(inputs)
    return jax.vmap(lambda example: _gradients(function, example)[1] * example)(inputs)


def integrated_gradients(
    function: Callable[[jax.Array], jax.Array], inputs: ArrayLike, background: ArrayLike, *, steps: int = 32
) -> Attribution:
    """Gradients averaged along the straight line from each background example, times the line, averaged over them.

    `values = mean_j (x - b_j) * integral over s in [0, 1] of grad f_c(b_j + s (x - b_j))`, the integral by
    Gauss-Legendre with `steps` points. Complete up to the integral's error, which `residual` shows: it is larger than
    `allowed`, which is rounding alone, where the gradient jumps along the line, and falls with more `steps`.

    Args:
      function: `[batch, ...]` to `[batch, output]`, each example on its own.
      inputs: `[example, ...]`.
      background: `[background, ...]`; a single baseline is a background of one.
      steps: Points on each line.

    Returns:
      An `Attribution`.

    Raises:
      ValueError: The background is empty, or does not fit the inputs.

    References:
      Sundararajan, Taly, Yan: Axiomatic Attribution for Deep Networks, ICML 2017, equation 1.
    """
    inputs, background = jnp.asarray(inputs), jnp.asarray(background)
    check("integrated_gradients", inputs, background)
    nodes, weights = np.polynomial.legendre.leggauss(steps)

    def of_pair(example, reference):
        line = example - reference

        def add(total, node):
            place, weight = node
            return total + weight * _gradients(function, reference + place * line)[1], None

        outputs = jax.eval_shape(lambda x: function(x[None])[0], example)
        zero = jnp.zeros((*outputs.shape, *example.shape), outputs.dtype)
        points = (jnp.asarray((nodes + 1) / 2, example.dtype), jnp.asarray(weights / 2, example.dtype))
        mean, _ = jax.lax.scan(add, zero, points)
        return mean * line

    def of_example(example):
        return jax.vmap(of_pair, (None, 0))(example, background).mean(0)

    values = jax.lax.map(of_example, inputs)
    predictions, references = function(inputs), function(background)
    expected, flat = references.mean(0), values.reshape(*values.shape[:2], -1)
    terms = jnp.abs(flat).sum(-1) + jnp.abs(predictions) + jnp.abs(references).mean(0)
    allowed = relative_rounding(jax.make_jaxpr(function)(inputs[:1]).jaxpr) * terms
    return Attribution(values, predictions, expected, predictions - expected - flat.sum(-1), allowed)


def _gradients(function, example):
    """Outputs `[output]` and gradients `[output, ...]` of one example."""
    outputs, transpose = jax.vjp(lambda x: function(x[None])[0], example)
    (gradients,) = jax.vmap(transpose)(jnp.eye(len(outputs), dtype=outputs.dtype))
    return outputs, gradients
