"""Writes golden/threshold_optimizer_fairlearn.npz: fairlearn's ThresholdOptimizer on the samples of scored_groups.py.

    python tests/methods/make_threshold_optimizer_golden.py

in an environment of its own with fairlearn, which the tests do not need. The checked-in file was made with fairlearn
0.15.0, scikit-learn 1.9.1, pandas 3.1.1 and NumPy 2.4.6, by `ThresholdOptimizer(estimator, constraints, objective,
prefit=True, predict_method="predict")`, `fit`, and `_pmf_predict` of fitting and test data. It holds results alone,
float32 `[seed, case, part, example]` and float64 `[seed, case]` for each number of groups; inputs are drawn again from
their seeds, and `checksum` says whether NumPy still draws the same.
"""

from pathlib import Path

import fairlearn
import numpy as np
from fairlearn.postprocessing import ThresholdOptimizer
from scored_groups import sample
from sklearn.base import BaseEstimator

NUM_SEEDS = 30
CONSTRAINTS = ("equalized_odds", "demographic_parity", "true_positive_rate_parity", "false_positive_rate_parity")
CASES = [f"{constraint} {objective}" for constraint in CONSTRAINTS for objective in ("accuracy", "balanced_accuracy")]


class Given(BaseEstimator):
    """Predicts the only column."""

    def fit(self, inputs, targets):
        return self

    def predict(self, inputs):
        return np.asarray(inputs, np.float64)[:, 0]

    def __sklearn_is_fitted__(self):
        return True


def main() -> None:
    arrays = {"version": fairlearn.__version__, "cases": CASES}
    for num_groups in (1, 2, 4):
        chances, rates, checksum = [], [], 0.0
        for seed in range(NUM_SEEDS):
            parts = [sample(seed, num_groups, part) for part in (0, 1)]
            checksum += sum(float(np.sum(column)) for columns in parts for column in columns)
            for case in CASES:
                constraint, objective = case.split()
                optimizer = ThresholdOptimizer(
                    estimator=Given(), constraints=constraint, objective=f"{objective}_score", prefit=True,
                    predict_method="predict",
                )  # fmt: skip
                (scores, targets, groups), _ = parts
                optimizer.fit(scores[:, None], targets, sensitive_features=groups)
                chances.append(
                    [
                        optimizer._pmf_predict(scores[:, None], sensitive_features=groups)[:, 1]
                        for scores, _, groups in parts
                    ]
                )
                rates.append(float(optimizer._x_best))
        shape = NUM_SEEDS, len(CASES)
        arrays[f"chances_{num_groups}"] = np.array(chances, np.float32).reshape(*shape, 2, -1)
        arrays[f"rates_{num_groups}"] = np.array(rates).reshape(shape)
        arrays[f"checksum_{num_groups}"] = checksum
    np.savez_compressed(Path(__file__).parent / "golden" / "threshold_optimizer_fairlearn.npz", **arrays)


if __name__ == "__main__":
    main()
