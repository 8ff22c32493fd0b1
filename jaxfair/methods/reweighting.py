"""Reweighting: training examples weigh as if outcome and domains were independent (Kamiran and Calders)."""

import functools

import jax
import jax.numpy as jnp

from jaxfair.methods import classifier
from jaxfair.methods.classifier import Setting
from jaxfair.training import Stage


@functools.lru_cache(maxsize=128)
def reweighted(setting: Setting, num_epochs: int, name: str = "classifier", num_iterations: int = 100) -> Stage:
    """`classifier.plain` with the cross-entropy of each example multiplied by its `weights`.

    The weights are computed once, at the start, from the member's training examples, and kept in the state.

    Hyperparameter: `learning_rate`.

    Args:
      setting: What is compiled in.
      num_epochs: Epochs.
      name: The stage's.
      num_iterations: As for `weights`.

    Returns:
      The stage. Its state has, beside those of `classifier.plain`, `weights` `[example]`.

    References:
      Kamiran and Calders, "Data preprocessing techniques for classification without discrimination", Knowledge and
      Information Systems 33, 2012: reweighing.
    """

    def init(member, previous, data, key):
        example_weights = weights(data["domains"], data["outcome"], member.train, num_iterations)
        return {"variables": classifier.initial(setting, data, key), "weights": example_weights}

    return classifier.fit(setting, name, num_epochs, init, classifier.plain_loss(setting))


def weights(domains: jax.Array, outcome: jax.Array, mask: jax.Array, num_iterations: int = 100) -> jax.Array:
    """Weights that make the outcome independent of every domain and leave the shares of all groups as they are.

    For one domain a and the outcome y they are those of Kamiran and Calders,

        w(a, y) = P(a) P(y) / P(a, y),

    with the shares P among the examples that count. For several domains, which overlap, the weights are raked
    (iterative proportional fitting): they start at 1, and each domain in turn multiplies the weights in each of its
    four cells (a, y) so that they sum to n P(a) P(y). Of all weights that fulfil these conditions, raking finds the
    nearest to 1 in relative entropy.

    A domain ignores the examples whose label it does not know: its shares and its n are those of the others, and its
    turn leaves their weights as they are. Where a cell is empty, or the known labels of the domains contradict each
    other, there may be no weights that fulfil all conditions: then those of the last domain hold, for its cells that
    are not empty. The outcome becomes independent of each single domain, not of their intersections.

    Args:
      domains: `[example, domain]`: 0, 1 or NaN.
      outcome: `[example]`: 0, 1 or NaN.
      mask: `[example]` boolean, the examples that count.
      num_iterations: How often all domains have their turn; one domain needs one.

    Returns:
      `[example]`, 0 where an example does not count or has no known outcome.

    References:
      Kamiran and Calders 2012: reweighing. Deming and Stephan, "On a least squares adjustment of a
      sampled frequency table when the expected marginal totals are known", Annals of Mathematical Statistics 1940.
    """
    domains, outcome = jnp.asarray(domains), jnp.asarray(outcome)
    counted = mask & ~jnp.isnan(outcome)
    known = counted[:, None] & ~jnp.isnan(domains)
    # Cell 2a + y of each domain.
    cell = 2 * (domains == 1).astype(jnp.int32) + (outcome == 1)[:, None]
    belongs = known[..., None] & (cell[..., None] == jnp.arange(4))
    counts = belongs.sum(0).reshape(-1, 2, 2).astype(jnp.float32)
    size = jnp.maximum(counts.sum((1, 2), keepdims=True), 1)
    targets = (counts.sum(2, keepdims=True) / size * counts.sum(1, keepdims=True)).reshape(-1, 4)

    def rake(current, domain):
        belongs, cell, known, target = domain
        total = jnp.where(belongs, current[:, None], 0).sum(0)
        factor = jnp.where(total > 0, target / jnp.where(total > 0, total, 1), 1)
        return jnp.where(known, current * factor[cell], current), None

    by_domain = jnp.moveaxis(belongs, 1, 0), cell.T, known.T, targets
    return jax.lax.fori_loop(
        0, num_iterations, lambda _, current: jax.lax.scan(rake, current, by_domain)[0], counted.astype(jnp.float32)
    )
