"""Equal rates by randomised thresholds: each group's scores are cut at one of two thresholds, chosen at random.

With one threshold a group's rate moves in steps of one example. A mixture of two neighbouring thresholds reaches every
rate in between, so that on the data of the fit a rate is exactly the same in all groups. Fit on validation data, apply
to test data, and measure there (`jaxfair.metrics.fairness`). Without randomness: `fairness.group_thresholds`.
Fitting is NumPy, outside of `jit`; applying is traced.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxfair.metrics.fairness.groups import coded, members

Constraint = Literal["equalized_odds", "demographic_parity", "true_positive_rate_parity", "false_positive_rate_parity"]
Objective = Literal["accuracy", "balanced_accuracy"]
CONSTRAINTS = ("equalized_odds", "demographic_parity", "true_positive_rate_parity", "false_positive_rate_parity")
OBJECTIVES = ("accuracy", "balanced_accuracy")


class GroupRules(NamedTuple):
    """How each group is decided; NaN for a group that the data did not have.

    `P(positive | score s) = p_ignore constant + (1 - p_ignore) sum_k probabilities_k [s >= thresholds_k]`

    Attributes:
      thresholds: `[group, 2]` float32, the higher first; infinity calls nobody positive, minus infinity everybody.
      probabilities: `[group, 2]`, with which of the two is used; they sum to 1.
      p_ignore: `[group]`, the probability that the score is ignored; 0 but for equalized odds.
      constant: `[group]`, the probability of a positive decision then.
    """

    thresholds: np.ndarray
    probabilities: np.ndarray
    p_ignore: np.ndarray
    constant: np.ndarray


class _Curve(NamedTuple):
    """The upper convex hull of what a group's thresholds reach, from the least `x` to the largest."""

    x: np.ndarray
    y: np.ndarray
    thresholds: np.ndarray


def fit(
    scores,
    targets,
    groups,
    constraint: Constraint = "equalized_odds",
    objective: Objective = "accuracy",
    num_groups: int | None = None,
    mask=None,
    *,
    grid_size: int | None = None,
) -> GroupRules:
    """The rules that are best by the objective among those whose rate (or both rates) is the same in all groups.

    Each group's thresholds are points (rate, objective), or for equalized odds (FPR, TPR); mixtures of two reach the
    upper convex hull. For a parity the shared rate r maximises `sum_g n_g / n objective_g(r)`. For equalized odds the
    shared FPR maximises the objective at `TPR = min_g hull_g(FPR)`; a group above that ignores the score with the
    probability that brings it down, and calls then with probability FPR. Hulls are piecewise linear, so the best
    point is a corner of one of them, or where two cross, and it is found exactly. Of equally good ones the least
    rate is taken.

    It treats groups differently, and patients of equal score differently by chance; for equalized odds it also makes
    decisions worse for the groups that are served better. In many places this is not lawful.

    Args:
      scores: `[example]`, higher for positive, finite; compared in float32.
      targets: `[example]`, 1 for positive and 0 for negative.
      groups: `[example]`: with `num_groups` integer codes, otherwise anything that `fairness.group_codes` takes. NaN,
        None and -1 are in no group.
      constraint: Which rates are the same in all groups: the selection rate ("demographic_parity"), the TPR (equal
        opportunity), the FPR, or TPR and FPR ("equalized_odds").
      objective: "accuracy", or "balanced_accuracy": `(TPR + 1 - FPR) / 2`, for a parity that of each group, averaged
        with the groups' shares as weights.
      num_groups: How many codes there are. None: `groups` holds values, not codes.
      mask: `[example]` boolean, true where an example counts; what is masked may hold anything. None: all count.
      grid_size: Look only at shared rates `k / grid_size`, as fairlearn does with 1000. None: the exact optimum, which
        no grid betters.

    Returns:
      The `GroupRules`, groups in the order of their codes; NaN for a group without an example.

    Raises:
      ValueError: `constraint` or `objective` is none of these; shapes differ; nobody is in a group; a group has only
        positives or only negatives; a score that counts is not finite, or a target that counts is not 0 or 1.

    References:
      Hardt, Price and Srebro, Equality of Opportunity in Supervised Learning, NeurIPS 2016, section 3.2: a threshold
      drawn for each group, and equalized odds in the intersection of the hulls of the groups' ROC curves.
    """
    if constraint not in CONSTRAINTS or objective not in OBJECTIVES:
        raise ValueError(
            f"threshold_optimizer.fit: there is no constraint {constraint!r} with objective {objective!r}; constraints "
            f"are {', '.join(CONSTRAINTS)}, and objectives {', '.join(OBJECTIVES)}."
        )
    if grid_size is not None and (grid_size < 1 or grid_size % 1):
        raise ValueError(
            f"threshold_optimizer.fit: grid_size must be a whole number of at least 1, or None, but is {grid_size!r}."
        )
    samples, num_groups = _by_group(scores, targets, groups, num_groups, mask)
    curves = {code: _hull(*_points(*sample, constraint, objective)) for code, sample in samples.items()}
    positives = sum(int(own.sum()) for _, own in samples.values())
    counts = np.array([len(own) for _, own in samples.values()])
    prevalence = positives / counts.sum()
    rates = _corners(list(curves.values())) if grid_size is None else np.linspace(0, 1, grid_size + 1)
    reached = np.stack([np.interp(rates, curve.x, curve.y) for curve in curves.values()])
    if constraint == "equalized_odds":
        least = reached.min(axis=0)
        share = prevalence if objective == "accuracy" else 0.5
        value = share * least + (1 - share) * (1 - rates)
    else:
        value = counts / counts.sum() @ reached
    # Rounding must not decide between equally good ones.
    best = int(np.argmax(np.round(value, 12)))
    rules = GroupRules(*(np.full(shape, np.nan, np.float32) for shape in 2 * [(num_groups, 2)] + 2 * [num_groups]))
    for place, (code, curve) in enumerate(curves.items()):
        first = min(int(np.searchsorted(curve.x, rates[best], side="right")) - 1, len(curve.x) - 2)
        second = (rates[best] - curve.x[first]) / (curve.x[first + 1] - curve.x[first])
        rules.thresholds[code] = curve.thresholds[first : first + 2]
        rules.probabilities[code] = 1 - second, second
        rules.p_ignore[code], rules.constant[code] = 0, rates[best]
        above = reached[place, best] - rates[best]
        if constraint == "equalized_odds" and above > 0:
            rules.p_ignore[code] = (reached[place, best] - least[best]) / above
    return rules


def apply(rules: GroupRules, scores, groups) -> jax.Array:
    """The probability of a positive decision, whose mean over examples is the expected selection rate.

    It is no score: cut at 0.5 it does not have the rates that were fitted. Give metrics decisions (`decide`).

    Args:
      rules: Of `fit`.
      scores: `[..., example]`.
      groups: `[..., example]`, codes: `fairness.group_codes(values, names=names)` with the names of the data that the
        rules were fitted to.

    Returns:
      `[..., example]` float32; NaN where the score or the group is unknown, or the group has no rule.

    Raises:
      ValueError: Groups are no codes, or codes of more groups than there are rules.
    """
    num_groups = len(rules.p_ignore)
    codes, _, _ = coded(groups, num_groups)
    inside = members(codes, num_groups)
    group, known = jnp.argmax(inside, axis=-2), jnp.any(inside, axis=-2)
    thresholds, probabilities, p_ignore, constant = (jnp.asarray(field)[group] for field in rules)
    scores = jnp.asarray(scores, jnp.float32)
    called = (scores[..., None] >= thresholds) & (thresholds < jnp.inf)
    chance = p_ignore * constant + (1 - p_ignore) * jnp.sum(probabilities * called, axis=-1)
    return jnp.where(known & ~jnp.isnan(scores), chance, jnp.nan)


def decide(rules: GroupRules, scores, groups, key: jax.Array) -> jax.Array:
    """Decisions drawn with the probabilities of `apply`, each example's independently of the others'.

    They go into every rate and gap as predictions, at the usual threshold of 0.5.

    Args:
      rules: As of `apply`, and so are `scores` and `groups`.
      key: A random key.

    Returns:
      `[..., example]` float32: 1, 0, or NaN where `apply` is NaN.

    Raises:
      ValueError: As `apply`.
    """
    chance = apply(rules, scores, groups)
    drawn = jax.random.uniform(key, chance.shape) < chance
    return jnp.where(jnp.isnan(chance), jnp.nan, drawn.astype(jnp.float32))


def _by_group(scores, targets, groups, num_groups, mask):
    """Scores and labels of each group that has an example, by its code, and how many codes there are."""
    scores, targets = np.asarray(scores, np.float32), np.asarray(targets)
    mask = np.ones(scores.shape, bool) if mask is None else np.asarray(mask, bool)
    codes, num_groups, _ = coded(groups, num_groups, mask)
    codes = np.asarray(codes)
    if scores.ndim != 1 or not scores.shape == targets.shape == codes.shape == mask.shape:
        raise ValueError(
            "threshold_optimizer.fit needs scores, targets, groups and mask of one shape [example], got "
            f"{scores.shape}, {targets.shape}, {codes.shape} and {mask.shape}; fit each model's scores by themselves."
        )
    samples = {code: (mask & (codes == code)) for code in range(num_groups)}
    samples = {code: (scores[who], targets[who]) for code, who in samples.items() if who.any()}
    if not samples:
        raise ValueError("threshold_optimizer.fit: no example that counts is in a group, so there is nothing to fit.")
    for code, (own, labels) in samples.items():
        if not np.isfinite(own).all() or not np.isin(labels, [0, 1]).all():
            raise ValueError(
                f"threshold_optimizer.fit: group {code} has a score that is not finite or a target other than 0 and 1; "
                "mask the example."
            )
        if labels.min() == labels.max():
            raise ValueError(
                f"threshold_optimizer.fit: the {len(labels)} examples of group {code} are all "
                f"{'positive' if labels[0] else 'negative'}, but a rule needs both; code the group -1 to leave it out."
            )
    return {code: (own, labels == 1) for code, (own, labels) in samples.items()}, num_groups


def _points(scores, positive, constraint, objective):
    """`x` and `y` of each threshold of a group, and the thresholds, from nobody called positive to everybody."""
    order = np.argsort(-scores, kind="stable")
    scores, positive = scores[order], positive[order]
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))  # Of those with equal scores.
    right = np.append(0, np.cumsum(positive)[last])
    wrong = np.append(0, np.cumsum(~positive)[last])
    sick, well = right[-1], wrong[-1]
    true, false = right / sick, wrong / well
    x = {
        "demographic_parity": (right + wrong) / (sick + well),
        "true_positive_rate_parity": true,
    }.get(constraint, false)
    if constraint == "equalized_odds":
        y = true
    else:
        y = (right + well - wrong) / (sick + well) if objective == "accuracy" else (true + 1 - false) / 2
    # Half-way to the next lower score, which is as far as possible from both.
    above, below = scores[last[:-1]], scores[last[:-1] + 1]
    middle = (0.5 * above.astype(np.float64) + 0.5 * below).astype(np.float32)
    middle = np.where(middle > below, middle, above)  # Between neighbours in float32 there is no other number.
    return x, y, np.concatenate([[np.inf], middle, [-np.inf]]).astype(np.float32)


def _hull(x, y, thresholds) -> _Curve:
    """Andrew's monotone chain; of points with one `x` the highest alone."""
    order = np.lexsort((-y, x))
    order = order[np.append(True, np.diff(x[order]) > 0)]
    kept = []
    for place in order:
        while len(kept) > 1:
            before, last = kept[-2:]
            slope = (y[last] - y[before]) * (x[place] - x[before])
            if slope > (y[place] - y[before]) * (x[last] - x[before]):
                break
            kept.pop()
        kept.append(place)
    return _Curve(x[kept], y[kept], thresholds[kept])


def _corners(curves):
    """Rates where the best may lie: corners of the curves, and where two curves cross."""
    x = np.unique(np.concatenate([curve.x for curve in curves]))
    y = np.stack([np.interp(x, curve.x, curve.y) for curve in curves])
    apart = y[:, None] - y[None]
    left, right = apart[..., :-1], apart[..., 1:]
    crossing = left * right < 0
    part = left[crossing] / (left - right)[crossing]
    start = np.broadcast_to(x[:-1], crossing.shape)[crossing]
    width = np.broadcast_to(np.diff(x), crossing.shape)[crossing]
    return np.unique(np.concatenate([x, start + part * width]))
