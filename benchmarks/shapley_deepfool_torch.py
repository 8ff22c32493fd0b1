"""The benchmark's network in PyTorch, attacked by foolbox as its users call it."""

from collections.abc import Callable

import foolbox
import numpy as np
import torch
from torch import nn


def network(variables: dict) -> nn.Module:
    """The FCN of `benchmarks.shapley_deepfool.Fcn`, with its weights, in evaluation mode."""
    params, stats = variables["params"], variables["batch_stats"]
    layers = []
    for number in range(3):
        kernel = params[f"conv_{number}"]["kernel"]  # [window, channel, feature]
        window, channels, features = kernel.shape
        convolution = nn.Conv1d(channels, features, window, padding="same", bias=False)
        normalization = nn.BatchNorm1d(features)
        moved, means = params[f"norm_{number}"], stats[f"norm_{number}"]
        _copy(convolution.weight, kernel.transpose(2, 1, 0))
        _copy(normalization.weight, moved["scale"])
        _copy(normalization.bias, moved["bias"])
        _copy(normalization.running_mean, means["mean"])
        _copy(normalization.running_var, means["var"])
        layers += [convolution, normalization, nn.ReLU()]
    dense = nn.Linear(*params["dense"]["kernel"].shape)
    _copy(dense.weight, params["dense"]["kernel"].T)
    _copy(dense.bias, params["dense"]["bias"])
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), dense).eval()


def attack(
    variables: dict, inputs: np.ndarray, labels: np.ndarray, threads: int, *, frozen: bool
) -> Callable[[], np.ndarray]:
    """A function that attacks all inputs in one call.

    Args:
      variables: Of `benchmarks.shapley_deepfool.Fcn`, in NumPy.
      inputs: `[example, time, channel]` float32.
      labels: `[example]` int, the class to leave.
      threads: PyTorch's.
      frozen: Whether the weights are told that nobody wants their gradients, which foolbox computes otherwise.

    Returns:
      A function without arguments that returns the adversarial examples, `[example, time, channel]`.
    """
    torch.set_num_threads(threads)
    model = network(variables)
    if frozen:
        model.requires_grad_(False)
    # Bounds that no beat comes near.
    model = foolbox.PyTorchModel(model, bounds=(-100, 100))
    deepfool = foolbox.attacks.L2DeepFoolAttack(steps=50, candidates=10, overshoot=0.02, loss="logits")
    images = torch.from_numpy(np.ascontiguousarray(inputs.transpose(0, 2, 1)))
    classes = torch.from_numpy(labels.astype(np.int64))

    def run() -> np.ndarray:
        changed, _, _ = deepfool(model, images, classes, epsilons=None)
        return changed.numpy().transpose(0, 2, 1)

    return run


def _copy(parameter: torch.Tensor, values: np.ndarray) -> None:
    parameter.data.copy_(torch.from_numpy(np.array(values)))
