"""Recurrent layers over the time steps that exist: long short-term memory and the gated recurrent unit.

A step that does not exist leaves the state as it is: what a layer gives is what it gives for the sequence without these
steps, wherever they stand. They may hold NaN and have exactly zero gradient.

The products of the inputs are taken for all steps at once, and `jax.lax.scan` runs over the rest, so that neither the
program nor the time to compile it grows with the number of steps.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxfair.models.attention import product_over_last


def scan_existing(
    step: Callable, initial: tuple[jax.Array, ...], inputs: jax.Array | tuple, exists: jax.Array, reverse: bool = False
) -> tuple[tuple[jax.Array, ...], jax.Array]:
    """Runs a recurrence over the steps that exist.

    Args:
      step: `step(state, inputs) -> state` of one time step.
      initial: State before the first step, arrays `[batch, hidden]`. Its first array is what the recurrence puts out.
      inputs: Arrays `[batch, time, ...]`, finite also where no step exists.
      exists: `[batch, time]` boolean.
      reverse: From the last step to the first.

    Returns:
      The state after all steps, and the first array of the state after each, `[batch, time, hidden]`. Where no step
      exists that is the state of the step before, in the order of the run.
    """

    def one(state, at):
        inputs, there = at
        state = tuple(jnp.where(there[:, None], new, old) for new, old in zip(step(state, inputs), state, strict=True))
        return state, state[0]

    of_time = jax.tree.map(lambda array: jnp.swapaxes(array, 0, 1), (inputs, exists))
    # The backward pass recomputes each step from its state: storing a dozen small arrays a step takes a CPU longer.
    recomputed = jax.checkpoint(one, prevent_cse=False)
    state, outputs = jax.lax.scan(recomputed, initial, of_time, reverse=reverse)
    return state, jnp.swapaxes(outputs, 0, 1)


class LstmLayer(nn.Module):
    """One layer of long short-term memory.

        i, f, o = σ(W_i x_t + U_i h_{t−1} + b_i), and so for f and o
        g = tanh(W_g x_t + U_g h_{t−1} + b_g)
        c_t = f ⊙ c_{t−1} + i ⊙ g
        h_t = o ⊙ tanh(c_t)

    from states of 0. `input_kernel` `[feature, 4 hidden]`, `recurrent_kernel` `[hidden, 4 hidden]` and `bias` hold the
    gates in PyTorch's order i, f, g, o; our bias is the sum of PyTorch's two.

    Attributes:
      hidden: Entries of h and of c.

    References:
      Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 1997; with the forget gate of Gers,
      Schmidhuber and Cummins, "Learning to Forget", Neural Computation 2000.
    """

    hidden: int

    @nn.compact
    def __call__(self, inputs: jax.Array, exists: jax.Array) -> jax.Array:
        """h of every step, `[batch, time, hidden]`, out of `[batch, time, feature]` and `[batch, time]` boolean."""
        projected, recurrent = _projected(self, inputs, exists, self.hidden, _remembering, num_gates=4)

        def step(state, projected):
            h, c = state
            i, f, g, o = jnp.split(projected + h @ recurrent, 4, axis=-1)
            c = nn.sigmoid(f) * c + nn.sigmoid(i) * jnp.tanh(g)
            return nn.sigmoid(o) * jnp.tanh(c), c

        zeros = jnp.zeros((len(inputs), self.hidden), projected.dtype)
        return scan_existing(step, (zeros, zeros), projected, exists)[1]


class GruLayer(nn.Module):
    """One layer of gated recurrent units, whose state may decay between two steps.

        ĥ = γ_t ⊙ h_{t−1}
        r = σ(W_r x_t + U_r ĥ + b_r)
        z = σ(W_z x_t + U_z ĥ + b_z)
        h̃ = tanh(W x_t + U (r ⊙ ĥ) + b)
        h_t = (1 − z) ⊙ ĥ + z ⊙ h̃

    from a state of 0. `input_kernel` `[feature, 3 hidden]`, `recurrent_kernel` `[hidden, 3 hidden]` and `bias` hold
    r, z and the candidate h̃ in this order. In PyTorch and Flax r multiplies the product `U ĥ` and z stands for our
    1 − z: a different function.

    Attributes:
      hidden: Entries of h.
      reverse: From the last step to the first.

    References:
      Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", EMNLP 2014, in the form that Che et al.
      2018 write.
    """

    hidden: int
    reverse: bool = False

    @nn.compact
    def __call__(self, inputs: jax.Array, exists: jax.Array, decay: jax.Array | None = None) -> jax.Array:
        """h of every step.

        Args:
          inputs: `[batch, time, feature]`.
          exists: `[batch, time]` boolean.
          decay: γ, `[batch, time, hidden]`, finite also where no step exists. `None`: 1.

        Returns:
          `[batch, time, hidden]`.
        """
        zeros = nn.initializers.zeros
        projected, recurrent = _projected(self, inputs, exists, self.hidden, zeros, num_gates=3)

        def step(state, at):
            projected, decay = at
            (h,) = state
            h = h if decay is None else decay * h
            r, z = jnp.split(
                nn.sigmoid(projected[:, : 2 * self.hidden] + h @ recurrent[:, : 2 * self.hidden]), 2, axis=-1
            )
            candidate = jnp.tanh(projected[:, 2 * self.hidden :] + (r * h) @ recurrent[:, 2 * self.hidden :])
            return ((1 - z) * h + z * candidate,)

        initial = jnp.zeros((len(inputs), self.hidden), projected.dtype)
        return scan_existing(step, (initial,), (projected, decay), exists, self.reverse)[1]


def _projected(module, inputs, exists, hidden, init_bias, num_gates):
    """`W x + b` of all gates and steps, and U."""
    width = num_gates * hidden
    kernel = module.param("input_kernel", nn.initializers.lecun_normal(), (inputs.shape[-1], width))
    recurrent = module.param("recurrent_kernel", _orthogonal_gates, (hidden, width))
    bias = module.param("bias", init_bias, (width,))
    return product_over_last(jnp.where(exists[..., None], inputs, 0), kernel) + bias, recurrent


def _orthogonal_gates(key, shape):
    """An orthogonal matrix for each gate: one over all of them would leave each gate's own product shrinking."""
    hidden, width = shape
    keys = jax.random.split(key, width // hidden)
    return jnp.concatenate([nn.initializers.orthogonal()(key, (hidden, hidden)) for key in keys], axis=1)


def _remembering(key, shape):
    """0, but 1 for the forget gate: at 0 it would halve the memory with every one of the hours of a window.

    Jozefowicz, Zaremba and Sutskever, "An Empirical Exploration of Recurrent Network Architectures", ICML 2015.
    """
    hidden = shape[0] // 4
    return jnp.zeros(shape).at[hidden : 2 * hidden].set(1.0)
