"""Makes deep_explainer.npz: `python make_deep_explainer.py`, with torch and shap installed.

The file in the repository is from shap 0.51.0 and torch 2.13.0 on CPUs.
"""

import pathlib

import numpy as np
import shap
import small_net
import torch


def network() -> torch.nn.Module:
    """Twice convolution, batch normalisation, ReLU and max pooling by 2, then one dense layer."""
    given = {name: torch.tensor(value) for name, value in small_net.weights().items()}
    layers = []
    for name in ("conv_0", "conv_1"):
        kernel = given[f"{name}/kernel"].permute(2, 1, 0)
        conv = torch.nn.Conv1d(kernel.shape[1], kernel.shape[0], kernel.shape[2], padding="same", bias=False)
        norm = torch.nn.BatchNorm1d(len(kernel))
        conv.weight.data = kernel.contiguous()
        norm.weight.data, norm.bias.data = given[f"{name}/scale"], given[f"{name}/bias"]
        norm.running_mean.data, norm.running_var.data = given[f"{name}/mean"], given[f"{name}/var"]
        layers += [conv, norm, torch.nn.ReLU(), torch.nn.MaxPool1d(2)]
    dense = torch.nn.Linear(*given["dense/kernel"].shape)
    # Flattening has channels before time here.
    positions = np.arange(len(given["dense/kernel"])).reshape(-1, 8).T.ravel()
    dense.weight.data = given["dense/kernel"][positions].T.contiguous()
    dense.bias.data = given["dense/bias"]
    return torch.nn.Sequential(*layers, torch.nn.Flatten(), dense).eval()


def main() -> None:
    inputs, background = (torch.tensor(part).permute(0, 2, 1) for part in small_net.data())
    model = network()
    values = shap.DeepExplainer(model, background).shap_values(inputs)  # [example, channel, time, output]
    np.savez_compressed(
        pathlib.Path(__file__).parent / "deep_explainer.npz",
        values=np.asarray(values).transpose(0, 3, 2, 1),
        predictions=model(inputs).detach().numpy(),
        versions=np.array([f"shap {shap.__version__}", f"torch {torch.__version__}"]),
    )


if __name__ == "__main__":
    main()
