"""Makes attention.npz: a transformer's parts as PyTorch computes them, in float64, with seeded weights.

    python tests/models/golden/make_attention.py      # PyTorch 2.13.0 (CPU), NumPy 2.4.6

`attended` and `weights` are `self_attn(x, x, x, key_padding_mask=~mask, average_attn_weights=False)` and `encoded` is
`layer(x, src_key_padding_mask=~mask)` of one `torch.nn.TransformerEncoderLayer(12, 3, 8, dropout=0, batch_first=True)`:
attention, residual and layer norm, feed-forward network with ReLU, residual and layer norm. What a padded step gives is
not to be compared. Weights have PyTorch's names and layout.
"""

import pathlib

import numpy as np
import torch

MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 1, 0], [1, 0, 0, 0, 0]], bool)


def randomize(module, seed):
    generator = torch.Generator().manual_seed(seed)
    for weight in module.parameters():
        weight.data = torch.randn(weight.shape, generator=generator, dtype=torch.float64) / 3
    return module


def main():
    x = torch.tensor(np.random.default_rng(0).normal(size=(3, 5, 12)))
    padding = torch.tensor(~MASK)
    layer = torch.nn.TransformerEncoderLayer(12, 3, 8, dropout=0.0, batch_first=True, dtype=torch.float64)
    layer = randomize(layer, seed=1)
    attended, weights = layer.self_attn(x, x, x, key_padding_mask=padding, average_attn_weights=False)
    encoded = layer(x, src_key_padding_mask=padding)
    values = {f"params/{name}": value.detach().numpy() for name, value in layer.state_dict().items()}
    values |= {"x": x.numpy(), "mask": MASK}
    values |= {"attended": attended.detach().numpy(), "weights": weights.detach().numpy()}
    np.savez(pathlib.Path(__file__).with_name("attention.npz"), encoded=encoded.detach().numpy(), **values)


if __name__ == "__main__":
    main()
