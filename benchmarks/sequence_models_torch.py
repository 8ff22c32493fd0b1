"""MTATE, LSTM and RETAIN as written in PyTorch, and the weights of ours under their names.

Given `[batch, time, feature]` and the domain labels `[batch, domain]`, a network returns logits of the outcome, the
representation and the domains' losses; of the last two only MTATE has any.
"""

import math
from typing import Any

import jax
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from jaxfair.models.mtate import MtateConfig


class TorchMtate(nn.Module):
    """All domains at once: [domain, batch, ...] and batched products."""

    def __init__(self, features: int, steps: int, kept: np.ndarray, config: MtateConfig):
        super().__init__()
        self.config, self.steps, num_latent = config, steps, kept.shape[1]
        width, inner = config.num_heads * config.head_dim, config.feature_heads * config.feature_head_dim

        def matrix(*shape):
            return nn.Parameter(torch.randn(config.num_domains, *shape) / math.sqrt(shape[0]))

        def vector(length, value):
            return nn.Parameter(torch.full((config.num_domains, 1, length), float(value)))

        self.temporal_qkv = nn.Linear(features, 3 * width, bias=False)
        self.temporal_out = nn.Linear(width, features, bias=False)
        self.temporal_norm = nn.LayerNorm(features)
        self.feature_qkv, self.feature_out = matrix(steps, 3 * inner), matrix(inner, steps)
        self.attention_scale, self.attention_bias = vector(steps, 1), vector(steps, 0)
        self.kernel_1, self.bias_1 = matrix(num_latent, config.hidden), vector(config.hidden, 0)
        self.kernel_2, self.bias_2 = matrix(config.hidden, num_latent), vector(num_latent, 0)
        self.forward_scale, self.forward_bias = vector(num_latent, 1), vector(num_latent, 0)
        self.classifier = matrix(num_latent, 1)
        self.classifier_bias = nn.Parameter(torch.zeros(config.num_domains, 1))
        self.attend_hidden = nn.Linear(features + 1, config.attention_dim, bias=False)
        self.attend_score = nn.Linear(config.attention_dim, 1, bias=False)
        self.outcome_head = nn.Linear(features, 1)
        self.register_buffer("kept", torch.from_numpy(np.array(kept, np.int64)))
        angle = torch.arange(steps)[:, None] * 10000.0 ** (-(torch.arange(features) // 2 * 2) / features)
        wave = torch.where(torch.arange(features) % 2 == 0, angle.sin(), angle.cos())
        self.register_buffer("positions", wave)

    def forward(self, x, labels):
        config, kept, batch, steps = self.config, self.kept, len(x), self.steps
        domains, num_latent = kept.shape
        x = x + self.positions
        query, key, value = (
            self.temporal_qkv(x).view(batch, steps, 3, config.num_heads, config.head_dim).permute(2, 0, 3, 1, 4)
        )
        attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(batch, steps, -1)
        z = self.temporal_norm(x + self.temporal_out(attended))

        # [batch, time, domain * latent] to [domain, batch * latent, time].
        tokens = z[:, :, kept.view(-1)].view(batch, steps, domains, num_latent).permute(2, 0, 3, 1)
        tokens = tokens.reshape(domains, batch * num_latent, steps)
        heads, dim = config.feature_heads, config.feature_head_dim
        projected = torch.bmm(tokens, self.feature_qkv).view(domains * batch, num_latent, 3, heads, dim)
        query, key, value = projected.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key, value)
        attended = attended.transpose(1, 2).reshape(domains, batch * num_latent, heads * dim)
        tokens = torch.baddbmm(tokens, attended, self.feature_out)
        tokens = F.layer_norm(tokens, (steps,)) * self.attention_scale + self.attention_bias
        latent = tokens.view(domains, batch, num_latent, steps).transpose(2, 3).reshape(domains, -1, num_latent)

        hidden = torch.relu(torch.baddbmm(self.bias_1, latent, self.kernel_1))
        latent = latent + torch.baddbmm(self.bias_2, hidden, self.kernel_2)
        latent = F.layer_norm(latent, (num_latent,)) * self.forward_scale + self.forward_bias
        pooled = latent.view(domains, batch, steps, num_latent).amax(2)

        judged = (torch.bmm(pooled, self.classifier)[..., 0] + self.classifier_bias).T
        of_domains = F.binary_cross_entropy_with_logits(judged, labels, reduction="none")
        candidates = pooled.new_zeros(batch, domains, x.shape[-1])
        candidates = candidates.scatter(2, kept.expand(batch, -1, -1), pooled.transpose(0, 1))
        joined = torch.cat([candidates, of_domains.detach()[..., None]], dim=-1)
        weights = torch.softmax(self.attend_score(torch.tanh(self.attend_hidden(joined)))[..., 0], dim=1)
        representation = torch.bmm(weights[:, None], candidates)[:, 0]
        return self.outcome_head(representation)[:, 0], representation, of_domains


class TorchLstm(nn.Module):
    def __init__(self, features: int, hidden: int = 32):
        super().__init__()
        self.lstm, self.outcome_head = nn.LSTM(features, hidden, batch_first=True), nn.Linear(hidden, 1)

    def forward(self, x, labels):
        return self.outcome_head(self.lstm(x)[1][0][0])[:, 0], None, None


class TorchRetain(nn.Module):
    def __init__(self, features: int, embedding: int = 32, hidden: int = 32):
        super().__init__()
        self.embedding = nn.Linear(features, embedding, bias=False)
        self.temporal_gru = nn.GRU(embedding, hidden, batch_first=True)
        self.feature_gru = nn.GRU(embedding, hidden, batch_first=True)
        self.temporal_score = nn.Linear(hidden, 1, bias=False)
        self.feature_attention = nn.Linear(hidden, embedding)
        self.outcome_head = nn.Linear(embedding, 1)

    def forward(self, x, labels):
        values = self.embedding(x)
        back = values.flip(1)
        alpha = torch.softmax(self.temporal_score(self.temporal_gru(back)[0]), dim=1).flip(1)
        beta = torch.tanh(self.feature_attention(self.feature_gru(back)[0])).flip(1)
        return self.outcome_head((alpha * beta * values).sum(1))[:, 0], None, None


def torch_network(model: str, features: int, steps: int, kept: np.ndarray | None) -> nn.Module:
    """A new network with default sizes, of which MTATE has a domain for each row `[domain, N_l]` of `kept`.

    Of the two biases of PyTorch's recurrent layers one is 0 and stays so: their sum is what counts.
    """
    if model == "mtate":
        return TorchMtate(features, steps, kept, MtateConfig(num_domains=len(kept)))
    net = {"lstm": TorchLstm, "retain": TorchRetain}[model](features)
    for name, parameter in net.named_parameters():
        if "bias_hh" in name:
            nn.init.zeros_(parameter).requires_grad_(False)
    return net


def torch_weights(model: str, params: Any) -> dict[str, np.ndarray]:
    """Ours under their names and in their layout; the map is linear, so it takes gradients too."""
    params = jax.tree.map(np.asarray, params)
    head = params["outcome_head"]
    weights = {"outcome_head.weight": head["kernel"].T, "outcome_head.bias": head["bias"]}
    if model == "lstm":
        return weights | _recurrent("lstm", params["layer_0"])
    if model == "retain":
        attend = params["feature_attention"]
        return (
            weights
            | {"embedding.weight": params["embedding"]["kernel"].T}
            | {"temporal_score.weight": params["temporal_score"]["kernel"].T}
            | {"feature_attention.weight": attend["kernel"].T, "feature_attention.bias": attend["bias"]}
            | _recurrent("temporal_gru", params["temporal_gru"])
            | _recurrent("feature_gru", params["feature_gru"])
        )
    temporal, feature, attend = (params[name] for name in ("temporal_0", "feature_0", "representation_attention"))

    def joined(attention):
        """[..., row, 3 * head * column] of the three kernels [..., row, head, column]."""
        kernels = (attention[name]["kernel"] for name in ("query", "key", "value"))
        return np.concatenate([kernel.reshape(*kernel.shape[:-2], -1) for kernel in kernels], axis=-1)

    norm, forward, last = (feature[name] for name in ("attention_norm", "feed_forward", "feed_forward_norm"))
    out = feature["attention"]["out"]["kernel"]
    return weights | {
        "temporal_qkv.weight": joined(temporal["attention"]).T,
        "temporal_out.weight": temporal["attention"]["out"]["kernel"].reshape(-1, temporal["norm"]["bias"].size).T,
        "temporal_norm.weight": temporal["norm"]["scale"],
        "temporal_norm.bias": temporal["norm"]["bias"],
        "feature_qkv": joined(feature["attention"]),
        "feature_out": out.reshape(len(out), -1, out.shape[-1]),
        "attention_scale": norm["scale"][:, None],
        "attention_bias": norm["bias"][:, None],
        "kernel_1": forward["kernel_1"],
        "bias_1": forward["bias_1"][:, None],
        "kernel_2": forward["kernel_2"],
        "bias_2": forward["bias_2"][:, None],
        "forward_scale": last["scale"][:, None],
        "forward_bias": last["bias"][:, None],
        "classifier": params["domain_classifiers"]["kernel"],
        "classifier_bias": params["domain_classifiers"]["bias"][:, None],
        "attend_hidden.weight": attend["hidden"]["kernel"].T,
        "attend_score.weight": attend["score"]["kernel"].T,
    }


def _recurrent(name, layer):
    kernels = layer["input_kernel"].T, layer["recurrent_kernel"].T, layer["bias"]
    if "gru" in name:  # Their z stands for our 1 - z.
        sign = np.repeat(np.float32([1, -1, 1]), len(kernels[2]) // 3)
        kernels = sign[:, None] * kernels[0], sign[:, None] * kernels[1], sign * kernels[2]
    names = (f"{name}.{of}_l0" for of in ("weight_ih", "weight_hh", "bias_ih"))
    return dict(zip(names, kernels, strict=True))
