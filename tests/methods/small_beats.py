"""A few short beats, a tiny network and the Shapley study's stage, compiled once for each hardening.

An epoch is one batch that holds all training examples and some padding, so it is one step of descent, to be compared
with a formula. The first example is removed, and padding points at it.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxfair import training
from jaxfair.methods import shapley
from jaxfair.models.time_series import time_series_classifier

SIZE, TIME, CLASSES, EPOCHS, PATIENCE = 14, 16, 3, 30, 2
TRAIN = np.arange(SIZE) % 5 > 0
NETWORK = time_series_classifier("fcn", CLASSES, channels=(4,), kernel_sizes=(3,), momentum=0.9)
SETTING = shapley.Setting(NETWORK, num_batches=1, batch_size=16, patience=PATIENCE, pgd_steps=2)


def beats(size=SIZE, seed=0, channels=1):
    """The classes: nothing but noise, a bump, a dip."""
    rng = np.random.default_rng(seed)
    label = np.arange(size) % CLASSES
    inputs = rng.normal(size=(size, TIME, channels))
    inputs[:, 5:8] += np.array([0, 3, -3])[label, None, None]
    return {"inputs": inputs.astype(np.float32), "label": label.astype(np.int32)}


def crafted(seed=5):
    """What stands for adversarial twins: other beats."""
    return {"crafted": np.random.default_rng(seed).normal(size=(SIZE, TIME, 1)).astype(np.float32)}


def member(seed=0, train=TRAIN, learning_rate=0.02, epsilon=0.1) -> training.Member:
    numbers = {"learning_rate": jnp.float32(learning_rate), "epsilon": jnp.float32(epsilon)}
    train = jnp.asarray(train)
    return training.Member(jax.random.key(seed), numbers, train, jnp.zeros_like(train), train)


@functools.cache
def stage(hardening="none"):
    return shapley.classifier(SETTING, EPOCHS, hardening=hardening)


@functools.cache
def _program(hardening):
    def run(member, previous, data, stop):
        run = training.begin(stage(hardening), member, previous, data)
        return training.advance(stage(hardening), member, run, data, 0, stop)

    return jax.jit(run)


def run(member, hardening="none", *, previous=None, data=None, epochs=EPOCHS) -> training.Run:
    """The member after the first `epochs`, in NumPy."""
    return jax.tree.map(np.asarray, _program(hardening)(member, previous, data or beats(), jnp.int32(epochs)))


def variables(seed=0, network=NETWORK, channels=1):
    """Of a network that was not trained, but whose every number matters."""
    shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, TIME, channels)))
    rng = np.random.default_rng(seed)
    drawn = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), shapes)
    # Variances above 0, and logits that leave room for doubt.
    positive = jax.tree.map(lambda leaf: leaf**2 + 0.5, drawn["batch_stats"])
    head = {
        "Dense_0": {"kernel": drawn["params"]["head"]["Dense_0"]["kernel"] / 10, "bias": np.zeros(CLASSES, np.float32)}
    }
    return {"params": {**drawn["params"], "head": head}, "batch_stats": positive}


def spoiled(variables, group="params"):
    """With one NaN, in a kernel of the first convolution or in a running mean."""
    leaves, tree = jax.tree.flatten(variables[group])
    first = leaves[0].copy()
    first.reshape(-1)[0] = np.nan
    return variables | {group: jax.tree.unflatten(tree, [first, *leaves[1:]])}
