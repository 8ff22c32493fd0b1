"""Makes sequence_baselines.npz: baselines for sequences as PyTorch computes them, in float64, with seeded weights.

    python tests/models/golden/make_sequence_baselines.py      # PyTorch 2.13.0 (CPU), NumPy 2.4.6

`lstm/states` is the last state of the upper layer of `torch.nn.LSTM(3, 4, 2, batch_first=True)`, called on each
sequence without the steps that do not exist. `transformer/encoded` is
`TransformerEncoder(layer, 2)(embedding(x) + positions, src_key_padding_mask=~mask)` with
`layer = TransformerEncoderLayer(8, 2, 6, dropout=0, batch_first=True)`, `embedding = Linear(3, 8)` and the sinusoidal
positions of Vaswani et al., `transformer/pooled` its mean over the steps that exist. `NAME/gradient` is that of the sum
of the sines of `states` or `pooled`, to x. Weights have PyTorch's names and layout.
"""

import pathlib

import numpy as np
import torch
from torch import nn

MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 1, 0, 1, 0], [1, 0, 0, 0, 0]], bool)


def randomize(module, seed):
    generator = torch.Generator().manual_seed(seed)
    for weight in module.parameters():
        weight.data = torch.randn(weight.shape, generator=generator, dtype=torch.float64) / 2
    return module


def positions(num_steps, width):
    encoded = np.zeros((num_steps, width))
    for t in range(num_steps):
        for i in range(0, width, 2):
            encoded[t, i] = np.sin(t / 10000 ** (i / width))
            encoded[t, i + 1] = np.cos(t / 10000 ** (i / width))
    return torch.tensor(encoded)


def held(name, module, x, found, **values):
    (gradient,) = torch.autograd.grad(torch.sin(found).sum(), x)
    values |= {f"params/{path}": value for path, value in module.state_dict().items()}
    return {f"{name}/{key}": value.detach().numpy() for key, value in {**values, "gradient": gradient}.items()}


def main():
    x = torch.tensor(np.random.default_rng(0).normal(size=(4, 5, 3)), requires_grad=True)
    lstm = randomize(nn.LSTM(3, 4, 2, batch_first=True, dtype=torch.float64), seed=1)
    states = torch.stack(
        [lstm(row[torch.tensor(there)][None])[1][0][-1, 0] for row, there in zip(x, MASK, strict=True)]
    )

    layer = nn.TransformerEncoderLayer(8, 2, 6, dropout=0.0, batch_first=True, dtype=torch.float64)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    model = nn.ModuleDict({"embedding": nn.Linear(3, 8, dtype=torch.float64), "encoder": encoder})
    model = randomize(model, seed=2)
    encoded = encoder(model["embedding"](x) + positions(5, 8), src_key_padding_mask=torch.tensor(~MASK))

    values = held("lstm", lstm, x, states, states=states)
    pooled = torch.stack([row[torch.tensor(there)].mean(0) for row, there in zip(encoded, MASK, strict=True)])
    values |= held("transformer", model, x, pooled, pooled=pooled, encoded=encoded)
    path = pathlib.Path(__file__).with_name("sequence_baselines.npz")
    np.savez(path, x=x.detach().numpy(), mask=MASK, **values)


if __name__ == "__main__":
    main()
