"""The gradient that comes back is −alpha times the one that arrived, for every kind of alpha and of x."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxfair import losses
from jaxfair.gradient_reversal import ganin_schedule, reverse_gradient

X = jnp.array([0.5, -1.0, 2.0])


def cubes(x):
    return jnp.sum(x**3)


def reversed_cubes(x, alpha):
    return cubes(reverse_gradient(x, alpha))


@pytest.mark.parametrize("alpha", [0.25, 3, True, np.float64(0.25), jnp.float32(0.25), jnp.int32(2)])
@pytest.mark.parametrize("compile_", [lambda f: f, jax.jit])
def test_identity_forward_and_minus_alpha_backward(alpha, compile_):
    value, gradient = compile_(jax.value_and_grad(reversed_cubes))(X, alpha)
    np.testing.assert_allclose(value, 7.125, rtol=1e-6)
    np.testing.assert_allclose(gradient, -float(alpha) * 3 * np.asarray(X) ** 2, rtol=1e-6)


def test_gradient_with_respect_to_alpha_is_zero():
    assert jax.grad(reversed_cubes, argnums=1)(X, 0.7) == 0.0


def test_members_have_their_own_alpha():
    alphas = jnp.array([0.0, 0.001, 1.0])
    members = jnp.stack([X, 2 * X, 3 * X])
    batched = jax.jit(jax.vmap(jax.grad(reversed_cubes)))(members, alphas)
    looped = jnp.stack([jax.grad(reversed_cubes)(x, a) for x, a in zip(members, alphas, strict=True)])
    np.testing.assert_array_equal(batched, looped)
    shared_x = jax.vmap(jax.grad(reversed_cubes), (None, 0))(X, alphas)
    np.testing.assert_allclose(shared_x, -alphas[:, None] * 3 * X**2, rtol=1e-6)


def test_scheduled_alpha_inside_a_scan():
    def step(x, progress):
        return x - 0.1 * jax.grad(reversed_cubes)(x, ganin_schedule(progress)), None

    progress = jnp.linspace(0, 0.1, 4)
    final, _ = jax.jit(lambda x: jax.lax.scan(step, x, progress))(X)
    expected = np.asarray(X, float)
    for p in np.asarray(progress, float):
        expected = expected + 0.1 * (2 / (1 + np.exp(-10 * p)) - 1) * 3 * expected**2
    np.testing.assert_allclose(final, expected, rtol=1e-5)


def test_any_pytree_with_leaves_that_have_no_gradient():
    tree = {"a": X, "pair": (X[:2], None), "index": jnp.arange(3), "flag": jnp.array(True), "key": jax.random.key(0)}
    unchanged = reverse_gradient(tree, 0.5)
    assert jax.tree.structure(unchanged) == jax.tree.structure(tree)
    for before, after in zip(jax.tree.leaves(tree), jax.tree.leaves(unchanged), strict=True):
        assert before.dtype == after.dtype
        assert jnp.all(before == after)

    def loss(tree):
        tree = reverse_gradient(tree, 0.5)
        return cubes(tree["a"]) + 2 * jnp.sum(tree["pair"][0]) + jnp.sum(tree["index"])

    gradient = jax.grad(loss, allow_int=True)(tree)
    np.testing.assert_allclose(gradient["a"], -1.5 * X**2)
    np.testing.assert_allclose(gradient["pair"][0], [-1.0, -1.0])
    assert gradient["index"].dtype == jax.dtypes.float0
    assert gradient["key"].dtype == jax.dtypes.float0


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_gradient_keeps_the_dtype_of_x(dtype):
    gradient = jax.grad(reversed_cubes)(X.astype(dtype), jnp.float32(0.5))
    assert gradient.dtype == dtype
    tiny = jax.grad(lambda x: 1e4 * jnp.sum(reverse_gradient(x, 1e-9)))(X.astype(dtype))
    np.testing.assert_allclose(tiny.astype(jnp.float32), -1e-5, rtol=1e-2)
    np.testing.assert_allclose(gradient.astype(jnp.float32), -1.5 * X**2, rtol=1e-2)


@pytest.mark.parametrize("worst", [jnp.inf, jnp.nan])
def test_alpha_zero_is_a_control_that_a_diverged_adversary_cannot_reach(worst):
    def loss(x, alpha):
        return jnp.sum(x**2) + worst * jnp.sum(reverse_gradient(x, alpha))

    np.testing.assert_array_equal(jax.grad(loss)(X, 0.0), 2 * X)
    assert not np.isfinite(jax.grad(loss)(X, 0.1)).any()


def test_the_loss_above_keeps_its_own_gradient():
    weights = jnp.array([1.0, 2.0, 3.0])

    def loss(x, w):
        return jnp.dot(reverse_gradient(x, 0.5), w) ** 2

    for_x, for_w = jax.grad(loss, argnums=(0, 1))(X, weights)
    plain_x, plain_w = jax.grad(lambda x, w: jnp.dot(x, w) ** 2, argnums=(0, 1))(X, weights)
    np.testing.assert_allclose(for_x, -0.5 * plain_x)
    np.testing.assert_allclose(for_w, plain_w)


def test_twice_reversed_by_one_is_not_reversed():
    check_grads(lambda x: reversed_cubes(reverse_gradient(x, 1.0), 1.0), (X,), order=2, modes=["rev"], rtol=1e-2)


@pytest.mark.parametrize("second", [jax.jacrev, jax.jacfwd])
def test_second_derivatives_are_those_of_the_reversed_gradient(second):
    hessian = second(jax.grad(lambda x: reversed_cubes(x, 0.5)))(X)
    np.testing.assert_allclose(hessian, jnp.diag(-3.0 * X), rtol=1e-6)


@pytest.mark.parametrize("transform", [lambda f: lambda x: jax.jvp(f, (x,), (x,)), jax.jacfwd])
def test_forward_mode_says_that_it_is_not_defined(transform):
    with pytest.raises(TypeError, match="reverse_gradient has no forward mode"):
        transform(lambda x: reversed_cubes(x, 0.5))(X)
    # Under jit JAX itself finds out, after this code has run.
    with pytest.raises(TypeError, match="forward-mode"):
        transform(jax.jit(lambda x: reversed_cubes(x, 0.5)))(X)


def test_an_error_of_another_kind_is_left_alone():
    with pytest.raises(TypeError) as caught:
        reverse_gradient("text", 0.5)
    assert "reverse_gradient has no forward mode" not in str(caught.value)


def test_alpha_must_be_a_scalar():
    with pytest.raises(ValueError, match=r"alpha must be a scalar, but has shape \(3,\)"):
        reverse_gradient(X, jnp.ones(3))


def test_descent_through_the_reversal_on_ncov_lowers_the_squared_covariance():
    """The update of the paper's Eq. 3 with NCOV in the place of the MSE, and what it does to a frozen head."""
    rng = np.random.default_rng(0)
    age = jnp.asarray(rng.normal(size=64), jnp.float32)
    inputs = jnp.asarray(rng.normal(size=(64, 3)), jnp.float32).at[:, 0].add(age)
    head = jnp.array([0.7, -0.4])
    backbone = jnp.array([[1.0, 0.2], [0.1, -0.5], [0.3, 0.8]])

    def loss(backbone, alpha):
        representation = inputs @ backbone
        return losses.negative_squared_covariance(reverse_gradient(representation, alpha) @ head, age)

    def squared_covariance(backbone):
        return losses.covariance(inputs @ backbone @ head, age) ** 2

    gradient = jax.grad(loss)(backbone, 0.3)
    np.testing.assert_allclose(gradient, 0.3 * jax.grad(squared_covariance)(backbone), rtol=1e-5)
    step = jax.jit(lambda backbone: backbone - 0.3 * jax.grad(loss)(backbone, 1.0))
    trained = backbone
    for _ in range(100):
        trained = step(trained)
    assert squared_covariance(backbone) > 0.1
    assert squared_covariance(trained) < 1e-6


def test_ganin_schedule():
    progress = np.linspace(0, 1, 11)
    np.testing.assert_allclose(ganin_schedule(progress), 2 / (1 + np.exp(-10 * progress)) - 1, rtol=1e-5)
    np.testing.assert_allclose(ganin_schedule(1.0), 0.9999092, rtol=1e-6)
    np.testing.assert_allclose(ganin_schedule(0.5, gamma=2.0), np.tanh(0.5), rtol=1e-6)
    assert ganin_schedule(0) == 0
    assert ganin_schedule(1.0, gamma=1e6) == 1
    # The written form has lost all digits here: 2/(1+1) − 1 = 0 in float32.
    np.testing.assert_allclose(ganin_schedule(1e-9), 5e-9, rtol=1e-6)
