"""What a training sample is worth: scores from attributions, values without retraining, and what both are made of.

Values by retraining (leave-one-out, Shapley, Beta-Shapley, Banzhaf) are in `retraining`; the rest is here.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxfair.attribution.games import Estimate
from jaxfair.metrics.counted import ratio

SCORES = ("signed_sum", "positive_sum", "absolute_sum")


def attribution_scores(values: ArrayLike, labels: ArrayLike, kind: str = "signed_sum") -> jax.Array:
    """A score for each training sample from the contributions of its inputs to the output of its own class.

    `signed_sum` is the score that follows from the paper: contributions are complete, so it is `f_y(x)` minus the mean
    of `f_y` over the background, whatever the attribution: it ranks the samples of a class by how confident the model
    is, and those of different classes also by how rarely the model says their class.
    `positive_sum` adds the contributions above 0 only, `absolute_sum` all without their sign: these depend on the
    attribution, and on how much of it cancels.

    For the attribution of the loss give the loss as the only output (`values` `[sample, 1, ...]`, all labels 0), and
    turn the sign: a sample whose inputs lower its loss scores high.

    Args:
      values: `[sample, output, ...]`, of `deep_shap` and its peers, on the training samples.
      labels: `[sample]` int.
      kind: One of `SCORES`.

    Returns:
      `[sample]`, higher is more important.

    Raises:
      ValueError: The kind is none of these.
    """
    values = jnp.asarray(values)
    own = jnp.take_along_axis(values.reshape(*values.shape[:2], -1), jnp.asarray(labels)[:, None, None], 1)[:, 0]
    if kind == "signed_sum":
        return own.sum(-1)
    if kind == "positive_sum":
        return jnp.maximum(own, 0).sum(-1)
    if kind == "absolute_sum":
        return jnp.abs(own).sum(-1)
    raise ValueError(f"attribution_scores: kind {kind!r} is none of {', '.join(SCORES)}.")


def knn_shapley(
    train: ArrayLike, train_labels: ArrayLike, test: ArrayLike, test_labels: ArrayLike, num_neighbours: int = 5
) -> jax.Array:
    """The exact Shapley value of each training sample for a K-nearest-neighbour classifier, averaged over test samples.

    The worth of a set is the share of a test sample's K nearest in it that have its label (fewer than K count as
    misses). With the training samples in order of distance, `s_n = 1[y_n = y] / n` for the farthest and
    `s_i = s_{i+1} + (1[y_i = y] - 1[y_{i+1} = y]) / K * min(K, i) / i` before it. No retraining, and no network unless
    `train` and `test` are its representations.

    Args:
      train: `[sample, ...]`, compared by Euclidean distance; ties go to the earlier sample.
      train_labels: `[sample]`.
      test: `[test sample, ...]`.
      test_labels: `[test sample]`.
      num_neighbours: K.

    Returns:
      `[sample]`; they sum to the classifier's worth with all samples.

    References:
      Jia et al.: Efficient Task-Specific Data Valuation for Nearest Neighbor Algorithms, VLDB 2019, theorem 1.
    """
    train, test = (jnp.asarray(part, float).reshape(len(part), -1) for part in (train, test))
    train_labels, size, k = jnp.asarray(train_labels), len(train), num_neighbours
    if not 1 <= k <= size:
        raise ValueError(f"knn_shapley: {k} neighbours of {size} training samples; give 1 to {size}.")
    place = jnp.arange(1, size)  # i of the recursion: 1, ..., n - 1.

    def for_one(each):
        sample, label = each
        order = jnp.argsort(jnp.square(train - sample).sum(1), stable=True)
        hit = (train_labels[order] == label).astype(train.dtype)
        steps = (hit[:-1] - hit[1:]) / k * jnp.minimum(k, place) / place
        last = hit[-1] / size
        ordered = jnp.concatenate([last + jnp.cumsum(steps[::-1])[::-1], last[None]])
        return jnp.zeros(size, train.dtype).at[order].set(ordered)

    return jax.lax.map(for_one, (test, jnp.asarray(test_labels)), batch_size=64).mean(0)


def knn_shapley_among(train: ArrayLike, labels: ArrayLike, num_neighbours: int = 5) -> jax.Array:
    """`knn_shapley` without a test set: each training sample in turn is the test sample, and the others are valued.

    Args:
      train: `[sample, ...]`.
      labels: `[sample]`.
      num_neighbours: K.

    Returns:
      `[sample]`, the mean over the other samples.

    Raises:
      ValueError: There are not as many other samples as neighbours.
    """
    train, labels = jnp.asarray(train, float), jnp.asarray(labels)
    size = len(train)
    if not 1 <= num_neighbours < size:
        most = size - 1
        raise ValueError(f"knn_shapley_among: {num_neighbours} neighbours of {most} other samples; give 1 to {most}.")
    others = jnp.arange(size - 1) + (jnp.arange(size - 1) >= jnp.arange(size)[:, None])

    def for_one(each):
        sample, rest = each
        test = (train[sample][None], labels[sample][None])
        return jnp.zeros(size, train.dtype).at[rest].set(knn_shapley(train[rest], labels[rest], *test, num_neighbours))

    return jax.lax.map(for_one, (jnp.arange(size), others)).sum(0) / (size - 1)


def random_halves(count: int, size: int, *, seed: int) -> np.ndarray:
    """Random subsets for Data-OOB and Banzhaf values: each sample is in each with probability 1/2.

    Args:
      count: Subsets.
      size: Samples.
      seed: Of the subsets.

    Returns:
      `[count, size]` boolean; no subset is empty.

    Raises:
      ValueError: A sample is in all of the subsets or in none, and would have no value.
    """
    masks = np.random.default_rng(seed).random((count, size)) < 0.5
    masks[~masks.any(1), 0] = True  # A network needs a sample.
    if masks.all(0).any() or not masks.any(0).all():
        raise ValueError(f"random_halves: of {size} samples one is in all or in none of {count} halves; give more.")
    return masks


def out_of_bag(correct: ArrayLike, in_bag: ArrayLike) -> Estimate:
    """Data-OOB: the share of learners that predict a training sample rightly among those that were not given it.

    It is high for samples that others explain and low for mislabelled ones; it says nothing of how much a sample helps.

    Args:
      correct: `[learner, sample]` boolean, or any score of a learner on a training sample.
      in_bag: `[learner, sample]` boolean, what each learner was trained on.

    Returns:
      Values `[sample]`, NaN for a sample that every learner was given, and their standard errors over learners.

    References:
      Kwon, Zou: Data-OOB: Out-of-bag Estimate as a Simple and Efficient Data Value, ICML 2023, equation 2.
    """
    out = ~jnp.asarray(in_bag)
    correct, count = jnp.asarray(correct, jnp.float32), out.sum(0)
    mean = ratio(jnp.where(out, correct, 0).sum(0), count)
    squares = jnp.where(out, jnp.square(correct - mean), 0).sum(0)
    return Estimate(mean, jnp.sqrt(ratio(squares, count * (count - 1))))


Loss = Callable[[Any, Any], jax.Array]


def tracin(loss: Loss, checkpoints: Any, rates: ArrayLike, train: Any, test: Any, *, at_once: int = 16) -> jax.Array:
    """How much the steps on each training sample lowered the mean test loss, to first order, over checkpoints.

    `sum_t rate_t grad L(z_i; theta_t) . mean_j grad L(z_j; theta_t)`.

    Args:
      loss: `loss(params, sample)`, the loss of one sample (a pytree without the sample axis).
      checkpoints: Parameters with a leading checkpoint axis.
      rates: `[checkpoint]`, learning rates.
      train: A pytree with a leading sample axis.
      test: Likewise.
      at_once: Training samples whose gradients are in memory together.

    Returns:
      `[sample]`, positive for samples that helped.

    References:
      Pruthi, Liu, Sundararajan, Kale: Estimating Training Data Influence by Tracing Gradient Descent, NeurIPS 2020,
      section 3.2.
    """

    def at_checkpoint(each):
        params, rate = each
        towards = jax.grad(lambda params: jax.vmap(lambda sample: loss(params, sample))(test).mean())(params)
        return rate * _dot_gradients(loss, params, train, towards, at_once)

    return jax.lax.map(at_checkpoint, (checkpoints, jnp.asarray(rates, jnp.float32))).sum(0)


def influence(
    loss: Loss,
    params: Any,
    train: Any,
    test: Any,
    *,
    damping: float = 1e-2,
    iterations: int = 50,
    at_once: int = 16,
) -> jax.Array:
    """By how much the mean test loss would rise without each training sample, to first order around `params`.

    `grad L(z_i) . (H + damping)^-1 mean_j grad L(z_j) / n` with the Hessian H of the mean training loss, by conjugate
    gradients. For a network that is no minimum of its loss this is a local quantity and no prediction of a retraining.

    Args:
      loss, params, train, test, at_once: As in `tracin`, of one checkpoint.
      damping: Added to the Hessian; large enough that it is positive.
      iterations: Of conjugate gradients.

    Returns:
      `[sample]`, positive for samples that help.

    References:
      Koh, Liang: Understanding Black-box Predictions via Influence Functions, ICML 2017, equation 2.
    """

    def mean_loss(params, samples):
        return jax.vmap(lambda sample: loss(params, sample))(samples).mean()

    slope = jax.grad(mean_loss)

    def curved(direction):
        # Reverse over reverse: the layers here have gradients of their own and no forward mode.
        _, pull = jax.vjp(lambda params: slope(params, train), params)
        (product,) = pull(direction)
        return jax.tree.map(lambda part, own: part + damping * own, product, direction)

    towards, _ = jax.scipy.sparse.linalg.cg(curved, slope(params, test), maxiter=iterations)
    return _dot_gradients(loss, params, train, towards, at_once) / len(jax.tree.leaves(train)[0])


def _dot_gradients(loss, params, samples, towards, at_once):
    """Each sample's gradient times a direction."""

    def one(sample):
        gradients = jax.grad(loss)(params, sample)
        return sum(jnp.vdot(a, b) for a, b in zip(jax.tree.leaves(gradients), jax.tree.leaves(towards), strict=True))

    return jax.lax.map(one, samples, batch_size=at_once)
