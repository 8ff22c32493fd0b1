"""DeepSHAP: complete on whatever is written, equal to Shapley values where theory says so, and to DeepLIFT by hand."""

import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxfair.attribution.deep_shap import deep_shap
from jaxfair.attribution.secant import UnsupportedPrimitive
from jaxfair.attribution.shapley_values import exact_shapley
from jaxfair.models.conv import conv
from jaxfair.models.ecg_cnn import EcgCnn, EcgCnnConfig
from jaxfair.models.pooling import max_pool
from jaxfair.models.time_series import time_series_classifier


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


W1, W2, KERNEL = draw(6, 8, seed=1), draw(8, 3, seed=2), draw(3, 2, 4, seed=3)
INPUTS, BACKGROUND = draw(4, 12, 2), draw(5, 12, 2, seed=9)


def flat(x):
    return x.reshape(len(x), -1)


def reused_relu(x):
    relu = jax.jit(jax.nn.relu)
    hidden = relu(flat(x)[:, :6] @ W1)
    return relu(hidden @ W2 + relu(hidden[:, :3] - 0.5)) @ W2[:3]


def attention(x):
    query, key, value = x[..., None, :], jnp.tanh(x)[..., None, :], (x**3)[..., None, :]
    return flat(nn.dot_product_attention(query, key, value))[:, :5]


def transform(x):
    spectrum = jnp.fft.rfft(x, axis=1)
    return flat(jnp.abs(spectrum) + jnp.log1p(jnp.abs(spectrum)) + spectrum.real * spectrum.imag)[:, :4]


def pooled(x):
    return flat(max_pool(conv(x, KERNEL), (3,))) @ draw(16, 3, seed=4)


def normalised(x):
    mean, deviation = x.mean(1, keepdims=True), x.std(1, keepdims=True)
    return flat((x - mean) / (deviation + 1e-3))[:, :4]


def recurrent(x):
    def step(hidden, entry):
        hidden = jnp.tanh(hidden @ W1[:, :6] + entry @ W2[:2] @ W1[:3, :6])
        return hidden, hidden.max(-1)

    hidden, maxima = jax.lax.scan(step, jnp.zeros((len(x), 6)), x.swapaxes(0, 1))
    return hidden[:, :3] + maxima[-1][:, None]


def choices(x):
    leaky = jnp.where(x > 0, x, 0.1 * x)
    clipped = jnp.clip(x, -0.5, 0.7) + jnp.minimum(x, x[:, ::-1]) + jnp.abs(x)
    return flat(leaky * clipped)[:, :4] + (x.max((1, 2)) - x.min((1, 2)))[:, None] - jnp.sort(jnp.arange(4.0))


def probabilities(x):
    return jax.nn.softmax(4 * reused_relu(x)) + jnp.exp(jax.nn.log_softmax(reused_relu(x)))


def network(x):
    net = EcgCnn(EcgCnnConfig(channels=(4, 6), representation=8, disease_hidden=4))
    return net.apply(moved(net.init(jax.random.key(0), x[:1])), x).disease


def moved(variables):
    """Weights that are no initial ones, and batch statistics that a training could have left."""
    variables = jax.tree.map(lambda leaf: leaf + 0.1 * jnp.sin(jnp.arange(leaf.size)).reshape(leaf.shape), variables)
    return variables | {"batch_stats": jax.tree.map(jnp.abs, variables["batch_stats"])}


def classifier(name, **sizes):
    def function(x):
        net = time_series_classifier(name, 3, **sizes)
        return net.apply(moved(net.init(jax.random.key(0), x[:1])), x)

    function.__name__ = name
    return function


CLASSIFIERS = [
    classifier("fcn", channels=(4, 6, 4)),
    classifier("resnet", channels=(4, 6, 6)),
    classifier("blend_res2net", channels=(4, 6), depth=2),
]
FUNCTIONS = [reused_relu, attention, transform, pooled, choices, probabilities]
LONG = [pytest.param(function, marks=pytest.mark.slow) for function in (normalised, recurrent, network, *CLASSIFIERS)]


@pytest.mark.parametrize("function", [*FUNCTIONS, *LONG], ids=lambda function: function.__name__)
def test_contributions_sum_to_the_prediction_minus_the_mean_over_the_background(function):
    found, predictions, expected = jax.jit(
        lambda x, background: (deep_shap(function, x, background), function(x), function(background).mean(0))
    )(INPUTS, BACKGROUND)
    np.testing.assert_allclose(found.predictions, predictions, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.expected, expected, rtol=1e-5, atol=1e-6)
    total = found.values.sum((2, 3))
    size = np.abs(predictions) + np.abs(expected)
    np.testing.assert_array_less(np.abs(total - (predictions - expected)), 1e-5 * size + 1e-6)
    np.testing.assert_allclose(found.residual, predictions - expected - total, atol=1e-5 * size.max())
    assert np.abs(found.values).max() > 1e-2


def test_equals_deep_explainer():
    golden = pathlib.Path(__file__).parent / "golden"
    sys.path.insert(0, str(golden))  # Beside the script that made the file, which needs no tests to run.
    try:
        import small_net
    finally:
        sys.path.remove(str(golden))
    given, expected = small_net.weights(), np.load(golden / "deep_explainer.npz")

    def function(x):
        for name in ("conv_0", "conv_1"):
            layer = {part: given[f"{name}/{part}"] for part in ("kernel", "scale", "bias", "mean", "var")}
            x = (conv(x, layer["kernel"]) - layer["mean"]) / jnp.sqrt(layer["var"] + 1e-5)
            x = max_pool(jax.nn.relu(x * layer["scale"] + layer["bias"]), (2,))
        return flat(x) @ given["dense/kernel"] + given["dense/bias"]

    found, predictions = jax.jit(lambda x, background: (deep_shap(function, x, background), function(x)))(
        *small_net.data()
    )
    np.testing.assert_allclose(predictions, expected["predictions"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.values, expected["values"], rtol=1e-4, atol=1e-4 * np.abs(found.values).max())


def test_one_neuron_by_hand():
    # Pre-activation 2 a - 3 b - 1: at (2, 0.5) it is 1.5, at the references (0, 0) and (1, -1) it is -1 and 4.
    # Slopes of the ReLU: (1.5 - 0) / 2.5 = 0.6, and (1.5 - 4) / (-2.5) = 1.
    # Multipliers: (1.2, -1.8) and (2, -3); changes (2, 0.5) and (1, 1.5); products (2.4, -0.9) and (2, -4.5).
    x, background = np.float32([[2, 0.5]]), np.float32([[0, 0], [1, -1]])
    found = deep_shap(lambda x: jax.nn.relu(x @ jnp.float32([[2], [-3]]) - 1), x, background)
    np.testing.assert_allclose(found.values[0, 0], [2.2, -2.7], rtol=1e-6)
    np.testing.assert_allclose(found.expected, [2.0])


def test_a_maximum_credits_the_largest_at_either_point():
    # Maxima 3 (the second) and 2 (the first): between them is 3, all the way up from 2 belongs to the second.
    found = deep_shap(lambda x: x.max(1, keepdims=True), np.float32([[1, 3, 0]]), np.float32([[2, 1, 0.5]]))
    np.testing.assert_allclose(found.values[0, 0], [0, 1, 0], atol=1e-7)
    back = deep_shap(lambda x: x.max(1, keepdims=True), np.float32([[2, 1, 0.5]]), np.float32([[1, 3, 0]]))
    np.testing.assert_allclose(back.values[0, 0], [0, -1, 0], atol=1e-7)
    pooled_ = deep_shap(
        lambda x: max_pool(x[..., None], (3,))[..., 0], np.float32([[1, 3, 0]]), np.float32([[2, 1, 0.5]])
    )
    np.testing.assert_allclose(pooled_.values[0, 0], [0, 1, 0], atol=1e-7)


ADDITIVE = {
    "linear": lambda x: x @ W1[:4],
    "single inputs": lambda x: jnp.stack([jnp.exp(x).sum(1), jnp.tanh(x)[:, 0] - x[:, 1] ** 3], 1),
    "a product": lambda x: jnp.stack([x[:, 0] * x[:, 1], x[:, 2] / (3 + jnp.abs(x[:, 3]))], 1),
    "functions of a product's factors": lambda x: (jnp.exp(x[:, :1]) * jnp.sin(x[:, 1:2])) + jax.nn.relu(x[:, 2:3]),
    "a matrix product": lambda x: jnp.stack([x[:, :2] * 2, x[:, 2:]], 1).sum(1, keepdims=True)[:, 0] @ W1[:2],
}


@pytest.mark.parametrize("name", ADDITIVE)
def test_they_are_shapley_values_where_at_most_two_inputs_meet_in_a_product(name):
    exact, found = jax.jit(lambda *points: [method(ADDITIVE[name], *points) for method in (exact_shapley, deep_shap)])(
        draw(3, 4), draw(6, 4, seed=5)
    )
    np.testing.assert_allclose(found.values, exact.values, rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(found.expected, exact.expected, rtol=1e-5, atol=1e-6)


def test_equal_points_have_no_contribution_and_no_nan():
    functions, zero = (transform, pooled, probabilities), np.zeros((1, 12, 2), np.float32)
    *equal, of_zero = jax.jit(
        lambda x, zero: (*(deep_shap(function, x[:1], x[:1]) for function in functions), deep_shap(transform, zero, x))
    )(INPUTS, zero)
    for found in equal:
        np.testing.assert_allclose(found.values, 0, atol=1e-7)
    assert np.isfinite(of_zero.values).all()


def test_how_many_pairs_are_held_together_changes_nothing():
    # One; blocks of 2 x 2, the last of which repeats an example of the background; all of it beside some inputs.
    options = ({}, *({"pairs_at_once": number} for number in (1, 4, 15)))
    together, *by_parts = jax.jit(lambda *points: [deep_shap(pooled, *points, **option) for option in options])(
        INPUTS, BACKGROUND
    )
    for few in by_parts:
        # All but the residual, which is the rounding itself.
        for part in ("values", "predictions", "expected"):
            np.testing.assert_allclose(getattr(few, part), getattr(together, part), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(few.residual, 0, atol=1e-5 * np.abs(few.predictions).max())


def test_vmap_over_members_equals_a_loop():
    kernels = draw(3, 6, 4, seed=8)

    @jax.jit
    def explained(kernel):
        return deep_shap(lambda x: jax.nn.relu(x @ kernel), draw(2, 6), draw(3, 6, seed=7)).values

    for number, values in enumerate(jax.vmap(explained)(jnp.asarray(kernels))):
        np.testing.assert_allclose(values, explained(kernels[number]), rtol=1e-5, atol=1e-6)


def test_what_has_no_rule_is_named():
    with pytest.raises(UnsupportedPrimitive, match="uses 'igamma' on values that depend on its inputs"):
        deep_shap(lambda x: jax.scipy.special.gammainc(2.0, x), draw(2, 3), draw(2, 3))
    with pytest.raises(UnsupportedPrimitive, match="turns a comparison of values that depend on the inputs"):
        deep_shap(lambda x: (x > 0).astype(jnp.float32), draw(2, 3), draw(2, 3))
    with pytest.raises(UnsupportedPrimitive, match="looks at positions that depend on the inputs"):
        deep_shap(lambda x: jnp.take(x, x.argmax(), axis=1)[:, None] * x, draw(2, 3), draw(2, 3))


def test_bad_input_is_one_sentence():
    with pytest.raises(ValueError, match="the background is empty; give it at least one example"):
        deep_shap(pooled, INPUTS, BACKGROUND[:0])
    with pytest.raises(ValueError, match="there are no inputs to explain"):
        deep_shap(pooled, INPUTS[:0], BACKGROUND)
    with pytest.raises(ValueError, match="differ in more than their number"):
        deep_shap(pooled, INPUTS, BACKGROUND[:, :5])
    with pytest.raises(ValueError, match="inputs are int32"):
        deep_shap(pooled, INPUTS.astype(np.int32), BACKGROUND)


@pytest.mark.parametrize(
    "function",
    [lambda x: x * jnp.nan, lambda x: jax.nn.relu(x * jnp.nan), lambda x: (x * jnp.nan).max(1, keepdims=True)],
    ids=["product", "relu", "maximum"],
)
def test_a_function_of_nan_says_nan(function):
    found = deep_shap(function, draw(2, 3), draw(2, 3))
    assert np.isnan(found.predictions).all()
    assert np.isnan(found.values).any(-1).all()
    assert np.isnan(found.residual).all()


@pytest.mark.parametrize("nothing", [-jnp.inf, jnp.finfo(jnp.float32).min])
def test_masked_logits_take_part_in_nothing(nothing):
    x, background, kept = draw(2, 5), draw(3, 5, seed=1), np.array([True, True, False, True, False])
    found, without = jax.jit(
        lambda x, background: (
            deep_shap(lambda x: jax.nn.softmax(jnp.where(kept, x, nothing)), x, background),
            deep_shap(lambda x: jax.nn.softmax(x), x[:, kept], background[:, kept]),
        )
    )(x, background)
    np.testing.assert_array_equal(np.asarray(found.values)[..., ~kept], 0)
    np.testing.assert_allclose(np.asarray(found.values)[:, kept][..., kept], without.values, rtol=1e-5, atol=1e-6)
