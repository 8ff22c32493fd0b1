"""The Transformer encoder against PyTorch, its poolings by hand, and what its masks promise."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sequence_laws as laws
from sequence_laws import FEATURES, GOLDEN, TIME, X, Z

from jaxfair.models.sequences import last_over_time, mean_over_time
from jaxfair.models.transformer import POOLINGS, Transformer

MODEL = Transformer(width=8, num_blocks=2, num_heads=2, hidden=6)


@pytest.fixture(scope="module")
def network():
    params = laws.random_params(MODEL)
    return params, laws.program(MODEL, params)


def of_torch(name):
    return np.float32(GOLDEN[f"transformer/params/{name}"])


def block_params(block):
    """PyTorch keeps the three projections in one matrix of rows [q; k; v], the heads one after another in each."""
    path = f"encoder.layers.{block}"
    kernels = of_torch(f"{path}.self_attn.in_proj_weight").reshape(3, 2, 4, 8)  # projection, head, depth, feature
    biases = of_torch(f"{path}.self_attn.in_proj_bias").reshape(3, 2, 4)
    attention = {
        name: {"kernel": kernels[place].transpose(2, 0, 1), "bias": biases[place]}
        for place, name in enumerate(("query", "key", "value"))
    }
    out = of_torch(f"{path}.self_attn.out_proj.weight").T.reshape(2, 4, 8)
    attention["out"] = {"kernel": out, "bias": of_torch(f"{path}.self_attn.out_proj.bias")}
    feed = {f"kernel_{i}": of_torch(f"{path}.linear{i}.weight").T for i in (1, 2)}
    feed |= {f"bias_{i}": of_torch(f"{path}.linear{i}.bias") for i in (1, 2)}
    norms = [{"scale": of_torch(f"{path}.norm{i}.weight"), "bias": of_torch(f"{path}.norm{i}.bias")} for i in (1, 2)]
    return {
        f"attention_{block}": attention,
        f"attention_norm_{block}": norms[0],
        f"feed_forward_{block}": feed,
        f"feed_forward_norm_{block}": norms[1],
    }


@pytest.fixture(scope="module")
def golden_params(network):
    embedding = {"kernel": of_torch("embedding.weight").T, "bias": of_torch("embedding.bias")}
    params = {**network[0], "embedding": embedding, **block_params(0), **block_params(1)}
    return jax.tree.map(jnp.asarray, params)


def test_equals_that_of_pytorch(network, golden_params):
    found = network[1](params=golden_params, of_outcome=0.0)
    np.testing.assert_allclose(found["representation"][:, :8], GOLDEN["transformer/pooled"], atol=1e-5)
    np.testing.assert_allclose(found["to_x"], GOLDEN["transformer/gradient"], atol=1e-5)
    head = golden_params["outcome_head"]
    pooled = np.concatenate([GOLDEN["transformer/pooled"], Z], axis=1)
    np.testing.assert_allclose(found["outcome"], pooled @ head["kernel"][:, 0] + head["bias"], atol=1e-5)


@pytest.mark.parametrize("pooling", ["last", "max"])
def test_other_poolings_equal_that_of_pytorch(golden_params, pooling):
    model = MODEL.clone(pooling=pooling)
    outputs = jax.jit(model.apply)({"params": golden_params}, X, time_mask=TIME, static=Z)
    encoded = [row[there] for row, there in zip(GOLDEN["transformer/encoded"], TIME, strict=True)]
    expected = [steps[-1] if pooling == "last" else steps.max(0) for steps in encoded]
    np.testing.assert_allclose(outputs.representation[:, :8], expected, atol=1e-5)


def test_poolings_by_hand():
    values = jnp.array([[[1.0], [4.0], [-2.0], [np.nan]], [[np.nan]] * 4, [[np.nan], [-3.0], [np.nan], [-5.0]]])
    mask = jnp.array([[1, 1, 1, 0], [0, 0, 0, 0], [0, 1, 0, 1]], bool)
    np.testing.assert_array_equal(mean_over_time(values, mask), [[1], [0], [-4]])
    np.testing.assert_array_equal(last_over_time(values, mask), [[-2], [0], [-5]])
    np.testing.assert_array_equal(POOLINGS["max"](values, mask), [[4], [0], [-3]])


def test_attention_is_over_the_steps_that_exist(network):
    attention = network[1]()["attention"]
    assert len(attention) == 2
    for weights in attention:
        assert weights.shape == (4, 2, 5, 5)
        np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)
        assert (weights.transpose(0, 3, 1, 2)[~TIME] == 0).all()


def test_masks(network):
    laws.assert_masks_hold(network[1])


def test_a_patient_without_steps(network):
    params, call = network
    laws.assert_finite_without_steps(call, params)


@pytest.mark.slow
def test_members_side_by_side(network):
    laws.assert_members_side_by_side(MODEL, network[1])


def test_parameters():
    F, D, H, S = FEATURES, 8, 6, 2
    block = 4 * D * (D + 1) + 2 * 2 * D + D * H + H + H * D + D
    assert laws.count(MODEL) == (F + 1) * D + 2 * block + D + S + 1
    wide = MODEL.clone(num_blocks=1, head_dim=3)
    assert laws.count(wide) == (F + 1) * D + block - 4 * D * (D + 1) + 3 * 6 * (D + 1) + D * (6 + 1) + D + S + 1


def test_dropout():
    laws.assert_drops(MODEL.clone(dropout=0.5, num_blocks=1))


def test_what_does_not_fit_is_said():
    def init(model, *args, **kwargs):
        return jax.eval_shape(functools.partial(model.init, jax.random.key(0)), *args, **kwargs)

    with pytest.raises(ValueError, match=r"^Transformer: pooling must be one of mean, last, max, but is 'first'\."):
        init(MODEL.clone(pooling="first"), X)
    with pytest.raises(ValueError, match=r"^Transformer: without a head_dim, the 3 heads must divide the width 8\."):
        init(MODEL.clone(num_heads=3), X)
    with pytest.raises(ValueError, match=r"^Transformer: time_mask must have shape \(4, 5\), but has \(5, 4\)\."):
        init(MODEL, X, time_mask=TIME.T)
    with pytest.raises(ValueError, match=r"^Transformer: static must have shape \(4, 0\), but has \(\)\."):
        init(MODEL, X, static=np.float32(1))
