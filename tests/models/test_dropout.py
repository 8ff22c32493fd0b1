"""Dropout: what share is dropped, that means stay, and which entries depend on what."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxfair.models.dropout import Dropout

KEYS = {"dropout": jax.random.key(0)}


def dropped(rate, values, rngs=KEYS, **given):
    return Dropout(rate).apply({}, values, rngs=rngs, **{"deterministic": False, **given})


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.5, 0.9])
def test_the_share_is_the_rate_and_the_mean_stays(rate):
    values = jnp.ones((300, 701))  # No multiple of 4.
    found = np.asarray(dropped(rate, values))
    kept = 1 - round(256 * rate) / 256
    size = found.size
    assert abs((found == 0).mean() - rate) < 1 / 512 + 5 * np.sqrt(rate * (1 - rate) / size)
    np.testing.assert_allclose(np.unique(found), [0, 1 / kept], rtol=1e-6)
    assert abs(found.mean() - 1) < 5 * np.sqrt((1 - kept) / kept / size)


def test_entries_are_dropped_independently_of_their_neighbours():
    found = np.asarray(dropped(0.5, jnp.ones((1000, 256)))) == 0
    for shift in (1, 2, 3, 4, 256):
        flat = found.ravel()
        assert abs(np.corrcoef(flat[:-shift], flat[shift:])[0, 1]) < 5 / np.sqrt(found.size)
    # Every one of a word's four bytes has the same share.
    np.testing.assert_allclose(found.reshape(-1, 4).mean(0), 0.5, atol=5 * 0.5 / np.sqrt(found.size / 4))


def test_the_gradient_is_that_of_what_was_kept():
    values = jnp.arange(1.0, 65.0)
    gradient = jax.grad(lambda values: dropped(0.25, values).sum())(values)
    np.testing.assert_allclose(gradient * values, dropped(0.25, values), rtol=1e-6)


def test_nan_is_dropped_without_a_trace():
    values = jnp.full(4096, jnp.nan)
    assert (np.asarray(dropped(0.5, values)) == 0).any()


def test_another_key_drops_others_and_the_same_key_the_same():
    values = jnp.ones(4096)
    np.testing.assert_array_equal(dropped(0.5, values), dropped(0.5, values))
    other = dropped(0.5, values, {"dropout": jax.random.key(1)})
    assert 0.4 < (np.asarray(other) == np.asarray(dropped(0.5, values))).mean() < 0.6


def test_nothing_everything_and_evaluation():
    values = jnp.arange(5.0)
    np.testing.assert_array_equal(dropped(0.0, values), values)
    np.testing.assert_array_equal(dropped(1.0, values), 0 * values)
    np.testing.assert_array_equal(Dropout(0.5, deterministic=True).apply({}, values), values)
    assert dropped(0.5, values.astype(jnp.bfloat16)).dtype == jnp.bfloat16


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_that_is_no_share_is_refused(rate):
    with pytest.raises(ValueError, match="between 0 and 1"):
        dropped(rate, jnp.ones(3))
