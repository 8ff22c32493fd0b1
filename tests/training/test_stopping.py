import jax
import jax.numpy as jnp
import numpy as np
import pytest
from plain_stopping import follow

from jaxfair.training import stopping


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("warm_up", [0, 4])
def test_agrees_with_plain_python(seed, warm_up):
    values = np.random.default_rng(seed).normal(size=30).astype(np.float32)
    values[::7] = np.nan
    best, stop = stopping.start(jnp.int32(-1)), len(values)
    for epoch, value in enumerate(values):
        best = stopping.update(best, value, jnp.int32(epoch), jnp.int32(epoch), warm_up=warm_up)
        if stopping.stopped(best, 3):
            stop = epoch + 1
            break
    assert (stop, int(best.epoch)) == follow(values, 3, warm_up)
    assert int(best.kept) == int(best.epoch)


def test_a_diverged_run_stops_and_keeps_what_was_good():
    best = stopping.start({"w": jnp.zeros(2)})
    best = stopping.update(best, jnp.float32(1.0), {"w": jnp.ones(2)}, jnp.int32(0))
    for epoch in range(1, 4):
        best = stopping.update(best, jnp.float32(jnp.nan), {"w": jnp.full(2, jnp.nan)}, jnp.int32(epoch))
    assert bool(stopping.stopped(best, 3))
    np.testing.assert_array_equal(best.kept["w"], np.ones(2))


def test_patience_may_differ_by_member():
    best = stopping.Best(jnp.zeros(3), jnp.zeros(3, int), jnp.asarray([1, 2, 3]), jnp.zeros(3))
    assert jax.vmap(stopping.stopped)(best, jnp.asarray([2, 2, 2])).tolist() == [False, True, True]
