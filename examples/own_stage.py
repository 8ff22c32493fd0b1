"""A stage of your own: logistic regression whose score may not follow age, swept over its weight, rate and seed.

python examples/own_stage.py [FOLDER]     (with a FOLDER it saves there, and the same command again goes on)
"""

import sys

import jax
import numpy as np
import optax

from jaxfair import losses, metrics, sweeps
from jaxfair.training import Stage, epoch_batches, over_batches, stopping


def simulate(size: int = 900, seed: int = 0) -> dict[str, np.ndarray]:
    """Patients of whom the old are ill more often, with features: 1, illness, age, both, neither."""
    rng = np.random.default_rng(seed)
    age = rng.normal(size=size)
    disease = rng.random(size) < 1 / (1 + np.exp(1 - age))
    features = np.stack([disease, age, disease + age, 0 * age], axis=1) + rng.normal(size=(size, 4))
    return jax.tree.map(np.float32, {"features": np.insert(features, 0, 1, axis=1), "disease": disease, "age": age})


def fit(num_epochs: int = 60, batch_size: int = 32, num_batches: int = 10, patience: int = 8) -> Stage:
    """Lowers cross-entropy + alpha * (correlation of score and age in the healthy)^2, and keeps the best epoch."""

    def loss(weights, member, data, indices, mask):
        score, disease = data["features"][indices] @ weights, data["disease"][indices]
        error = losses.masked_mean(optax.sigmoid_binary_cross_entropy(score, disease), mask)
        leak = losses.squared_correlation(score, data["age"][indices], mask & (disease == 0))
        return error + member.hyperparameters["alpha"] * leak

    def init(member, previous, data, key):
        weights = 0.1 * jax.random.normal(key, data["features"].shape[1:])
        return {"weights": weights, "best": stopping.start(weights)}

    def epoch(member, state, data, key, epoch):
        def step(weights, indices, mask, number):
            gradient = jax.grad(loss)(weights, member, data, indices, mask)
            return weights - member.hyperparameters["learning_rate"] * gradient

        weights = over_batches(step, state["weights"], epoch_batches(key, member.train, batch_size, num_batches))
        value = loss(weights, member, data, slice(None), member.evaluate)
        return {"weights": weights, "best": stopping.update(state["best"], value, weights, epoch)}, {"loss": value}

    return Stage("fit", num_epochs, init, epoch, lambda state: stopping.stopped(state["best"], patience))


if __name__ == "__main__":
    data, third = simulate(), np.arange(900) % 3  # One third trains, one says when to stop, one is only judged.
    grid = sweeps.product(alpha=[0, 0.3, 3], learning_rate=[0.1, 0.3], seed=range(5))
    members = sweeps.make_members(grid, train=third == 0, evaluate=third == 1)
    result = sweeps.sweep([fit()], members, data, directory=sys.argv[1] if sys.argv[1:] else None)
    score, test = result.state["best"].kept @ data["features"].T, third == 2
    table = sweeps.members_table(result, grid)
    table["roc_auc"] = metrics.roc_auc(score, data["disease"], test)
    table["age_pearson_healthy"] = metrics.pearson(score, data["age"], test & (data["disease"] == 0))
    columns = ["epochs_run", "roc_auc", "age_pearson_healthy"]
    print(table.groupby(["alpha", "learning_rate"])[columns].agg(["mean", "std"]).round(3).to_string())
