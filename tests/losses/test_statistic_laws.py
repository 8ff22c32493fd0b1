"""Laws that every statistic of a batch keeps: the mask, padding, order, compilation, batching over members."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxfair import losses

RNG = np.random.default_rng(0)
BATCH = 24
Y = RNG.normal(60, 17, BATCH).astype(np.float32)
X = (0.02 * Y[:, None] + RNG.normal(size=(BATCH, 3))).astype(np.float32)
MASK = RNG.random(BATCH) < 0.7


def unbiased(function):
    return lambda x, y, mask=None, **options: function(x, y, mask, estimator="unbiased", **options)


# Each as a function of features [batch, 3] or [batch], what to give it, and how many examples it needs.
SCALAR = {
    "covariance": (losses.covariance, 2),
    "negative_squared_covariance": (losses.negative_squared_covariance, 2),
    "squared_correlation": (losses.squared_correlation, 2),
    "unbiased_squared_covariance": (losses.unbiased_squared_covariance, 4),
    "distance_correlation": (losses.distance_correlation, 2),
}
SEVERAL = {
    "hsic": (losses.hsic, 2),
    "hsic_unbiased": (unbiased(losses.hsic), 4),
    "normalized_hsic": (losses.normalized_hsic, 2),
    "normalized_hsic_unbiased": (unbiased(losses.normalized_hsic), 4),
    "squared_distance_correlation": (losses.squared_distance_correlation, 2),
    "squared_distance_correlation_unbiased": (unbiased(losses.squared_distance_correlation), 4),
}
STATISTICS = {name: (function, X[:, 0], needs) for name, (function, needs) in SCALAR.items()}
STATISTICS |= {name: (function, X, needs) for name, (function, needs) in SEVERAL.items()}


@pytest.fixture(params=STATISTICS, scope="module")
def statistic(request):
    """A compiled value and gradient with respect to both variables, the plain function, features, and its need."""
    function, x, needs = STATISTICS[request.param]

    def value(x, y, mask):
        return function(x, y / 17, mask)

    return jax.jit(jax.value_and_grad(value, argnums=(0, 1))), value, x, needs


def close(actual, expected):
    jax.tree.map(lambda a, e: np.testing.assert_allclose(a, e, rtol=2e-4, atol=2e-5), actual, expected)


def rows(x, mask):
    return mask.reshape(-1, *(1,) * (x.ndim - 1))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_does_not_count_is_not_seen(statistic, bad):
    compiled, _, x, _ = statistic
    value, gradients = compiled(x, Y, MASK)
    spoiled = np.where(rows(x, MASK), x, bad).astype(np.float32), np.where(MASK, Y, bad).astype(np.float32)
    spoiled_value, spoiled_gradients = compiled(*spoiled, MASK)
    np.testing.assert_array_equal(spoiled_value, value)
    for gradient, spoiled_gradient in zip(gradients, spoiled_gradients, strict=True):
        np.testing.assert_array_equal(spoiled_gradient, gradient)
        assert np.all(np.asarray(spoiled_gradient)[~MASK] == 0)
        assert np.all(np.asarray(spoiled_gradient)[MASK] != 0)


def test_what_counts_shows_its_nan(statistic):
    compiled, _, x, _ = statistic
    assert np.isnan(compiled(np.where(rows(x, np.arange(BATCH) != 2), x, np.nan), Y, np.ones(BATCH, bool))[0])
    assert np.isnan(compiled(x, np.where(np.arange(BATCH) != 2, Y, np.nan), np.ones(BATCH, bool))[0])


def test_padding_is_leaving_out_and_compiled_is_eager(statistic):
    compiled, value, x, _ = statistic
    np.testing.assert_allclose(compiled(x, Y, MASK)[0], value(x[MASK], Y[MASK], None), rtol=1e-4, atol=1e-6)


def test_order_does_not_matter(statistic):
    compiled, _, x, _ = statistic
    order = np.random.default_rng(1).permutation(BATCH)
    value, gradients = compiled(x, Y, MASK)
    permuted_value, permuted_gradients = compiled(x[order], Y[order], MASK[order])
    close((permuted_value, permuted_gradients), (value, tuple(g[order] for g in gradients)))


def test_members_are_a_loop(statistic):
    compiled, value, x, _ = statistic
    rng = np.random.default_rng(2)
    xs, masks = x + rng.normal(size=(3, *x.shape)).astype(np.float32), rng.random((3, BATCH)) < 0.7
    batched = jax.jit(jax.vmap(value, (0, None, 0)))(xs, Y, masks)
    looped = [compiled(x, Y, mask)[0] for x, mask in zip(xs, masks, strict=True)]
    np.testing.assert_allclose(batched, looped, rtol=1e-4, atol=1e-6)


def test_too_few_give_zero_and_a_zero_gradient(statistic):
    compiled, _, x, needs = statistic
    for count in range(needs):
        value, gradients = compiled(x, Y, np.arange(BATCH) < count)
        assert value == 0
        for gradient in gradients:
            np.testing.assert_array_equal(gradient, 0)
    value, gradients = compiled(x, Y, np.arange(BATCH) < needs)
    assert value != 0
    assert all(np.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize("constant", [0.0, 0.1, 61.7])
def test_a_constant_depends_on_nothing(statistic, constant):
    compiled, _, x, _ = statistic
    constants = np.full_like(x, constant)
    value, (gradient, _) = compiled(constants, Y, MASK)
    np.testing.assert_allclose(value, 0, atol=1e-8)
    assert np.isfinite(gradient).all()
    if x.ndim == 2:
        np.testing.assert_allclose(gradient, 0, atol=1e-8)


@pytest.mark.parametrize("shift", [0, 100])
def test_gradients_are_finite_where_examples_coincide(statistic, shift):
    compiled, _, x, _ = statistic
    coincident = np.concatenate([x[:9], x[:9], 0 * x[:6]]) + np.float32(shift)
    _, gradients = compiled(coincident, np.round(Y, -1), MASK)
    for gradient in gradients:
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() < 10


def test_half_precision_gives_a_float32_value_and_a_gradient_of_its_own_type(statistic):
    _, value, x, _ = statistic
    half = x.astype(jnp.bfloat16)
    half_value = value(half, Y, MASK)
    assert half_value.dtype == jnp.float32
    np.testing.assert_allclose(half_value, value(half.astype(np.float32), Y, MASK), rtol=1e-5)
    assert jax.eval_shape(jax.grad(value), half, Y, MASK).dtype == jnp.bfloat16


def test_the_two_variables_are_interchangeable(statistic):
    _, value, x, _ = statistic
    x = x[:, :1] if x.ndim == 2 else x
    y = Y.reshape(x.shape)
    swapped = value(y / 17, 17 * x, MASK)
    np.testing.assert_allclose(swapped, value(x, y, MASK), rtol=1e-4, atol=1e-6)
