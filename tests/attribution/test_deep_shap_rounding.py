"""DeepSHAP whatever XLA compiles: attention against plain rules, and a residual that is more than rounding is told."""

import os
import pathlib
import subprocess
import sys
import warnings

import attention_cases
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend import core

from jaxfair.attribution import completeness
from jaxfair.attribution.deep_shap import deep_shap

USERS = "--xla_cpu_multi_thread_eigen=false"
FLAGS = {
    "as users run": USERS,
    **{f"level {level}": f"{USERS} --xla_backend_optimization_level={level}" for level in range(4)},
    "older fusion": f"{USERS} --xla_cpu_use_fusion_emitters=false",
}


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("name", attention_cases.SMALL)
def test_attention_has_the_contributions_of_the_plain_rules(name):
    attention_cases.check(*attention_cases.SMALL[name])


@pytest.mark.slow
@pytest.mark.parametrize("flags", FLAGS)
def test_attention_is_right_whatever_is_compiled(flags):
    here = pathlib.Path(__file__).resolve().parent
    paths = os.pathsep.join([str(here), str(here.parents[1])])
    # Programs compiled with other flags are no substitute.
    given = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    ran = subprocess.run(
        [sys.executable, attention_cases.__file__],
        env=given | {"XLA_FLAGS": FLAGS[flags], "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["10", "cases"]


def gated(x):
    """Jumps by the second input when the first changes its sign."""
    return jnp.where(x[:, :1] > 0, x[:, 1:], 0)


def test_what_is_left_unattributed_is_told_and_nothing_else():
    # The first example changes its gate only; the second what is gated too, to which all is given; the third nothing.
    at, reference = np.float32([[1, 2], [1, 3], [-1, 2]]), np.float32([[-1, 2]])
    expected = (
        r"at \[0, 0\] of \[example, output\] a residual of 2\.0e\+00 is left, and rounding explains .* 1 of 3 places"
    )
    with pytest.warns(UserWarning, match=expected) as told:
        found = deep_shap(gated, at, reference)
    assert told[0].filename == __file__
    np.testing.assert_allclose(found.residual[:, 0], [2, 0, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        traced = jax.jit(lambda x: deep_shap(gated, x, reference))(at)
        deep_shap(lambda x: jnp.tanh(x) * x[:, ::-1], at, reference)
    with pytest.warns(UserWarning, match=expected):
        completeness.warn_of_residual(traced.residual, traced.allowed)


def test_a_residual_of_nan_is_told_unless_the_function_is_nan_itself():
    with pytest.warns(UserWarning, match="a residual of nan"):
        completeness.warn_of_residual([[np.nan]], [[1e-6]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        completeness.warn_of_residual([[np.nan]], [[np.nan]])
        completeness.warn_of_residual([[0.0]], [[0.0]])


def share(function, *shapes, backend="cpu"):
    jaxpr = jax.make_jaxpr(function)(*(np.zeros(shape, np.float32) for shape in shapes)).jaxpr
    assert isinstance(jaxpr, core.Jaxpr)
    return completeness.relative_rounding(jaxpr, backend)


def test_what_rounding_allows_grows_with_the_root_of_the_roundings_behind_one_another():
    eps = 2.0**-23
    close = lambda found, count: np.testing.assert_allclose(found, 8 * np.sqrt(count) * eps)  # noqa: E731
    close(share(jnp.tanh, (3,)), 1)
    close(share(lambda x: x.sum() + 1, (3, 5)), 15 + 1)
    close(share(lambda x, w: jnp.tanh(x @ w), (3, 7), (7, 2)), 7 + 1)
    close(share(jax.jit(lambda x: jax.lax.scan(lambda c, _: (jnp.sin(c) * c, None), x, length=6)[0]), (3,)), 12)
    layout = {"dimension_numbers": ("NWC", "WIO", "NWC")}
    convolution = lambda x, kernel: jax.lax.conv_general_dilated(x, kernel, (1,), "SAME", **layout)  # noqa: E731
    close(share(convolution, (1, 9, 2), (3, 2, 4)), 3 * 2)
    # Products of float32 keep 10 bits on a GPU unless more are asked for, and bfloat16 keeps 7.
    np.testing.assert_allclose(share(jnp.dot, (3, 4), (4, 3), backend="gpu"), 8 * 2 * 2.0**-10)
    close(share(lambda x, w: jnp.dot(x, w, precision="highest"), (3, 4), (4, 3), backend="gpu"), 4)
    np.testing.assert_allclose(share(lambda x: x.astype(jnp.bfloat16), (3,)), 8 * 2.0**-7)


def test_what_is_allowed_is_of_the_size_of_what_is_added_up():
    # One product of 3 terms; multipliers 2, -1, 0.5 on (1, 3, -2) and (0, 1, 1): terms 2, 3, 1 and 0, 1, 0.5.
    weights = np.float32([[2], [-1], [0.5]])
    found = deep_shap(lambda x: x @ weights, np.float32([[1, 3, -2]]), np.float32([[0, 1, 1]]))
    np.testing.assert_allclose(
        found.allowed, [[8 * np.sqrt(3) * 2.0**-23 * (7.5 + abs(2 - 3 - 1) + abs(-1 + 0.5))]], rtol=1e-6
    )


def test_points_however_close_have_the_slope_between_them():
    # Against NumPy in float64. A quotient in float32 keeps 3 digits of the first of them.
    functions = {
        jnp.exp: np.exp, jnp.expm1: np.expm1, jnp.tanh: np.tanh, jnp.sin: np.sin, jnp.cos: np.cos,
        jax.nn.sigmoid: lambda x: 1 / (1 + np.exp(-x)), lambda x: x**5: lambda x: x**5,
        lambda x: jnp.log(3 + x): lambda x: np.log(3 + x), lambda x: jnp.log1p(x): np.log1p,
        lambda x: jnp.sqrt(3 + x): lambda x: np.sqrt(3 + x), lambda x: 1 / (3 + x): lambda x: 1 / (3 + x),
        lambda x: jax.lax.rsqrt(3 + x): lambda x: 1 / np.sqrt(3 + x),
        lambda x: jnp.cbrt(3 + x): lambda x: np.cbrt(3 + x),
    }  # fmt: skip
    reference = np.float32([[1e-3, 1e-4, 0.7, 0.9, 0.5]])
    at = reference + np.float32([[2e-4, -3e-5, 1e-5, 1e-2, 0.5]])
    found = deep_shap(lambda x: jnp.stack([one(x).sum(1) for one in functions], 1), at, reference)
    at, reference = at.astype(float), reference.astype(float)
    for values, plain in zip(np.asarray(found.values)[0], functions.values(), strict=True):
        np.testing.assert_allclose(values, (plain(at) - plain(reference))[0], rtol=2e-6)
