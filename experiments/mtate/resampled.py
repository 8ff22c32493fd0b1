"""What is measured of a method, for the sample and for many resamples of its patients at once.

A resample is a row of weights, how often each patient was drawn; the sample itself is the row of ones. All rates are
quotients of weighted counts, so one matrix product gives them for all resamples, domains and groups; for areas under
curves scores are sorted once, and every resample is a cumulative sum. The definitions are those of
`jaxfair.metrics.fairness`, which compute them one by one.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy", "roc_auc", "pr_auc")
# By the names of `fairness.GAPS`: from which rates of the two groups.
_GAPS = {
    "demographic_parity_difference": ("selection_rate",),
    "equal_opportunity_difference": ("true_positive_rate",),
    "mean_equalized_odds_difference": ("true_positive_rate", "false_positive_rate"),
    "roc_auc_difference": ("roc_auc",),
    "pr_auc_difference": ("pr_auc",),
    "calibration_bias_difference": ("calibration_bias",),
}


class Scored(NamedTuple):
    """What a method says of its evaluation examples, a row a seed; an example may be evaluated in several folds.

    Attributes:
      logit: `[seed, fold, example]`, NaN but for evaluation examples (others are ignored).
      threshold: `[seed, fold]`, of the logit, from validation examples.
      decisions: `[domain, seed, fold, example]`, probabilities of a positive decision, where they depend on the
        domain's groups; None: `logit >= threshold`.
    """

    logit: np.ndarray
    threshold: np.ndarray
    decisions: np.ndarray | None = None


class Measured(NamedTuple):
    """Figures of one seed.

    Attributes:
      values: By (domain or "", metric), `[resample]`; of the domain "all", the mean over the domains.
      groups: By (domain, group, rate), `[resample]`.
      counts: By (domain, group), the examples and the positives of the sample.
    """

    values: dict[tuple[str, str], np.ndarray]
    groups: dict[tuple[str, int, str], np.ndarray]
    counts: dict[tuple[str, int], tuple[int, int]]


def patient_weights(subject: np.ndarray, num_resamples: int, seed: int) -> np.ndarray:
    """`[1 + resample, example]`: ones, and how often each example's patient was drawn in each resample.

    Args:
      subject: `[example]`, integers from 0; -1 for who takes no part and has weight 0.
      num_resamples: How many.
      seed: Of the draws.
    """
    present = np.unique(subject[subject >= 0])
    rng = np.random.default_rng(seed)
    drawn = np.zeros((1 + num_resamples, subject.max() + 1), np.float32)
    drawn[0, present] = 1
    for row in drawn[1:]:
        row += np.bincount(rng.choice(present, len(present)), minlength=len(row))
    return np.where(subject >= 0, drawn[:, subject], 0)


def measured(
    scored: Scored,
    seed: int,
    outcome: np.ndarray,
    domains: np.ndarray,
    names: Sequence[str],
    evaluate: np.ndarray,
    weights: np.ndarray,
) -> Measured:
    """The figures of one seed of a method.

    ROC AUC and PR AUC are those of each fold, averaged over the folds: folds' scores are of different models. Decisions
    are pooled over the folds, each made at its own fold's threshold; areas under the curves of a group are of scores
    minus their fold's threshold, pooled.

    Args:
      scored: Of the method.
      seed: Which.
      outcome: `[example]`, 0 or 1.
      domains: `[example, domain]`, 0, 1 or NaN.
      names: Of the domains.
      evaluate: `[fold, example]` boolean; only these.
      weights: `[resample, example]`.
    """
    fold, example = np.nonzero(evaluate)
    logit = scored.logit[seed, fold, example].astype(np.float64)
    positive = outcome[example].astype(np.float64)
    anchor = _finite(scored.threshold[seed], scored.logit[seed], evaluate)
    centred = logit - anchor[fold]
    of_domain = None if scored.decisions is None else scored.decisions[:, seed, fold, example].astype(np.float64)
    called = logit >= scored.threshold[seed, fold]
    decided = np.where(np.isnan(centred), np.nan, called) if of_domain is None else of_domain.mean(0)
    risk = 1 / (1 + np.exp(-logit))
    values: dict[tuple[str, str], np.ndarray] = {}
    areas = []
    for number in range(len(evaluate)):
        cells = fold == number
        if cells.any():
            areas.append(_areas(logit[cells], positive[cells], weights[:, example[cells]]))
    for place, metric in enumerate(("roc_auc", "pr_auc")):
        values["", metric] = np.mean([each[place] for each in areas], axis=0)
    own = weights[:, example]
    counts = own @ _columns(positive, decided, risk)
    rates = _rates(counts)
    for metric in ("accuracy", "selection_rate", "true_positive_rate", "false_positive_rate"):
        values["", metric] = rates[metric]
    values["", "balanced_accuracy"] = (rates["true_positive_rate"] + 1 - rates["false_positive_rate"]) / 2
    with np.errstate(invalid="ignore"):  # None of a small test set may be in a resample.
        values["", "brier"] = own @ (risk - positive) ** 2 / counts[:, 0]
    groups, sizes = {}, {}
    for place, name in enumerate(names):
        here = decided if of_domain is None else of_domain[place]
        both = []
        for group in (0, 1):
            cells = domains[example, place] == group
            inside = own[:, cells]
            found = _rates(inside @ _columns(positive[cells], here[cells], risk[cells]))
            found["roc_auc"], found["pr_auc"] = _areas(centred[cells], positive[cells], inside)
            both.append(found)
            groups |= {(name, group, rate): found[rate] for rate in (*RATES, "calibration_bias")}
            sizes[name, group] = int(cells.sum()), int(positive[cells].sum())
        gaps = {
            gap: np.mean([np.abs(both[1][rate] - both[0][rate]) for rate in needed], axis=0)
            for gap, needed in _GAPS.items()
        }
        odds = [np.abs(both[1][rate] - both[0][rate]) for rate in _GAPS["mean_equalized_odds_difference"]]
        gaps["equalized_odds_difference"] = np.max(odds, axis=0)
        gaps["worst_group_accuracy"] = np.minimum(both[0]["accuracy"], both[1]["accuracy"])
        values |= {(name, gap): value for gap, value in gaps.items()}
    for gap in (*_GAPS, "equalized_odds_difference"):
        values["all", gap] = np.mean([values[name, gap] for name in names], axis=0)
    values["all", "worst_group_accuracy"] = np.min([values[name, "worst_group_accuracy"] for name in names], axis=0)
    return Measured(values, groups, sizes)


def _finite(threshold, logit, evaluate):
    """Thresholds `[fold]` that scores can be measured from: infinity, which calls nobody, is at the highest score."""
    highest = np.max(logit, axis=1, initial=-np.inf, where=evaluate)
    return np.where(np.isposinf(threshold), np.where(np.isneginf(highest), 0, highest), threshold).astype(np.float64)


def _columns(positive, decided, risk):
    """`[cell, 6]`, of which weighted sums make all rates."""
    return np.stack(
        [np.ones_like(positive), positive, decided, decided * positive, risk - positive], axis=1
    )  # fmt: skip


def _rates(counts):
    total, sick, called, right, excess = counts.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "selection_rate": called / total,
            "true_positive_rate": right / sick,
            "false_positive_rate": (called - right) / (total - sick),
            "accuracy": (total - sick - called + 2 * right) / total,
            "calibration_bias": excess / total,
        }


def _areas(score, positive, weights):
    """ROC AUC and average precision, `[resample]` each; ties count half, and share their precision."""
    if np.isnan(score).any():
        return np.full((2, len(weights)), np.nan)
    order = np.argsort(score, kind="stable")
    score, sick = score[order], np.flatnonzero(positive[order])
    weights = weights[:, order]
    first, last = (np.searchsorted(score, score[sick], side) for side in ("left", "right"))
    of_sick = np.zeros_like(weights)
    of_sick[:, sick] = weights[:, sick]
    zero = np.zeros((len(weights), 1), weights.dtype)
    below_sick = np.concatenate([zero, np.cumsum(of_sick, axis=1)], axis=1)
    below_all = np.concatenate([zero, np.cumsum(weights, axis=1)], axis=1)
    num_sick, total = below_sick[:, -1], below_all[:, -1]
    # Of every positive: the healthy with a lower score, and half of those with the same.
    lower = (below_all - below_sick)[:, first] + (below_all - below_sick)[:, last]
    own = weights[:, sick]
    with np.errstate(invalid="ignore", divide="ignore"):
        area = (own * lower).sum(1) / 2 / (num_sick * (total - num_sick))
        right = num_sick[:, None] - below_sick[:, first]
        called = total[:, None] - below_all[:, first]
        precision = np.where(own > 0, right / called, 0)
        return area, (own * precision).sum(1) / np.where(num_sick > 0, num_sick, np.nan)
