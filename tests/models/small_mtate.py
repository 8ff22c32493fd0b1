"""A small MTATE for the tests of it, a batch with padding, and its outputs against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import plain_mtate

from jaxfair.models.mtate import Mtate, MtateConfig

SMALL = MtateConfig(
    num_domains=3, num_blocks=2, num_heads=2, head_dim=3, feature_heads=2, feature_head_dim=3, hidden=4, attention_dim=3
)
BATCH, STEPS, FEATURES, STATIC = 4, 6, 5, 2
RNG = np.random.default_rng(0)
X = RNG.normal(size=(BATCH, STEPS, FEATURES)).astype(np.float32)
Z = RNG.normal(size=(BATCH, STATIC)).astype(np.float32)
LABELS = np.float32([[0, 1, 1], [np.nan, 0, 1], [1, np.nan, np.nan], [0, 0, 1]])
TIME = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0], [0, 1, 0, 1, 1, 0], [1, 0, 0, 0, 0, 0]], bool)
ALL = np.ones(BATCH, bool)


def initialized(config):
    """The model with variables that differ from those of `init` in having no zeros and ones."""
    model = Mtate(config)
    shapes = jax.eval_shape(lambda key: model.init(key, X, static=Z), jax.random.key(0))
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape) / 1.5, jnp.float32), shapes["params"])
    kept = (
        jnp.array([[0, 2, 4], [1, 2, 3], [0, 1, 4]]) if config.masking_rate else jnp.tile(jnp.arange(FEATURES), (3, 1))
    )
    return model, {"params": params, "masks": {"kept": kept}}


def assert_equals_plain(outputs, variables, config):
    """The outputs for `X`, `TIME`, `Z` and `LABELS` are those of `plain_mtate`."""
    params, kept = jax.tree.map(np.float64, variables["params"]), np.asarray(variables["masks"]["kept"])
    for patient in range(BATCH):
        steps = TIME[patient]
        expected = plain_mtate.one_patient(params, kept, X[patient], steps, Z[patient], LABELS[patient], config)
        for name in ("domain_representations", "domains", "domain_losses", "representation_weights", "outcome"):
            np.testing.assert_allclose(
                getattr(outputs, name)[patient], expected[name], rtol=2e-4, atol=2e-4, err_msg=name
            )
        np.testing.assert_allclose(outputs.representation[patient], expected["representation"], rtol=2e-4, atol=2e-4)
        for block, weights in enumerate(outputs.temporal_attention):
            there = np.ix_(steps, steps)
            for domain in range(config.num_domains):
                found = weights[patient] if block == 0 else weights[patient, domain]
                of_block = expected["temporal_attention"][block][domain]
                np.testing.assert_allclose(found[:, *there], of_block, atol=2e-4)
        for block, weights in enumerate(outputs.feature_attention):
            np.testing.assert_allclose(weights[patient], expected["feature_attention"][block], atol=2e-4)
