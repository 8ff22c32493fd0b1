"""A probe that is not linear: small networks, one a fold, stopped early and averaged."""

import jax
import jax.numpy as jnp
import optax

from jaxfair.probes.arguments import checked, standardized


def mlp_probe(
    key: jax.Array,
    features: jax.Array,
    attribute: jax.Array,
    fold: jax.Array,
    num_folds: int,
    train: jax.Array,
    *,
    hidden: int = 64,
    batch_size: int = 256,
    num_steps: int = 2000,
    steps_between_checks: int = 50,
    learning_rate: float = 3e-3,
    weight_decay: float = 1e-2,
) -> jax.Array:
    """A network with one hidden layer for each fold, stopped early on that fold, and their mean.

    The network of fold k minimises the squared error on `train` without fold k. Every `steps_between_checks` steps it
    is judged on fold k; the predictions of its best moment are kept. The start, which is the mean of the attribute, is
    such a moment too: where nothing can be learnt, that remains. Averaging the networks instead of training once more
    on all of `train` needs no rule for when to stop.

    A binary attribute may be given as 0 and 1; the predictions are not held between them.

    Args:
      key: A random key; the result is a function of it.
      features: `[example, dim]`, the frozen representation; standardised here, as the attribute is.
      attribute: `[example]`, in any unit.
      fold: `[example]` integers from 0 to `num_folds - 1`, the same for all examples of a subject.
      num_folds: At least 2; static. Time grows with it, and hardly with the number of examples.
      train: `[example]` boolean, true for the examples to learn from.
      hidden: Units of the hidden layer; static.
      batch_size: Training examples a step, drawn with replacement; static.
      num_steps: Steps of AdamW, its rate falling to 0 along a cosine; static.
      steps_between_checks: Divides `num_steps`; static.
      learning_rate: The first rate.
      weight_decay: AdamW's.

    Returns:
      Predicted attribute `[example]`, in its unit, for all examples.

    Raises:
      ValueError: If there are fewer than two folds, the shapes do not match, or the steps do not divide.
    """
    features, attribute, fold, train = checked("mlp_probe", features, attribute, fold, num_folds, train)
    if num_steps % steps_between_checks:
        raise ValueError(
            f"mlp_probe: steps_between_checks={steps_between_checks} does not divide num_steps={num_steps}."
        )
    features = standardized(features, train)[0]
    targets, mean, scale = standardized(attribute, train)
    optimizer = optax.adamw(optax.cosine_decay_schedule(learning_rate, num_steps), weight_decay=weight_decay)
    dim, dtype = features.shape[1], features.dtype

    def predict(params, inputs):
        return jax.nn.silu(inputs @ params["in"] + params["in_bias"]) @ params["out"] + params["out_bias"]

    def train_one(number):
        use, held_out = train & (fold != number), train & (fold == number)
        init_key, batch_key = jax.random.split(jax.random.fold_in(key, number))
        params = {
            "in": jax.random.normal(init_key, (dim, hidden), dtype) * jnp.sqrt(2 / dim).astype(dtype),
            "in_bias": jnp.zeros(hidden, dtype),
            "out": jnp.zeros(hidden, dtype),
            "out_bias": jnp.zeros((), dtype),
        }
        # The examples to draw from come first: masked ones can neither be drawn nor shift what is drawn.
        order, count = jnp.argsort(~use, stable=True), jnp.sum(use)

        def on_held_out(params):
            outputs = predict(params, features)
            return jnp.sum(jnp.where(held_out, (outputs - targets) ** 2, 0)), outputs

        def step(carry, batch):
            params, state = carry
            inputs, wanted = batch
            gradients = jax.grad(lambda p: jnp.mean((predict(p, inputs) - wanted) ** 2))(params)
            updates, state = optimizer.update(gradients, state, params)
            return (optax.apply_updates(params, updates), state), None

        def check(carry, number):
            params, state, best_error, best = carry
            shape = (steps_between_checks, batch_size)
            draws = jax.random.randint(jax.random.fold_in(batch_key, number), shape, 0, jnp.maximum(count, 1))
            drawn = order[draws]
            (params, state), _ = jax.lax.scan(step, (params, state), (features[drawn], targets[drawn]))
            error, outputs = on_held_out(params)
            better = error < best_error
            return (params, state, jnp.where(better, error, best_error), jnp.where(better, outputs, best)), None

        carry = (params, optimizer.init(params), *on_held_out(params))
        (_, _, _, best), _ = jax.lax.scan(check, carry, jnp.arange(num_steps // steps_between_checks))
        return best, jnp.any(held_out) & jnp.any(use)

    outputs, usable = jax.lax.map(train_one, jnp.arange(num_folds))
    average = jnp.sum(jnp.where(usable[:, None], outputs, 0), axis=0) / jnp.sum(usable)
    return mean + scale * average
