"""The networks for time series as written in PyTorch, `[batch, time, channel]` to logits, with the weights of ours."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

SIZES = (8, 5, 3)


class Stack(nn.Module):
    def __init__(self, before, features, sizes=SIZES):
        super().__init__()
        self.sizes = sizes
        for number, (after, size) in enumerate(zip(features, sizes, strict=True)):
            setattr(self, f"conv_{number}", nn.Conv1d(before, after, size, bias=False))
            setattr(self, f"norm_{number}", nn.BatchNorm1d(after, eps=1e-3, momentum=0.01))
            before = after

    def forward(self, x):
        for number, size in enumerate(self.sizes):
            x = torch.relu(x) if number else x
            x = nn.functional.pad(x, ((size - 1) // 2, size // 2))
            x = getattr(self, f"norm_{number}")(getattr(self, f"conv_{number}")(x))
        return x


class Shortcut(nn.Module):
    def __init__(self, before, after):
        super().__init__()
        self.conv = nn.Conv1d(before, after, 1, bias=False) if before != after else nn.Identity()
        self.norm = nn.BatchNorm1d(after, eps=1e-3, momentum=0.01)

    def forward(self, x):
        return self.norm(self.conv(x))


class Fcn(nn.Module):
    def __init__(self, before, channels=(128, 256, 128)):
        super().__init__()
        self.stack, self.features = Stack(before, channels), channels[-1]

    def forward(self, x):
        return torch.relu(self.stack(x))


class ResNet(nn.Module):
    def __init__(self, before, channels=(64, 128, 128)):
        super().__init__()
        self.count, self.features = len(channels), channels[-1]
        for number, after in enumerate(channels):
            setattr(self, f"stack_{number}", Stack(before, (after,) * 3))
            setattr(self, f"shortcut_{number}", Shortcut(before, after))
            before = after

    def forward(self, x):
        for number in range(self.count):
            x = torch.relu(getattr(self, f"stack_{number}")(x) + getattr(self, f"shortcut_{number}")(x))
        return x


class BlendRes2Net(nn.Module):
    def __init__(
        self,
        before,
        channels=(64, 128, 128),
        depth=3,
        kernel_sizes=SIZES,
        transform="magnitude",
        transform_every_block=True,
        merge="concatenate",
    ):
        super().__init__()
        self.depth, self.transform, self.every, self.merge = depth, transform, transform_every_block, merge
        for number, after in enumerate(channels[:depth]):
            doubled = transform == "real_imaginary" and (number == 0 or transform_every_block)
            spectral = 2 * before if doubled else before
            features = (after,) * len(kernel_sizes)
            setattr(self, f"first_{number}_stack", Stack(before, features, kernel_sizes))
            setattr(self, f"first_{number}_shortcut", Shortcut(spectral, after))
            setattr(self, f"second_{number}_stack", Stack(spectral, features, kernel_sizes))
            setattr(self, f"second_{number}_shortcut", Shortcut(before, after))
            before = after
        self.features = before * (1 if merge == "add" else 2)

    def spectrum(self, x, number):
        if number and not self.every:
            return x
        bins = torch.fft.fft(x, dim=-1, norm="ortho")
        if self.transform == "real_imaginary":
            return torch.cat([bins.real, bins.imag], dim=1)
        magnitude = torch.sqrt(bins.real**2 + bins.imag**2 + 1e-6)
        return magnitude if self.transform == "magnitude" else torch.log(magnitude)

    def forward(self, x):
        first = second = x
        for number in range(self.depth):
            stack, shortcut = (getattr(self, f"first_{number}_{part}") for part in ("stack", "shortcut"))
            first = torch.relu(stack(first) + shortcut(self.spectrum(first, number)))
            stack, shortcut = (getattr(self, f"second_{number}_{part}") for part in ("stack", "shortcut"))
            second = torch.relu(stack(self.spectrum(second, number)) + shortcut(second))
        return first + second if self.merge == "add" else torch.cat([first, second], dim=1)


BACKBONES = {"fcn": Fcn, "resnet": ResNet, "blend_res2net": BlendRes2Net}


class Classifier(nn.Module):
    """Modules have the names of our variables' groups."""

    def __init__(self, name, before, classes, **sizes):
        super().__init__()
        self.backbone = BACKBONES[name](before, **sizes)
        self.head = nn.ModuleDict({"Dense_0": nn.Linear(self.backbone.features, classes)})

    def forward(self, x):
        return self.head["Dense_0"](self.backbone(x.transpose(1, 2)).mean(-1))


def classifier(name: str, variables: Mapping[str, Any], **sizes) -> Classifier:
    """The classifier of one lead in evaluation mode with weights and running statistics of `time_series_classifier`."""
    params, stats = variables["params"], variables["batch_stats"]
    head = params["head"]["Dense_0"]["bias"]
    model = Classifier(name, 1, len(head), **sizes).eval()
    for path, module in model.named_modules():
        if isinstance(module, nn.BatchNorm1d):
            _copy(module.running_mean, _at(stats, path)["mean"])
            _copy(module.running_var, _at(stats, path)["var"])
            _copy(module.weight, _at(params, path)["scale"])
            _copy(module.bias, _at(params, path)["bias"])
        elif isinstance(module, nn.Conv1d | nn.Linear):
            # [window, channel, feature] or [channel, feature] of ours.
            _copy(module.weight, np.asarray(_at(params, path)["kernel"]).T)
            if module.bias is not None:
                _copy(module.bias, _at(params, path)["bias"])
    return model


def _at(tree, path):
    for name in path.split("."):
        tree = tree[name]
    return tree


def _copy(parameter, values):
    parameter.data.copy_(torch.from_numpy(np.array(values)))
