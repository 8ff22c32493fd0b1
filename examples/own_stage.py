"""A stage of your own: logistic regression whose score may not follow age, swept over its weight, rate and seed.

python examples/own_stage.py [FOLDER]     (with a FOLDER it saves there, and the same command again goes on)
"""

import sys

import jax
import numpy as np
import optax

from jaxfair import losses, metrics, sweeps
from jaxfair.training import Stage, descent


def simulate(size: int = 900, seed: int = 0) -> dict[str, np.ndarray]:
    """Patients of whom the old are ill more often, with features: 1, illness, age, both, neither."""
    rng = np.random.default_rng(seed)
    age = rng.normal(size=size)
    disease = rng.random(size) < 1 / (1 + np.exp(1 - age))
    features = np.stack([disease, age, disease + age, 0 * age], axis=1) + rng.normal(size=(size, 4))
    return jax.tree.map(np.float32, {"features": np.insert(features, 0, 1, axis=1), "disease": disease, "age": age})


def fit(num_epochs: int = 60, batch_size: int = 32, num_batches: int = 10, patience: int = 8) -> Stage:
    """Lowers cross-entropy + alpha * (correlation of score and age in the healthy)^2, and keeps the best epoch."""

    def objective(variables, member, data, indices, mask):
        score, disease = data["features"][indices] @ variables["params"]["score"], data["disease"][indices]
        error = losses.masked_mean(optax.sigmoid_binary_cross_entropy(score, disease), mask)
        leak = losses.squared_correlation(score, data["age"][indices], mask & (disease == 0))
        return error + member.hyperparameters["alpha"] * leak

    return descent(
        "fit",
        num_epochs,
        init=lambda member, previous, data, key: {
            "variables": {"params": {"score": 0.1 * jax.random.normal(key, (5,))}}
        },
        loss=lambda variables, state, member, data, batch, *_: (objective(variables, member, data, *batch), {}),
        trained=["score"],
        optimizer=lambda member: optax.sgd(member.hyperparameters["learning_rate"]),
        batch_size=batch_size,
        num_batches=num_batches,
        validate=lambda state, member, data, _: objective(state["variables"], member, data, ..., member.validate),
        patience=patience,
    )


if __name__ == "__main__":
    data, third = simulate(), np.arange(900) % 3  # One third trains, one says when to stop, one is only evaluated.
    grid = sweeps.product(alpha=[0, 0.3, 3], learning_rate=[0.1, 0.3], seed=range(5))
    members = sweeps.make_members(grid, train=third == 0, validate=third == 1, evaluate=third == 2)
    result = sweeps.sweep([fit()], members, data, directory=sys.argv[1] if sys.argv[1:] else None)
    score, test = result.state["best"].kept["params"]["score"] @ data["features"].T, members.evaluate[0]
    table = sweeps.members_table(result, grid)
    table["roc_auc"] = metrics.roc_auc(score, data["disease"], test)
    table["age_pearson_healthy"] = metrics.pearson(score, data["age"], test & (data["disease"] == 0))
    columns = ["epochs_run", "roc_auc", "age_pearson_healthy"]
    print(table.groupby(["alpha", "learning_rate"])[columns].agg(["mean", "std"]).round(3).to_string())
