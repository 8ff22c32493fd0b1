"""Steepest ascent inside a ball, with random start: what the gradient attacks have in common."""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxfair.attacks.adversarial import Logits, norm, per_example, unit
from jaxfair.losses import weighted_cross_entropy

Norm = Literal["linf", "l2"]
Bounds = tuple[ArrayLike, ArrayLike]


def cross_entropy(logits: Logits, labels: jax.Array, targeted: bool) -> Callable[[jax.Array], jax.Array]:
    """The function `[batch, ...] -> [batch]` to be raised: away from the label, or, targeted, towards it."""
    sign = -1 if targeted else 1
    return lambda values: sign * weighted_cross_entropy(logits(values), labels)


def ascend(
    objective: Callable[[jax.Array], jax.Array],
    start: jax.Array,
    center: jax.Array,
    epsilon: ArrayLike,
    step_size: ArrayLike,
    num_steps: int,
    order: Norm = "linf",
    bounds: Bounds | None = None,
) -> jax.Array:
    """Raises `objective` of each example by `num_steps` steps of one length within a ball.

    `x <- clip(center + project(x + step_size * d − center))` with d the direction of norm 1 in which a linear objective
    rises most: the gradient's signs in l_inf, the gradient over its norm in l2. A gradient of 0 moves nothing.

    Args:
      objective: `[batch, ...] -> [batch]`, an example's entry depending on that example alone.
      start: `[batch, ...]`, where to begin.
      center: `[batch, ...]`, of the ball.
      epsilon: Its radius; a number or `[batch]`.
      step_size: A number or `[batch]`.
      num_steps: Static.
      order: The norm of ball and step.
      bounds: Least and greatest value of an entry.

    Returns:
      `[batch, ...]`, where the last step led.
    """
    epsilon, step_size = per_example(epsilon, center), per_example(step_size, center)
    slope = jax.grad(lambda values: objective(values).sum())

    def step(_, values):
        gradient = slope(values)
        direction = jnp.sign(gradient) if order == "linf" else unit(gradient)
        values = values + step_size * direction
        return clip(center + project(values - center, epsilon, order), bounds).astype(center.dtype)

    return jax.lax.fori_loop(0, num_steps, step, start)


def project(difference: jax.Array, epsilon: jax.Array, order: Norm) -> jax.Array:
    """The nearest point, in l2, of the ball of radius `epsilon` around 0 for each example."""
    if order == "linf":
        return jnp.clip(difference, -epsilon, epsilon)
    size = per_example(norm(difference), difference)
    return difference * jnp.where(size > epsilon, epsilon / jnp.where(size > 0, size, 1), 1)


def random_point(key: jax.Array, center: jax.Array, epsilon: ArrayLike, order: Norm) -> jax.Array:
    """A uniform draw from the ball around each example of `center`."""
    if order == "linf":
        draw = jax.random.uniform(key, center.shape, center.dtype, -1, 1)
    else:
        flat = center.reshape(len(center), -1)
        draw = jax.random.ball(key, flat.shape[1], 2, flat.shape[:1], center.dtype).reshape(center.shape)
    return center + per_example(epsilon, center) * draw


def clip(values: jax.Array, bounds: Bounds | None) -> jax.Array:
    """`values` within the bounds, if there are any."""
    return values if bounds is None else jnp.clip(values, *bounds)


def check_ascent(
    name: str, epsilon: ArrayLike, step_size: ArrayLike | None, num_steps: int, order: Norm, num_examples: int
) -> None:
    """Complains, in the name of an attack, about arguments that `ascend` would not complain about."""
    if order not in ("linf", "l2"):
        raise ValueError(f'{name}: norm {order!r} is neither "linf" nor "l2".')
    if num_steps < 1:
        raise ValueError(f"{name}: num_steps={num_steps} must be at least 1.")
    for what, value in (("epsilon", epsilon), ("step_size", 0 if step_size is None else step_size)):
        if jnp.shape(value) not in ((), (num_examples,)):
            raise ValueError(f"{name}: {what} must be a number or [{num_examples}], but has shape {jnp.shape(value)}.")
        if not isinstance(value, jax.core.Tracer) and (np.asarray(value) < 0).any():
            raise ValueError(f"{name}: {what}={value} must not be negative; targeted=True turns the direction round.")
