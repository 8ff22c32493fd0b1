"""DeepFool: the least change, nearly, that takes an example over a boundary of the classifier."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxfair.attacks.adversarial import Adversarial, Logits, checked, decide, frozen, norm, per_example, result, unit

# How far beyond the linearised boundary each step goes, in the unit of the inputs. The reference implementation's: at
# the boundary itself steps become so short that rounding swallows them.
_BEYOND = 1e-4


class _State(NamedTuple):
    """Of each example: the sum of its steps, the decision there, how many there were, and whether more are to come."""

    moved: jax.Array
    decision: jax.Array
    steps: jax.Array
    active: jax.Array


def deepfool(
    logits: Logits,
    inputs: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    num_candidates: int = 10,
    overshoot: ArrayLike = 0.02,
    max_steps: int = 50,
    width: int | None = None,
) -> Adversarial:
    """The multi-class l2 attack: step after step onto the nearest boundary of the linearised classifier.

    With `f_k = logits_k − logits_0` and `w_k = grad f_k` at the point x' where the example stands, 0 being the class
    that the model decided for at the start and k running over the other candidates,

      k = argmin |f_k| / ||w_k||,   r_i = (|f_k| / ||w_k|| + 1e-4) w_k / ||w_k||,   x' = x + (1 + overshoot) Σ r_i,

    until the decision at x' is not the label. As in the authors' program (and in foolbox), and unlike their
    Algorithm 2, which adds the overshoot once at the end, decision and linearisation are both taken at x' with its
    overshoot. On an affine classifier one step suffices: the projection onto the nearest boundary, and 2 % more.

    The norm of the perturbation measures resistance only of examples that the model gets right. One that it gets wrong
    already is left alone: perturbation 0, steps 0, and `success`, as its decision is not the label. Leave such out of
    means by `steps > 0`. Without `labels` there are none.

    An example stops by itself: fooled, out of steps, where all gradients are 0 (it stays where it is, not fooled), or
    where logits or gradient are not finite (see `Adversarial.decision`). Only `width` examples, the first that have not
    stopped, are computed at a time, so an example that takes long delays no other. All class gradients come from one
    forward pass. Call it under `jax.jit`, with the model's variables as an argument: outside, the loop is compiled anew
    in each call.

    Args:
      logits: `[batch, ...] -> [batch, class]`, before any softmax, each example independent of the others: batch
        normalisation and dropout in evaluation mode. It is called with batches of `width` examples too.
      inputs: `[batch, ...]`.
      labels: `[batch]` integers. `None`: what the model decides for.
      num_candidates: Classes that are considered, those with the largest logits at the start, the decision among them;
        static. The gradients are that many backward passes less one.
      overshoot: How far to go beyond the boundary, as a share of the perturbation.
      max_steps: Static.
      width: Examples that are computed at a time, static; of no consequence but for speed and memory. `None`: an
        eighth of the batch, but 32 at least. The work is about that of the steps that are needed, and each further
        step of the last example costs the work of `width`.

    Returns:
      `Adversarial`; `steps` differs between examples.

    Raises:
      ValueError: If arguments do not fit together.

    References:
      Moosavi-Dezfooli, Fawzi and Frossard, "DeepFool: a simple and accurate method to fool deep neural networks",
      CVPR 2016, Algorithm 2. The authors' program (github.com/LTS4/DeepFool) has 10 candidates, 0.02 and 50 steps; the
      1e-4 is in its later versions and in foolbox.
    """
    inputs, labels, num_classes = checked("deepfool", logits, inputs, labels)
    if num_candidates < 2 or max_steps < 1 or (width is not None and width < 1):
        raise ValueError(
            f"deepfool: num_candidates={num_candidates} must be at least 2, max_steps={max_steps} and width={width} "
            "at least 1."
        )
    width = min(len(inputs), width or max(32, len(inputs) // 8))
    few = frozen(logits, inputs[:width])
    values = frozen(logits, inputs)(inputs)
    before = decide(values, labels)
    labels = before if labels is None else labels
    _, candidates = jax.lax.top_k(values, min(num_candidates, num_classes))

    def advance(state: _State) -> _State:
        rows = jnp.argsort(~state.active, stable=True)[:width]
        old = jax.tree.map(lambda leaf: leaf[rows], state)
        step = _to_nearest(few, inputs[rows] + (1 + overshoot) * old.moved, candidates[rows])
        moved = old.moved + step
        decision = decide(few(inputs[rows] + (1 + overshoot) * moved))
        new = _State(
            moved=moved,
            decision=jnp.where(_all(jnp.isfinite(step)), decision, -1),
            steps=old.steps + 1,
            active=(decision == labels[rows]) & (old.steps + 1 < max_steps),
        )
        # Where there is no way to go now there will be none later.
        stuck = _all(step == 0)
        new = new._replace(steps=jnp.where(stuck, old.steps, new.steps), active=new.active & ~stuck)
        # Rows beyond the active ones hold examples that have stopped.
        new = jax.tree.map(lambda now, was: jnp.where(per_example(old.active, now), now, was), new, old)
        return jax.tree.map(lambda leaf, part: leaf.at[rows].set(part), state, new)

    start = _State(
        moved=jnp.zeros_like(inputs),
        decision=before,
        steps=jnp.zeros(len(inputs), jnp.int32),
        active=(before >= 0) & (before == labels),
    )
    end = jax.lax.while_loop(lambda state: state.active.any(), advance, start)
    return result(inputs, inputs + (1 + overshoot) * end.moved, labels, end.steps, end.decision, before)


def _to_nearest(logits: Logits, points: jax.Array, candidates: jax.Array) -> jax.Array:
    """The step from each point onto the nearest linearised boundary of its first candidate with another one."""
    values, pull = jax.vjp(logits, points)
    chosen = jnp.take_along_axis(values, candidates, axis=1)
    gaps = (chosen[:, 1:] - chosen[:, :1]).T
    one_hot = jax.nn.one_hot(candidates, values.shape[1], dtype=values.dtype).swapaxes(0, 1)
    (gradients,) = jax.vmap(pull)(one_hot[1:] - one_hot[0])  # [candidate - 1, batch, ...]
    slopes = jax.vmap(norm)(gradients)
    # A boundary that no direction leads to is infinitely far away.
    distances = jnp.where(slopes == 0, jnp.inf, jnp.abs(gaps) / jnp.where(slopes == 0, 1, slopes))
    nearest = jnp.argmin(distances, axis=0)
    rows = jnp.arange(len(points))
    gradient, distance = gradients[nearest, rows], distances[nearest, rows]
    reachable = slopes[nearest, rows] != 0
    return per_example(jnp.where(reachable, distance + _BEYOND, 0), points) * unit(gradient)


def _all(values: jax.Array) -> jax.Array:
    return values.reshape(len(values), -1).all(axis=1)
