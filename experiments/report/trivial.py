"""Whether a model is above what needs no model (the larger class, the age alone), by the interval of its gain."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from experiments.report.cells import in_words, interval, number
from jaxfair.metrics import minus_control, summarize

_ROUNDING = 1e-6  # A float32 share of a third is above that of float64.


class Gain(NamedTuple):
    """What a model has over a trivial one.

    Attributes:
      figure: What is compared, in words.
      rival: The trivial model, in words.
      value: The model's mean and spread, written.
      trivial: The trivial model's mean.
      mean: Of the model's figure minus the trivial one's.
      low: The lower end of its 95 % interval; NaN where there is none.
      high: The upper end.
      n: Members.
    """

    figure: str
    rival: str
    value: str
    trivial: float
    mean: float
    low: float
    high: float
    n: int

    @property
    def above(self) -> bool:
        """By the whole interval; where there is none (one member, or equal ones), by the mean."""
        return bool((self.mean if np.isnan(self.low) else self.low) > _ROUNDING)

    @property
    def sentence(self) -> str:
        """Both figures in words."""
        if not self.n:
            return f"{self.figure} not finite"
        within = interval(self.low, self.high)
        by = f", a gain of {number(self.mean)} {within}" if within else ""
        return f"{self.figure} {self.value} against {number(self.trivial)} of {self.rival}{by}"


def gains(values: pd.DataFrame, trivial: pd.DataFrame, figure: str, rival: str) -> dict[str, Gain]:
    """By method, what its members have over a trivial model.

    Args:
      values: A row a member: method, metric, value, and what pairs it (problem, seed, fold).
      trivial: The same of the trivial model; one without seeds or folds is compared with every member.
      figure: What is compared, in words.
      rival: The trivial model, in words.
    """
    pair = [name for name in ("problem", "seed", "fold") if name in trivial and trivial[name].notna().any()]
    if "method" in trivial and set(values["method"]) <= set(trivial["method"]):
        pair.append("method")
    values, trivial = (rows.assign(all=0) for rows in (values, trivial))
    differences = minus_control(values, trivial, ["all", *pair])
    found = {}
    for _, row in summarize(differences, ["method"]).iterrows():
        own = values[values["method"] == row["method"]]
        others = trivial.merge(own[["all", *pair]].drop_duplicates(), on=["all", *pair])
        words = in_words(summarize(own, ["method"]).iloc[0], "fraction")
        figures = (float(row[name]) for name in ("mean", "low", "high"))
        found[row["method"]] = Gain(figure, rival, words, others["value"].mean(), *figures, int(row["n"]))
    return found


def not_above(values: pd.DataFrame) -> dict[str, list[Gain]]:
    """By method, the trivial models that it is not above: as far as a run's final values hold any.

    Args:
      values: Final values: method, metric, value, and problem, seed, fold. `accuracy` is compared with
        `majority_share`, and `roc_auc` with that of the method `age_alone`.
    """
    of = {name: values[values["metric"] == name] for name in ("accuracy", "majority_share", "roc_auc")}
    alone = of["roc_auc"]["method"] == "age_alone"
    comparisons = (
        (of["accuracy"], of["majority_share"], "accuracy", "the larger class alone"),
        (of["roc_auc"][~alone], of["roc_auc"][alone], "ROC AUC", "the age alone"),
    )
    found: dict[str, list[Gain]] = {}
    for own, trivial, figure, rival in comparisons:
        own = own[own["method"] != "age_alone"]
        if len(own) and len(trivial):
            for method, gain in gains(own, trivial, figure, rival).items():
                if not gain.above:
                    found.setdefault(method, []).append(gain)
    return found
