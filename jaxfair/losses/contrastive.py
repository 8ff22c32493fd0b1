"""The supervised contrastive loss: examples of one class are drawn together, those of other classes pushed apart."""

from typing import Literal

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxfair.losses.pairwise import countable_pairs
from jaxfair.losses.reduction import select

Denominator = Literal["all", "negatives"]


def supervised_contrastive(
    representations: ArrayLike,
    labels: ArrayLike,
    mask: ArrayLike | None = None,
    temperature: ArrayLike = 0.1,
    denominator: Denominator = "all",
    normalize: bool = True,
) -> jax.Array:
    """How much less alike examples of one class are than they could be, `h_i · h_j / τ` being the likeness.

    With P(i) the other examples of the class of i, and A(i) those of the denominator,

      `1/n Σ_i −1/|P(i)| Σ_{p ∈ P(i)} log( exp(h_i · h_p / τ) / Σ_{a ∈ A(i)} exp(h_i · h_a / τ) )`

    over the n examples that count. Two forms of it are in use:

      "all", normalised         A(i) is everything but i, and each h is divided by its Euclidean norm: L_out of Khosla
                                et al. It is never negative. Their code multiplies by `τ / base_temperature` besides,
                                which is 1 by default.
      "negatives", `normalize=False`
                                A(i) is the examples of other classes, and h is taken as it is: as the MTATE paper
                                prints it, as a mean instead of a sum (its other loss is a sum too, so that their ratio
                                is the same). It is not bounded below, and falls for ever as h grows: it needs a weight
                                decay, early stopping, or the other form.

    An anchor without a positive contributes 0, and still counts in n. Where all examples that count are of one class,
    nothing is contrasted, and the loss is 0 in both forms; L_out as printed would spread such a batch evenly.

    Args:
      representations: `[batch, features]`.
      labels: `[batch]`, classes as numbers. NaN in one that counts makes the loss NaN.
      mask: Boolean `[batch]`. `None`: all count.
      temperature: τ > 0, traced or not. 0.1 is what Khosla et al. found best on ImageNet; MTATE does not say.
      denominator: "all" or "negatives".
      normalize: Divide each representation by its norm; a representation of 0 stays 0, with a zero gradient.

    Returns:
      A scalar; 0 with a zero gradient where no anchor has a positive, or no anchor has a negative.

    Raises:
      ValueError: If a shape, the denominator or the temperature is not one of these.
      TypeError: If the mask is not boolean.

    References:
      Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, Eq. 2 (L_out).
      "Unbiased Representation of Electronic Health Records for Patient Outcome Prediction" (MTATE), section 2.6: L_c.
    """
    if jnp.ndim(representations) != 2 or jnp.shape(labels) != jnp.shape(representations)[:1]:
        raise ValueError(
            "supervised_contrastive: representations must be [batch, features] and labels [batch], "
            f"but have shapes {jnp.shape(representations)} and {jnp.shape(labels)}."
        )
    if denominator not in ("all", "negatives"):
        raise ValueError(f'The denominator must be "all" or "negatives", but is {denominator!r}.')
    if isinstance(temperature, int | float) and not temperature > 0:
        raise ValueError(f"supervised_contrastive: the temperature must be positive, but is {temperature}.")
    h, _ = select(representations, mask)
    labels, counted = select(labels, mask)
    pairs = countable_pairs(len(labels), mask) & ~jnp.eye(len(labels), dtype=bool)
    if normalize:
        h = _unit_vectors(h)
    # The default precision of a GPU's or TPU's matrix product leaves three digits, and τ multiplies what is lost.
    likeness = jnp.matmul(h, h.T, precision=jax.lax.Precision.HIGHEST) / temperature
    same = labels[:, None] == labels[None, :]
    positives, negatives = pairs & same, pairs & ~same
    others = pairs if denominator == "all" else negatives
    # The smallest number, not -inf: a row without any is left out below, but its derivative must exist.
    normalizer = jax.nn.logsumexp(jnp.where(others, likeness, jnp.finfo(h.dtype).min), axis=1, keepdims=True)
    contrasted = positives & jnp.any(negatives, axis=1, keepdims=True)
    log_ratio = jnp.where(contrasted, likeness - normalizer, 0)
    num_positives = jnp.sum(contrasted, axis=1, dtype=h.dtype)
    of_anchor = -jnp.sum(log_ratio, axis=1) / jnp.maximum(num_positives, 1)
    loss = jnp.sum(of_anchor) / jnp.maximum(jnp.sum(counted, dtype=h.dtype), 1)
    return jnp.where(jnp.any(jnp.isnan(labels)), jnp.nan, loss)


def _unit_vectors(h: jax.Array) -> jax.Array:
    """Each row divided by its Euclidean norm; 0, with gradient 0 instead of infinity, where the row is 0."""
    squares = jnp.sum(h**2, axis=1, keepdims=True)
    zero = squares == 0
    return jnp.where(zero, 0, h / jnp.sqrt(jnp.where(zero, 1, squares)))
