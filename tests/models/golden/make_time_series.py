"""Makes time_series.npz: the networks for time series as written in PyTorch, in float64, with the same weights.

    python -m tests.models.golden.make_time_series      # PyTorch 2.15.0, NumPy 2.3.5

Random weights, scales, biases and running statistics. Each case holds them, the inputs, what the network gives in
training and in evaluation, the gradients of the mean cross-entropy in training, and the running statistics after that
step. Weights, their gradients and statistics are one vector each, in the order in which JAX flattens our variables.
`NAME/parameters` counts the parameters at the default sizes.
"""

import json
import pathlib

import numpy as np
import torch
from torch import nn

from benchmarks.time_series_torch import BACKBONES, Classifier

BATCH, CLASSES = 4, 3
CASES = {
    "fcn": ("fcn", 13, {"channels": (3, 5, 4)}),
    "resnet": ("resnet", 13, {"channels": (3, 3)}),
    "magnitude": ("blend_res2net", 12, {"channels": (2, 3, 3), "depth": 3, "kernel_sizes": (4,)}),
    "log_magnitude": (
        "blend_res2net",
        13,
        {
            "channels": (3, 3),
            "depth": 2,
            "kernel_sizes": (4, 3),
            "transform": "log_magnitude",
            "transform_every_block": False,
            "merge": "add",
        },
    ),
    "real_imaginary": (
        "blend_res2net",
        13,
        {"channels": (2, 3), "depth": 2, "kernel_sizes": (4,), "transform": "real_imaginary"},
    ),
}


def named(model, values):
    """`values` by parameter as one vector of our kernels, scales and biases."""
    ours = {}
    for path, module in model.named_modules():
        for name in dict(module.named_parameters(recurse=False)):
            value = values[f"{path}.{name}"].detach().numpy()
            if isinstance(module, nn.BatchNorm1d):
                ours[*path.split("."), "scale" if name == "weight" else "bias"] = value
            else:
                ours[*path.split("."), "kernel" if name == "weight" else "bias"] = value.T
    return vector(ours)


def statistics(model):
    """Running statistics by their place among our variables."""
    ours = {}
    for path, module in model.named_modules():
        if isinstance(module, nn.BatchNorm1d):
            ours[*path.split("."), "mean"] = module.running_mean.numpy().copy()
            ours[*path.split("."), "var"] = module.running_var.numpy().copy()
    return ours


def vector(ours):
    return np.concatenate([ours[path].reshape(-1) for path in sorted(ours)])


def case(name, length, sizes):
    model = Classifier(name, 2, CLASSES, **sizes).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) / max(parameter[0].numel(), 1) ** 0.5)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.weight.copy_(1 + 0.3 * torch.randn_like(module.weight))
                module.running_mean.copy_(0.3 * torch.randn_like(module.running_mean))
                module.running_var.copy_(0.5 + torch.rand_like(module.running_var))
    inputs = torch.randn(BATCH, length, 2, dtype=torch.float64, requires_grad=True)
    held = {"params": named(model, dict(model.named_parameters())), "batch_stats": vector(statistics(model))}
    held["inputs"] = inputs.detach().numpy()
    with torch.no_grad():
        held["evaluated"] = model.eval()(inputs).numpy()
    before = statistics(model)
    logits = model.train()(inputs)
    nn.functional.cross_entropy(logits, torch.arange(BATCH) % 2).backward()
    held["trained"], held["gradient_of_inputs"] = logits.detach().numpy(), inputs.grad.numpy()
    held["gradient_of_params"] = named(model, {path: parameter.grad for path, parameter in model.named_parameters()})
    later = statistics(model)
    for path in later:
        if path[-1] == "var":  # PyTorch keeps the unbiased variance, we the biased one.
            kept, count = 0.99 * before[path], BATCH * length
            later[path] = kept + (later[path] - kept) * (count - 1) / count
    held["later_batch_stats"] = vector(later)
    return held


def main():
    torch.manual_seed(0)
    held = {}
    for name, arguments in CASES.items():
        held |= {f"{name}/{key}": value.astype(np.float32) for key, value in case(*arguments).items()}
    held["cases"] = np.array(json.dumps(CASES))
    for name in BACKBONES:
        count = sum(parameter.numel() for parameter in Classifier(name, 1, 5).parameters())
        held[f"{name}/parameters"] = np.array(count)
    np.savez_compressed(pathlib.Path(__file__).with_name("time_series.npz"), **held)


if __name__ == "__main__":
    main()
