"""Writes golden/fairness_fairlearn.npz: fairlearn's gaps of the seeded tables of fairness_tables.py.

    python tests/metrics/make_fairness_golden.py

in an environment of its own with fairlearn, which the tests do not need. The checked-in file was made with fairlearn
0.15.0, scikit-learn 1.9.1, pandas 3.1.1 and NumPy 2.4.6. It holds results alone, float32 `[table, gap]` for each number
of groups; inputs are drawn again from their seeds, and `checksum` says whether NumPy still draws the same.
"""

from pathlib import Path

import fairlearn
import numpy as np
from fairlearn import metrics
from fairness_tables import tables
from sklearn.metrics import accuracy_score, precision_score, roc_auc_score

NUM_TABLES = 300


def between(metric):
    """The gap in any metric, by MetricFrame."""

    def gap(targets, decisions, *, sensitive_features, sample_weight):
        parameters = {"sample_weight": sample_weight}
        options = {"sensitive_features": sensitive_features, "sample_params": parameters}
        return metrics.MetricFrame(metrics=metric, y_true=targets, y_pred=decisions, **options).difference()

    return gap


def precision(targets, decisions, sample_weight):
    return precision_score(targets, decisions, sample_weight=sample_weight, zero_division=np.nan)


def odds(function, agg):
    return lambda *columns, **options: function(*columns, agg=agg, **options)


# Each is called with labels, decisions at 0.5, sensitive_features= and sample_weight=.
GAPS = {
    "demographic_parity_difference": metrics.demographic_parity_difference,
    "demographic_parity_ratio": metrics.demographic_parity_ratio,
    "equal_opportunity_difference": metrics.equal_opportunity_difference,
    "equal_opportunity_ratio": metrics.equal_opportunity_ratio,
    "equalized_odds_difference": metrics.equalized_odds_difference,
    "equalized_odds_ratio": metrics.equalized_odds_ratio,
    "mean_equalized_odds_difference": odds(metrics.equalized_odds_difference, "mean"),
    "mean_equalized_odds_ratio": odds(metrics.equalized_odds_ratio, "mean"),
    "predictive_parity_difference": between(precision),
    "accuracy_difference": between(accuracy_score),
    "roc_auc_difference": between(roc_auc_score),
}


def main() -> None:
    arrays = {"version": fairlearn.__version__, "gaps": list(GAPS)}
    for num_groups in (2, 4):
        columns = tables(range(NUM_TABLES), num_groups)
        results = []
        for scores, targets, groups, mask, weights in zip(*columns, strict=True):
            row = []
            for name, function in GAPS.items():
                decisions = scores if name.startswith("roc_auc") else scores >= 0.5
                options = {"sensitive_features": groups[mask], "sample_weight": weights[mask]}
                row.append(function(targets[mask], decisions[mask], **options))
            results.append(row)
        arrays[f"groups_{num_groups}"] = np.array(results, np.float32)
        arrays[f"checksum_{num_groups}"] = sum(float(np.sum(column)) for column in columns)
    np.savez_compressed(Path(__file__).parent / "golden" / "fairness_fairlearn.npz", **arrays)


if __name__ == "__main__":
    main()
