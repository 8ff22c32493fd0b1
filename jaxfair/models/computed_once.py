"""Keeps XLA on CPUs from computing a value anew in every operation that uses it."""

import jax


def computed_once(value: jax.Array) -> jax.Array:
    """`value`, unchanged, which on a CPU is computed once and kept.

    XLA fuses element-wise chains into the loop of every consumer, so that what three consumers need is computed three
    times, in loops too long to be vectorised. GPUs gain from that fusion, so elsewhere than on a CPU nothing is done.
    """
    return jax.lax.optimization_barrier(value) if jax.default_backend() == "cpu" else value
