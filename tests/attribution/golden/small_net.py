"""Seeded weights and data of the small convolutional network whose contributions the golden file holds."""

import numpy as np

LENGTH, CHANNELS, CLASSES = 24, 2, 3


def weights() -> dict[str, np.ndarray]:
    """By layer: kernels `[tap, in, out]`, batch normalisation, and the last dense layer."""
    rng = np.random.default_rng(0)
    layers = {}
    for name, taps, before, after in (("conv_0", 5, CHANNELS, 6), ("conv_1", 3, 6, 8)):
        layers[f"{name}/kernel"] = rng.normal(size=(taps, before, after)) / np.sqrt(taps * before)
        layers[f"{name}/scale"], layers[f"{name}/bias"] = rng.normal(1, 0.3, after), rng.normal(0, 0.3, after)
        layers[f"{name}/mean"], layers[f"{name}/var"] = rng.normal(0, 0.3, after), rng.uniform(0.5, 2, after)
    layers["dense/kernel"] = rng.normal(size=(LENGTH // 4 * 8, CLASSES)) / 5
    layers["dense/bias"] = rng.normal(size=CLASSES)
    return {name: value.astype(np.float32) for name, value in layers.items()}


def data() -> tuple[np.ndarray, np.ndarray]:
    """Inputs `[4, time, channel]` and background `[10, time, channel]`."""
    rng = np.random.default_rng(1)
    return tuple(rng.normal(size=(size, LENGTH, CHANNELS)).astype(np.float32) for size in (4, 10))
