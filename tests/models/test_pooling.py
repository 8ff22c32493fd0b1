"""Max pooling against `lax.reduce_window` and its gradient, and what happens to equal entries and NaN."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxfair.models.pooling import max_pool


def reduced(inputs, window):
    both = (1, *window, 1)
    return jax.lax.reduce_window(inputs, -jnp.inf, jax.lax.max, both, both, "VALID")


def noise(*shape):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


def test_the_first_of_equal_entries_wins_and_a_rest_is_dropped():
    inputs = jnp.array([1.0, 5.0, 2.0, 2.0, 9.0]).reshape(1, 5, 1)
    np.testing.assert_array_equal(max_pool(inputs, (2,))[0, :, 0], [5.0, 2.0])
    slope = jax.grad(lambda x: (max_pool(x, (2,))[0, :, 0] * jnp.array([1.0, 10.0])).sum())(inputs)
    np.testing.assert_array_equal(slope[0, :, 0], [0.0, 1.0, 10.0, 0.0, 0.0])


def test_nan_wins_wherever_it_stands():
    inputs = jnp.array([jnp.nan, 5.0, 1.0, 2.0, jnp.nan, 7.0]).reshape(1, 6, 1)
    np.testing.assert_array_equal(max_pool(inputs, (3,))[0, :, 0], [np.nan, np.nan])
    assert jnp.isnan(max_pool(jnp.full((1, 4, 1), jnp.nan), (2,))).all()


@pytest.mark.parametrize("window", [(2, 3), (1, 2), (1, 1), (7, 8)])
def test_values_and_gradient_equal_those_of_reduce_window(window):
    inputs = noise(2, 7, 8, 3)
    weights = noise(*jax.eval_shape(lambda x: reduced(x, window), inputs).shape)

    @jax.jit
    def values_and_gradients(inputs):
        pulled = [jax.vjp(lambda x, pool=pool: pool(x, window), inputs) for pool in (max_pool, reduced)]
        return [(values, *pull(weights)) for values, pull in pulled]

    ours, expected = values_and_gradients(inputs)
    for one, other in zip(ours, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_vmap_equals_a_loop():
    inputs = noise(3, 2, 7, 4)
    slope = jax.jit(jax.grad(lambda x: jnp.sin(max_pool(x, (2,))).sum()))
    np.testing.assert_array_equal(jax.vmap(slope)(inputs), np.stack([slope(each) for each in inputs]))


@pytest.mark.parametrize("window", [(2, 2), (9,), (0,)])
def test_windows_that_do_not_fit_are_refused(window):
    with pytest.raises(ValueError, match="max_pool"):
        max_pool(jnp.ones((1, 8, 2)), window)
