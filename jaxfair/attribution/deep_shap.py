"""DeepSHAP: DeepLIFT multipliers averaged over a background, for any function that JAX can trace."""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxfair.attribution.completeness import relative_rounding, warn_of_residual
from jaxfair.attribution.reveal_cancel import REVEAL_CANCEL
from jaxfair.attribution.secant import RULES, change_of, secant

_RULES = {"rescale": RULES, "reveal_cancel": REVEAL_CANCEL}


class Attribution(NamedTuple):
    """What each input contributes to each output, against a background.

    Attributes:
      values: `[example, output, ...]`, the contribution of every entry of the input; the trailing axes are the
        input's own.
      predictions: `[example, output]`, the function's outputs.
      expected: `[output]`, their mean over the background.
      residual: `[example, output]`, `predictions - expected - values.sum()`: what the values do not account for.
      allowed: `[example, output]`, how large the residual may be by rounding alone. Where it is larger the function
        holds something that no rule is exact for, and the values are wrong (`completeness.warn_of_residual`).
    """

    values: jax.Array
    predictions: jax.Array
    expected: jax.Array
    residual: jax.Array
    allowed: jax.Array


def deep_shap(
    function: Callable[[jax.Array], jax.Array],
    inputs: ArrayLike,
    background: ArrayLike,
    *,
    rule: Literal["rescale", "reveal_cancel"] = "rescale",
    pairs_at_once: int = 256,
) -> Attribution:
    """Contributions by DeepLIFT's Rescale or RevealCancel rule, averaged over a background (DeepSHAP).

    `values[i, c, t] = mean_j m_c[i, j, t] (inputs[i, t] - background[j, t])` with the multipliers m of example i
    against background example j: gradients in which every non-linear operation has its slope between both in place of
    its derivative. They are complete: they sum to `f_c(inputs[i]) - mean_j f_c(background[j])`.

    The function is traced and its operations are interpreted one by one, so it does not matter how it is written:
    layers, functional calls, an activation used twice, normalisation in evaluation mode, pooling, transforms,
    attention. An operation without a rule is named in an error. These have one, on values that depend on the inputs:

    ===================================  ==============================================================================
    linear: applied to the change        add, add_any, sub, neg, reduce_sum, cumsum, reduce_window_sum (average
                                         pooling), real, imag, complex, conj, fft, convert_element_type,
                                         reduce_precision; broadcast_in_dim, reshape, squeeze, expand_dims, transpose,
                                         rev, slice, pad, concatenate, stack, unstack, split, tile, copy, copy_p
    linear at constant positions         gather, dynamic_slice, dynamic_update_slice, scatter, scatter-add, scatter_add
    passed on as it is                   optimization_barrier, stop_gradient: without derivative, not without change
    products: Shapley values             mul, dot_general, conv_general_dilated, div, square, reduce_prod; cumprod and
                                         cumlogsumexp two entries at a time
    Rescale: the slope between           exp, exp2, expm1, log, log1p, logistic, tanh, erf, erfc, erf_inv, sin, cos,
    both points                          tan, asin, acos, atan, sinh, cosh, asinh, acosh, atanh, sqrt, rsqrt, cbrt,
                                         integer_pow, lgamma, digamma, sign, floor, ceil, round, clamp, abs
    the same, for two values that both   pow, atan2, rem, nextafter
    change by their Shapley values
    to the extreme element of either     max, min (ReLU: the slope), reduce_max, reduce_min, reduce_window_max and
    point, of whichever went further     reduce_window_min (maximum pooling), cummax, cummin
    in order, by maxima and minima of    sort, top_k: the values, not the positions
    two in a fixed (bitonic) network
    choice: the case chosen; if not the  select_n (where)
    same one at both points, the case
    that went further
    control flow, the same at both       scan, while (fori_loop), cond (switch): their operations' own rules
    ===================================  ==============================================================================

    The choice is complete only where what is chosen changes: `where(a > 0, b, 0)` jumps by all of b, which need not
    have changed, when a changes its sign. A residual larger than rounding allows says so (Warns).

    Rescale gives all that enters a non-linearity together one slope, so that what cancels within it goes unseen: of
    `min(a, b) = a - relu(a - b)` the smaller gets all. RevealCancel carries what raises a value and what lowers it
    separately through the network and gives both their Shapley values in each non-linearity: here half each. It costs
    some times as much. A product with a constant matrix or kernel takes its inputs as raised or lowered by the sign of
    their whole difference, as published. So does whatever has no rule in `reveal_cancel`, which is treated by Rescale:
    products and maxima of several changing values, pooling windows, orders, choices by a comparison, exponentials,
    roots, loops and branches. Both rules are complete.

    These are Shapley values of the inputs only where the function is a sum of functions of single inputs before each
    non-linearity; `sampled_shapley` estimates them for any function and says how precisely.

    Args:
      function: `[batch, ...]` to `[batch, output]`, each example on its own (batch normalisation in evaluation mode).
        Logits or probabilities: completeness holds for whichever is given.
      inputs: `[example, ...]`, what to explain.
      background: `[background, ...]`, what to compare with; some tens to hundreds of training examples.
      rule: "rescale" or "reveal_cancel". SHAP's DeepExplainer has the first.
      pairs_at_once: Pairs of an example and a background example that are in memory together.

    Returns:
      An `Attribution`.

    Warns:
      UserWarning: The values do not sum to the predictions: a residual is larger than `allowed`. Only where deep_shap
        is called with arrays. Within jit, vmap or map there is nothing to compare yet: give `residual` and `allowed`
        of the result to `completeness.warn_of_residual`.

    Raises:
      ValueError: The background is empty, or does not fit the inputs, or no rule has this name.
      UnsupportedPrimitive: The function uses an operation that has no rule.

    References:
      Shrikumar, Greenside, Kundaje: Learning Important Features Through Propagating Activation Differences, ICML 2017,
      sections 3.4 and 3.5. Lundberg, Lee: A Unified Approach to Interpreting Model Predictions, NeurIPS 2017, section
      4.2.
    """
    inputs, background = jnp.asarray(inputs), jnp.asarray(background)
    check("deep_shap", inputs, background)
    if rule not in _RULES:
        raise ValueError(f"deep_shap: rule {rule!r} is none of {sorted(_RULES)}.")
    if not len(inputs):
        raise ValueError("deep_shap: there are no inputs to explain.")

    def of_block(examples, references, mask):
        """Sums over the references that exist, for a block of examples."""

        def along(changes):
            def one(example, reference, change):
                output = secant(lambda x: function(x[None])[0], example, reference, change, _RULES[rule])
                return change_of(output, "the last operation"), (output.at, output.reference)

            # What depends on one of both points only is computed once for it: vmap keeps it out of the other's axis.
            return jax.vmap(jax.vmap(one, (None, 0, 0)), (0, None, 0))(examples, references, changes)

        difference = examples[:, None] - references
        images, transpose, (at, there) = jax.vjp(along, jnp.zeros_like(difference), has_aux=True)
        outputs = jnp.eye(images.shape[-1], dtype=images.dtype)[:, None, None]
        cotangents = jnp.broadcast_to(outputs, (len(outputs), *images.shape))
        # [example, reference, output, ...]
        multipliers = _from_memory(lambda: jnp.moveaxis(jax.vmap(transpose)(cotangents)[0], 0, 2))
        parts = multipliers * difference[:, :, None]
        exists = mask.reshape(-1, *[1] * (parts.ndim - 2))
        values = jnp.where(exists, parts, 0).sum(1)
        terms = jnp.abs(multipliers) * (jnp.abs(examples)[:, None] + jnp.abs(references))[:, :, None]
        sizes = jnp.where(exists, terms, 0).sum((1, *range(3, terms.ndim)))
        there = jnp.where(mask[:, None], jnp.stack([there[0], jnp.abs(there[0])]), 0).sum(1)
        return values, sizes, at[:, 0], *there

    # Square blocks ask for the fewest points for their pairs, each of which goes through the function once a block.
    side = max(1, math.isqrt(pairs_at_once))
    references, mask = _blocks(background, max(side, pairs_at_once // min(side, len(inputs))))
    examples, _ = _blocks(inputs, max(1, pairs_at_once // references.shape[1]))

    def against_background(examples):
        values, sizes, at, *there = jax.lax.map(lambda block: of_block(examples, *block), (references, mask))
        means = [each.sum(0) / len(background) for each in (values, sizes, *there)]
        return *means[:2], at[0], *means[2:]

    by_block = jax.lax.map(against_background, examples)
    values, sizes, predictions = (each.reshape(-1, *each.shape[2:])[: len(inputs)] for each in by_block[:3])
    expected, size_of_expected = (each[0] for each in by_block[3:])
    total = values.reshape(*values.shape[:2], -1).sum(-1)
    share = relative_rounding(jax.make_jaxpr(function)(inputs[:1]).jaxpr)
    allowed = share * (sizes + jnp.abs(predictions) + size_of_expected)
    found = Attribution(values, predictions, expected, predictions - expected - total, allowed)
    if not isinstance(allowed, jax.core.Tracer):
        warn_of_residual(found.residual, allowed)
    return found


def _from_memory(function: Callable[[], jax.Array]) -> jax.Array:
    """`function()`, with each array that it takes from outside computed once and kept in memory.

    A compiler may compute a slope again in each kernel that uses it, with other rounding. Where its two points nearly
    coincide it may then be another slope, and multipliers that should cancel do not: those of the largest logit of a
    softmax, which changes by nothing but rounding when the largest logit is subtracted from it. XLA drops optimization
    barriers on the CPU before it fuses, but computes nothing within a loop's branch that was computed before the loop.
    """
    found = jax.eval_shape(function)

    def step(value, first):
        return jax.lax.cond(first, function, lambda: value), None

    # Of a single step XLA would make no loop.
    return jax.lax.scan(step, jnp.zeros(found.shape, found.dtype), jnp.array([True, False]))[0]


def _blocks(points: jax.Array, most: int) -> tuple[jax.Array, jax.Array]:
    """Points in equal blocks, `[block, position, ...]`, the first ones again where the last is not full; and a mask."""
    number = -(-len(points) // most)
    indices = np.arange(number * -(-len(points) // number)).reshape(number, -1)
    return points[indices % len(points)], jnp.asarray(indices < len(points))


def check(name: str, inputs: jax.Array, background: jax.Array) -> None:
    """Raises a ValueError that says which of the two cannot be used."""
    if not len(background):
        raise ValueError(f"{name}: the background is empty; give it at least one example to compare with.")
    if inputs.shape[1:] != background.shape[1:]:
        raise ValueError(
            f"{name}: inputs {inputs.shape} and background {background.shape} differ in more than their number."
        )
    if not jnp.issubdtype(inputs.dtype, jnp.floating):
        raise ValueError(f"{name}: inputs are {inputs.dtype}; contributions need floating point inputs.")
