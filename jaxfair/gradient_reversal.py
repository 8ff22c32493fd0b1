"""Gradient reversal: what lets one backward pass train a head and, against it, the layers below."""

from typing import TypeVar

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

Tree = TypeVar("Tree")


def reverse_gradient(x: Tree, alpha: ArrayLike) -> Tree:
    """Returns `x` unchanged, and multiplies the gradient that flows back through it by `-alpha`.

    Put it between a representation and an adversary's loss: `loss(head(reverse_gradient(representation, alpha)))`
    trains the head to lower the loss and everything below to raise it, which gives the update
    `θ_B ← θ_B − η (∂L_primary/∂θ_B − α ∂L_adversary/∂θ_B)`.

    The sign is the trap: the layers below *raise* the loss that follows. A quantity that they should lower
    (a squared covariance) must come with its sign turned, as in `losses.negative_squared_covariance`.

    Second derivatives in reverse mode, and forward over reverse as in `jax.hessian`, are those of the
    reversed gradient. No function has this gradient, so a plain forward mode does not exist.

    Args:
      x: Any pytree of arrays. Leaves without a gradient (integers, keys) pass through.
      alpha: A scalar: a Python number, traced, scheduled, or a member's own under `vmap`. Its gradient is zero.
        An `alpha` of 0 gives a gradient of exactly zero, even of a loss that has become infinite or NaN:
        a control run without adversary must not be reached by one that diverged.

    Returns:
      `x`.

    Raises:
      ValueError: If `alpha` is not a scalar.
      TypeError: In forward mode (`jax.jvp`, `jax.jacfwd`); from inside `jax.jit` the message is JAX's own.

    References:
      Ganin et al., "Domain-Adversarial Training of Neural Networks", JMLR 17(59), 2016: the gradient reversal layer.
      Ibrahimi, Rivolta and Sassi, Computing in Cardiology 2024, Eq. 3: the update above.
    """
    if jnp.ndim(alpha) != 0:
        raise ValueError(
            f"reverse_gradient: alpha must be a scalar, but has shape {jnp.shape(alpha)}; "
            "for one alpha per member, vmap the function that calls reverse_gradient."
        )
    try:
        return _reverse(x, alpha)
    except TypeError as error:
        # JAX's sentence does not say which of a program's custom gradients is meant.
        if "forward-mode" in str(error):
            raise TypeError(
                "reverse_gradient has no forward mode (jvp, jacfwd), because no function has a reversed gradient; "
                "use reverse mode (grad, vjp, jacrev)."
            ) from error
        raise


@jax.custom_vjp
def _reverse(x, alpha):
    return x


def _forward(x, alpha):
    return x, alpha


def _backward(alpha, cotangent):
    def reverse(leaf):
        if leaf.dtype == jax.dtypes.float0:
            return leaf
        # In float32 at least: a small alpha would be 0 in float16.
        factor = -jnp.asarray(alpha, jnp.promote_types(leaf.dtype, jnp.float32))
        return jnp.where(factor == 0, 0, factor * leaf).astype(leaf.dtype)

    return jax.tree.map(reverse, cotangent), None


_reverse.defvjp(_forward, _backward)


def ganin_schedule(progress: ArrayLike, gamma: ArrayLike = 10.0) -> jax.Array:
    """A weight for the reversed gradient that grows from 0 to nearly 1 over a training.

    `2 / (1 + exp(-gamma * progress)) - 1`, computed as the equal `tanh(gamma * progress / 2)`, which neither
    overflows nor loses digits near 0. At `progress` 1 it is 0.99991 for the usual `gamma`, not 1; and
    it replaces no `alpha`: multiply the two.

    Args:
      progress: The share of training that is done, 0 to 1; any shape.
      gamma: How early the weight grows.

    Returns:
      The weight, in the shape of `progress`.

    References:
      Ganin et al., "Domain-Adversarial Training of Neural Networks", JMLR 17(59), 2016: the schedule of λ_p in the
      experiments on images.
    """
    return jnp.tanh(jnp.asarray(gamma) * jnp.asarray(progress) / 2)
