"""Laws that every statistic of a batch keeps: the mask, padding, order, compilation, batching over members."""

from collections.abc import Callable
from typing import NamedTuple

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


def values_of(statistics):
    return {name: lambda x, y, mask, f=f: f(x, y / 17, mask) for name, (f, _) in statistics.items()}


def compiled_together(values, change):
    """`change` of every value, in one program: for all to compile takes little longer than for one."""
    return jax.jit(lambda *arguments: {name: change(value)(*arguments) for name, value in values.items()})


class Statistic(NamedTuple):
    """A statistic by `value(x, y, mask)`, its compiled forms, features that suit it, and how many it needs."""

    value: Callable
    value_and_gradients: Callable  # With respect to both variables.
    compiled: Callable
    over_members: Callable  # Of `x` and `mask`.
    x: np.ndarray
    needs: int


def together(statistics, x):
    values = values_of(statistics)
    forms = [
        compiled_together(values, change)
        for change in (
            lambda value: jax.value_and_grad(value, argnums=(0, 1)),
            lambda value: value,
            lambda value: jax.vmap(value, (0, None, 0)),
        )
    ]

    def of(name):
        own = (lambda *arguments, form=form: form(*arguments)[name] for form in forms)
        return Statistic(values[name], *own, x, statistics[name][1])

    return {name: of(name) for name in statistics}


STATISTICS = together(SCALAR, X[:, 0]) | together(SEVERAL, X)


@pytest.fixture(params=STATISTICS)
def statistic(request):
    return STATISTICS[request.param]


def close(actual, expected):
    jax.tree.map(lambda a, e: np.testing.assert_allclose(a, e, rtol=2e-4, atol=2e-5), actual, expected)


def rows(x, mask):
    return mask.reshape(-1, *(1,) * (x.ndim - 1))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_does_not_count_is_not_seen(statistic, bad):
    compiled, x = statistic.value_and_gradients, statistic.x
    value, gradients = compiled(x, Y, MASK)
    spoiled = np.where(rows(x, MASK), x, bad).astype(np.float32), np.where(MASK, Y, bad).astype(np.float32)
    spoiled_value, spoiled_gradients = compiled(*spoiled, MASK)
    np.testing.assert_array_equal(spoiled_value, value)
    for gradient, spoiled_gradient in zip(gradients, spoiled_gradients, strict=True):
        np.testing.assert_array_equal(spoiled_gradient, gradient)
        assert np.all(np.asarray(spoiled_gradient)[~MASK] == 0)
        assert np.all(np.asarray(spoiled_gradient)[MASK] != 0)


def test_what_counts_shows_its_nan(statistic):
    compiled, x = statistic.value_and_gradients, statistic.x
    assert np.isnan(compiled(np.where(rows(x, np.arange(BATCH) != 2), x, np.nan), Y, np.ones(BATCH, bool))[0])
    assert np.isnan(compiled(x, np.where(np.arange(BATCH) != 2, Y, np.nan), np.ones(BATCH, bool))[0])


def test_padding_is_leaving_out_and_compiled_is_eager(statistic):
    eager = statistic.value(statistic.x[MASK], Y[MASK], None)
    np.testing.assert_allclose(statistic.value_and_gradients(statistic.x, Y, MASK)[0], eager, rtol=1e-4, atol=1e-6)


def test_order_does_not_matter(statistic):
    compiled, x = statistic.value_and_gradients, statistic.x
    order = np.random.default_rng(1).permutation(BATCH)
    value, gradients = compiled(x, Y, MASK)
    permuted_value, permuted_gradients = compiled(x[order], Y[order], MASK[order])
    close((permuted_value, permuted_gradients), (value, tuple(g[order] for g in gradients)))


def test_members_are_a_loop(statistic):
    compiled, x = statistic.value_and_gradients, statistic.x
    rng = np.random.default_rng(2)
    xs, masks = x + rng.normal(size=(3, *x.shape)).astype(np.float32), rng.random((3, BATCH)) < 0.7
    batched = statistic.over_members(xs, Y, masks)
    looped = [compiled(x, Y, mask)[0] for x, mask in zip(xs, masks, strict=True)]
    np.testing.assert_allclose(batched, looped, rtol=1e-4, atol=1e-6)


def test_too_few_give_zero_and_a_zero_gradient(statistic):
    compiled, x, needs = statistic.value_and_gradients, statistic.x, statistic.needs
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
    compiled, x = statistic.value_and_gradients, statistic.x
    constants = np.full_like(x, constant)
    value, (gradient, _) = compiled(constants, Y, MASK)
    np.testing.assert_allclose(value, 0, atol=1e-8)
    assert np.isfinite(gradient).all()
    if x.ndim == 2:
        np.testing.assert_allclose(gradient, 0, atol=1e-8)


@pytest.mark.parametrize("shift", [0, 100])
def test_gradients_are_finite_where_examples_coincide(statistic, shift):
    compiled, x = statistic.value_and_gradients, statistic.x
    coincident = np.concatenate([x[:9], x[:9], 0 * x[:6]]) + np.float32(shift)
    _, gradients = compiled(coincident, np.round(Y, -1), MASK)
    for gradient in gradients:
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() < 10


def test_half_precision_gives_a_float32_value_and_a_gradient_of_its_own_type(statistic):
    half = statistic.x.astype(jnp.bfloat16)
    half_value = statistic.compiled(half, Y, MASK)
    assert half_value.dtype == jnp.float32
    np.testing.assert_allclose(half_value, statistic.compiled(half.astype(np.float32), Y, MASK), rtol=1e-5)
    assert jax.eval_shape(jax.grad(statistic.value), half, Y, MASK).dtype == jnp.bfloat16


def test_the_two_variables_are_interchangeable(statistic):
    value, x = statistic.compiled, statistic.x
    x = x[:, :1] if x.ndim == 2 else x
    y = Y.reshape(x.shape)
    swapped = value(y / 17, 17 * x, MASK)
    np.testing.assert_allclose(swapped, value(x, y, MASK), rtol=1e-4, atol=1e-6)
