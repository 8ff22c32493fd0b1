"""The parts of a transformer against PyTorch, Flax and their formulas, and what a mask promises."""

import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxfair.models.attention import (
    FeedForward,
    MultiHeadAttention,
    ResidualNorm,
    scaled_dot_product_attention,
    sinusoidal_positions,
)

# PyTorch 2.13.0 in float64, by golden/make_attention.py.
GOLDEN = np.load(pathlib.Path(__file__).with_name("golden") / "attention.npz")
X, MASK = np.float32(GOLDEN["x"]), GOLDEN["mask"]


def of_torch(name):
    return np.float32(GOLDEN[f"params/{name}"])


def attention_params():
    """PyTorch keeps the three projections in one matrix of rows [q; k; v], the heads one after another in each."""
    kernels = of_torch("self_attn.in_proj_weight").reshape(3, 3, 4, 12)  # projection, head, depth, feature
    biases = of_torch("self_attn.in_proj_bias").reshape(3, 3, 4)
    params = {
        name: {"kernel": kernels[place].transpose(2, 0, 1), "bias": biases[place]}
        for place, name in enumerate(("query", "key", "value"))
    }
    out = of_torch("self_attn.out_proj.weight").T.reshape(3, 4, 12)
    return {**params, "out": {"kernel": out, "bias": of_torch("self_attn.out_proj.bias")}}


def norm_params(name):
    return {"scale": of_torch(f"{name}.weight"), "bias": of_torch(f"{name}.bias")}


class Encoder(nn.Module):
    """The order of PyTorch's TransformerEncoderLayer."""

    @nn.compact
    def __call__(self, inputs, mask):
        attended, weights = MultiHeadAttention(3, 4, use_bias=True, name="attention")(inputs, mask)
        values = ResidualNorm(name="norm_1")(inputs, attended, mask=mask[..., None])
        return attended, weights, ResidualNorm(name="norm_2")(values, FeedForward(8, name="feed")(values))


@pytest.fixture(scope="module")
def encoder():
    feed = {f"kernel_{i}": of_torch(f"linear{i}.weight").T for i in (1, 2)}
    feed |= {f"bias_{i}": of_torch(f"linear{i}.bias") for i in (1, 2)}
    params = {"attention": attention_params(), "feed": feed}
    params |= {f"norm_{i}": norm_params(f"norm{i}") for i in (1, 2)}
    params = jax.tree.map(jnp.asarray, params)

    @jax.jit
    def run(x, mask):
        def total(params, x):
            attended, weights, encoded = Encoder().apply({"params": params}, x, mask)
            return jnp.where(mask[..., None], jnp.sin(encoded), 0).sum(), (attended, weights, encoded)

        return jax.value_and_grad(total, argnums=(0, 1), has_aux=True)(params, x)

    return run


def test_parts_of_an_encoder_equal_those_of_pytorch(encoder):
    (_, (attended, weights, encoded)), _ = encoder(X, MASK)
    for found, name in ((weights.swapaxes(1, 2), "weights"), (attended, "attended"), (encoded, "encoded")):
        expected = GOLDEN[name].swapaxes(1, 2) if name == "weights" else GOLDEN[name]
        # What a padded step itself attends to has no meaning: ours is a query of zeros, theirs what the step held.
        np.testing.assert_allclose(np.asarray(found)[MASK], expected[MASK], atol=1e-5)


def test_attention_equals_that_of_flax():
    theirs = nn.MultiHeadDotProductAttention(num_heads=3, qkv_features=12)
    ours = MultiHeadAttention(3, 4, use_bias=True)
    params = attention_params()

    @jax.jit
    def both(x, mask):
        return ours.apply({"params": params}, x, mask)[0], theirs.apply(
            {"params": params}, x, x, mask=mask[:, None, None]
        )

    found, expected = both(X, MASK)
    np.testing.assert_allclose(np.asarray(found)[MASK], np.asarray(expected)[MASK], atol=1e-5)


def test_masked_tokens_change_nothing_and_have_no_gradient(encoder):
    corrupt = np.where(MASK[..., None], X, np.nan)
    (value, (*_, encoded)), (to_params, to_inputs) = encoder(X, MASK)
    (other, (*_, others)), (other_params, other_inputs) = encoder(corrupt, MASK)
    assert value == other
    np.testing.assert_array_equal(np.asarray(encoded)[MASK], np.asarray(others)[MASK])
    jax.tree.map(np.testing.assert_array_equal, to_params, other_params)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(to_params))
    for gradient in (to_inputs, other_inputs):
        assert (np.asarray(gradient)[~MASK] == 0).all()
        assert np.abs(np.asarray(gradient)[MASK]).max() > 1e-3


def test_attention_by_hand_and_where_no_key_exists():
    query, key = jnp.array([[[2.0, 0.0]]] * 3), jnp.array([[[1.0, 5.0], [0.0, 5.0], [np.nan, np.inf]]] * 3)
    value = jnp.array([[[1.0], [3.0], [np.nan]]] * 3)
    mask = jnp.array([[True, True, False], [True, False, False], [False, False, False]])

    @functools.partial(jax.value_and_grad, argnums=(0, 1, 2), has_aux=True)
    def total(*args):
        attended, weights = scaled_dot_product_attention(*args, mask)
        return attended.sum(), (attended, weights)

    (_, (attended, weights)), gradients = jax.jit(total)(query, key, value)
    first = 1 / (1 + np.exp(-(2**0.5)))  # Scores 2 and 0, over √2.
    np.testing.assert_allclose(weights[:, 0], [[first, 1 - first, 0], [1, 0, 0], [0, 0, 0]], rtol=1e-6)
    np.testing.assert_allclose(attended[:, 0, 0], [first + 3 * (1 - first), 1, 0], rtol=1e-6)
    assert all(np.isfinite(leaf).all() for leaf in gradients)
    assert all((np.asarray(leaf)[2] == 0).all() for leaf in gradients)


@pytest.mark.parametrize("num_features", [6, 5, 1])
def test_positions_are_the_printed_formula(num_features):
    expected = np.zeros((50, num_features))
    for t in range(50):
        for i in range(0, num_features, 2):
            expected[t, i] = np.sin(t / 10000 ** (i / num_features))
            if i + 1 < num_features:
                expected[t, i + 1] = np.cos(t / 10000 ** (i / num_features))
    np.testing.assert_allclose(sinusoidal_positions(50, num_features), expected, atol=1e-5)


def test_rows_take_the_parameters_of_the_features_that_are_there():
    rng = np.random.default_rng(3)
    rows = jnp.array([4, 0, 3])
    x, branch = (jnp.asarray(rng.normal(size=(2, 3)), jnp.float32) for _ in range(2))
    feed = {"kernel_1": (5, 8), "bias_1": (8,), "kernel_2": (8, 5), "bias_2": (5,)}
    feed = {name: jnp.asarray(rng.normal(size=shape), jnp.float32) for name, shape in feed.items()}
    norm = {name: jnp.asarray(rng.normal(size=5), jnp.float32) for name in ("scale", "bias")}
    found = FeedForward(8, num_features=5).apply({"params": feed}, x, rows)
    hidden = np.maximum(np.asarray(x) @ feed["kernel_1"][rows] + feed["bias_1"], 0)
    np.testing.assert_allclose(found, hidden @ feed["kernel_2"][:, rows] + feed["bias_2"][rows], atol=1e-5)
    mask = jnp.array([[True, True, False], [False, False, False]])
    found = ResidualNorm(num_features=5).apply({"params": norm}, x, branch, rows=rows, mask=mask)
    two = np.asarray(x + branch)[0, :2]
    two = (two - two.mean()) / np.sqrt(two.var() + 1e-5) * norm["scale"][rows[:2]] + norm["bias"][rows[:2]]
    np.testing.assert_allclose(found, [[*two, 0], [0, 0, 0]], atol=1e-5)
