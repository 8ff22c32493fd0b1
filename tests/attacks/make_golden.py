"""Writes golden/foolbox.npz: adversarial examples that foolbox makes with PyTorch for a small seeded network.

    python tests/attacks/make_golden.py

in an environment of its own with NumPy, PyTorch and foolbox, which the tests do not need. The checked-in file was made
with foolbox 3.3.4, PyTorch 2.13.0 (CPU) and NumPy 2.4.6. It holds weights and inputs too, so that no test depends on
how a random generator draws them. Arrays are as jaxfair has them: inputs `[batch, time, channel]`, kernels
`[window, channel, feature]`.
"""

from pathlib import Path

import foolbox
import numpy as np
import torch
from torch import nn

BATCH, TIME, CLASSES = 24, 96, 5
EPSILON = 0.1
# Attack -> the call; DeepFool looks for the least epsilon itself.
ATTACKS = {
    "deepfool": foolbox.attacks.L2DeepFoolAttack(steps=50, candidates=10, overshoot=0.02, loss="logits"),
    "deepfool_3_candidates": foolbox.attacks.L2DeepFoolAttack(steps=50, candidates=3, overshoot=0.1, loss="logits"),
    "fgsm": foolbox.attacks.LinfFastGradientAttack(),
    "bim": foolbox.attacks.LinfBasicIterativeAttack(rel_stepsize=0.2, steps=10),
    "pgd": foolbox.attacks.LinfPGD(rel_stepsize=0.05, steps=30, random_start=False),
    "fgm_l2": foolbox.attacks.L2FastGradientAttack(),
    "bim_l2": foolbox.attacks.L2BasicIterativeAttack(rel_stepsize=0.2, steps=10),
}


def main() -> None:
    rng = np.random.default_rng(20240607)
    arrays = {
        "inputs": rng.normal(size=(BATCH, TIME, 1)),
        "kernel_0": rng.normal(size=(5, 1, 8)) / np.sqrt(5),
        "bias_0": 0.1 * rng.normal(size=8),
        "kernel_1": rng.normal(size=(5, 8, 12)) / np.sqrt(20),
        "bias_1": 0.1 * rng.normal(size=12),
        "weights": rng.normal(size=(21 * 12, CLASSES)) / np.sqrt(126),
        "bias": 0.1 * rng.normal(size=CLASSES),
    }
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    network = nn.Sequential(
        nn.Conv1d(1, 8, 5, stride=2),
        nn.ReLU(),
        nn.Conv1d(8, 12, 5, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(252, 5),
    )
    # [window, channel, feature] -> [feature, channel, window]; flattened, PyTorch has the channel before time.
    weights = arrays["weights"].reshape(21, 12, CLASSES).transpose(2, 1, 0).reshape(CLASSES, -1)
    values = [arrays["kernel_0"].T, arrays["bias_0"], arrays["kernel_1"].T, arrays["bias_1"], weights, arrays["bias"]]
    for parameter, value in zip(network.parameters(), values, strict=True):
        parameter.data = torch.from_numpy(np.ascontiguousarray(value))
    network.eval()

    inputs = torch.from_numpy(arrays["inputs"].transpose(0, 2, 1).copy())
    with torch.no_grad():
        arrays["logits"] = network(inputs).numpy()
    labels = arrays["logits"].argmax(1)
    # A few examples that the network gets wrong, and a class for each to be led to.
    labels[::8] = (labels[::8] + 1) % CLASSES
    arrays["labels"] = labels.astype(np.int32)
    arrays["targets"] = (arrays["logits"].argmax(1) + 2).astype(np.int32) % CLASSES

    # Bounds that no example comes near.
    model = foolbox.PyTorchModel(network, bounds=(-100, 100))
    criteria = {name: foolbox.criteria.Misclassification(torch.from_numpy(labels)) for name in ATTACKS}
    targets = torch.from_numpy(arrays["targets"].astype(np.int64))
    attacks = dict(ATTACKS, bim_targeted=ATTACKS["bim"])
    criteria["bim_targeted"] = foolbox.criteria.TargetedMisclassification(targets)
    for name, attack in attacks.items():
        epsilon = None if name.startswith("deepfool") else EPSILON * (5 if name.endswith("l2") else 1)
        _, changed, success = attack(model, inputs, criteria[name], epsilons=epsilon)
        with torch.no_grad():
            decision = network(changed).argmax(1).numpy()
        arrays[f"{name}_inputs"] = changed.numpy().transpose(0, 2, 1)
        arrays[f"{name}_success"] = success.numpy()
        arrays[f"{name}_decision"] = decision.astype(np.int32)
        print(f"{name}: {success.float().mean():.2f} fooled")
    target = Path(__file__).with_name("golden") / "foolbox.npz"
    target.parent.mkdir(exist_ok=True)
    np.savez_compressed(target, **arrays)


if __name__ == "__main__":
    main()
