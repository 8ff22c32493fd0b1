"""The age study's arms and references: what each is called, how it is drawn, which control it is compared with."""

from collections.abc import Mapping

import pandas as pd

from experiments.report import style as palette
from experiments.report.style import Style, own_style
from experiments.results.reading import Run
from experiments.results.summaries import arm_members, final_values

# Greys for what is no arm against age; alpha is the main run's, section 2.6.
PAPER_ALPHA = 0.001
METHODS: Mapping[str, Style] = {
    "baseline": Style("Baseline", palette.BLACK, "s"),
    "age_head": Style("Age head", palette.GREY, "o"),
    "no_adversary": Style("No adversary", palette.BLUE, "o", "baseline", PAPER_ALPHA),
    "reversed_mse": Style("Reversed MSE", palette.VERMILION, "X", "no_adversary", PAPER_ALPHA),
    "ncov": Style("NCOV", palette.GREEN, "D", "no_adversary", PAPER_ALPHA),
    "ncov_trained_adversary": Style("NCOV, adversary trained along", palette.SKY, "^", "no_adversary", PAPER_ALPHA),
    "ncov_healthy": Style("NCOV, healthy only", palette.ORANGE, "v", "no_adversary", PAPER_ALPHA),
    "joint_control": Style("Joint, no age term", "#8C6D1F", "P"),
    "joint_hsic": Style("Joint, HSIC", palette.PURPLE, "*", "joint_control", 10.0),
    "logistic_regression": Style("Logistic regression", palette.LIGHT_GREY, "<"),
    "ridge": Style("Ridge", palette.LIGHT_GREY, ">"),
    "gradient_boosting": Style("Gradient boosting", palette.LIGHT_GREY, "h"),
    "age_alone": Style("Age alone", palette.LIGHT_GREY, "|"),
}
REFERENCES = ("logistic_regression", "ridge", "gradient_boosting", "age_alone")
PREDICTED = ("predicted_age_mean", "predicted_age_std")
JOINT = ("joint_control", "joint_hsic")


def style(method: str) -> Style:
    """The method's style; one that this page does not know keeps its own name."""
    return METHODS.get(method, own_style(method))


def arm_values(run: Run) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The final values by arm, and each arm's number of members; an arm is a method at one alpha.

    Returns:
      The values of `final_values` with the columns alpha, arm (its name on the page) and shown, and a table arm,
      method, alpha, members, diverged, shown, both in the order of the page. Where a method was swept over alpha,
      `shown` marks the one alpha that figures of one line a method show: the main run's, else the largest.
    """
    members = run.members.assign(alpha=rounded(run.members, "alpha"))
    values = _with_alpha(final_values(run.results), members)
    counted = arm_members(members, ["method", "alpha"])
    # References and other rows of results without a member of their own count by their results.
    loose = values[~values["method"].isin(members["method"])].groupby(["method", "metric"], sort=False).size()
    loose = loose.groupby("method", sort=False).max()
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
    main = counts["method"].map(lambda method: style(method).alpha)
    has_main = counts["alpha"].eq(main).groupby(counts["method"]).transform("any")
    largest = counts.groupby("method")["alpha"].transform("max")
    counts["shown"] = ~several | (counts["alpha"] == largest.where(~has_main, main))
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


def control_of(values: pd.DataFrame, method: str) -> tuple[str, pd.DataFrame]:
    """The name and the final values of what an arm is compared with; no rows if the run holds no control of it.

    Where the control was not run by itself, the method's own alpha 0 is one. The baseline's age head is an arm of its
    own, but as a control the two are one network.
    """
    control = style(method).control
    names = ["baseline", "age_head"] if control == "baseline" else [control]
    rows = values[values["method"].isin(names)]
    if rows.empty and control:
        rows = values[(values["method"] == method) & (values["alpha"] == 0)]
        return (str(rows["arm"].iloc[0]) if len(rows) else style(control).label), rows
    return style(control).label, rows


def split_age_head(rows: pd.DataFrame) -> pd.DataFrame:
    """Gives the frozen head's rows of the baseline to the arm `age_head`, where the run left them with the baseline."""
    if "age_head" in set(rows["method"]):
        return rows
    if "metric" in rows:
        head = rows["method"].eq("baseline") & rows["metric"].isin(["age_pearson", *PREDICTED])
        return rows.assign(method=rows["method"].mask(head, "age_head"))
    return pd.concat([rows, rows[rows["method"] == "baseline"].assign(method="age_head")], ignore_index=True)
