"""The pieces of MTATE by themselves: masking, the module of one domain, re-insertion."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxfair.models import mtate_modules, sequences
from jaxfair.models.mtate import Mtate, MtateConfig
from jaxfair.models.mtate_modules import FeatureRelevanceAttention, num_kept

X = np.random.default_rng(0).normal(size=(4, 6, 5)).astype(np.float32)
TIME = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0], [0, 1, 0, 1, 1, 0], [1, 0, 0, 0, 0, 0]], bool)


@pytest.mark.parametrize("norm_axis", ["time", "feature"])
def test_masked_latent_features_have_no_influence(norm_axis):
    module = FeatureRelevanceAttention(2, 3, 4, norm_axis=norm_axis)
    kept = jnp.array([1, 2, 4])
    params = jax.jit(module.init)(jax.random.key(0), X, kept, TIME)

    @jax.jit
    def gradient(latent):
        def total(latent):
            return jnp.sin(module.apply(params, latent, kept, TIME)[0]).sum()

        return jax.value_and_grad(total)(latent)

    value, to_latent = gradient(X)
    assert (np.asarray(to_latent)[..., [0, 3]] == 0).all()
    assert (np.abs(np.asarray(to_latent)[TIME])[:, kept].max(0) > 1e-4).all()
    corrupt = X.copy()
    corrupt[..., [0, 3]] = np.nan
    np.testing.assert_array_equal(gradient(corrupt)[0], value)
    # Normalised over its own time course, a single step is 0 whatever it holds, but for rounding.
    assert (np.abs(to_latent[3]).max() > 0.01 * np.abs(to_latent).max()) == (norm_axis == "feature")


def test_how_many_features_a_masking_rate_leaves():
    assert [num_kept(12, rate) for rate in (0.0, 0.4, 0.9)] == [12, 7, 1]  # 4.8 and 10.8 are rounded.
    assert num_kept(5, 0.5) == 2
    with pytest.raises(ValueError, match=r"^A masking rate of 0.9 leaves none of the 4 features; .* below 0.875\.$"):
        num_kept(4, 0.9)
    assert num_kept(4, 0.874) == 1
    with pytest.raises(ValueError, match="at least 0 and less than 1, but is 1"):
        num_kept(4, 1.0)
    with pytest.raises(ValueError, match="leaves none of the 5 features"):
        Mtate(MtateConfig(num_domains=3, masking_rate=0.95)).init(jax.random.key(0), X)


def test_reinsertion_and_the_maximum_over_time_by_hand():
    latent = jnp.array([[[1.0, -2.0], [-3.0, -1.0], [9.0, 9.0]]])
    time_mask = jnp.array([[True, True, False]])
    np.testing.assert_array_equal(sequences.max_over_time(latent, time_mask), [[1, -1]])
    np.testing.assert_array_equal(sequences.max_over_time(latent, ~time_mask & False), [[0, 0]])
    np.testing.assert_array_equal(mtate_modules.reinsert(latent[:, 0], jnp.array([3, 1]), 4), [[0, -2, 0, 1]])
