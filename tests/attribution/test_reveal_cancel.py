"""RevealCancel: the paper's own example, dense networks written plainly, and completeness on all that is supported."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxfair.attribution.deep_shap import deep_shap
from jaxfair.attribution.secant import UnsupportedPrimitive
from jaxfair.attribution.shapley_values import exact_shapley
from jaxfair.models.conv import conv
from jaxfair.models.time_series import time_series_classifier


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def minimum(x):
    """The smaller of two numbers as the paper writes it: `i1 - relu(i1 - i2)`."""
    return x[:, :1] - jax.nn.relu(x[:, :1] - x[:, 1:])


@pytest.mark.parametrize("both", [(3.0, 1.0), (1.0, 3.0), (2.0, 2.0)])
def test_the_minimum_of_two_positive_inputs_is_shared_equally(both):
    x, zero = np.float32([both]), np.zeros((1, 2), np.float32)
    revealed = deep_shap(minimum, x, zero, rule="reveal_cancel")
    np.testing.assert_allclose(revealed.values[0, 0], [min(both) / 2] * 2, rtol=1e-6)
    if both[0] != both[1]:
        rescaled = deep_shap(minimum, x, zero)
        np.testing.assert_allclose(rescaled.values[0, 0], np.where(x[0] == min(both), min(both), 0), atol=1e-6)


def test_a_negative_input_alone_is_the_minimum():
    # min(-1, 2) against min(0, 0): h = relu(i1 - i2) stays 0 whatever comes first, and i1 gets all of -1.
    found = deep_shap(minimum, np.float32([[-1, 2]]), np.zeros((1, 2), np.float32), rule="reveal_cancel")
    np.testing.assert_allclose(found.values[0, 0], [-1, 0], atol=1e-6)


WEIGHTS = [draw(5, 7, seed=1), draw(7, 6, seed=2), draw(6, 3, seed=3)]
BIASES = [draw(7, seed=4), draw(6, seed=5), draw(3, seed=6)]


def dense(x):
    for weights, bias in zip(WEIGHTS[:-1], BIASES[:-1], strict=True):
        x = jax.nn.relu(x @ weights + bias)
    return x @ WEIGHTS[-1] + BIASES[-1]


def relu(values):
    return np.maximum(values, 0)


def plain_contributions(at, reference, rule):
    """`[output, input]` of `dense` by the paper's multipliers, from the last layer to the first, in float64."""
    layers, a, r = [], at.astype(float), reference.astype(float)
    for weights, bias in zip(WEIGHTS, BIASES, strict=True):
        terms = weights * (a - r)[:, None]  # [input, unit]
        inside = r @ weights + bias
        layers.append((a - r, inside, np.where(terms > 0, terms, 0).sum(0), np.where(terms < 0, terms, 0).sum(0)))
        a, r = relu(a @ weights + bias), relu(inside)
    multipliers = of_positive = of_negative = np.eye(3)  # The last layer has no ReLU behind it.
    for number in (2, 1, 0):
        difference, x, up, down = layers[number]
        if number < 2:
            slope_up = slope_down = (relu(x + up + down) - relu(x)) / (up + down)
            if rule == "reveal_cancel":
                # The limit for a part of 0, which matters: what cancels in a unit comes through with its multiplier.
                up, down = np.where(up > 0, up, 1e-9), np.where(down < 0, down, -1e-9)
                slope_up = (relu(x + up) - relu(x) + relu(x + up + down) - relu(x + down)) / (2 * up)
                slope_down = (relu(x + down) - relu(x) + relu(x + up + down) - relu(x + up)) / (2 * down)
            of_positive, of_negative = multipliers * slope_up, multipliers * slope_down
        multipliers = np.zeros((3, len(difference)))
        for entry, row in enumerate(WEIGHTS[number].astype(float)):
            for unit, weight in enumerate(row):
                share = (1 + np.sign(weight * difference[entry])) / 2  # Half each where nothing changed.
                multipliers[:, entry] += weight * (share * of_positive + (1 - share) * of_negative)[:, unit]
    return multipliers * layers[0][0]


RULES = ("rescale", "reveal_cancel")


def by_both_rules(functions, x, background):
    """The values of every function by both rules, in one program."""
    return jax.jit(
        lambda *points: [[deep_shap(function, *points, rule=rule).values for rule in RULES] for function in functions]
    )(x, background)


@pytest.mark.parametrize("rule", RULES)
def test_a_dense_network_equals_the_papers_formulas(rule):
    x, background = draw(4, 5, seed=7), draw(6, 5, seed=8)
    expected = np.stack([np.mean([plain_contributions(a, r, rule) for r in background], axis=0) for a in x])
    found = deep_shap(dense, x, background, rule=rule)
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-5)


def test_the_rules_differ_only_where_something_cancels():
    x, background = draw(4, 5), draw(3, 5, seed=1)

    def additive(x):  # Nothing meets within a non-linearity.
        return jnp.tanh(x) @ WEIGHTS[0] + jnp.abs(x[:, :1])

    both, *without = by_both_rules((dense, lambda x: (2 * x - 1) @ WEIGHTS[0] / 3, additive), x, background)
    assert np.abs(both[0] - both[1]).max() > 0.05 * np.abs(both[0]).max()
    for values in without:
        np.testing.assert_allclose(*values, rtol=1e-4, atol=2e-6)


def test_two_inputs_of_opposite_effect_get_their_shapley_values():
    # One raises, one lowers what enters each function: both parts are single inputs.
    def function(x):
        return jnp.stack([f(2 * x[:, 0] - x[:, 1] + 0.3) for f in (jax.nn.relu, jnp.tanh, jnp.square, jnp.abs)], 1)

    x, background = np.abs(draw(5, 2)), -np.abs(draw(4, 2, seed=1))
    exact = jax.jit(lambda *points: exact_shapley(function, *points).values)(x, background)
    ((rescaled, revealed),) = by_both_rules([function], x, background)
    np.testing.assert_allclose(revealed, exact, rtol=2e-5, atol=2e-6)
    assert np.abs(rescaled - exact).max() > 0.1


INPUTS, BACKGROUND, KERNEL = draw(4, 12, 2), draw(5, 12, 2, seed=9), draw(3, 2, 4, seed=3)
FACTOR, SHIFT = draw(4, seed=10), draw(4, seed=11)


def normalised_convolution(x):
    return jax.nn.relu(conv(x, KERNEL) * FACTOR + SHIFT).mean(1)


def mixed(x):
    """Two operations that Rescale treats, between two that are revealed."""
    hidden = jax.nn.relu(x.reshape(-1, 6, 4) @ draw(4, 4, seed=13) + SHIFT)
    hidden = jnp.where(hidden > 1, hidden, hidden[:, ::-1] * hidden / 2)
    return jax.nn.relu(hidden.max(2) @ draw(6, 3, seed=12) + 0.5)


def everything(x):
    """Operations with rules of their own and operations that fall back to Rescale, among each other."""
    hidden = conv(x, KERNEL, strategy="canonical") / FACTOR - SHIFT
    hidden = jnp.where(np.arange(4) > 1, jnp.clip(hidden, -1, 2), -jax.nn.sigmoid(hidden))
    hidden = jnp.concatenate([hidden[..., ::2], hidden.sum(2, keepdims=True) * hidden[..., :2]], axis=2)[:, 1:5]
    spectrum = jnp.fft.rfft(hidden, axis=1)
    hidden = jax.nn.relu(hidden.max(1) - jnp.abs(spectrum).mean(1)) + jnp.cumsum(hidden, axis=1)[:, -1]
    return jax.nn.softmax(jnp.sqrt(1 + hidden**2) @ draw(4, 3, seed=12)) + jax.nn.gelu(hidden[:, :3])


def classifier(name, **sizes):
    net = time_series_classifier(name, 3, **sizes)

    def function(x):
        variables = jax.eval_shape(net.init, jax.random.key(0), x[:1])
        # Weights and statistics that a training could have left.
        waves = jax.tree.map(lambda leaf: jnp.sin(jnp.arange(leaf.size) + leaf.size).reshape(leaf.shape), variables)
        return net.apply(waves | {"batch_stats": jax.tree.map(jnp.abs, waves["batch_stats"])}, x)

    function.__name__ = name
    return function


NETWORKS = [classifier("fcn", channels=(4, 6, 4)), classifier("resnet", channels=(4, 6, 6))]
FUNCTIONS = [mixed, dense]
LONG = [pytest.param(function, marks=pytest.mark.slow) for function in (everything, *NETWORKS)]


@pytest.mark.parametrize("function", [*FUNCTIONS, *LONG], ids=lambda function: function.__name__)
def test_contributions_sum_to_the_prediction_minus_the_mean_over_the_background(function):
    x, background = (INPUTS[:, :5, 0], BACKGROUND[:, :5, 0]) if function is dense else (INPUTS, BACKGROUND)
    found, rescaled, predictions, expected = jax.jit(
        lambda x, background: (
            deep_shap(function, x, background, rule="reveal_cancel"),
            deep_shap(function, x, background),
            function(x),
            function(background).mean(0),
        )
    )(x, background)
    size = np.abs(predictions) + np.abs(expected)
    total = found.values.reshape(*predictions.shape, -1).sum(-1)
    np.testing.assert_array_less(np.abs(total - (predictions - expected)), 1e-5 * size + 1e-6)
    np.testing.assert_allclose(found.predictions, rescaled.predictions, rtol=1e-5, atol=1e-6)
    # It is another rule indeed.
    assert np.abs(found.values - rescaled.values).max() > 1e-2 * np.abs(found.values).max()


def test_a_scale_after_the_convolution_leaves_something_to_reveal():
    # Folded into the kernel the scale is no operation at all, and nothing else may follow from how it is written.
    def folded(x):
        return jax.nn.relu(conv(x, KERNEL * FACTOR) + SHIFT).mean(1)

    one, other = jax.jit(
        lambda *points: [
            deep_shap(function, *points, rule="reveal_cancel").values for function in (normalised_convolution, folded)
        ]
    )(INPUTS, BACKGROUND)
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_strategies_of_convolution_agree_and_jit_changes_nothing():
    def function(strategy):
        return lambda x: jax.nn.relu(conv(jnp.tanh(x), KERNEL, strategy=strategy)).mean(1)

    def explained(strategy):
        return deep_shap(function(strategy), INPUTS, BACKGROUND, rule="reveal_cancel").values

    first = explained("slices")
    np.testing.assert_allclose(explained("reference"), first, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(jax.jit(lambda: explained("slices"))(), first, rtol=1e-5, atol=1e-7)


def test_equal_points_and_masked_logits_have_no_contribution():
    found = deep_shap(normalised_convolution, INPUTS[:1], INPUTS[:1], rule="reveal_cancel")
    np.testing.assert_allclose(found.values, 0, atol=1e-7)
    x, background, kept = draw(2, 5), draw(3, 5, seed=1), np.array([True, True, False, True, False])
    found = deep_shap(lambda x: jax.nn.softmax(jnp.where(kept, x, -jnp.inf)), x, background, rule="reveal_cancel")
    np.testing.assert_array_equal(found.values[..., ~kept], 0)
    assert np.isfinite(found.values).all()


@pytest.mark.parametrize("function", [lambda x: jax.nn.relu(x * jnp.nan), lambda x: x @ (jnp.nan * WEIGHTS[0][:3])])
def test_a_function_of_nan_says_nan(function):
    found = deep_shap(function, draw(2, 3), draw(2, 3, seed=1), rule="reveal_cancel")
    assert np.isnan(found.values).any(-1).all()


def test_bad_input_is_one_sentence():
    with pytest.raises(ValueError, match="rule 'linear' is none of"):
        deep_shap(dense, INPUTS[:, :5, 0], BACKGROUND[:, :5, 0], rule="linear")
    with pytest.raises(UnsupportedPrimitive, match="uses 'igamma' on values that depend on its inputs"):
        deep_shap(lambda x: jax.scipy.special.gammainc(2.0, x), draw(2, 3), draw(2, 3), rule="reveal_cancel")
