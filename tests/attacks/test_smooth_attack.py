"""The smooth perturbation against plain NumPy, kernel by kernel, and what its kernels promise."""

import jax
import numpy as np
import pytest

from jaxfair.attacks import basic_iterative, smooth_adversarial_perturbation
from jaxfair.attacks.smooth import KERNEL_SIZES, SIGMAS, mean_kernel

RNG = np.random.default_rng(3)
TIME, LEADS, CLASSES, BATCH = 40, 2, 3, 6
WEIGHTS = RNG.normal(size=(TIME, LEADS, CLASSES)).astype(np.float32)
INPUTS = RNG.normal(size=(BATCH, TIME, LEADS)).astype(np.float32)
LABELS = RNG.integers(0, CLASSES, BATCH)


def linear(inputs):
    return jax.numpy.einsum("btl,tlc->bc", inputs, WEIGHTS) / 8


def plain_kernels():
    for size in KERNEL_SIZES:
        for sigma in SIGMAS:
            bell = np.exp(-((np.arange(size) - size // 2) ** 2) / (2 * sigma**2))
            yield bell / bell.sum()


def plain_smooth(theta):
    """Every kernel over every lead of `[time, lead]`, then the mean."""
    leads = [
        np.mean([np.convolve(theta[:, lead], kernel, mode="same") for kernel in plain_kernels()], axis=0)
        for lead in range(LEADS)
    ]
    return np.stack(leads, axis=1)


def plain_gradient(values, label):
    logits = np.einsum("tl,tlc->c", values, WEIGHTS.astype(np.float64)) / 8
    chances = np.exp(logits - logits.max())
    return WEIGHTS.astype(np.float64) @ (chances / chances.sum() - np.eye(CLASSES)[label]) / 8


def plain_attack(example, label, epsilon, step_size, num_steps, num_start_steps, sign):
    theta = np.zeros_like(example, np.float64)
    for _ in range(num_start_steps):
        theta = np.clip(theta + step_size * sign * np.sign(plain_gradient(example + theta, label)), -epsilon, epsilon)
    for _ in range(num_steps):
        # The convolution is symmetric, so its transpose is itself.
        slope = plain_smooth(plain_gradient(example + plain_smooth(theta), label))
        theta = np.clip(theta + step_size * sign * np.sign(slope), -epsilon, epsilon)
    return plain_smooth(theta)


def attack(epsilon, **options):
    return smooth_adversarial_perturbation(linear, INPUTS, LABELS, epsilon, **options)


@pytest.mark.parametrize("targeted", [False, True])
def test_plain_numpy(targeted):
    default, other = jax.jit(
        lambda epsilon: (
            attack(epsilon, targeted=targeted),
            attack(epsilon, step_size=0.07, num_steps=3, num_start_steps=0, targeted=targeted),
        )
    )(0.5)
    sign = -1 if targeted else 1
    for found, arguments in ((default, (0.5, 0.05, 40, 20)), (other, (0.5, 0.07, 3, 0))):
        expected = [plain_attack(*pair, *arguments, sign) for pair in zip(INPUTS, LABELS, strict=True)]
        np.testing.assert_allclose(found.perturbation, expected, atol=1e-5)
        decision = np.asarray(linear(INPUTS + np.stack(expected).astype(np.float32))).argmax(1)
        np.testing.assert_array_equal(found.decision, decision)
        np.testing.assert_array_equal(found.success, (decision == LABELS) if targeted else (decision != LABELS))
        np.testing.assert_array_equal(found.steps, sum(arguments[2:]))


def test_the_mean_kernel():
    kernels = list(plain_kernels())
    assert len(kernels) == 25
    expected = sum(np.pad(kernel, (19 - len(kernel)) // 2) for kernel in kernels) / 25
    np.testing.assert_allclose(mean_kernel(), expected, rtol=1e-6)
    np.testing.assert_allclose(mean_kernel([1], [2.0]), [1.0])
    np.testing.assert_allclose(mean_kernel().sum(), 1, rtol=1e-6)


def test_no_sample_moves_by_more_than_epsilon_and_the_change_is_smooth():
    smooth, square, nothing = jax.jit(
        lambda epsilon: (attack(epsilon), basic_iterative(linear, INPUTS, LABELS, epsilon), attack(0 * epsilon))
    )(0.5)
    assert np.abs(smooth.perturbation).max() <= 0.5 + 1e-6
    np.testing.assert_array_equal(nothing.inputs, INPUTS)

    def roughness(perturbation):
        """Energy of the second differences as a share of the energy."""
        return np.square(np.diff(perturbation, 2, axis=1)).sum((1, 2)) / np.square(perturbation).sum((1, 2))

    assert (roughness(smooth.perturbation) < 0.02 * roughness(square.perturbation)).all()


def test_inputs_without_leads():
    # One lead, with and without an axis of its own.
    def one_lead(inputs):
        return inputs @ WEIGHTS[:, 0]

    flat, wide = jax.jit(
        lambda x: (
            smooth_adversarial_perturbation(one_lead, x, LABELS, 0.5, num_steps=5),
            smooth_adversarial_perturbation(lambda v: one_lead(v[..., 0]), x[..., None], LABELS, 0.5, num_steps=5),
        )
    )(INPUTS[..., 0])
    np.testing.assert_allclose(flat.perturbation, wide.perturbation[..., 0], atol=1e-6)
    assert np.abs(flat.perturbation).max() > 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel_sizes": (4,)}, "must be odd"),
        ({"kernel_sizes": ()}, "at least one"),
        ({"sigmas": (0.0, 1.0)}, "positive"),
        ({"num_start_steps": -1}, "num_start_steps=-1"),
        ({"num_steps": 0}, "num_steps=0"),
    ],
)
def test_arguments_that_do_not_fit_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        attack(0.5, **change)
