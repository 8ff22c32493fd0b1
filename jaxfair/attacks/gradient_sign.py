"""FGSM, BIM and PGD: the cross-entropy raised within a ball around each example, in one step or many.

All three read `attack(logits, inputs, labels, epsilon, ...)`, work under `jit`, `vmap` over members and inside a
training loss, and return `Adversarial` after their last step, whether or not an earlier one fooled the model.
`epsilon` and `step_size` are traced and may differ between examples.

The perturbation is in the unit of the inputs: an epsilon for z-normalised series is none for millivolts. And a
cross-entropy in float32 has a gradient of exactly 0 where the model is surer than about 1 : 1e7; an example that such a
model gets right is not moved and looks robust. Compare with DeepFool, which asks the logits.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxfair.attacks.adversarial import Adversarial, Logits, checked, decide, frozen, result
from jaxfair.attacks.ascent import Bounds, Norm, ascend, check_ascent, clip, cross_entropy, random_point


def fast_gradient_sign(
    logits: Logits,
    inputs: ArrayLike,
    labels: ArrayLike,
    epsilon: ArrayLike,
    *,
    norm: Norm = "linf",
    targeted: bool = False,
    bounds: Bounds | None = None,
) -> Adversarial:
    """One step of length epsilon: `x + epsilon sign(grad cross-entropy)`, in l2 `x + epsilon grad / ||grad||`.

    Args:
      logits: `[batch, ...] -> [batch, class]`, before any softmax, each example independent of the others: batch
        normalisation and dropout in evaluation mode.
      inputs: `[batch, ...]`.
      labels: `[batch]` integers, the class to leave; with `targeted` the class to reach.
      epsilon: Length of the step in `norm`; a number or `[batch]`.
      norm: "linf" or "l2"; static.
      targeted: Static.
      bounds: Least and greatest value that an entry can take. Inputs beyond them are moved into them, epsilon or not.

    Returns:
      `Adversarial`.

    Raises:
      ValueError: If arguments do not fit together.

    References:
      Goodfellow, Shlens and Szegedy, "Explaining and Harnessing Adversarial Examples", ICLR 2015, Section 4.
    """
    rest = {"num_steps": 1, "norm": norm, "targeted": targeted, "bounds": bounds, "way": 1.0}
    return _attack("fast_gradient_sign", logits, inputs, labels, epsilon, None, **rest)


def basic_iterative(
    logits: Logits,
    inputs: ArrayLike,
    labels: ArrayLike,
    epsilon: ArrayLike,
    step_size: ArrayLike | None = None,
    *,
    num_steps: int = 10,
    norm: Norm = "linf",
    targeted: bool = False,
    bounds: Bounds | None = None,
) -> Adversarial:
    """FGSM in small steps, each brought back into the ball of radius epsilon around the inputs.

    Args:
      logits, inputs, labels, norm, targeted, bounds: As in `fast_gradient_sign`.
      epsilon: Radius of the ball in `norm`; a number or `[batch]`.
      step_size: Of one step in `norm`; a number or `[batch]`. `None`: `1.25 epsilon / num_steps`, the way that the
        paper's own rule goes (steps of 1, 1.25 epsilon of them).
      num_steps: Static.

    Returns:
      `Adversarial`.

    Raises:
      ValueError: If arguments do not fit together.

    References:
      Kurakin, Goodfellow and Bengio, "Adversarial examples in the physical world", ICLR 2017 workshop, Section 2.2.
    """
    rest = {"num_steps": num_steps, "norm": norm, "targeted": targeted, "bounds": bounds, "way": 1.25}
    return _attack("basic_iterative", logits, inputs, labels, epsilon, step_size, **rest)


def projected_gradient(
    logits: Logits,
    inputs: ArrayLike,
    labels: ArrayLike,
    epsilon: ArrayLike,
    step_size: ArrayLike | None = None,
    *,
    key: jax.Array | None = None,
    num_steps: int = 40,
    norm: Norm = "linf",
    targeted: bool = False,
    bounds: Bounds | None = None,
) -> Adversarial:
    """BIM from a random point of the ball: PGD.

    Inside a training loss it is a constant: the loss's gradient is that at fixed adversarial examples, as Danskin's
    theorem has it for the inner maximum. Fold the step into `key` there, or every epoch starts from the same point.

    Args:
      logits, inputs, labels, norm, targeted, bounds: As in `fast_gradient_sign`.
      epsilon: Radius of the ball in `norm`; a number or `[batch]`.
      step_size: Of one step in `norm`; a number or `[batch]`. `None`: `2.5 epsilon / num_steps`, with which every point
        of the ball can be reached from every other.
      key: Of the start, drawn for each place in the batch. `None`: the start is the inputs, which makes this BIM.
      num_steps: Static.

    Returns:
      `Adversarial`.

    Raises:
      ValueError: If arguments do not fit together.

    References:
      Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018, Section 2.1, and for
      the length of the steps the caption of Figure 6.
    """
    rest = {"num_steps": num_steps, "norm": norm, "targeted": targeted, "bounds": bounds, "way": 2.5, "key": key}
    return _attack("projected_gradient", logits, inputs, labels, epsilon, step_size, **rest)


def _attack(name, logits, inputs, labels, epsilon, step_size, *, num_steps, norm, targeted, bounds, way, key=None):
    """The ascent that all three are; `way`, in epsilons, is what steps of the size `None` go together."""
    inputs, labels, _ = checked(name, logits, inputs, labels)
    check_ascent(name, epsilon, step_size, num_steps, norm, len(inputs))
    epsilon = jnp.asarray(epsilon)
    step_size = way * epsilon / num_steps if step_size is None else step_size
    epsilon, step_size = jax.lax.stop_gradient((epsilon, step_size))
    model = frozen(logits, inputs)
    start = inputs if key is None else clip(random_point(key, inputs, epsilon, norm), bounds)
    objective = cross_entropy(model, labels, targeted)
    changed = ascend(objective, start, inputs, epsilon, step_size, num_steps, norm, bounds)
    before, after = (decide(model(values), labels) for values in (inputs, changed))
    return result(inputs, changed, labels, num_steps, after, before, targeted)
