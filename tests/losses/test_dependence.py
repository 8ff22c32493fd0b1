"""HSIC and distance correlation against their definitions, written plainly in NumPy float64 or enumerated."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.spatial.distance import cdist

from jaxfair import losses
from jaxfair.losses import (
    distance_correlation,
    gaussian_kernel,
    hsic,
    normalized_hsic,
    squared_distance_correlation,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 5))
Y = X[:, 0] ** 2 + 0.3 * RNG.normal(size=30)
MASK = RNG.random(30) < 0.7


def kernel_of(x, bandwidth):
    x = x.reshape(len(x), -1)
    return np.exp(-cdist(x, x, "sqeuclidean") / (2 * bandwidth**2))


def distances_of(x):
    x = x.reshape(len(x), -1)
    return cdist(x, x)


def biased_product(a, b):
    n = len(a)
    h = np.eye(n) - 1 / n
    return np.trace(a @ h @ b @ h) / n**2


def unbiased_product(a, b):
    """Song et al. 2012, Eq. 5, as written there."""
    m = len(a)
    a, b = a - np.diag(np.diag(a)), b - np.diag(np.diag(b))
    one = np.ones(m)
    cross = (one @ a @ one) * (one @ b @ one) / ((m - 1) * (m - 2))
    return (np.trace(a @ b) + cross - 2 / (m - 2) * (one @ a @ b @ one)) / (m * (m - 3))


def enumerated_product(a, b):
    """The U-statistic itself: the mean over ordered quadruples of distinct examples."""
    terms = [
        a[i, j] * b[i, j] + a[i, j] * b[p, q] - 2 * a[i, j] * b[i, p]
        for i, j, p, q in itertools.permutations(range(len(a)), 4)
    ]
    return np.mean(terms)


PRODUCTS = {"biased": biased_product, "unbiased": unbiased_product}


def cosine(product, a, b):
    return product(a, b) / np.sqrt(product(a, a) * product(b, b))


def test_gaussian_kernel_has_the_two():
    np.testing.assert_allclose(gaussian_kernel([0.0, 2.0], 1.0), [[1, np.exp(-2)], [np.exp(-2), 1]], rtol=1e-6)
    plain, masked = jax.jit(lambda x, mask: (gaussian_kernel(x, 2.5), gaussian_kernel(x, 2.5, mask)))(X, MASK)
    np.testing.assert_allclose(plain, kernel_of(X, 2.5), rtol=1e-5)
    masked = np.asarray(masked)
    np.testing.assert_allclose(masked[np.ix_(MASK, MASK)], kernel_of(X[MASK], 2.5), rtol=1e-5)
    np.testing.assert_array_equal(masked[~MASK], 0)
    np.testing.assert_array_equal(masked[:, ~MASK], 0)


def test_the_unbiased_formula_is_the_enumerated_u_statistic():
    for n in (4, 5, 6):
        kernels = kernel_of(X[:n], 1.5), kernel_of(Y[:n], 0.8)
        np.testing.assert_allclose(unbiased_product(*kernels), enumerated_product(*kernels), rtol=1e-10)
        with jax.enable_x64(True):
            value = jax.jit(partial(hsic, estimator="unbiased"))(X[:n], Y[:n], bandwidth_x=1.5, bandwidth_y=0.8)
        np.testing.assert_allclose(value, enumerated_product(*kernels), rtol=1e-9)


@pytest.mark.parametrize("estimator", ["biased", "unbiased"])
def test_hsic_and_its_normalised_form_against_the_definitions(estimator):
    kernels, product = (kernel_of(X[MASK], 1.5), kernel_of(Y[MASK], 0.8)), PRODUCTS[estimator]
    options = {"estimator": estimator, "bandwidth_x": 1.5, "bandwidth_y": 0.8}
    np.testing.assert_allclose(hsic(X, Y, MASK, **options), product(*kernels), rtol=2e-5)
    np.testing.assert_allclose(normalized_hsic(X, Y, MASK, **options), cosine(product, *kernels), rtol=2e-5)
    np.testing.assert_allclose(normalized_hsic(X, 3 - X, MASK, estimator=estimator), 1, rtol=1e-5)


def test_default_bandwidth_is_the_root_of_the_number_of_features():
    np.testing.assert_allclose(hsic(X, Y), biased_product(kernel_of(X, 5**0.5), kernel_of(Y, 1)), rtol=2e-5)
    np.testing.assert_allclose(normalized_hsic(X, Y), normalized_hsic(X, Y[:, None], bandwidth_x=5**0.5), rtol=1e-6)


def test_bandwidths_are_traced():
    by_member = jax.jit(jax.vmap(lambda s: hsic(X, Y, bandwidth_x=s, bandwidth_y=2 * s)))(jnp.array([0.5, 1.0, 2.0]))
    expected = [biased_product(kernel_of(X, s), kernel_of(Y, 2 * s)) for s in (0.5, 1.0, 2.0)]
    np.testing.assert_allclose(by_member, expected, rtol=2e-5)
    assert np.isfinite(jax.jit(jax.grad(lambda s: hsic(X, Y, bandwidth_x=s)))(1.0))


@pytest.mark.parametrize("x", [X, X[:, 0]], ids=["features", "one"])
def test_distance_correlation_against_the_definition(x):
    d, e = distances_of(x[MASK]), distances_of(Y[MASK])
    expected = cosine(biased_product, d, e)
    np.testing.assert_allclose(squared_distance_correlation(x, Y, MASK), expected, rtol=2e-5)
    np.testing.assert_allclose(distance_correlation(x, Y, MASK), np.sqrt(expected), rtol=2e-5)
    corrected = squared_distance_correlation(x, Y, MASK, estimator="unbiased")
    np.testing.assert_allclose(corrected, cosine(unbiased_product, d, e), rtol=1e-4, atol=1e-6)


def test_distance_correlation_by_hand():
    # Distances 0 1 2 / 1 0 1 / 2 1 0 and 0 1 1 / 1 0 2 / 1 2 0; centred, products sum to 28/9 and squares to 40/9 each.
    np.testing.assert_allclose(
        squared_distance_correlation(np.float32([0, 1, 2]), np.float32([1, 2, 0])), 0.7, rtol=1e-6
    )
    np.testing.assert_allclose(distance_correlation(Y, 5 - 2 * Y), 1, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("shift", [0.0, 1000.0])
def test_float32_keeps_its_digits_far_from_the_origin(scale, shift):
    x = (scale * (X + shift)).astype(np.float32)
    expected = cosine(biased_product, distances_of(x.astype(np.float64)), distances_of(Y))
    np.testing.assert_allclose(squared_distance_correlation(x, Y), expected, rtol=1e-4)


def test_unbiased_values_average_to_zero_for_independent_variables_and_biased_ones_do_not():
    x, y = RNG.normal(size=(400, 16, 3)), RNG.normal(size=(400, 16))
    functions = (hsic, squared_distance_correlation)
    everything = jax.jit(
        lambda x, y: [
            [jax.vmap(partial(f, estimator=name))(x, y) for name in ("unbiased", "biased")] for f in functions
        ]
    )
    for unbiased, biased in everything(x, y):
        standard_error = np.std(unbiased) / 20
        assert abs(np.mean(unbiased)) < 4 * standard_error
        assert np.mean(biased) > 20 * standard_error


def test_what_is_uncorrelated_and_dependent_is_found():
    x = RNG.normal(size=100)
    y = x**2
    y -= np.cov(x, y, ddof=0)[0, 1] / x.var() * x
    shuffled = np.stack([RNG.permutation(y) for _ in range(20)])
    functions = (hsic, normalized_hsic, squared_distance_correlation, distance_correlation)
    everything = jax.jit(lambda y, shuffled: [(f(x, y), jax.vmap(lambda y, f=f: f(x, y))(shuffled)) for f in functions])
    for value, by_chance in everything(y, shuffled):
        assert value > 1.5 * np.max(by_chance)


def test_coincident_examples_have_distance_zero_and_others_have_not():
    x = np.concatenate([X[:10], X[:10], X[:10] + 0.01]).astype(np.float32) + 50
    kernel = np.asarray(gaussian_kernel(x, 0.01))
    each = np.arange(10)
    np.testing.assert_array_equal(np.diag(kernel), 1)
    np.testing.assert_array_equal(kernel[each, 10 + each], 1)
    np.testing.assert_allclose(kernel[each, 20 + each], np.exp(-2.5), rtol=0.05)


def test_gradients():
    def value(x, y):
        total = losses.hsic(x, y, MASK[:8]) + losses.normalized_hsic(x, y, MASK[:8], estimator="unbiased")
        return total + losses.squared_distance_correlation(x, y, MASK[:8])

    with jax.enable_x64(True):
        check_grads(jax.jit(value), (jnp.asarray(X[:8, :3]), jnp.asarray(Y[:8])), order=1, modes=["rev"])

        def second(x):
            return losses.normalized_hsic(x, Y[:8], MASK[:8]) + losses.distance_correlation(x, Y[:8], MASK[:8])

        check_grads(jax.jit(jax.grad(second)), (jnp.asarray(X[:8, :3]),), order=1, modes=["rev"])


def test_descent_on_normalised_hsic_removes_what_a_covariance_cannot_see():
    y = RNG.normal(size=64)
    x = np.stack([y**2, RNG.normal(size=64)], axis=1)
    x = jnp.asarray((x - x.mean(0)) / x.std(0))
    value_and_slope = jax.jit(jax.value_and_grad(lambda x: normalized_hsic(x, y)))
    before, slope = value_and_slope(x)
    for _ in range(100):
        x = x - 20 * slope
        value, slope = value_and_slope(x)
    assert value < 0.25 * before


def test_errors_say_what_to_do():
    with pytest.raises(ValueError, match=r"reshape it with x.reshape\(len\(x\), -1\)"):
        hsic(X[:, :, None], Y)
    with pytest.raises(ValueError, match=r"one row per example, but have shapes \(30, 5\) and \(29,\)"):
        normalized_hsic(X, Y[1:])
    with pytest.raises(ValueError, match="one row per example"):
        distance_correlation(X, Y[1:])
    with pytest.raises(ValueError, match="'biassed'"):
        hsic(X, Y, estimator="biassed")
    with pytest.raises(ValueError, match="bandwidth must be positive, but is 0"):
        hsic(X, Y, bandwidth_x=0)
    with pytest.raises(ValueError, match=r"must be \[30\], but has shape \(30, 5\)"):
        hsic(X, Y, np.ones((30, 5), bool))
    with pytest.raises(TypeError, match="must be boolean"):
        hsic(X, Y, np.ones(30))
