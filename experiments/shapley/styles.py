"""The Shapley study's rows for tables and figures: final values with what each member was trained on."""

import pandas as pd

from experiments.report.style import BLUE, FAINT, GREEN, VERMILION, Style
from experiments.results.reading import Run
from experiments.results.summaries import final_values
from experiments.shapley.arms import CONTROLS

MEMBERS = [
    "member",
    "problem",
    "score",
    "side",
    "percent",
    "hardening",
    "depth",
    "num_train",
    "status",
    "method",
    "seed",
]
SCORES = {
    "signed_sum": "signed sum (the paper's)",
    "positive_sum": "positive parts",
    "absolute_sum": "absolute sum",
    "loss": "of the loss",
    "knn_shapley": "KNN-Shapley",
    "data_oob": "Data-OOB",
    "banzhaf": "Banzhaf, seen on the test beats",
}
HARDENINGS = {"none": "plain", "crafted": "crafted examples", "projected_gradient": "projected gradients"}


REMOVALS = {
    "top": Style("without the top n %", VERMILION, "v"),
    "bottom": Style("without the bottom n %", BLUE, "^"),
    "random": Style("without a random n %", FAINT, "o"),
    "matched": Style("without as many of its classes at random", GREEN, "s"),
}


def arm_values(run: Run) -> pd.DataFrame:
    """The final values on the test beats with the columns of the members' table that say what is what.

    `kind` is full or one of `REMOVALS`.
    """
    members = run.members[[*MEMBERS]].drop(columns=["method", "seed", "problem"])
    values = final_values(run.results).merge(members, on="member", how="left", validate="many_to_one")
    kind = values["side"].where(~values["score"].isin(CONTROLS), values["score"])
    return values.assign(kind=kind.where(values["percent"] > 0, "full"), value=values["value"].astype(float))


def study(values: pd.DataFrame) -> pd.DataFrame:
    """The rows of the study's own arms, without peers, depths and halves."""
    return values[values["stage"] == "classifier"]


def of_problems(values: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The rows of some problems."""
    return values[values["problem"].isin(names)]


def problems(run: Run) -> list[str]:
    """The problems in the order of the run."""
    return list(run.members["problem"].drop_duplicates())


def base_score(run: Run) -> str:
    """The score by which the hypotheses are tested: the configuration's first."""
    return (run.config.get("scores") or ["signed_sum"])[0]
