"""DeepFool against foolbox, against plain NumPy and against the closed form, and what it does where it cannot."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attack_models import (
    affine,
    convolutional,
    examples,
    golden,
    perceptron,
    perceptron_plain,
    perceptron_weights,
)

from jaxfair.attacks import deepfool


def norms(values):
    return np.linalg.norm(np.asarray(values, np.float64).reshape(len(values), -1), axis=1)


@pytest.mark.parametrize(("name", "options"), [("deepfool", {}), ("deepfool_3_candidates", {"overshoot": 0.1})])
def test_foolbox(name, options):
    arrays = golden()
    if "candidates" in name:
        options = options | {"num_candidates": 3}

    @jax.jit
    def attack(arrays):
        return deepfool(functools.partial(convolutional, arrays), arrays["inputs"], arrays["labels"], **options)

    found = attack(arrays)
    theirs = arrays[f"{name}_inputs"] - arrays["inputs"]
    np.testing.assert_array_equal(found.decision, arrays[f"{name}_decision"])
    np.testing.assert_array_equal(found.success, arrays[f"{name}_success"])
    np.testing.assert_array_equal(found.decision_before, arrays["logits"].argmax(1))
    wrong = arrays["labels"] != arrays["logits"].argmax(1)
    assert 0 < wrong.sum() < len(wrong)
    np.testing.assert_array_equal(norms(theirs) == 0, wrong)
    np.testing.assert_array_equal(np.asarray(found.steps) == 0, wrong)
    assert (np.asarray(found.steps) > 1).sum() > 4
    right = ~wrong
    # 1 % is asked for; rounding alone leaves much less.
    np.testing.assert_allclose(norms(found.perturbation)[right], norms(theirs)[right], rtol=1e-3)
    np.testing.assert_allclose(found.relative_norm, norms(theirs) / norms(arrays["inputs"]), rtol=1e-3)
    np.testing.assert_allclose(found.perturbation, theirs, atol=1e-3 * np.abs(theirs).max())


def plain_deepfool(weights, example, candidates=10, overshoot=0.02, max_steps=50):
    """One example, as the authors' program goes about it."""
    logits, gradient = perceptron_plain(weights, example)
    classes = np.argsort(-logits)[:candidates]
    total, steps = np.zeros_like(example, np.float64), 0
    while logits.argmax() == classes[0] and steps < max_steps:
        best = np.inf
        for other in classes[1:]:
            normal = gradient[other] - gradient[classes[0]]
            distance = abs(logits[other] - logits[classes[0]]) / np.linalg.norm(normal)
            if distance < best:
                best, step = distance, (distance + 1e-4) * normal / np.linalg.norm(normal)
        total, steps = total + step, steps + 1
        logits, gradient = perceptron_plain(weights, example + (1 + overshoot) * total)
    return (1 + overshoot) * total, steps, logits.argmax()


@pytest.mark.parametrize(("candidates", "overshoot"), [(10, 0.02), (2, 0.5)])
def test_plain_numpy(candidates, overshoot):
    # In float64, as an example on the flat side of a tanh goes far along a small gradient, rounding errors and all.
    with jax.enable_x64(True):
        weights = {name: value.astype(np.float64) for name, value in perceptron_weights().items()}
        inputs = examples(40).astype(np.float64)
        model = functools.partial(perceptron, weights)
        options = {"num_candidates": candidates, "max_steps": 5}
        found = jax.jit(lambda overshoot: deepfool(model, inputs, overshoot=overshoot, **options))(overshoot)
        found = jax.tree.map(np.asarray, found)
    assert found.inputs.dtype == np.float64
    totals, steps, decisions = zip(
        *(plain_deepfool(weights, example, candidates, overshoot, 5) for example in inputs), strict=True
    )
    np.testing.assert_array_equal(found.steps, steps)
    np.testing.assert_array_equal(found.decision, decisions)
    np.testing.assert_array_equal(found.success, found.decision != found.decision_before)
    assert len(set(steps)) > 1
    np.testing.assert_allclose(found.perturbation, totals, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(found.inputs, inputs + np.asarray(totals), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(found.relative_norm, norms(totals) / norms(inputs), rtol=1e-7)


@pytest.mark.parametrize("classes", [2, 5])
def test_an_affine_classifier_takes_one_step_onto_the_nearest_hyperplane(classes):
    rng = np.random.default_rng(classes)
    weights, bias, inputs = rng.normal(size=(6, classes)), rng.normal(size=classes), rng.normal(size=(30, 3, 2))
    values = affine(weights, bias, inputs)
    first = values.argmax(1)
    normals = weights[:, None, :] - weights[:, :, None]  # [input, from, to]
    expected = np.empty_like(inputs)
    for row, start in enumerate(first):
        distance = np.full(classes, np.inf)
        for other in set(range(classes)) - {start}:
            length = np.linalg.norm(normals[:, start, other])
            distance[other] = (values[row, start] - values[row, other]) / length
        nearest = distance.argmin()
        unit = normals[:, start, nearest] / np.linalg.norm(normals[:, start, nearest])
        expected[row] = (1.02 * (distance[nearest] + 1e-4) * unit).reshape(3, 2)
    weights, bias, inputs = (array.astype(np.float32) for array in (weights, bias, inputs))
    found = jax.jit(lambda x: deepfool(functools.partial(affine, weights, bias), x))(inputs)
    assert found.success.all()
    assert (found.steps == 1).all()
    np.testing.assert_allclose(found.perturbation, expected, atol=2e-5)


def test_an_example_that_is_wrong_already_is_left_alone():
    weights, inputs = perceptron_weights(), examples()
    attack = jax.jit(lambda labels: deepfool(functools.partial(perceptron, weights), inputs, labels))
    decision = np.asarray(perceptron(weights, inputs).argmax(1))
    labels = np.where(np.arange(10) < 4, (decision + 1) % 4, decision)
    found, unlabelled = attack(labels), attack(decision)
    assert found.success.all()
    np.testing.assert_array_equal(found.steps[:4], 0)
    np.testing.assert_array_equal(found.perturbation[:4], 0)
    np.testing.assert_array_equal(found.relative_norm[:4], 0)
    np.testing.assert_array_equal(found.inputs[:4], inputs[:4])
    np.testing.assert_array_equal(found.decision[:4], decision[:4])
    np.testing.assert_allclose(found.perturbation[4:], unlabelled.perturbation[4:], atol=1e-6)
    assert (found.steps[4:] > 0).all()


def test_how_many_are_computed_at_a_time_changes_nothing():
    weights, inputs = perceptron_weights(), examples(20)
    wide, narrow = jax.jit(
        lambda x: [deepfool(functools.partial(perceptron, weights), x, width=number) for number in (20, 3)]
    )(inputs)
    np.testing.assert_array_equal(narrow.steps, wide.steps)
    np.testing.assert_array_equal(narrow.decision, wide.decision)
    np.testing.assert_allclose(narrow.perturbation, wide.perturbation, atol=1e-5)


# As many steps as would never end if an example that cannot be fooled were tried again and again.
FOREVER = 2**31 - 2


def test_zero_gradients_stop_an_example_and_it_stays_where_it_is():
    weights, inputs = perceptron_weights(), examples()

    def flat_for_some(values):
        # Examples whose first entry is above 0 are decided by nothing that can be changed.
        some = values[:, :1, 0] > 0
        return jnp.where(some, jnp.arange(4.0), perceptron(weights, values))

    found = jax.jit(lambda x: deepfool(flat_for_some, x, max_steps=FOREVER))(inputs)
    flat = inputs[:, 0, 0] > 0
    assert 0 < flat.sum() < 10
    np.testing.assert_array_equal(found.success[flat], False)
    np.testing.assert_array_equal(found.decision[flat], 3)
    np.testing.assert_array_equal(found.steps[flat], 0)
    np.testing.assert_array_equal(found.perturbation[flat], 0)
    assert all(np.isfinite(leaf).all() for leaf in found)
    assert (found.steps[~flat] > 0).all()


def test_a_boundary_that_no_direction_leads_to_is_never_the_nearest():
    def logits(values):
        # Class 1 is close in value, but its difference from class 0 has no gradient.
        return jnp.stack([values[:, 0], values[:, 0] - 1e-3, -values[:, 0]], axis=1)

    found = jax.jit(lambda x: deepfool(logits, x))(jnp.array([[2.0], [5.0]]))
    np.testing.assert_array_equal(found.decision, [2, 2])
    np.testing.assert_allclose(found.perturbation[:, 0], -1.02 * np.array([2.0001, 5.0001]), rtol=1e-5)


def test_gradients_whose_squares_underflow_still_point_somewhere():
    found = jax.jit(lambda x: deepfool(lambda values: 1e-25 * values, x))(jnp.array([[1.0, 0.0], [0.0, 3.0]]))
    np.testing.assert_array_equal(found.decision, [1, 0])
    half = np.array([0.5, 1.5]) * np.sqrt(2) + 1e-4
    np.testing.assert_allclose(norms(found.perturbation), 1.02 * half, rtol=1e-5)


def test_what_is_not_finite_is_not_fooled_and_harms_nobody_else():
    weights, inputs = perceptron_weights(), examples(12)
    inputs[:, 0, 0] = np.clip(inputs[:, 0, 0], -2, 2)
    sick = inputs.copy()
    sick[3, 2, 1] = np.nan  # Not finite itself.
    sick[5, 0, 0] = 50.0  # The model gives NaN.
    sick[8, 0, 0] = 51.0  # The model gives an infinite logit.

    def model(values):
        first = values[:, :1, 0]
        # A gradient everywhere, so that no example stops for having none.
        return perceptron(weights, values) + jnp.where(first > 40, jnp.where(first > 50.5, jnp.inf, jnp.nan), 0)

    attack = jax.jit(lambda x: deepfool(model, x, max_steps=FOREVER))
    found, clean = attack(sick), attack(inputs)
    lost = np.isin(np.arange(12), [3, 5, 8])
    np.testing.assert_array_equal(found.success, ~lost)
    np.testing.assert_array_equal(found.steps[lost], 0)
    np.testing.assert_array_equal(found.decision[lost], -1)
    np.testing.assert_array_equal(found.decision_before[lost], -1)
    for leaf in (found.relative_norm, found.perturbation, found.inputs):
        assert np.isnan(leaf[lost]).all()
    for ours, theirs in zip(found, clean, strict=True):
        np.testing.assert_allclose(ours[~lost], theirs[~lost], atol=1e-6)


def test_a_model_that_becomes_nan_on_the_way():
    def logits(values):
        first = values[:, 0]
        # The first linearisation leads from 0.5 to −0.01 and, from 3, to −0.06, where there is only NaN.
        return jnp.where(first < -0.05, jnp.nan, 1.0)[:, None] * jnp.stack([first, 0 * first], axis=1)

    found = jax.jit(lambda x: deepfool(logits, x, max_steps=FOREVER))(jnp.array([[0.5], [3.0]]))
    np.testing.assert_array_equal(found.success, [True, False])
    np.testing.assert_array_equal(found.decision, [1, -1])
    np.testing.assert_array_equal(found.decision_before, [0, 0])
    np.testing.assert_array_equal(found.steps, [1, 1])
    np.testing.assert_array_equal(np.isnan(found.relative_norm), [False, True])


def test_the_last_step_is_the_last():
    found = jax.jit(lambda x: deepfool(functools.partial(perceptron, perceptron_weights()), x, max_steps=1))(
        examples(40)
    )
    assert (found.steps == 1).all()
    assert 0 < found.success.sum() < 40
    np.testing.assert_array_equal(found.success, found.decision != found.decision_before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_candidates": 1}, "num_candidates=1"),
        ({"max_steps": 0}, "max_steps=0"),
        ({"width": 0}, "width=0"),
        ({"labels": np.zeros(3, int)}, r"integers \[10\]"),
        ({"labels": np.zeros(10, np.float32)}, "float32"),
        ({"inputs": examples().astype(int)}, "must be floats"),
        ({"inputs": examples(0)}, "at least one example"),
        ({"logits": lambda values: values[:, 0, 0]}, r"\[10, class\].*\(10,\)"),
        ({"logits": lambda values: values[:, 0, :1]}, r"\(0, z\)"),
    ],
)
def test_arguments_that_do_not_fit_are_named(change, message):
    logits = change.pop("logits", functools.partial(perceptron, perceptron_weights()))
    inputs, labels = change.pop("inputs", examples()), change.pop("labels", None)
    with pytest.raises(ValueError, match=message):
        deepfool(logits, inputs, labels, **change)
