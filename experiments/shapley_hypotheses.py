"""The paper's two hypotheses, as it states them and against the removal of as many samples at random.

The first: the model trained on everything (M) is at least as good as one trained without the n % of samples that score
highest, on test beats, on counterfactuals, and hardened on counterfactuals. The second: removing more is at least as
bad. Neither says anything of the score unless a random removal of the same size harms less.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from experiments.shapley_grids import FULL, Arm
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

HOLDS, FAILS, EQUAL, OPEN = "holds", "fails", "equal", "undecided"


def verdict(difference: metrics.Difference) -> str:
    """What a difference says of 'at least as good': its 95 % interval lies above 0, below, or around it."""
    if difference.n < 2:
        return "too few seeds"
    if difference.standard_deviation == 0 and difference.mean == 0:
        return EQUAL
    return HOLDS if difference.low > 0 else FAILS if difference.high < 0 else OPEN


def judge(values: pd.DataFrame, score: str) -> pd.DataFrame:
    """Every statement at every share, for every problem.

    Args:
      values: Final values, a row a member and metric, with problem, seed, score, side, percent, hardening, metric,
        value.
      score: By which samples are removed.

    Returns:
      A row a problem, hypothesis (1 or 2), statement and share: `percent`, for hypothesis 2 also `before`, the smaller
      share; `better` and `worse`, the two means; and for the comparison as stated and the one against random (columns
      with the suffix `_random`) mean, low, high, n, p, p_holm, verdict. P-values are adjusted for all tests of one
      problem.
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
                top, random = (of(Arm(one, "top", percent), statement) for one in (score, "random"))
                row = {"problem": problem, "statement": statement.name, "percent": percent}
                rows.append(row | {"hypothesis": 1, "before": 0.0} | _compared(full, top, full, random))
                if before is not None:
                    rows.append(
                        row | {"hypothesis": 2, "before": before[0]} | _compared(before[1], top, before[2], random)
                    )
                before = (percent, top, random)
    judged = pd.DataFrame(rows)
    if judged.empty:
        return judged
    for suffix in ("", "_random"):
        judged[f"p_holm{suffix}"] = judged.groupby("problem")[f"p{suffix}"].transform(metrics.holm)
    return judged


def _compared(better, worse, better_random, worse_random):
    """As stated, and how much more the top removal takes than the random one: a difference of differences."""
    stated = metrics.paired_difference(better, worse)
    row = {"better": np.nanmean(better), "worse": np.nanmean(worse)} | _columns(stated, "")
    if worse_random is None:
        return row
    gap = np.asarray(better, float) - worse
    return row | _columns(metrics.paired_difference(gap, np.asarray(better_random, float) - worse_random), "_random")


def _columns(difference, suffix):
    row = {f"{name}{suffix}": getattr(difference, name) for name in ("mean", "low", "high", "n", "p")}
    return row | {f"verdict{suffix}": verdict(difference)}
