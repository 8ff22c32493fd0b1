"""What the benchmark of sequence models trains on, and our side of it: each model's stage, and members for a sweep."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxfair import losses, metrics, sweeps, training
from jaxfair.methods import mtate
from jaxfair.models.mtate import Mtate, MtateConfig
from jaxfair.models.recurrent import Lstm
from jaxfair.models.retain import Retain

BATCH, TIME, DOMAINS, VALIDATE = 64, 48, 9, 64
RATE, WEIGHT = 1e-3, 0.1


class Size(NamedTuple):
    """Examples, of which `batches` batches train, features of each time step, and epochs by model."""

    examples: int
    features: int
    batches: int
    epochs: dict[str, int]


SIZES = {
    # 37 values, whether they were measured, and how long ago.
    "challenge": Size(2500, 111, 10, {"mtate": 1, "lstm": 5, "retain": 3}),
    "paper": Size(500, 12, 5, {"mtate": 5, "lstm": 25, "retain": 10}),
}


def data_set(size: Size) -> dict[str, np.ndarray]:
    """Noise: the time of a step does not depend on what it learns."""
    rng = np.random.default_rng(0)
    return {
        "inputs": rng.normal(size=(size.examples, TIME, size.features)).astype(np.float32),
        "outcome": (rng.random(size.examples) < 0.3).astype(np.float32),
        "domains": (rng.random((size.examples, DOMAINS)) < 0.5).astype(np.float32),
    }


def network(model: str) -> Any:
    """Ours, with default sizes."""
    return {"mtate": Mtate(MtateConfig(num_domains=DOMAINS)), "lstm": Lstm(), "retain": Retain()}[model]


def stage_of(model: str, size: Size) -> training.Stage:
    """MTATE's own stage, and for the others one of the same form whose loss is the outcome's cross-entropy."""
    epochs, net = size.epochs[model], network(model)
    if model == "mtate":
        return mtate.classifier(mtate.Setting(net, size.batches, VALIDATE, BATCH, patience=epochs), epochs)

    def init(member, previous, data, key):
        return {"variables": net.init(key, data["inputs"][:1])}

    def loss(variables, state, member, data, batch, key, epoch):
        outputs = net.apply(variables, data["inputs"][batch.indices], mask=batch.mask, train=True)
        error = optax.sigmoid_binary_cross_entropy(outputs.outcome, data["outcome"][batch.indices])
        return losses.masked_mean(error, batch.mask), {}

    def validate(state, member, data, logs):
        batch = training.selected(member.validate, VALIDATE)
        outcome = net.apply(state["variables"], data["inputs"][batch.indices]).outcome
        return 1 - metrics.roc_auc(outcome, data["outcome"][batch.indices], batch.mask)

    return training.descent(
        "classifier",
        epochs,
        init=init,
        loss=loss,
        trained=tuple(jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((1, TIME, size.features)))["params"]),
        optimizer=lambda member: optax.flatten(optax.adam(member.hyperparameters["learning_rate"])),
        batch_size=BATCH,
        num_batches=size.batches,
        validate=validate,
        patience=epochs,
    )


def members_of(size: Size, seeds: int):
    grid = sweeps.product(seed=range(seeds), learning_rate=[RATE], domain_weight=[WEIGHT], contrastive_weight=[WEIGHT])
    example = np.arange(size.examples)
    train, validate = example < size.batches * BATCH, example >= size.examples - VALIDATE
    return sweeps.make_members(grid, train, np.zeros(size.examples, bool), validate=validate)


def our_loss(model: str, outputs, data) -> jax.Array:
    mask = jnp.ones(len(data["outcome"]), bool)
    if model == "mtate":
        return mtate.total_loss(outputs, data, mask, {"contrastive_weight": WEIGHT, "domain_weight": WEIGHT})
    return losses.masked_mean(optax.sigmoid_binary_cross_entropy(outputs.outcome, data["outcome"]), mask)
