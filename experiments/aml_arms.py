"""The age study's arms and references: what each is called, how it is drawn, which control it is compared with."""

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from experiments.report_run import Run
from experiments.report_tables import arm_members, final_values


class Style(NamedTuple):
    """How an arm is called and drawn, and which arm without its age term it is compared with."""

    label: str
    color: str
    marker: str = "o"
    control: str = ""


# Colours of Okabe and Ito, which stay apart for the colour-blind; greys for what is no arm against age.
METHODS: Mapping[str, Style] = {
    "baseline": Style("Baseline", "#2b2b2b", "s"),
    "age_head": Style("Age head", "#7a7a7a", "o"),
    "no_adversary": Style("No adversary", "#0072B2", "o", "baseline"),
    "reversed_mse": Style("Reversed MSE", "#D55E00", "X", "no_adversary"),
    "ncov": Style("NCOV", "#009E73", "D", "no_adversary"),
    "ncov_trained_adversary": Style("NCOV, adversary trained along", "#56B4E9", "^", "no_adversary"),
    "ncov_healthy": Style("NCOV, healthy only", "#E69F00", "v", "no_adversary"),
    "joint_control": Style("Joint, no age term", "#8C6D1F", "P"),
    "joint_hsic": Style("Joint, HSIC", "#CC79A7", "*", "joint_control"),
    "logistic_regression": Style("Logistic regression", "#9a9a9a", "<"),
    "ridge": Style("Ridge", "#9a9a9a", ">"),
    "gradient_boosting": Style("Gradient boosting", "#9a9a9a", "h"),
    "age_alone": Style("Age alone", "#9a9a9a", "|"),
}
REFERENCES = ("logistic_regression", "ridge", "gradient_boosting", "age_alone")
JOINT = ("joint_control", "joint_hsic")
PAPER_ALPHA = 0.001


def style(method: str) -> Style:
    """The method's style; one that this page does not know keeps its own name."""
    return METHODS.get(method, Style(str(method), "#5b4b8a", "."))


def arm_values(run: Run) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The final values by arm, and each arm's number of members; an arm is a method at one alpha.

    Returns:
      The values of `final_values` with the columns alpha, arm (its name on the page) and shown, and a table arm,
      method, alpha, members, diverged, shown, both in the order of the page. Where a method was swept over alpha,
      `shown` marks the one alpha that figures of one line a method show: the paper's, else the largest.
    """
    members = run.members.assign(alpha=rounded(run.members, "alpha"))
    values = _with_alpha(final_values(run.results), members)
    counted = arm_members(members, ["method", "alpha"])
    # References and other rows of results without a member of their own count by their results.
    loose = values[~values["method"].isin(members["method"])].groupby("method", sort=False)["member"].nunique()
    extra = pd.DataFrame({"method": loose.index, "alpha": float("nan"), "members": loose.to_numpy(), "diverged": 0})
    counts = pd.concat([counted, extra], ignore_index=True) if len(extra) else counted
    order = {method: place for place, method in enumerate(METHODS)}
    counts = counts.assign(order=counts["method"].map(order).fillna(len(order)))
    counts = counts.sort_values(["order", "method", "alpha"], kind="stable").reset_index(drop=True)
    several = counts.groupby("method")["alpha"].transform("size") > 1
    counts["arm"] = [
        f"{style(method).label}, α = {alpha:g}" if many else style(method).label
        for method, alpha, many in zip(counts["method"], counts["alpha"], several, strict=True)
    ]
    has_paper = counts["alpha"].eq(PAPER_ALPHA).groupby(counts["method"]).transform("any")
    largest = counts.groupby("method")["alpha"].transform("max")
    counts["shown"] = ~several | (counts["alpha"] == largest.where(~has_paper, PAPER_ALPHA))
    keys = ["method", "alpha"]
    values = values.merge(counts[[*keys, "order", "arm", "shown"]], on=keys, how="left")
    return values.sort_values(["order", "method", "alpha"], kind="stable"), counts


def _with_alpha(values: pd.DataFrame, members: pd.DataFrame) -> pd.DataFrame:
    own = members[["member", "method", "alpha"]].drop_duplicates(["member", "method"])
    values = values.merge(own, on=["member", "method"], how="left", indicator="known")
    # A method with one alpha needs no member to know it, and a reference has neither.
    several = members.groupby("method")["alpha"].nunique(dropna=False) > 1
    lost = values[values["known"].eq("left_only") & values["method"].isin(several.index[several])]
    if len(lost):
        raise ValueError(
            f"results.parquet: member {lost['member'].iloc[0]} of method {lost['method'].iloc[0]!r} is not in "
            "members.parquet, so its alpha is not known; run the study again."
        )
    only = members.drop_duplicates("method").set_index("method")["alpha"]
    alpha = values["alpha"].where(values["known"].eq("both"), values["method"].map(only))
    return values.assign(alpha=alpha.astype(float)).drop(columns="known")


def rounded(frame: pd.DataFrame, column: str) -> pd.Series:
    """Alpha as it was configured: a float32 0.001 is 0.0010000000474974513 in float64."""
    if column not in frame:
        return pd.Series(float("nan"), index=frame.index)
    return pd.to_numeric(frame[column]).map(lambda value: float(f"{value:.6g}")).astype(float)
