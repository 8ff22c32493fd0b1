"""Foolbox's DeepFool on a network in PyTorch, called as its users call it."""

from collections.abc import Callable

import foolbox
import numpy as np
import torch


def attack(model: torch.nn.Module, inputs: np.ndarray, labels: np.ndarray, threads: int) -> Callable[[], np.ndarray]:
    """A function that attacks all inputs in one call.

    Args:
      model: In evaluation mode. Weights that ask for gradients get them, which costs foolbox time.
      inputs: `[example, time, channel]` float32.
      labels: `[example]` int, the class to leave.
      threads: PyTorch's.

    Returns:
      A function without arguments that returns the adversarial examples, `[example, time, channel]`.
    """
    torch.set_num_threads(threads)
    # Bounds that no beat comes near.
    bounded = foolbox.PyTorchModel(model, bounds=(-100, 100))
    deepfool = foolbox.attacks.L2DeepFoolAttack(steps=50, candidates=10, overshoot=0.02, loss="logits")
    images, classes = torch.from_numpy(inputs), torch.from_numpy(labels.astype(np.int64))

    def run() -> np.ndarray:
        changed, _, _ = deepfool(bounded, images, classes, epsilons=None)
        return changed.numpy()

    return run
