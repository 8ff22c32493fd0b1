"""Adversarial perturbations of an electrocardiogram that are smooth in time."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxfair.attacks.adversarial import Adversarial, Logits, checked, decide, frozen, result
from jaxfair.attacks.ascent import ascend, check_ascent, cross_entropy
from jaxfair.models.conv import conv

# The authors' (github.com/XintianHan/ADV_ECG, create_adv_conv_train.py), in samples of their 300 Hz records: every size
# with every standard deviation, 25 kernels. The widest sees 19 samples or 63 ms.
KERNEL_SIZES = (5, 7, 11, 15, 19)
SIGMAS = (1.0, 3.0, 5.0, 7.0, 10.0)


def smooth_adversarial_perturbation(
    logits: Logits,
    inputs: ArrayLike,
    labels: ArrayLike,
    epsilon: ArrayLike,
    step_size: ArrayLike | None = None,
    *,
    num_steps: int = 40,
    num_start_steps: int = 20,
    kernel_sizes: Sequence[int] = KERNEL_SIZES,
    sigmas: Sequence[float] = SIGMAS,
    targeted: bool = False,
) -> Adversarial:
    """SAP: PGD on a theta whose convolution with Gaussian kernels is what is added to the recording.

    PGD on the samples themselves leaves square waves that no heart makes. With the M kernels K of every size and
    standard deviation, each of sum 1, and zeros beyond the ends,

      x' = x + 1/M Σ K * theta,   theta <- clip(theta + step_size sign(grad_theta loss(x')), −epsilon, epsilon),

    from the perturbation of `num_start_steps` steps of PGD on x itself. As the kernels' sum is 1, no sample moves by
    more than epsilon either, and mostly by much less: a smooth perturbation that fools takes a larger epsilon than PGD.

    The kernels are measured in samples. Their width in time is that of the paper at 300 Hz alone; at 100 Hz these sizes
    smooth over 190 ms, two QRS complexes, so choose sizes for your sampling rate.

    Args:
      logits: `[batch, time, ...] -> [batch, class]`, before any softmax, each example independent of the others.
      inputs: `[batch, time, ...]`; each lead is smoothed by itself.
      labels: `[batch]` integers, the class to leave; with `targeted` the class to reach.
      epsilon: Bound of theta, in the unit of the inputs; a number or `[batch]`. The authors take 10 of their records'
        integer unit.
      step_size: Of both ascents; a number or `[batch]`. `None`: `epsilon / 10`, as the authors take.
      num_steps: On theta, static. The authors take 40.
      num_start_steps: Of PGD before, static; 0 starts from theta = 0, where the authors take 20.
      kernel_sizes: Odd numbers of samples; static.
      sigmas: Standard deviations in samples; static.
      targeted: Static. Ours: the paper's attacks are untargeted.

    Returns:
      `Adversarial`, with `num_start_steps + num_steps` as steps.

    Raises:
      ValueError: If arguments do not fit together.

    References:
      Han, Hu, Foschini, Chinitz, Jankelson and Ranganath, "Deep learning models for electrocardiograms are susceptible
      to adversarial attack", Nature Medicine 26, 2020, Methods; and the authors' program.
    """
    name = "smooth_adversarial_perturbation"
    inputs, labels, _ = checked(name, logits, inputs, labels)
    check_ascent(name, epsilon, step_size, num_steps, "linf", len(inputs))
    if num_start_steps < 0:
        raise ValueError(f"{name}: num_start_steps={num_start_steps} must not be negative.")
    kernel = mean_kernel(kernel_sizes, sigmas)
    step_size = jnp.asarray(epsilon) / 10 if step_size is None else step_size
    epsilon, step_size = jax.lax.stop_gradient((epsilon, step_size))
    model = frozen(logits, inputs)
    objective = cross_entropy(model, labels, targeted)

    def moved(theta):
        return inputs + _smooth(theta, kernel)

    # An ascent of 0 steps returns its start.
    theta = ascend(objective, inputs, inputs, epsilon, step_size, num_start_steps) - inputs
    center = jnp.zeros_like(inputs)
    theta = ascend(lambda values: objective(moved(values)), theta, center, epsilon, step_size, num_steps)
    changed = moved(theta)
    before, after = (decide(model(values), labels) for values in (inputs, changed))
    return result(inputs, changed, labels, num_start_steps + num_steps, after, before, targeted)


def mean_kernel(kernel_sizes: Sequence[int] = KERNEL_SIZES, sigmas: Sequence[float] = SIGMAS) -> np.ndarray:
    """`1/M Σ K` over all M pairs of a size and a standard deviation, `[largest size]`, of sum 1.

    The mean of convolutions is the convolution with the mean of the kernels, so 25 of them cost one.

    Raises:
      ValueError: If a size is not odd, which would shift the perturbation by half a sample, or a sigma is not positive.
    """
    if not kernel_sizes or not sigmas or any(size < 1 or size % 2 == 0 for size in kernel_sizes) or min(sigmas) <= 0:
        raise ValueError(
            f"smooth_adversarial_perturbation: kernel_sizes={tuple(kernel_sizes)} must be odd and "
            f"sigmas={tuple(sigmas)} positive, at least one of each."
        )
    offset = np.arange(max(kernel_sizes)) - max(kernel_sizes) // 2
    size, sigma = np.meshgrid(kernel_sizes, sigmas)
    bells = np.exp(-(offset**2) / (2 * sigma[..., None] ** 2)) * (np.abs(offset) <= size[..., None] // 2)
    return (bells / bells.sum(-1, keepdims=True)).mean((0, 1)).astype(np.float32)


def _smooth(values: jax.Array, kernel: np.ndarray) -> jax.Array:
    """`[batch, time, ...]` convolved along time with a symmetric kernel, zeros beyond the ends."""
    leads = jnp.moveaxis(values, 1, -1)
    smooth = conv(leads.reshape(-1, leads.shape[-1], 1), kernel[:, None, None].astype(values.dtype))
    return jnp.moveaxis(smooth.reshape(leads.shape), -1, 1)
