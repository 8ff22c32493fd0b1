"""The models that the attacks are tested on."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np

from jaxfair.models.conv import conv
from jaxfair.models.product import product

GOLDEN = Path(__file__).with_name("golden") / "foolbox.npz"


def golden() -> dict[str, np.ndarray]:
    """Weights, inputs and foolbox's adversarial examples; see make_golden.py."""
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


def convolutional(arrays, inputs):
    """The network of make_golden.py: `[batch, 96, 1] -> [batch, 5]`."""
    values = inputs
    for layer in ("0", "1"):
        values = conv(values, arrays[f"kernel_{layer}"], strides=2, padding="VALID") + arrays[f"bias_{layer}"]
        values = jnp.maximum(values, 0)
    return values.reshape(len(values), -1) @ arrays["weights"] + arrays["bias"]


def perceptron_weights(seed=0, inputs=12, hidden=9, classes=4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = {"hidden": (inputs, hidden), "hidden_bias": (hidden,), "outputs": (hidden, classes), "bias": (classes,)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def perceptron(weights, inputs):
    """One hidden layer of tanh, whose products have no forward-mode derivative; also in NumPy by `perceptron_plain`."""
    hidden = jnp.tanh(product(inputs.reshape(len(inputs), -1), weights["hidden"]) + weights["hidden_bias"])
    return product(hidden, weights["outputs"]) + weights["bias"]


def perceptron_plain(weights, example):
    """Logits `[class]` of one example and their gradient `[class, ...]`, in float64."""
    weights = {name: value.astype(np.float64) for name, value in weights.items()}
    hidden = np.tanh(example.ravel() @ weights["hidden"] + weights["hidden_bias"])
    gradient = (weights["outputs"].T * (1 - hidden**2)) @ weights["hidden"].T
    return hidden @ weights["outputs"] + weights["bias"], gradient.reshape(-1, *example.shape)


def examples(count=10, seed=1) -> np.ndarray:
    """Inputs of the perceptron, `[count, 6, 2]`."""
    return np.random.default_rng(seed).normal(size=(count, 6, 2)).astype(np.float32)


def affine(weights, bias, inputs):
    return inputs.reshape(len(inputs), -1) @ weights + bias
