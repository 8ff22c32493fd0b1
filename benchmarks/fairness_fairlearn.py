"""Fairness metrics against fairlearn: the rates by group and the gaps of a thousand random tables.

    python -m benchmarks.fairness_fairlearn     # some minutes

Tables of 20 to 400 examples in 2 to 6 groups, of any prevalence and size of group, with ties, with and without
weights; in some a group is absent or lacks a class. Every rate by group and every gap that both libraries have must be
equal to 1e-6. What is not defined is NaN here, where fairlearn may give 0, or leave the group out of the gap: such
numbers are counted, and it is checked by counts of examples that they are not defined. The exit code is 1 if a number
differs, or is NaN here without such a reason.

The extra `bench` installs fairlearn. How long both take: `benchmarks.fairness_intervals`.
"""

import functools
import os
import sys
import warnings

# As in experiments/run/devices.py: one single-threaded XLA device a core. Has to be set before JAX starts.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import numpy as np
from absl import app, flags
from sklearn import metrics as sklearn_metrics

from jaxfair.metrics import fairness

try:
    import fairlearn
    from fairlearn import metrics as theirs
except ModuleNotFoundError:
    raise SystemExit(
        "benchmarks.fairness_fairlearn compares with fairlearn, which is not installed: "
        'pip install -c constraints.txt -e ".[bench]".'
    ) from None

_TABLES = flags.DEFINE_integer("tables", 1000, "Random tables whose numbers are compared.", lower_bound=1)

TOLERANCE = 1e-6
SIZE, NUM_GROUPS = 400, (2, 3, 4, 6)

precision = functools.partial(sklearn_metrics.precision_score, zero_division=np.nan)
f1 = functools.partial(sklearn_metrics.f1_score, zero_division=np.nan)
# Rates by group: ours by name, theirs, and of which examples a group must have some for the rate to be defined.
RATES = {
    "selection_rate": (theirs.selection_rate, "examples"),
    "true_positive_rate": (theirs.true_positive_rate, "positives"),
    "false_positive_rate": (theirs.false_positive_rate, "negatives"),
    "true_negative_rate": (theirs.true_negative_rate, "negatives"),
    "false_negative_rate": (theirs.false_negative_rate, "positives"),
    "positive_predictive_value": (precision, "called"),
    "accuracy": (sklearn_metrics.accuracy_score, "examples"),
    "f1": (f1, "called_or_positives"),
    "roc_auc": (sklearn_metrics.roc_auc_score, "both"),
    "pr_auc": (sklearn_metrics.average_precision_score, "positives"),
}
# Gaps that are MetricFrame's difference or ratio of a rate; the others are functions of fairlearn.
OF_RATES = {
    "predictive_parity_difference": ("positive_predictive_value", "difference"),
    "predictive_parity_ratio": ("positive_predictive_value", "ratio"),
    "accuracy_difference": ("accuracy", "difference"),
    "roc_auc_difference": ("roc_auc", "difference"),
    "pr_auc_difference": ("pr_auc", "difference"),
    "worst_group_accuracy": ("accuracy", "group_min"),
}
GAPS = {
    "demographic_parity_difference": (theirs.demographic_parity_difference, ("selection_rate",)),
    "demographic_parity_ratio": (theirs.demographic_parity_ratio, ("selection_rate",)),
    "equal_opportunity_difference": (theirs.equal_opportunity_difference, ("true_positive_rate",)),
    "equal_opportunity_ratio": (theirs.equal_opportunity_ratio, ("true_positive_rate",)),
    "equalized_odds_difference": (theirs.equalized_odds_difference, ("true_positive_rate", "false_positive_rate")),
    "equalized_odds_ratio": (theirs.equalized_odds_ratio, ("true_positive_rate", "false_positive_rate")),
    "mean_equalized_odds_difference": (
        functools.partial(theirs.equalized_odds_difference, agg="mean"),
        ("true_positive_rate", "false_positive_rate"),
    ),
    "mean_equalized_odds_ratio": (
        functools.partial(theirs.equalized_odds_ratio, agg="mean"),
        ("true_positive_rate", "false_positive_rate"),
    ),
}


def table(seed: int, num_groups: int) -> tuple[np.ndarray, ...]:
    """Columns `[400]`: scores, labels, groups, mask, weights; what is masked is not part of the table."""
    rng = np.random.default_rng([seed, num_groups])
    size = int(rng.integers(20, SIZE + 1))
    shares = rng.dirichlet(np.full(num_groups, rng.choice([0.5, 5.0], p=[0.2, 0.8])))
    prevalence = rng.uniform(0.02, 0.98, num_groups)
    kind = rng.choice(["whole", "a group is absent", "a group lacks a class"], p=[0.7, 0.15, 0.15])
    group = rng.integers(num_groups)
    if kind == "a group is absent":
        shares[group] = 0
        shares /= shares.sum()
    elif kind == "a group lacks a class":
        prevalence[group] = rng.integers(2)
    groups = rng.choice(num_groups, SIZE, p=shares)
    targets = (rng.random(SIZE) < prevalence[groups]).astype(np.int32)
    scores = rng.normal(0.4, 0.3, SIZE) + rng.uniform(0, 0.6) * targets + rng.normal(0, 0.2, num_groups)[groups]
    scores = np.clip(scores, 0, 1)
    if rng.random() < 0.5:
        scores = np.round(8 * scores) / 8
    weights = rng.uniform(0.1, 3, SIZE) if rng.random() < 0.5 else np.ones(SIZE)
    return (
        scores.astype(np.float32),
        targets,
        groups.astype(np.int32),
        np.arange(SIZE) < size,
        weights.astype(np.float32),
    )


@functools.partial(jax.jit, static_argnums=3)
def ours_of_tables(scores, targets, groups, num_groups, mask, weights):
    """All rates `[table, group]` and gaps `[table]` of tables with as many groups."""
    columns = scores, targets, groups, num_groups, mask, weights
    rates = {name: fairness.by_group(name, *columns).values for name in RATES}
    return rates, {name: fairness.gap(name, *columns) for name in (*GAPS, *OF_RATES)}


def theirs_of_table(scores, targets, groups, weights):
    """The same by fairlearn: rates `[group]` of the groups that occur, and gaps."""
    decisions = (scores >= 0.5).astype(int)
    columns = {"y_true": targets, "sensitive_features": groups}
    rates, gaps = {}, {}
    for names in (["roc_auc", "pr_auc"], [name for name in RATES if not name.endswith("auc")]):
        frame = theirs.MetricFrame(
            metrics={name: RATES[name][0] for name in names},
            y_pred=scores if "roc_auc" in names else decisions,
            sample_params={name: {"sample_weight": weights} for name in names},
            **columns,
        )
        rates |= {name: frame.by_group[name].to_numpy(float) for name in names}
        for gap, (rate, aggregate) in OF_RATES.items():
            if rate in names:
                gaps[gap] = float(getattr(frame, aggregate)()[rate])
    for gap, (function, _) in GAPS.items():
        gaps[gap] = float(function(y_pred=decisions, sample_weight=weights, **columns))
    return rates, gaps


def defined(scores, targets, groups, num_groups):
    """By rate, `[group]`: are there examples of the kind that it needs? By plain counts."""
    inside = groups == np.arange(num_groups)[:, None]
    positives, negatives, called = (inside & which for which in (targets == 1, targets == 0, scores >= 0.5))
    some = {
        "examples": inside.any(1),
        "positives": positives.any(1),
        "negatives": negatives.any(1),
        "called": called.any(1),
        "called_or_positives": (called | positives).any(1),
        "both": positives.any(1) & negatives.any(1),
    }
    return {name: some[needs] for name, (_, needs) in RATES.items()}


def may_be_undefined(gap, rates, exists):
    """Whether a gap needs a rate that is not there, or is a ratio to a rate of 0 in all groups."""
    needed = GAPS[gap][1] if gap in GAPS else (OF_RATES[gap][0],)
    zero = any(not np.any(rates[name] > 0) for name in needed)
    return not all(exists[name].all() for name in needed) or (gap.endswith("ratio") and zero)


class Comparison:
    """What was compared, by the name of a rate or gap."""

    def __init__(self):
        self.rows = {}

    def add(self, name, ours, other, undefined):
        """`undefined`: whether ours may be NaN by the counts of examples; where it must not, both are compared."""
        row = self.rows.setdefault(name, {"compared": 0, "largest": 0.0, "neither": 0, "theirs alone": 0, "wrong": 0})
        if np.isnan(ours) and undefined:
            row["neither" if np.isnan(other) else "theirs alone"] += 1
            return
        row["compared"] += 1
        difference = abs(float(ours) - float(other))
        row["largest"] = float(np.fmax(row["largest"], difference))
        row["wrong"] += not difference <= TOLERANCE  # NaN on one side is no agreement.

    def show(self) -> bool:
        """Prints the table; whether all agree."""
        print("| | compared | largest difference | undefined in both | NaN here, a number of fairlearn's | differ |")
        print("|---|---|---|---|---|---|")
        for name, row in self.rows.items():
            counts = f"{row['neither']:,} | {row['theirs alone']:,} | {row['wrong']:,}"
            print(f"| {name} | {row['compared']:,} | {row['largest']:.1e} | {counts} |")
        sums = {key: sum(row[key] for row in self.rows.values()) for key in ("compared", "neither", "theirs alone")}
        wrong = sum(row["wrong"] for row in self.rows.values())
        largest = max(row["largest"] for row in self.rows.values())
        print(
            f"{sums['compared']:,} numbers compared, largest difference {largest:.1e}; {wrong:,} differ by more than "
            f"{TOLERANCE:g} or are defined on one side alone.\n{sums['neither'] + sums['theirs alone']:,} more are not "
            f"defined, of which both say so of {sums['neither']:,}, and fairlearn gives a number for "
            f"{sums['theirs alone']:,}.",
            flush=True,
        )
        return not wrong


def compare_numbers(num_tables: int) -> bool:
    """Whether all numbers of the tables agree."""
    found = Comparison()
    for place, num_groups in enumerate(NUM_GROUPS):
        seeds = range(place, num_tables, len(NUM_GROUPS))
        if not seeds:
            continue
        tables = [table(seed, num_groups) for seed in seeds]
        scores, targets, groups, mask, weights = (np.stack(column) for column in zip(*tables, strict=True))
        rates, gaps = jax.device_get(ours_of_tables(scores, targets, groups, num_groups, mask, weights))
        for row, (scores, targets, groups, mask, weights) in enumerate(tables):
            columns = scores[mask].astype(float), targets[mask], groups[mask]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Of rates that are not defined.
                other, other_gaps = theirs_of_table(*columns, weights[mask].astype(float))
            exists, occurs = defined(*columns, num_groups), np.isin(np.arange(num_groups), groups[mask])
            for name, values in rates.items():
                their_values = np.full(num_groups, np.nan)
                their_values[occurs] = other[name]
                for own, their, there in zip(values[row], their_values, exists[name], strict=True):
                    found.add(name, own, their, not there)
            own_rates = {name: values[row] for name, values in rates.items()}
            for name, values in gaps.items():
                found.add(name, values[row], other_gaps[name], may_be_undefined(name, own_rates, exists))
    print(f"{num_tables:,} tables, fairlearn {fairlearn.__version__}")
    return found.show()


def main(_) -> None:
    sys.exit(not compare_numbers(_TABLES.value))


if __name__ == "__main__":
    app.run(main)
