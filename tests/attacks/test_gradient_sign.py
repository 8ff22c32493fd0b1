"""FGSM, BIM and PGD against plain NumPy and foolbox, and the ball, the bounds and the start."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attack_models import affine, convolutional, examples, golden, perceptron, perceptron_weights

from jaxfair.attacks import basic_iterative, fast_gradient_sign, projected_gradient

RNG = np.random.default_rng(7)
WEIGHTS, BIAS = RNG.normal(size=(12, 4)).astype(np.float32), RNG.normal(size=4).astype(np.float32)
LABELS = RNG.integers(0, 4, 10)


def linear(inputs):
    return affine(WEIGHTS, BIAS, inputs)


def plain(inputs, labels, epsilon, step_size, num_steps, norm, targeted, bounds):
    """One example at a time, in float64, on the linear model with a softmax."""
    outputs = []
    for example, label in zip(inputs.astype(np.float64), labels, strict=True):
        moved = example.copy()
        for _ in range(num_steps):
            logits = moved.ravel() @ WEIGHTS.astype(np.float64) + BIAS
            chances = np.exp(logits - logits.max())
            chances /= chances.sum()
            gradient = (WEIGHTS @ (chances - np.eye(4)[label])).reshape(example.shape) * (-1 if targeted else 1)
            moved = moved + step_size * (np.sign(gradient) if norm == "linf" else gradient / np.linalg.norm(gradient))
            change = moved - example
            if norm == "linf":
                change = np.clip(change, -epsilon, epsilon)
            elif np.linalg.norm(change) > epsilon:
                change *= epsilon / np.linalg.norm(change)
            moved = example + change
            if bounds is not None:
                moved = np.clip(moved, *bounds)
        outputs.append(moved)
    return np.stack(outputs)


@pytest.mark.parametrize(
    ("norm", "targeted", "bounds"),
    [
        ("linf", False, None),
        ("linf", True, (-1.0, 0.9)),
        ("l2", False, (-1.0, 0.9)),
        ("l2", True, None),
    ],
)
def test_plain_numpy(norm, targeted, bounds):
    inputs = np.clip(examples(), *(bounds or (-9, 9)))
    options = {"norm": norm, "targeted": targeted, "bounds": bounds}
    attacks = {
        (0.3, 1): lambda epsilon: fast_gradient_sign(linear, inputs, LABELS, epsilon, **options),
        (1.25 * 0.3 / 10, 10): lambda epsilon: basic_iterative(linear, inputs, LABELS, epsilon, **options),
        (2.5 * 0.3 / 7, 7): lambda epsilon: projected_gradient(linear, inputs, LABELS, epsilon, num_steps=7, **options),
        (0.2, 3): lambda epsilon: projected_gradient(linear, inputs, LABELS, epsilon, 0.2, num_steps=3, **options),
    }
    results = jax.jit(lambda epsilon: [attack(epsilon) for attack in attacks.values()])(0.3)
    for (step_size, num_steps), found in zip(attacks, results, strict=True):
        expected = plain(inputs, LABELS, 0.3, step_size, num_steps, norm, targeted, bounds)
        np.testing.assert_allclose(found.inputs, expected, atol=2e-5)
        np.testing.assert_allclose(found.perturbation, expected - inputs, atol=2e-5)
        size = np.linalg.norm((expected - inputs).reshape(10, -1), axis=1)
        np.testing.assert_allclose(
            found.relative_norm, size / np.linalg.norm(inputs.reshape(10, -1), axis=1), rtol=1e-4
        )
        decision = linear(expected).argmax(1)
        np.testing.assert_array_equal(found.decision, decision)
        np.testing.assert_array_equal(found.success, (decision == LABELS) if targeted else (decision != LABELS))
        np.testing.assert_array_equal(found.steps, num_steps)
        np.testing.assert_array_equal(found.decision_before, linear(inputs).argmax(1))


def test_foolbox():
    arrays = golden()
    model, inputs, labels = functools.partial(convolutional, arrays), arrays["inputs"], arrays["labels"]
    attacks = {
        "fgsm": lambda epsilon: fast_gradient_sign(model, inputs, labels, epsilon),
        "bim": lambda epsilon: basic_iterative(model, inputs, labels, epsilon, 0.2 * epsilon),
        "bim_targeted": lambda epsilon: basic_iterative(
            model, inputs, arrays["targets"], epsilon, 0.2 * epsilon, targeted=True
        ),
        "pgd": lambda epsilon: projected_gradient(model, inputs, labels, epsilon, 0.05 * epsilon, num_steps=30),
        "fgm_l2": lambda epsilon: fast_gradient_sign(model, inputs, labels, 5 * epsilon, norm="l2"),
        "bim_l2": lambda epsilon: basic_iterative(model, inputs, labels, 5 * epsilon, epsilon, norm="l2"),
    }
    results = jax.jit(lambda epsilon: {name: attack(epsilon) for name, attack in attacks.items()})(0.1)
    for name, found in results.items():
        np.testing.assert_array_equal(found.decision, arrays[f"{name}_decision"], err_msg=name)
        np.testing.assert_array_equal(found.success, arrays[f"{name}_success"], err_msg=name)
        apart = np.abs(found.inputs - arrays[f"{name}_inputs"]) > 1e-5
        # Two roundings may differ in the sign of a gradient that is next to 0, and such an entry goes elsewhere.
        assert apart.mean() < 1e-3, name


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_each_example_stays_in_its_ball_and_reaches_its_surface(norm):
    epsilon = np.linspace(0, 0.9, 10).astype(np.float32)
    model = functools.partial(perceptron, perceptron_weights())
    found = jax.jit(
        lambda epsilon: projected_gradient(
            model, examples(), LABELS, epsilon, key=jax.random.key(0), num_steps=20, norm=norm
        )
    )(epsilon)
    order = np.inf if norm == "linf" else 2
    sizes = np.linalg.norm(np.asarray(found.perturbation).reshape(10, -1), ord=order, axis=1)
    np.testing.assert_allclose(sizes, epsilon, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(found.inputs[0], examples()[0])
    assert found.relative_norm[0] == 0


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_epsilon_0_gives_the_inputs_back(norm):
    model = functools.partial(perceptron, perceptron_weights())
    inputs = examples()
    results = jax.jit(
        lambda epsilon: [
            fast_gradient_sign(model, inputs, LABELS, epsilon, norm=norm),
            basic_iterative(model, inputs, LABELS, epsilon, 0.1, norm=norm),
            projected_gradient(model, inputs, LABELS, epsilon, 0.1, key=jax.random.key(1), norm=norm),
        ]
    )(0.0)
    for found in results:
        np.testing.assert_array_equal(found.inputs, inputs)
        np.testing.assert_array_equal(found.decision, found.decision_before)
        np.testing.assert_array_equal(found.relative_norm, 0)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_random_start_is_uniform_in_the_ball(norm):
    count, inputs = 4000, np.zeros((4000, 3, 1), np.float32)

    def model(values):
        return jnp.stack([values[:, 0, 0], values[:, 1, 0]], axis=1)

    # Steps of 0 stay at the start.
    def start(key):
        labels = np.zeros(count, int)
        return projected_gradient(model, inputs, labels, 0.5, 0.0, key=key, num_steps=1, norm=norm).perturbation

    one, other = (np.asarray(jax.jit(start)(jax.random.key(seed)))[..., 0] for seed in (0, 1))
    assert (one != other).any(axis=1).all()
    np.testing.assert_allclose(one.mean(0), 0, atol=0.02)
    size = np.linalg.norm(one, ord=np.inf if norm == "linf" else 2, axis=1)
    # The share of a ball's volume within a radius r is (r / epsilon)^3.
    inside = np.sort((size / 0.5) ** 3)
    np.testing.assert_allclose(inside, (np.arange(count) + 0.5) / count, atol=0.03)


def test_bounds_hold_and_the_start_obeys_them():
    model = functools.partial(perceptron, perceptron_weights())
    inputs = np.clip(examples(), -1, 1)
    found = jax.jit(
        lambda high: projected_gradient(
            model, inputs, LABELS, 0.5, 0.0, key=jax.random.key(0), num_steps=1, bounds=(-1.0, high)
        )
    )(1.0)
    assert found.inputs.min() == -1
    assert found.inputs.max() == 1
    assert np.abs(found.perturbation).max() <= 0.5


def test_another_epsilon_or_step_does_not_compile_again():
    traced = []

    @jax.jit
    def attack(epsilon, step_size):
        traced.append(1)
        return projected_gradient(linear, examples(), LABELS, epsilon, step_size, num_steps=3).relative_norm

    sizes = [attack(epsilon, step_size) for epsilon, step_size in ((0.1, 0.1), (0.2, 0.1), (0.2, 0.01))]
    assert len(traced) == 1
    assert sizes[0].mean() < sizes[1].mean()
    assert sizes[2].mean() < sizes[1].mean()


def test_a_model_too_sure_of_itself_has_no_gradient_and_nothing_becomes_nan():
    inputs = np.eye(4, dtype=np.float32)[:, :, None]
    for norm in ("linf", "l2"):
        found = jax.jit(
            lambda x, norm=norm: fast_gradient_sign(
                lambda values: 1e4 * values[..., 0], x, np.arange(4), 0.1, norm=norm
            )
        )(inputs)
        np.testing.assert_array_equal(found.perturbation, 0)
        assert not found.success.any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"norm": "l1"}, "'l1' is neither"),
        ({"num_steps": 0}, "num_steps=0"),
        ({"epsilon": -0.1}, "epsilon=-0.1 must not be negative"),
        ({"epsilon": np.ones(3)}, r"number or \[10\]"),
        ({"step_size": np.ones((10, 6, 2))}, r"number or \[10\]"),
        ({"labels": np.zeros((10, 4), int)}, r"integers \[10\]"),
    ],
)
def test_arguments_that_do_not_fit_are_named(change, message):
    labels, epsilon = change.pop("labels", LABELS), change.pop("epsilon", 0.1)
    with pytest.raises(ValueError, match=message):
        basic_iterative(linear, examples(), labels, epsilon, **change)
