"""Means and sums over what counts: values by hand, and nothing from what does not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxfair.losses import masked_mean, masked_sum, standardize, weighted_mean

BAD = [np.nan, np.inf, -np.inf]
VALUES = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 10.0]], np.float32)
ROWS = np.array([True, False, True])
ELEMENTS = np.array([[True, False, True], [False, False, False], [True, True, False]])


def test_by_hand():
    assert masked_sum(VALUES) == 46
    assert masked_sum(VALUES, ROWS) == 31
    assert masked_sum(VALUES, ELEMENTS) == 19
    np.testing.assert_allclose(masked_mean(VALUES, ROWS), 31 / 6, rtol=1e-6)
    np.testing.assert_allclose(masked_mean(VALUES, ROWS, axis=0), [4.0, 5.0, 6.5])
    np.testing.assert_allclose(masked_mean(VALUES, ROWS, axis=1), [2.0, 0.0, 25 / 3], rtol=1e-6)
    np.testing.assert_allclose(masked_mean(VALUES, ELEMENTS, axis=0), [4.0, 8.0, 3.0])
    np.testing.assert_allclose(masked_mean(VALUES, ELEMENTS, axis=(0, 1)), 19 / 4)
    np.testing.assert_allclose(weighted_mean([1.0, 2.0, 4.0], [3.0, 1.0, 2.0], ROWS), 11 / 5)
    np.testing.assert_allclose(weighted_mean([1.0, 2.0, 4.0], [3.0, 1.0, 2.0]), 13 / 6, rtol=1e-6)


def test_a_mask_belongs_to_the_first_axes_even_where_the_last_would_fit():
    np.testing.assert_allclose(masked_mean(VALUES, [True, False, False], axis=0), VALUES[0])
    np.testing.assert_allclose(masked_mean(VALUES, np.array([[True, False, False]])), VALUES[:, 0].mean())


@pytest.mark.parametrize(
    "function",
    [
        lambda v, m: masked_sum(v, m),
        lambda v, m: masked_mean(v, m),
        lambda v, m: jnp.sum(masked_mean(v, m, axis=0) ** 2),
        lambda v, m: jnp.sum(masked_mean(v, m, axis=1) ** 2),
        lambda v, m: weighted_mean(v, jnp.abs(v), m),
        lambda v, m: jnp.sum(jnp.exp(standardize(v, m))),
    ],
)
def test_what_does_not_count_is_not_seen(function):
    compiled = jax.jit(jax.value_and_grad(function))
    for mask in (np.broadcast_to(ROWS[:, None], VALUES.shape), ELEMENTS):
        value, gradient = compiled(VALUES, mask)
        for bad in BAD:
            spoiled_value, spoiled_gradient = compiled(np.where(mask, VALUES, bad).astype(np.float32), mask)
            np.testing.assert_array_equal(spoiled_value, value)
            np.testing.assert_array_equal(spoiled_gradient, gradient)
            assert np.all(np.asarray(spoiled_gradient)[~mask] == 0)


@pytest.mark.parametrize(
    "function",
    [
        lambda v, m: masked_sum(v, m),
        lambda v, m: masked_mean(v, m),
        lambda v, m: weighted_mean(v, jnp.ones_like(v), m),
        lambda v, m: jnp.sum(standardize(v, m)),
    ],
)
def test_where_nothing_counts_all_is_zero(function):
    value, gradient = jax.value_and_grad(function)(VALUES * np.nan, np.zeros(3, bool))
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


def test_what_counts_shows_its_nan():
    for function in (masked_sum, masked_mean, lambda v: weighted_mean(v, np.ones(3)), lambda v: standardize(v)[0]):
        assert np.isnan(function(np.array([1.0, np.nan, 2.0])))


def test_gradients():
    def total(v):
        return masked_mean(v, ROWS) ** 2 + weighted_mean(v, v**2, ROWS) + jnp.sum(standardize(v, ELEMENTS) ** 3)

    with jax.enable_x64(True):
        check_grads(jax.jit(total), (jnp.asarray(VALUES, float),), order=1)
        check_grads(jax.jit(jax.grad(total)), (jnp.asarray(VALUES, float),), order=1, modes=["rev"])


def test_half_precision_is_counted_in_float32():
    ones = jnp.ones(1000, jnp.bfloat16)
    for dtype in (jnp.bfloat16, jnp.float16):
        assert masked_sum(ones.astype(dtype)) == 1000
        assert masked_mean(ones.astype(dtype)).dtype == jnp.float32
        assert masked_mean(ones.astype(dtype)) == 1
        assert jax.grad(masked_mean)(ones.astype(dtype)).dtype == dtype
    assert masked_mean(jnp.arange(4)) == 1.5
    assert masked_mean(jnp.array([True, False])) == 0.5


def test_standardize_against_numpy():
    rng = np.random.default_rng(0)
    x = rng.normal(60, 17, (50, 4)).astype(np.float32)
    mask = rng.random(50) < 0.7
    z = standardize(x, mask)
    counted = x[mask].astype(np.float64)
    np.testing.assert_allclose(z[mask], (counted - counted.mean(0)) / counted.std(0), atol=2e-6)
    np.testing.assert_array_equal(z[~mask], 0)
    np.testing.assert_allclose(standardize(1e-6 * x[:, 0] + 0, mask), z[:, 0], atol=1e-5)


@pytest.mark.parametrize("constant", [0.0, 1.0, 61.7, 1e-12, 1e12])
def test_standardize_makes_a_constant_zero(constant):
    column = np.full(37, constant, np.float32)
    value, gradient = jax.jit(jax.value_and_grad(lambda v: jnp.sum(standardize(v) * jnp.arange(37))))(column)
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


def test_jit_and_vmap():
    rng = np.random.default_rng(1)
    values, masks = rng.normal(size=(4, 6, 2)).astype(np.float32), rng.random((4, 6)) < 0.6
    for function in (masked_sum, masked_mean, standardize):
        looped = np.stack([function(v, m) for v, m in zip(values, masks, strict=True)])
        np.testing.assert_allclose(jax.jit(jax.vmap(function))(values, masks), looped, rtol=1e-5, atol=1e-6)


def test_errors_say_what_to_do():
    with pytest.raises(TypeError, match=r"must be boolean, but has dtype float32; write mask > 0"):
        masked_mean(VALUES, np.ones(3, np.float32))
    with pytest.raises(ValueError, match=r"mask of shape \(2,\) does not fit values of shape \(3, 3\)"):
        masked_mean(VALUES, np.ones(2, bool))
    with pytest.raises(ValueError, match="does not fit"):
        masked_mean(VALUES[:, 0], np.ones((3, 3), bool))
    with pytest.raises(ValueError, match="one weight per value"):
        weighted_mean(VALUES, np.ones(3))
