"""Covariances against NumPy and against every batch that a small population can give."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import stats

from jaxfair.losses import (
    covariance,
    negative_squared_covariance,
    squared_correlation,
    unbiased_squared_covariance,
)

RNG = np.random.default_rng(0)
AGE = RNG.normal(60, 17, 40)
PREDICTION = 0.3 * AGE + RNG.normal(30, 8, 40)
MASK = RNG.random(40) < 0.7


def u_statistic(a, b):
    """The mean of the symmetric kernel ¼ (a₁−a₂)(b₁−b₂)(a₃−a₄)(b₃−b₄) over ordered quadruples of distinct examples."""
    terms = [
        (a[i] - a[j]) * (b[i] - b[j]) * (a[p] - a[q]) * (b[p] - b[q]) / 4
        for i, j, p, q in itertools.permutations(range(len(a)), 4)
    ]
    return np.mean(terms)


def test_covariance_against_numpy():
    for ddof in (0, 1):
        expected = np.cov(PREDICTION[MASK], AGE[MASK], ddof=ddof)[0, 1]
        np.testing.assert_allclose(covariance(PREDICTION, AGE, MASK, ddof=ddof), expected, rtol=1e-5)
        np.testing.assert_allclose(covariance(PREDICTION[MASK], AGE[MASK], ddof=ddof), expected, rtol=1e-5)
    assert covariance([1.0, 2.0, 3.0], [2.0, 4.0, 9.0]) == pytest.approx(7 / 3)


def test_ncov_is_minus_the_square():
    expected = -(np.cov(PREDICTION[MASK], AGE[MASK], ddof=0)[0, 1] ** 2)
    np.testing.assert_allclose(negative_squared_covariance(PREDICTION, AGE, MASK), expected, rtol=1e-5)
    assert negative_squared_covariance([1.0, 2.0, 3.0], [2.0, 4.0, 9.0]) == pytest.approx(-49 / 9)
    np.testing.assert_allclose(negative_squared_covariance(-PREDICTION, AGE, MASK), expected, rtol=1e-5)


def test_gradient_of_ncov_by_hand():
    # ∂(−cov²)/∂p_i = −2 cov (t_i − mean t) / n.
    expected = -2 * np.cov(PREDICTION, AGE, ddof=0)[0, 1] * (AGE - AGE.mean()) / len(AGE)
    np.testing.assert_allclose(jax.grad(negative_squared_covariance)(PREDICTION, AGE), expected, rtol=1e-4, atol=1e-3)


def test_squared_correlation_against_scipy_in_every_unit():
    expected = stats.pearsonr(PREDICTION[MASK], AGE[MASK]).statistic ** 2
    for scale in (1.0, -1e-9, 1e9):
        for shift in (0.0, 50.0):
            value = squared_correlation(scale * (PREDICTION + shift), AGE, MASK)
            np.testing.assert_allclose(value, expected, rtol=1e-4)
    np.testing.assert_allclose(squared_correlation(3 - 2 * AGE, AGE), 1, rtol=1e-5)
    np.testing.assert_allclose(squared_correlation([1.0, 5.0], [2.0, 1.0]), 1, rtol=1e-5)


def test_squared_correlation_gradient_does_not_shrink_the_prediction():
    # r² does not change with the scale or the shift of a prediction, so its gradient is orthogonal to both.
    gradient = np.asarray(jax.grad(squared_correlation)(PREDICTION, AGE), float)
    size = np.abs(gradient).sum() * np.abs(PREDICTION).max()
    assert size > 0.1
    assert abs(gradient @ PREDICTION) < 1e-5 * size
    assert abs(gradient.sum()) * np.abs(PREDICTION).max() < 1e-5 * size


@pytest.mark.parametrize("constant", [0.0, 1.0, 61.7])
def test_a_constant_prediction_has_no_correlation(constant):
    prediction = np.full(40, constant, np.float32)
    value, gradient = jax.jit(jax.value_and_grad(squared_correlation))(prediction, AGE)
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


def test_age_in_float32_loses_no_digits_to_its_mean():
    shifted = (AGE + 1e5).astype(np.float32).astype(np.float64)
    predicted = PREDICTION.astype(np.float32).astype(np.float64)
    expected = np.cov(predicted, shifted, ddof=0)[0, 1]
    np.testing.assert_allclose(covariance(predicted, shifted), expected, rtol=1e-3)


def test_unbiased_equals_the_enumerated_u_statistic():
    for n in (4, 5, 6):
        with jax.enable_x64(True):
            value = unbiased_squared_covariance(PREDICTION[:n], AGE[:n])
        np.testing.assert_allclose(value, u_statistic(PREDICTION[:n], AGE[:n]), rtol=1e-9)
    np.testing.assert_allclose(
        unbiased_squared_covariance(PREDICTION[:6], AGE[:6]), u_statistic(PREDICTION[:6], AGE[:6]), rtol=1e-4
    )


def test_unbiased_over_every_batch_drawn_with_replacement_is_the_squared_covariance():
    """All 4⁵ batches of 5 from a population of 4: the mean is the population's cov², and for NCOV it is not."""
    a, b = np.array([0.0, 1.0, 4.0, 2.0]), np.array([1.0, 0.0, 3.0, 5.0])
    batches = np.array(list(itertools.product(range(4), repeat=5)))
    expected = np.cov(a, b, ddof=0)[0, 1] ** 2
    with jax.enable_x64(True):
        values = np.asarray(jax.jit(jax.vmap(unbiased_squared_covariance))(a[batches], b[batches]))
        plain = -np.asarray(jax.jit(jax.vmap(negative_squared_covariance))(a[batches], b[batches]))
    np.testing.assert_allclose(values.mean(), expected, rtol=1e-12)
    assert values.min() < 0
    assert abs(plain.mean() - expected) > 0.2 * expected


def test_unbiased_gradient_over_every_batch_is_the_gradient_of_the_squared_covariance():
    a, b = np.array([0.0, 1.0, 4.0, 2.0]), np.array([1.0, 0.0, 3.0, 5.0])
    batches = np.array(list(itertools.product(range(4), repeat=4)))

    def mean_over_batches(a):
        return jax.vmap(unbiased_squared_covariance)(a[batches], b[batches]).mean()

    with jax.enable_x64(True):
        gradient = jax.jit(jax.grad(mean_over_batches))(jnp.asarray(a))
        expected = jax.jit(jax.grad(lambda a: covariance(a, jnp.asarray(b)) ** 2))(jnp.asarray(a))
    np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-12)


def test_unbiased_over_every_batch_drawn_without_replacement_is_that_of_the_whole():
    batches = np.array(list(itertools.combinations(range(9), 5)))
    with jax.enable_x64(True):
        values = np.asarray(jax.jit(jax.vmap(unbiased_squared_covariance))(PREDICTION[batches], AGE[batches]))
        whole = unbiased_squared_covariance(PREDICTION[:9], AGE[:9])
    np.testing.assert_allclose(values.mean(), whole, rtol=1e-10)


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_unbiased_of_too_few_is_zero(n):
    mask = np.arange(40) < n
    value, gradient = jax.jit(jax.value_and_grad(unbiased_squared_covariance))(PREDICTION, AGE, mask)
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize(
    "function", [covariance, negative_squared_covariance, squared_correlation, unbiased_squared_covariance]
)
def test_gradients(function):
    with jax.enable_x64(True):
        a, b = jnp.asarray(PREDICTION[:12] / 10), jnp.asarray(AGE[:12] / 10)
        value = jax.jit(lambda a, b: function(a, b, MASK[:12]))
        check_grads(value, (a, b), order=1)
        check_grads(jax.jit(jax.grad(value)), (a, b), order=1, modes=["rev"])


def test_an_axis_too_many_is_an_error_and_not_an_outer_product():
    for function in (covariance, negative_squared_covariance, squared_correlation, unbiased_squared_covariance):
        with pytest.raises(ValueError, match=r"must be \[batch\], but have shapes \(40, 1\) and \(40,\)"):
            function(PREDICTION[:, None], AGE)
        with pytest.raises(ValueError, match=r"must be \[batch\]"):
            function(PREDICTION[:, None], AGE[:, None])
