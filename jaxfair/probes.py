"""How much of an attribute can still be read from a frozen representation.

A probe is a fresh model trained on the features that a network leaves behind. That a network fools the one head it
was trained against says little; that no fresh probe finds the attribute says more. Each gives only a lower bound of
what is there, so there are several:

    ridge_probe      linear, a number        closed form
    logistic_probe   linear, a class         Newton's method
    mlp_probe        not linear, a number    `num_folds` small networks, averaged

All read `probe(features, attribute, fold, num_folds, train)` and return one prediction for every example; `mlp_probe`
takes a key before them. Judge the predictions with `jaxfair.metrics` and `bootstrap_interval` on a mask of other
subjects than `train`. A probe from elsewhere (boosted trees, say) fits in by the same rule: fit on `train`, choose by
`fold`, predict everything.

They are pure functions of fixed shapes: `vmap` or `jax.lax.map` them over the members of a sweep. Examples outside
`train` affect only their own prediction, whatever they hold. A representation that is not finite on `train`, or a fold
that holds all of `train`, gives NaN.
"""

import functools

import jax
import jax.numpy as jnp
import optax
from jax.scipy.linalg import cho_factor, cho_solve

# In the units of scikit-learn's `Ridge(alpha)`: from none to all of the shrinkage on thousands of examples.
RIDGE_PENALTIES = tuple(10.0 ** (step / 2) for step in range(-2, 13))
# Of `LogisticRegression(C=1/penalty)`.
LOGISTIC_PENALTIES = tuple(10.0**step for step in range(-2, 5))

_NEWTON_STEPS = 8
_STEP_SIZES = (1.0, 0.5, 0.25, 0.0625)


# GPUs and TPUs round the factors of a product to 10 or 7 bits by default: enough to train, not to solve.
@jax.default_matmul_precision("highest")
def ridge_probe(
    features: jax.Array,
    attribute: jax.Array,
    fold: jax.Array,
    num_folds: int,
    train: jax.Array,
    *,
    penalties: jax.Array = RIDGE_PENALTIES,
) -> jax.Array:
    """Ridge regression of the attribute, its penalty chosen by cross-validation.

    `min_{w,b} sum_i (y_i - x_i w - b)^2 + penalty ||w||^2` on features standardised over `train`. The penalty with the
    least squared error over all held-out examples of the folds is used for a last fit on all of `train`. One
    QR and one small SVD per fold serve all penalties; the squared (Gram) matrix is never formed, since
    float32 does not have the digits for nearly collinear features.

    Args:
      features: `[example, dim]`, the frozen representation.
      attribute: `[example]`, in any unit.
      fold: `[example]` integers from 0 to `num_folds - 1`. Give all examples of a subject the same fold, or the
        penalty is chosen for recognising subjects.
      num_folds: At least 2; static.
      train: `[example]` boolean, true for the examples to learn from.
      penalties: `[penalty]`, positive, comparable with the number of training examples.

    Returns:
      Predicted attribute `[example]`, in its unit, for all examples.

    Raises:
      ValueError: If there are fewer than two folds or the shapes do not match.

    References:
      Hoerl and Kennard, Technometrics 12, 1970; Alain and Bengio, arXiv 1610.01644 (linear probes).
    """
    features, attribute, fold, train = _checked("ridge_probe", features, attribute, fold, num_folds, train)
    penalties = jnp.asarray(penalties, features.dtype)
    features = _standardized(features, train)[0]
    targets, mean, scale = _standardized(attribute, train)

    def fit(use):
        """Predictions `[penalty, example]` of the models trained where `use` is true."""
        count = jnp.sum(use)
        feature_means = jnp.sum(jnp.where(use[:, None], features, 0), axis=0) / count
        target_mean = jnp.sum(jnp.where(use, targets, 0)) / count
        both = jnp.column_stack([features - feature_means, targets - target_mean])
        triangle = jnp.linalg.qr(jnp.where(use[:, None], both, 0), mode="r")
        left, singular, right = jnp.linalg.svd(triangle[:, :-1], full_matrices=False)
        shrunk = singular / (singular**2 + penalties[:, None])
        coefficients = (shrunk * (left.T @ triangle[:, -1])) @ right
        return coefficients @ (features - feature_means).T + target_mean

    outputs, errors = _cross_validated(fit, lambda outputs: (outputs - targets) ** 2, fold, num_folds, train)
    return mean + scale * _best(outputs, errors)


@jax.default_matmul_precision("highest")
def logistic_probe(
    features: jax.Array,
    attribute: jax.Array,
    fold: jax.Array,
    num_folds: int,
    train: jax.Array,
    *,
    penalties: jax.Array = LOGISTIC_PENALTIES,
) -> jax.Array:
    """Logistic regression of a binary attribute, its penalty chosen by cross-validation.

    `min_{w,b} sum_i log(1 + exp(-s_i (x_i w + b))) + penalty / 2 ||w||^2`, s = +-1, on features standardised over
    `train`: scikit-learn's `C` is `1 / penalty`. Newton's method from the largest penalty to the smallest, each
    starting from the one before; the best of a few step sizes is taken, so separable classes do not make it diverge.
    The penalty with the least log loss over all held-out examples is used for a last fit on all of `train`.

    Args: as `ridge_probe`, with an attribute of 0 and 1; `penalties` in any order.

    Returns:
      Probability of 1, `[example]`, for all examples.

    Raises:
      ValueError: If there are fewer than two folds or the shapes do not match.

    References:
      Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 2nd edition, section 4.4.1.
    """
    features, attribute, fold, train = _checked("logistic_probe", features, attribute, fold, num_folds, train)
    penalties = jnp.sort(jnp.asarray(penalties, features.dtype), descending=True)
    features = _standardized(features, train)[0]
    design = jnp.column_stack([features, jnp.ones_like(attribute)])
    log_loss = functools.partial(optax.sigmoid_binary_cross_entropy, labels=attribute)

    def fit(use):
        """Logits `[penalty, example]` of the models trained where `use` is true."""
        seen = jnp.where(use[:, None], design, 0)
        step_sizes = jnp.asarray(_STEP_SIZES, design.dtype)

        def newton(coefficients, penalty):
            shrink = jnp.full(design.shape[1], penalty).at[-1].set(0)
            logits = seen @ coefficients
            chance = jax.nn.sigmoid(logits)
            gradient = seen.T @ jnp.where(use, chance - attribute, 0) + shrink * coefficients
            curvature = seen.T @ (seen * (chance * (1 - chance))[:, None])
            # The intercept has no penalty: this keeps its curvature above 0 where all chances are 0 or 1.
            guard = shrink.at[-1].set(1e-6 * jnp.sum(use))
            step = cho_solve(cho_factor(curvature + jnp.diag(guard)), gradient)

            tried = coefficients - step_sizes[:, None] * step
            losses = jnp.sum(jnp.where(use, log_loss(tried @ seen.T), 0), axis=-1)
            losses += jnp.sum(shrink * tried**2, axis=-1) / 2
            # Near the end the losses differ by rounding only: without a handicap chance would choose a small step.
            return tried[jnp.argmin(losses * (1 + 1e-4 * jnp.arange(len(_STEP_SIZES))))], None

        def solve(start, penalty):
            coefficients, _ = jax.lax.scan(lambda current, _: newton(current, penalty), start, length=_NEWTON_STEPS)
            return coefficients, coefficients

        _, path = jax.lax.scan(solve, jnp.zeros(design.shape[1], design.dtype), penalties)
        return path @ design.T

    outputs, errors = _cross_validated(fit, log_loss, fold, num_folds, train)
    return jax.nn.sigmoid(_best(outputs, errors))


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
    features, attribute, fold, train = _checked("mlp_probe", features, attribute, fold, num_folds, train)
    if num_steps % steps_between_checks:
        raise ValueError(
            f"mlp_probe: steps_between_checks={steps_between_checks} does not divide num_steps={num_steps}."
        )
    features = _standardized(features, train)[0]
    targets, mean, scale = _standardized(attribute, train)
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


def _checked(name, features, attribute, fold, num_folds, train):
    """The arguments of a probe as arrays of the right types."""
    features, attribute = jnp.asarray(features), jnp.asarray(attribute)
    dtype = jnp.promote_types(features.dtype, jnp.float32)
    fold, train = jnp.asarray(fold), jnp.asarray(train, bool)
    shapes = {"features": features.shape, "attribute": attribute.shape, "fold": fold.shape, "train": train.shape}
    if features.ndim != 2 or {attribute.shape, fold.shape, train.shape} != {features.shape[:1]}:
        raise ValueError(f"{name}: features must be [example, dim] and the others [example], got {shapes}.")
    if num_folds < 2:
        raise ValueError(f"{name}: cross-validation needs num_folds of 2 or more, got {num_folds}.")
    return features.astype(dtype), attribute.astype(dtype), fold, train


def _standardized(values, train):
    """`values` with mean 0 and variance 1 over `train` along the first axis; the mean; the scale.

    A constant, known by its values since its rounded variance is rarely 0, is divided by 1. The largest deviation
    is divided out before squaring: squares of 1e-30 or 1e30 are 0 or infinite, as if there was nothing to read.
    """
    where = jnp.broadcast_to(train.reshape(-1, *[1] * (values.ndim - 1)), values.shape)
    lowest = jnp.min(values, axis=0, where=where, initial=jnp.inf)
    varies = jnp.max(values, axis=0, where=where, initial=-jnp.inf) > lowest
    mean = jnp.mean(values, axis=0, where=where)
    largest = jnp.where(varies, jnp.max(jnp.abs(values - mean), axis=0, where=where, initial=0), 1)
    scale = jnp.where(varies, largest * jnp.std((values - mean) / largest, axis=0, where=where), 1)
    return (values - mean) / scale, mean, scale


def _cross_validated(fit, error, fold, num_folds, train):
    """What `fit` gives of all of `train`, and the sum of `error` over it with each fold predicted by the others.

    Errors are `[penalty]`, NaN if one fold holds all of `train`.
    """

    def turn(number, carry):
        held_out = train & (fold == number) & (number < num_folds)
        use = train & ~held_out
        outputs = fit(use)
        errors = jnp.sum(jnp.where(held_out, error(outputs), 0), axis=-1)
        return outputs, carry[1] + jnp.where(jnp.any(use), errors, jnp.nan)

    like = jax.eval_shape(fit, train)
    start = (jnp.zeros(like.shape, like.dtype), jnp.zeros(like.shape[0], like.dtype))
    # The last turn holds no example out: `fit`, the larger part of a probe's program, is compiled once in one loop.
    return jax.lax.fori_loop(0, num_folds + 1, turn, start)


def _best(outputs, errors):
    """The row of `outputs [penalty, example]` with the least error, NaN where an error is not finite."""
    return jnp.where(jnp.all(jnp.isfinite(errors)), outputs[jnp.argmin(errors)], jnp.nan)
