"""The product with gradients of its own against plain NumPy, alone, under `vmap` and in a dense layer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxfair.models import product


def factors(*lead):
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.normal(size=(*lead, *shape)), jnp.float32) for shape in ((5, 7), (7, 3), (5, 3))]


def weighted(left, right, weights):
    return (weights * product.product(left, right)).sum()


def test_value_and_gradients():
    left, right, weights = factors()
    value, (to_left, to_right) = jax.jit(jax.value_and_grad(weighted, argnums=(0, 1)))(left, right, weights)
    left, right, weights = (np.asarray(each, np.float64) for each in (left, right, weights))
    np.testing.assert_allclose(value, (weights * (left @ right)).sum(), rtol=1e-5)
    np.testing.assert_allclose(to_left, weights @ right.T, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(to_right, left.T @ weights, rtol=1e-5, atol=1e-6)


def test_vmap_equals_a_loop():
    slopes = jax.jit(jax.grad(weighted, argnums=(0, 1)))
    batched = jax.vmap(slopes)(*factors(4))
    for number in range(4):
        each = slopes(*(np.asarray(factor)[number] for factor in factors(4)))
        for a, b in zip(batched, each, strict=True):
            np.testing.assert_allclose(a[number], b, rtol=1e-5, atol=1e-6)


def test_a_dense_layer_takes_it():
    left, right, _ = factors()
    layer = nn.Dense(3, dot_general=product.dot_general)
    params = {"params": {"kernel": right, "bias": jnp.ones(3)}}
    np.testing.assert_allclose(layer.apply(params, left), np.asarray(left) @ np.asarray(right) + 1, rtol=1e-5)


def test_what_is_no_product_of_two_matrices_is_refused():
    with pytest.raises(ValueError, match="no product of two matrices"):
        nn.Dense(3, dot_general=product.dot_general).init(jax.random.key(0), jnp.ones((2, 5, 7)))
