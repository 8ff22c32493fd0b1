"""Makes contrastive.npz: the supervised contrastive loss and its gradient by other software, in float64.

    python tests/losses/golden/make_contrastive.py
        # pytorch-metric-learning 2.9.0, PyTorch 2.13.0 (CPU), NumPy 2.4.6

`all` is `SupConLoss(temperature, reducer=MeanReducer())`: L_out of Khosla et al. on cosines, a mean over all anchors;
class 3 has one example, an anchor without a positive. `negatives` is the formula of the MTATE paper, section 2.6,
written out pair by pair on unnormalised representations and divided by the number of examples; its gradient is
autograd's.
"""

import pathlib

import numpy as np
import torch
from pytorch_metric_learning.losses import SupConLoss
from pytorch_metric_learning.reducers import MeanReducer

LABELS = [0, 1, 0, 2, 1, 0, 2, 3, 1, 0]


def as_in_the_paper(h, labels, temperature):
    total = torch.zeros((), dtype=h.dtype)
    for j, label in enumerate(labels):
        positives = [p for p, other in enumerate(labels) if other == label and p != j]
        negatives = [a for a, other in enumerate(labels) if other != label]
        for p in positives:
            bottom = sum(torch.exp(torch.dot(h[j], h[a]) / temperature) for a in negatives)
            total = total - torch.log(torch.exp(torch.dot(h[j], h[p]) / temperature) / bottom) / len(positives)
    return total / len(labels)


def main():
    values = {"h": np.random.default_rng(0).normal(size=(len(LABELS), 4)), "labels": np.array(LABELS)}
    for temperature in (0.1, 0.5):
        losses = {
            "all": lambda h, t=temperature: SupConLoss(temperature=t, reducer=MeanReducer())(h, torch.tensor(LABELS)),
            "negatives": lambda h, t=temperature: as_in_the_paper(h, LABELS, t),
        }
        for name, loss in losses.items():
            h = torch.tensor(values["h"], requires_grad=True)
            value = loss(h)
            value.backward()
            values[f"{name}/{temperature}/loss"] = value.detach().numpy()
            values[f"{name}/{temperature}/gradient"] = h.grad.numpy()
    np.savez(pathlib.Path(__file__).with_name("contrastive.npz"), **values)


if __name__ == "__main__":
    main()
