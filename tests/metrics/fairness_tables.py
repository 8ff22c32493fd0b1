"""Seeded tables of scores, labels and groups, drawn again wherever they are needed; and their gaps in plain NumPy."""

import numpy as np

SIZE = 160


def table(seed, num_groups):
    """Columns `[example]`, padded to one size: scores (eighths, with ties), labels, groups, mask, weights.

    Each group has an unmasked example of either class.
    """
    rng = np.random.default_rng([seed, num_groups])
    size = int(rng.integers(2 * num_groups, SIZE + 1))
    groups = rng.choice(num_groups, SIZE, p=rng.dirichlet(np.full(num_groups, 2.0)))
    targets = (rng.random(SIZE) < rng.uniform(0.1, 0.9, num_groups)[groups]).astype(np.int32)
    groups[: 2 * num_groups] = np.repeat(np.arange(num_groups), 2)
    targets[: 2 * num_groups] = np.tile([0, 1], num_groups)
    shift = rng.normal(scale=0.3, size=num_groups)[groups]
    scores = np.clip(np.round(8 * (rng.normal(0.3, 0.3, SIZE) + 0.4 * targets + shift)), 0, 8) / 8
    weights = rng.choice([0.5, 1.0, 2.0, 3.0], SIZE) if seed % 2 else np.ones(SIZE)
    return scores.astype(np.float32), targets, groups.astype(np.int32), np.arange(SIZE) < size, weights


def tables(seeds, num_groups):
    """Many of them, each column `[table, example]`."""
    return [np.stack(column) for column in zip(*(table(seed, num_groups) for seed in seeds), strict=True)]


def plain_rates(scores, targets, groups, mask, weights, num_groups, threshold=0.5):
    """Rates by group, `{name: [group]}`, by loops."""
    rates = {}
    for group in range(num_groups):
        rows = [i for i in range(len(scores)) if mask[i] and groups[i] == group]

        def total(condition, rows=rows):
            return sum(weights[i] for i in rows if condition(i))

        positives, negatives = total(lambda i: targets[i] == 1), total(lambda i: targets[i] == 0)
        called = total(lambda i: scores[i] >= threshold)
        tp = total(lambda i: scores[i] >= threshold and targets[i] == 1)
        fp = called - tp
        surplus = sum(weights[i] * (scores[i] - targets[i]) for i in rows)
        bins = [
            abs(sum(weights[i] * (scores[i] - targets[i]) for i in rows if min(int(scores[i] * 10), 9) == b))
            for b in range(10)
        ]
        own = {
            "selection_rate": (called, positives + negatives),
            "true_positive_rate": (tp, positives),
            "false_positive_rate": (fp, negatives),
            "true_negative_rate": (negatives - fp, negatives),
            "false_negative_rate": (positives - tp, positives),
            "positive_predictive_value": (tp, called),
            "accuracy": (tp + negatives - fp, positives + negatives),
            "f1": (2 * tp, called + positives),
            "calibration_bias": (surplus, positives + negatives),
            "expected_calibration_error": (sum(bins), positives + negatives),
        }
        for name, (numerator, denominator) in own.items():
            rates.setdefault(name, []).append(numerator / denominator if denominator else np.nan)
    return {name: np.array(values) for name, values in rates.items()}


def plain_xauc(scores, targets, groups, mask, weights, num_groups):
    """`[a, b]`, by loops over pairs of a positive of a and a negative of b."""
    matrix = np.full((num_groups, num_groups), np.nan)
    for a in range(num_groups):
        for b in range(num_groups):
            sick = np.flatnonzero(mask & (groups == a) & (targets == 1))
            well = np.flatnonzero(mask & (groups == b) & (targets == 0))
            pairs = [(weights[i] * weights[j], scores[i], scores[j]) for i in sick for j in well]
            if pairs:
                won = sum(w * ((s > t) + 0.5 * (s == t)) for w, s, t in pairs)
                matrix[a, b] = won / sum(w for w, _, _ in pairs)
    return matrix
