"""Two small stages for the tests of sweeps: linear regression by batches, then the same again from its result."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxfair import training


def dataset(size=48):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(size, 3)).astype(np.float32)
    return {"x": x, "y": x @ np.array([1.0, 2.0, 3.0], np.float32) + rng.normal(size=size).astype(np.float32)}


def stages(num_epochs=6, patience=None):
    """With patience, a member stops once its step count reaches 1 plus 2 times its rank of learning rate."""

    def init(member, previous, data, key):
        weights = jax.random.normal(key, (3,)) if previous is None else previous["weights"]
        return {"weights": weights, "epochs": jnp.int32(0)}

    def epoch(member, state, data, key, epoch):
        def step(weights, indices, mask, number):
            def loss(weights):
                error = data["x"][indices] @ weights - data["y"][indices]
                return jnp.sum(jnp.where(mask, error, 0) ** 2) / mask.sum()

            return weights - member.hyperparameters["learning_rate"] * jax.grad(loss)(weights)

        batches = training.epoch_batches(key, member.train, 8, 6)
        weights = training.over_batches(step, state["weights"], batches)
        error = jnp.mean((data["x"] @ weights - data["y"]) ** 2, where=member.evaluate)
        return {"weights": weights, "epochs": state["epochs"] + 1}, {"error": error}

    stopped = None if patience is None else lambda state: state["epochs"] >= patience(state)
    return [training.Stage("fit", num_epochs, init, epoch, stopped), training.Stage("again", 3, init, epoch)]
