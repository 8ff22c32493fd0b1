"""What every attack returns, and what every attack needs: a frozen model, a decision, and norms of examples."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

Logits = Callable[[jax.Array], jax.Array]


class Adversarial(NamedTuple):
    """What an attack made of a batch. No gradient flows through any of it.

    `success` speaks of the decision alone. An example that the model got wrong before the attack may count as a
    success without any doing of the attack, so take rates and mean norms over the examples that it got right:
    `success[decision_before == labels]`.

    Attributes:
      inputs: `[batch, ...]`, the adversarial examples.
      perturbation: `[batch, ...]`, what was added to the inputs.
      success: `[batch]` boolean: the model no longer decides for the label (targeted: it decides for the label).
      steps: `[batch]` int32, how often the example was moved.
      relative_norm: `[batch]`, `||perturbation|| / ||inputs||` with Euclidean norms, whatever norm the attack bounds.
        0 for no perturbation, and infinite where there is one of an input of zeros.
      decision: `[batch]` int32, the class that the model decides for on the adversarial examples, or −1: there its
        logits are not finite, or the label is no class. Then `success` is False, and `inputs`, `perturbation` and
        `relative_norm` are NaN.
      decision_before: `[batch]` int32, the class on the inputs as they were given; −1 as above.
    """

    inputs: jax.Array
    perturbation: jax.Array
    success: jax.Array
    steps: jax.Array
    relative_norm: jax.Array
    decision: jax.Array
    decision_before: jax.Array


def result(
    inputs: jax.Array,
    changed: jax.Array,
    labels: jax.Array,
    steps: ArrayLike,
    decision: jax.Array,
    decision_before: jax.Array,
    targeted: bool = False,
) -> Adversarial:
    """The result of moving `inputs` to `changed`; arguments as in `Adversarial`."""
    known = decision >= 0
    reached = (decision == labels) if targeted else (decision != labels)
    changed = jnp.where(per_example(known, inputs), changed, jnp.nan)
    size = norm(changed - inputs)
    return jax.lax.stop_gradient(
        Adversarial(
            inputs=changed,
            perturbation=changed - inputs,
            success=known & reached,
            steps=jnp.broadcast_to(jnp.asarray(steps, jnp.int32), decision.shape),
            # 0 / 0 is no change, and NaN stays NaN.
            relative_norm=jnp.where(size == 0, 0, size / norm(inputs)),
            decision=decision,
            decision_before=decision_before,
        )
    )


def frozen(logits: Logits, like: jax.Array) -> Logits:
    """`logits` for arrays of one shape, as a constant to differentiation.

    Stopping the gradient of an attack's result is not enough inside a training loss: what is to be differentiated, the
    network's parameters, would still pass through the attack's loop, which has no reverse derivative.

    Args:
      logits: The model; what it closes over may be traced.
      like: An array of the shape and type that it will be called with.
    """
    # A new function each time: the conversion remembers functions, and with them tracers that are gone.
    function, hoisted = jax.closure_convert(lambda values: logits(values), like)
    hoisted = jax.lax.stop_gradient(hoisted)
    return lambda values: function(values, *hoisted)


def decide(logits: jax.Array, labels: jax.Array | None = None) -> jax.Array:
    """`[batch]` int32: the class with the largest of `[batch, class]` logits, the first of equal ones.

    −1 where a logit is not finite, or where the label is no class.
    """
    known = jnp.isfinite(logits).all(axis=1)
    if labels is not None:
        known &= (labels >= 0) & (labels < logits.shape[1])
    return jnp.where(known, jnp.argmax(logits, axis=1), -1).astype(jnp.int32)


def per_example(values: ArrayLike, like: jax.Array) -> jax.Array:
    """A number, or one for each example, `[batch]`, with axes of size 1 behind it to meet `[batch, ...]`."""
    values = jnp.asarray(values)
    return values if values.ndim == 0 else values.reshape(-1, *[1] * (like.ndim - 1))


def norm(values: jax.Array) -> jax.Array:
    """Euclidean norm of each example, `[batch, ...] -> [batch]`, exact where squares of the entries are 0 or infinite.

    Gradients of a model that is sure of itself are that small, and their direction is all that an attack asks for.
    """
    flat = values.reshape(len(values), -1)
    largest = jnp.abs(flat).max(axis=1)
    scale = jnp.where(largest > 0, largest, 1)
    return scale * jnp.sqrt(jnp.square(flat / scale[:, None]).sum(axis=1))


def unit(values: jax.Array) -> jax.Array:
    """Each example over its Euclidean norm, `[batch, ...]`; zeros stay zeros."""
    # In two steps, as the inverse of a norm of 1e-39 is infinite.
    size = norm(values)
    return values / per_example(jnp.where(size == 0, 1, size), values)


def checked(
    name: str, logits: Logits, inputs: ArrayLike, labels: ArrayLike | None
) -> tuple[jax.Array, jax.Array | None, int]:
    """Inputs and labels as constants, and the number of classes; `name` is the attack that complains."""
    inputs = jnp.asarray(inputs)
    if inputs.ndim < 2 or not inputs.size or not jnp.issubdtype(inputs.dtype, jnp.floating):
        raise ValueError(
            f"{name}: inputs must be floats [batch, ...] with at least one example, but are {inputs.dtype} of shape "
            f"{inputs.shape}."
        )
    outputs = jax.eval_shape(logits, inputs)
    shape = getattr(outputs, "shape", type(outputs).__name__)
    if not isinstance(shape, tuple) or len(shape) != 2 or shape[0] != len(inputs) or shape[1] < 2:
        raise ValueError(
            f"{name}: logits(inputs) must be [{len(inputs)}, class] with 2 classes or more, but gives {shape}; "
            "a single logit z becomes the pair (0, z)."
        )
    if labels is not None:
        labels = jnp.asarray(labels)
        if labels.shape != inputs.shape[:1] or not jnp.issubdtype(labels.dtype, jnp.integer):
            raise ValueError(
                f"{name}: labels must be integers [{len(inputs)}], one for each of the inputs, but are {labels.dtype} "
                f"of shape {labels.shape}."
            )
    return jax.lax.stop_gradient(inputs), labels, shape[1]
