"""The spectrum of a time series, against NumPy's transform."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxfair.models.spectrum import spectrum

KINDS = ("magnitude", "log_magnitude", "real_imaginary")


def series(length, seed=0):
    return np.random.default_rng(seed).normal(size=(3, length, 2)).astype(np.float32)


@jax.jit
def all_kinds(values):
    return {kind: spectrum(values, kind) for kind in KINDS}


def reference(values, kind, epsilon=1e-3):
    bins = np.fft.fft(values.astype(np.float64), axis=1, norm="ortho")
    if kind == "real_imaginary":
        return np.concatenate([bins.real, bins.imag], axis=-1)
    magnitude = np.sqrt(np.abs(bins) ** 2 + epsilon**2)
    return magnitude if kind == "magnitude" else np.log(magnitude)


@pytest.mark.parametrize("length", [1, 2, 3, 8, 13, 140])
def test_against_numpy(length):
    found = all_kinds(series(length))
    for kind in KINDS:
        np.testing.assert_allclose(found[kind], reference(series(length), kind), rtol=1e-4, atol=2e-5)


def test_energy_is_kept():
    found = all_kinds(series(13))["real_imaginary"]
    np.testing.assert_allclose(jnp.square(found).sum((1, 2)), np.square(series(13)).sum((1, 2)), rtol=1e-5)


def test_a_sine_is_one_bin_and_its_mirror_image():
    wave = np.sqrt(2 / 16) * np.sin(2 * np.pi * 3 * np.arange(16) / 16)
    found = np.asarray(all_kinds(jnp.asarray(wave[None, :, None], jnp.float32))["magnitude"])[0, :, 0]
    expected = np.full(16, 1e-3)
    expected[[3, 13]] = np.sqrt(0.5 + 1e-6)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_circular_shift_leaves_the_magnitude():
    shifted = np.roll(series(13), 4, axis=1)
    before, after = all_kinds(series(13))["magnitude"], all_kinds(shifted)["magnitude"]
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind):
    function = jax.jit(functools.partial(spectrum, kind=kind, epsilon=0.1))
    check_grads(function, (series(5)[:1],), order=1, modes=["rev"], eps=1e-2, rtol=2e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_where_bins_are_zero_are_finite(kind):
    weights = jnp.asarray(series(8)[..., :1])

    def total(values):
        return (spectrum(values, kind)[..., :1] * weights).sum()

    @jax.jit
    def derivatives(values):
        return jax.jvp(jax.grad(total), (values,), (weights,))

    for value in (0.0, 2.5, 1e-30):
        first, second = derivatives(jnp.full((3, 8, 1), value))
        assert np.isfinite(first).all()
        assert np.isfinite(second).all()
        if value == 0 and kind != "real_imaginary":
            np.testing.assert_array_equal(first, 0)


def test_compiled_side_by_side_and_eager():
    compiled, stacked = all_kinds(series(8)), jax.jit(jax.vmap(all_kinds))(series(8))
    for kind in KINDS:
        np.testing.assert_allclose(compiled[kind], spectrum(series(8), kind), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(compiled[kind], stacked[kind], rtol=1e-5, atol=1e-6)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind 'phase' is neither"):
        spectrum(series(4), "phase")
