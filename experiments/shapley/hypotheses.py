"""The paper's two hypotheses, as it states them and against random removals, of any classes or of the same.

The first: the model trained on everything (M) is at least as good as one trained without the n % of samples that score
highest, on test beats, on counterfactuals, and hardened on counterfactuals. The second: removing more is at least as
bad. Neither says anything of the score unless a random removal of the same size harms less.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from experiments.shapley.arms import CONTROLS, FULL, Arm
from jaxfair import metrics


class Statement(NamedTuple):
    """One part of a hypothesis.

    Attributes:
      name: Short.
      metric: That is compared, more being better.
      hardening: Of the compared models.
      words: What is compared, in a sentence.
      remark: What a reader has to know beside it.
    """

    name: str
    metric: str
    hardening: str
    words: str
    remark: str = ""


STATEMENTS = (
    Statement("1. accuracy", "accuracy", "none", "accuracy on the test beats"),
    Statement(
        "2a. counterfactuals of M",
        "counterfactual_accuracy_full",
        "none",
        "accuracy on the beats that DeepFool crafted on M",
        "M is 0 here by construction, so the inequality of the paper fails by construction",
    ),
    Statement(
        "2b. counterfactuals of a third model",
        "counterfactual_accuracy_surrogate",
        "none",
        "accuracy on the beats that DeepFool crafted on a third model",
    ),
    Statement(
        "2c. resistance",
        "counterfactual_norm",
        "none",
        "the relative size of the change that DeepFool needs",
        "the paper's 'quantum of change that requires to change the prediction'",
    ),
    Statement(
        "3a. hardened, counterfactuals of M",
        "counterfactual_accuracy_full",
        "crafted",
        "accuracy of the hardened models on the beats that DeepFool crafted on M before",
        "M was hardened against its own counterfactuals, the other against those of another model",
    ),
    Statement(
        "3b. hardened, counterfactuals of a third model",
        "counterfactual_accuracy_surrogate",
        "crafted",
        "accuracy of the hardened models on the beats that DeepFool crafted on a third model",
    ),
)

SUFFIXES = ("", *(f"_{control}" for control in CONTROLS))


def test_hypotheses(values: pd.DataFrame, score: str) -> pd.DataFrame:
    """Every statement at every share, for every problem.

    Args:
      values: Final values, a row a member and metric, with problem, seed, score, side, percent, hardening, metric,
        value.
      score: By which samples are removed.

    Returns:
      A row a problem, hypothesis (1 or 2), statement and share: `percent`, for hypothesis 2 also `before`, the smaller
      share; `better` and `worse`, the two means; and for the comparison as stated, the one against random (columns with
      the suffix `_random`) and the one against random samples of the same classes (`_matched`) mean, low, high, n, p,
      p_holm, verdict. P-values are adjusted for all tests of one problem and comparison.
    """
    table = values.pivot_table(
        index=["problem", "hardening", "score", "side", "percent", "metric"], columns="seed", values="value"
    )
    rows = []
    for problem in values["problem"].unique():

        def of(arm: Arm, statement: Statement, problem=problem) -> np.ndarray | None:
            key = (problem, statement.hardening, arm.score, arm.side, float(arm.percent), statement.metric)
            return table.loc[key].to_numpy() if key in table.index else None

        own = values[(values["problem"] == problem) & (values["score"] == score) & (values["side"] == "top")]
        for statement in STATEMENTS:
            measured = (own["hardening"] == statement.hardening) & (own["metric"] == statement.metric)
            shares = sorted(own.loc[measured, "percent"].unique())
            full, before = of(FULL, statement), None
            for percent in shares:
                top = of(Arm(score, "top", percent), statement)
                if full is None or top is None:  # NaN for every seed: no beat was fooled, for one.
                    continue
                controls = {one: of(Arm(one, "top", percent), statement) for one in CONTROLS}
                row = {"problem": problem, "statement": statement.name, "percent": percent}
                rows.append(
                    row
                    | {"hypothesis": 1, "before": 0.0}
                    | _compared(full, top, dict.fromkeys(CONTROLS, full), controls, statement)
                )
                if before is not None:
                    rows.append(
                        row
                        | {"hypothesis": 2, "before": before[0]}
                        | _compared(before[1], top, before[2], controls, statement)
                    )
                before = (percent, top, controls)
    tested = pd.DataFrame(rows)
    if tested.empty:
        return tested
    for suffix in SUFFIXES:
        tested[f"p_holm{suffix}"] = tested.groupby("problem")[f"p{suffix}"].transform(metrics.holm)
    return tested


def _compared(better, worse, better_controls, worse_controls, statement):
    """As stated, and how much more the top removal takes than each control: differences of differences."""
    row = {"better": np.nanmean(better), "worse": np.nanmean(worse)}
    bounds = metrics.bounds_of(statement.metric)
    row |= _columns(metrics.paired_difference(better, worse, bounds=bounds), "")
    gap_bounds = metrics.difference_bounds(bounds)
    gap = np.asarray(better, float) - worse
    for control, left in worse_controls.items():
        if left is not None:
            other = np.asarray(better_controls[control], float) - left
            row |= _columns(metrics.paired_difference(gap, other, bounds=gap_bounds), f"_{control}")
    return row


def _columns(difference, suffix):
    row = {f"{name}{suffix}": getattr(difference, name) for name in ("mean", "low", "high", "n", "p")}
    return row | {f"verdict{suffix}": metrics.verdict(difference)}
