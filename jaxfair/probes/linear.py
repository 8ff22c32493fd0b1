"""Linear probes whose penalty is chosen by cross-validation: ridge and logistic regression."""

import functools

import jax
import jax.numpy as jnp
import optax
from jax.scipy.linalg import cho_factor, cho_solve

from jaxfair.probes.arguments import checked, standardized

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
    features, attribute, fold, train = checked("ridge_probe", features, attribute, fold, num_folds, train)
    penalties = jnp.asarray(penalties, features.dtype)
    features = standardized(features, train)[0]
    targets, mean, scale = standardized(attribute, train)

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
    features, attribute, fold, train = checked("logistic_probe", features, attribute, fold, num_folds, train)
    penalties = jnp.sort(jnp.asarray(penalties, features.dtype), descending=True)
    features = standardized(features, train)[0]
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
