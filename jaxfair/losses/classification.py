"""Cross-entropy with class weights, for classes of very different size."""

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from jaxfair.losses.reduction import select


def class_weights(labels: ArrayLike, mask: ArrayLike | None = None, num_classes: int = 2) -> jax.Array:
    """Balanced weights `n / (C n_c)`: with them every class has the same total weight.

    The mean weight of the examples is 1, unless a class does not occur: C counts it nevertheless.

    Take them once over the training set (with its mask), not per batch: a batch of 32 may hold one of the rare class.

    Args:
      labels: `[batch]`, integers from 0, also written as floats. Anything else belongs to no class.
      mask: Boolean `[batch]`. `None`: all count.
      num_classes: C, which includes classes that do not occur.

    Returns:
      `[num_classes]`; 0 for a class of which no example counts.

    Raises:
      TypeError: If the mask is not boolean.
      ValueError: If the mask does not fit the labels.
    """
    labels = jnp.asarray(labels)
    _, counted = select(labels, mask)
    members = (labels[:, None] == jnp.arange(num_classes)) & counted[:, None]
    counts = jnp.sum(members, axis=0, dtype=jnp.float32)
    return jnp.where(counts > 0, jnp.sum(counts) / (num_classes * jnp.maximum(counts, 1)), 0)


def weighted_cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    weights: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> jax.Array:
    """The cross-entropy of each example times the weight of its class, `−w[y] log softmax(logits)[y]`.

    It does not divide; two means are usual, and they differ from batch to batch. `masked_mean(loss, mask)` divides by
    the number of examples: with balanced weights of the training set its mean over batches is the weighted loss of the
    training set. `weighted_mean(cross_entropy, weights[labels], mask)`, with this function without `weights` as the
    cross-entropy, divides by the sum of the weights, as PyTorch does.

    The mask is needed here as well as in the mean: the derivative of softmax at NaN is NaN, whatever it is multiplied
    by later.

    Args:
      logits: `[batch, C]`.
      labels: `[batch]`, integers from 0 to C−1, also written as floats.
      weights: `[C]`, for instance from `class_weights`. `None`: 1 for each class.
      mask: Boolean `[batch]`. `None`: all count.

    Returns:
      `[batch]`; 0 with a zero gradient where an example does not count. NaN for a label that is no class:
      indexing would quietly take another one.

    Raises:
      TypeError: If the mask is not boolean.
      ValueError: If shapes do not fit.
    """
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(
            f"weighted_cross_entropy: logits must be [batch, C] and labels [batch], "
            f"but have shapes {logits.shape} and {labels.shape}."
        )
    num_classes = logits.shape[1]
    weights = jnp.ones(num_classes) if weights is None else jnp.asarray(weights)
    if weights.shape != (num_classes,):
        raise ValueError(
            f"weighted_cross_entropy: weights must be [{num_classes}], one for each column of logits, "
            f"but have shape {weights.shape}."
        )
    _, counted = select(labels, mask)
    logits, _ = select(logits, mask)
    labels = jnp.where(counted, labels, 0)
    is_class = (labels >= 0) & (labels < num_classes) & (labels == jnp.round(labels))
    index = jnp.where(is_class, labels, 0).astype(jnp.int32)
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, index)
    return jnp.where(counted, jnp.where(is_class, weights[index], jnp.nan) * loss, 0)
