"""LSTM against PyTorch, GRU-D against the paper's equations in NumPy, and what their masks promise."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sequence_laws as laws
from sequence_laws import BATCH, FEATURES, GOLDEN, TIME, X, Z

from jaxfair.models.recurrent import GruD, Lstm, steps_since_measured
from jaxfair.models.recurrent_layers import LstmLayer

LSTM, GRU_D = Lstm(hidden=4, num_layers=2), GruD(hidden=4)
RNG = np.random.default_rng(1)
MEASURED = RNG.random(X.shape) < 0.5
MEASURED[0, :, 0] = False
MEANS = np.float32([0.5, -1.0, 0.2])


def plain_since(measured, there):
    """δ by its recursion, of one patient, with steps one hour apart: s_t − s_{t−1} is 1."""
    since, begun = np.zeros(measured.shape), False
    for t in range(len(measured)):
        if begun:
            since[t] = 1 + np.where(measured[t - 1] & there[t - 1], 0, since[t - 1])
        begun = begun or there[t]
    return since


# The recursion runs through padded steps, of which nothing is asked.
SINCE = np.float32([plain_since(*each) for each in zip(MEASURED, TIME, strict=True)])


@pytest.fixture(scope="module")
def lstm():
    params = laws.random_params(LSTM)
    return params, laws.program(LSTM, params)


@pytest.fixture(scope="module")
def gru_d():
    params = laws.random_params(GRU_D)  # Decays of both signs: max(0, ·) has something to do.
    return params, laws.program(GRU_D, params, measured=MEASURED, since=SINCE, means=MEANS)


def test_lstm_equals_that_of_pytorch(lstm):
    params, call = lstm
    params = dict(params)
    for layer in range(2):
        torch = {
            name: np.float32(GOLDEN[f"lstm/params/{name}_l{layer}"])
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        }
        bias = torch["bias_ih"] + torch["bias_hh"]
        params[f"layer_{layer}"] = {
            "input_kernel": torch["weight_ih"].T,
            "recurrent_kernel": torch["weight_hh"].T,
            "bias": bias,
        }
    found = call(params=jax.tree.map(jnp.asarray, params), of_outcome=0.0)
    np.testing.assert_allclose(found["representation"][:, :4], GOLDEN["lstm/states"], atol=1e-5)
    np.testing.assert_allclose(found["to_x"], GOLDEN["lstm/gradient"], atol=1e-5)
    head = params["outcome_head"]
    expected = np.concatenate([GOLDEN["lstm/states"], Z], axis=1) @ head["kernel"][:, 0] + head["bias"]
    np.testing.assert_allclose(found["outcome"], expected, atol=1e-5)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def plain_gru_d(params, x, m, delta, mean, static):
    """The equations of Che et al. for one patient, whose steps all exist."""
    gru = params["gru"]
    W_r, W_z, W = np.split(gru["input_kernel"][:FEATURES].T, 3)
    V_r, V_z, V = np.split(gru["input_kernel"][FEATURES:].T, 3)
    U_r, U_z, U = np.split(gru["recurrent_kernel"].T, 3)
    b_r, b_z, b = np.split(gru["bias"], 3)
    h, last = np.zeros(4), mean
    for t in range(len(x)):
        gamma_x = np.exp(-np.maximum(0, params["input_decay_kernel"] * delta[t] + params["input_decay_bias"]))
        gamma_h = np.exp(-np.maximum(0, params["state_decay_kernel"].T @ delta[t] + params["state_decay_bias"]))
        last = np.where(m[t], x[t], last)
        x_hat = np.where(m[t], x[t], gamma_x * last + (1 - gamma_x) * mean)
        h = gamma_h * h
        r = sigmoid(W_r @ x_hat + U_r @ h + V_r @ m[t] + b_r)
        z = sigmoid(W_z @ x_hat + U_z @ h + V_z @ m[t] + b_z)
        candidate = np.tanh(W @ x_hat + U @ (r * h) + V @ m[t] + b)
        h = (1 - z) * h + z * candidate
    representation = np.concatenate([h, static])
    head = params["outcome_head"]
    return representation, representation @ head["kernel"][:, 0] + head["bias"][0]


def test_gru_d_equals_the_equations(gru_d):
    params, call = gru_d
    found, params = call(), jax.tree.map(np.float64, params)
    for patient, there in enumerate(TIME):
        x, m, delta = (array[patient][there] for array in (X, MEASURED, SINCE))
        representation, outcome = plain_gru_d(params, x, m, np.float64(delta), np.float64(MEANS), Z[patient])
        np.testing.assert_allclose(found["representation"][patient], representation, atol=1e-5)
        np.testing.assert_allclose(found["outcome"][patient], outcome, atol=1e-5)


def test_masks(lstm, gru_d):
    laws.assert_masks_hold(lstm[1])
    there = TIME & np.array([True, True, True, False])[:, None]
    laws.assert_masks_hold(gru_d[1], since=np.where(there[..., None], SINCE, np.nan))


def test_gru_d_does_not_use_what_was_not_measured(gru_d):
    call = gru_d[1]
    expected, found = call(), call(x=np.where(MEASURED, X, np.nan), measured=MEASURED | ~TIME[..., None])
    laws.assert_same(found, expected)
    assert (found["to_x"][~MEASURED] == 0).all()


def test_a_patient_without_steps(lstm, gru_d):
    for params, call in (lstm, gru_d):
        laws.assert_finite_without_steps(call, params)


@pytest.mark.slow
def test_members_side_by_side(lstm, gru_d):
    laws.assert_members_side_by_side(LSTM, lstm[1])
    # Without `since`, which is then counted in steps.
    laws.assert_members_side_by_side(GRU_D, gru_d[1], measured=MEASURED, means=MEANS)


def test_steps_since_measured():
    measured = jnp.array([[1, 0, 0, 1, 0, 0], [0, 0, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1], [1] * 6], bool)[..., None]
    exists = jnp.array([[1] * 6, [0, 1, 1, 1, 1, 0], [1, 0, 0, 1, 1, 1], [0] * 6], bool)
    found = jax.jit(steps_since_measured)(measured, exists)
    expected = [[0, 1, 2, 3, 1, 2], [0, 0, 1, 1, 2, 0], [0, 0, 0, 3, 1, 1], [0] * 6]
    np.testing.assert_array_equal(found[..., 0], expected)


def test_parameters():
    F, H, S = FEATURES, 4, 2
    head = H + S + 1
    assert laws.count(LSTM) == 4 * H * (F + H + 1) + 4 * H * (H + H + 1) + head
    assert laws.count(Lstm(hidden=4), static=None) == 4 * H * (F + H + 1) + H + 1
    decay = 2 * F + (F + 1) * H
    assert laws.count(GRU_D) == decay + 3 * H * (F + H + F + 1) + head


def test_initial_parameters():
    layer = jax.jit(LstmLayer(4).init)(jax.random.key(0), X, TIME)["params"]
    np.testing.assert_array_equal(layer["bias"], [0] * 4 + [1] * 4 + [0] * 8)
    for gate in np.split(np.asarray(layer["recurrent_kernel"]), 4, axis=1):
        np.testing.assert_allclose(gate @ gate.T, np.eye(4), atol=1e-6)


@pytest.mark.parametrize("model", [LSTM, GRU_D], ids=["lstm", "gru_d"])
def test_programs_do_not_grow_with_the_steps(model):
    params = laws.random_params(model)

    def length(steps):
        gradient = jax.grad(lambda params, x: model.apply({"params": params}, x).outcome.sum())
        return str(jax.make_jaxpr(gradient)(params, jnp.zeros((1, steps, FEATURES)))).count(" = ")

    params["outcome_head"] = {"kernel": jnp.ones((4, 1)), "bias": jnp.ones(1)}
    assert length(50) == length(7)


def test_dropout():
    laws.assert_drops(Lstm(hidden=4, dropout=0.5))


def test_what_does_not_fit_is_said():
    init = functools.partial(jax.eval_shape, functools.partial(GRU_D.init, jax.random.key(0)))
    with pytest.raises(ValueError, match=r"^GruD: inputs must be \[batch, time, feature\], but have shape \(4, 5\)\."):
        init(X[..., 0])
    with pytest.raises(ValueError, match=r"^GruD: time_mask must have shape \(4, 5\), but has \(5,\)\."):
        init(X, time_mask=TIME[0])
    with pytest.raises(ValueError, match=r"^GruD: since must have shape \(4, 5, 3\), but has \(4, 5\)\."):
        init(X, since=SINCE[..., 0])
    with pytest.raises(ValueError, match=r"^GruD: means must have shape \(3,\), but has \(2,\)\."):
        init(X, means=MEANS[:2])
    with pytest.raises(TypeError, match=r"^GruD: measured must be boolean, but has dtype float32\."):
        init(X, measured=np.float32(MEASURED))
    with pytest.raises(TypeError, match=r"^Lstm: mask must be boolean, but has dtype int32\."):
        jax.eval_shape(functools.partial(LSTM.init, jax.random.key(0)), X, mask=np.ones(BATCH, np.int32))
    with pytest.raises(ValueError, match=r"^Lstm: static must have shape \(4, 2\), but has \(3, 2\)\."):
        jax.eval_shape(functools.partial(LSTM.init, jax.random.key(0)), X, static=Z[:3])
