"""RETAIN against its equations in NumPy, its contributions, and what its masks promise."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sequence_laws as laws
from sequence_laws import TIME, X, Z

from jaxfair.models.retain import Retain

MODEL = Retain(embedding=4, temporal_hidden=3, feature_hidden=5)


@pytest.fixture(scope="module")
def network():
    params = laws.random_params(MODEL)
    return params, laws.program(MODEL, params)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def plain_reversed_gru(params, values):
    """The state after each step, from the last to the first."""
    W_r, W_z, W = np.split(params["input_kernel"].T, 3)
    U_r, U_z, U = np.split(params["recurrent_kernel"].T, 3)
    b_r, b_z, b = np.split(params["bias"], 3)
    h, states = np.zeros(len(U)), np.zeros((len(values), len(U)))
    for t in reversed(range(len(values))):
        r = sigmoid(W_r @ values[t] + U_r @ h + b_r)
        z = sigmoid(W_z @ values[t] + U_z @ h + b_z)
        h = (1 - z) * h + z * np.tanh(W @ values[t] + U @ (r * h) + b)
        states[t] = h
    return states


def plain_retain(params, x, static):
    """Sections 2.2 and 3 of Choi et al. for one patient, whose steps all exist."""
    W_emb = params["embedding"]["kernel"].T
    v = np.stack([W_emb @ step for step in x])
    g, h = plain_reversed_gru(params["temporal_gru"], v), plain_reversed_gru(params["feature_gru"], v)
    e = np.exp([g_j @ params["temporal_score"]["kernel"][:, 0] for g_j in g])
    alpha = e / e.sum()
    attend = params["feature_attention"]
    beta = np.stack([np.tanh(attend["kernel"].T @ h_j + attend["bias"]) for h_j in h])
    c = sum(alpha[j] * beta[j] * v[j] for j in range(len(x)))
    w = params["outcome_head"]["kernel"][:, 0]
    omega = np.array(
        [[alpha[j] * (w[:4] @ (beta[j] * W_emb[:, k])) * x[j, k] for k in range(x.shape[1])] for j in range(len(x))]
    )
    representation = np.concatenate([c, static])
    outcome = w @ representation + params["outcome_head"]["bias"][0]
    return {
        "outcome": outcome,
        "representation": representation,
        "temporal_attention": alpha,
        "feature_attention": beta,
        "contributions": omega,
    }


def test_equals_the_equations(network):
    params, call = network
    found, params = call(), jax.tree.map(np.float64, params)
    for patient, there in enumerate(TIME):
        expected = plain_retain(params, np.float64(X[patient][there]), Z[patient])
        for name, value in expected.items():
            of_patient = found[name][patient]
            of_patient = of_patient if name in ("outcome", "representation") else of_patient[there]
            np.testing.assert_allclose(of_patient, value, atol=1e-5, err_msg=name)


def test_contributions_sum_to_the_logit(network):
    params, call = network
    found, head = call(), params["outcome_head"]
    of_static = Z @ head["kernel"][4:, 0] + head["bias"][0]
    np.testing.assert_allclose(found["contributions"].sum((1, 2)) + of_static, found["outcome"], atol=2e-6)
    assert (found["contributions"][~TIME] == 0).all()


def test_attention_is_over_the_steps_that_exist(network):
    found = network[1]()
    np.testing.assert_allclose(found["temporal_attention"].sum(1), 1, rtol=1e-6)
    assert (found["temporal_attention"][~TIME] == 0).all()
    assert (found["feature_attention"][~TIME] == 0).all()


def test_states_come_from_later_steps_alone(network):
    """β of a step does not depend on the steps before it, and α of the first on all."""
    call = network[1]
    earlier = X.copy()
    earlier[0, :2] += 1
    found, expected = call(x=earlier), call()
    np.testing.assert_array_equal(found["feature_attention"][0, 2:], expected["feature_attention"][0, 2:])
    assert (found["feature_attention"][0, :2] != expected["feature_attention"][0, :2]).all()


def test_masks(network):
    laws.assert_masks_hold(network[1])


def test_a_patient_without_steps(network):
    params, call = network
    laws.assert_finite_without_steps(call, params)


@pytest.mark.slow
def test_members_side_by_side(network):
    laws.assert_members_side_by_side(MODEL, network[1])


def test_parameters():
    F, E, P, Q, S = 3, 4, 3, 5, 2
    recurrent = 3 * P * (E + P + 1) + 3 * Q * (E + Q + 1)
    assert laws.count(MODEL) == F * E + recurrent + P + (Q + 1) * E + E + S + 1


def test_contributions_without_static_features():
    params = dict(laws.random_params(MODEL))
    params["outcome_head"] = {"kernel": jnp.ones((4, 1)), "bias": jnp.full(1, 0.5)}
    outputs = jax.jit(MODEL.apply)({"params": params}, X)
    np.testing.assert_allclose(outputs.contributions.sum((1, 2)) + 0.5, outputs.outcome, atol=2e-6)


def test_dropout():
    laws.assert_drops(MODEL.clone(dropout=0.5))


def test_what_does_not_fit_is_said():
    init = functools.partial(jax.eval_shape, functools.partial(MODEL.init, jax.random.key(0)))
    with pytest.raises(ValueError, match=r"^Retain: inputs must be \[batch, time, feature\], but have shape \(3,\)\."):
        init(X[0, 0])
    with pytest.raises(ValueError, match=r"^Retain: mask must have shape \(4,\), but has \(4, 5\)\."):
        init(X, mask=TIME)
    with pytest.raises(TypeError, match=r"^Retain: time_mask must be boolean, but has dtype float32\."):
        init(X, time_mask=np.float32(TIME))
