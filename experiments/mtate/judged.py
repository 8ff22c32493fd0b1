"""What the evaluation part of a run found, indexed by split, method, domain and metric, for tables and findings."""

import dataclasses
from collections.abc import Mapping, Sequence

import pandas as pd

from experiments.mtate.styles import in_order
from experiments.report.cells import number
from experiments.results.reading import Run
from jaxfair.metrics import summarize

Key = tuple[str, str]  # The domain, "all" for the mean over domains or "" for no domain; and the metric.
AUC, PR_AUC, ACCURACY = ("", "roc_auc"), ("", "pr_auc"), ("", "accuracy")
DPD, EOD, EQOD = (
    ("all", f"{name}_difference") for name in ("demographic_parity", "equal_opportunity", "mean_equalized_odds")
)
BALANCED = ("", "balanced_accuracy")
MAIN: Mapping[Key, str] = {
    AUC: "ROC AUC",
    ACCURACY: "accuracy",
    PR_AUC: "PR AUC",
    DPD: "DPD",
    EOD: "EOD",
    EQOD: "EQOD",
}
GAPS = {
    "demographic_parity_difference": "DPD",
    "equal_opportunity_difference": "EOD",
    "mean_equalized_odds_difference": "EQOD",
    "equalized_odds_difference": "larger odds",
    "roc_auc_difference": "ROC AUC",
    "pr_auc_difference": "PR AUC",
    "worst_group_accuracy": "least accuracy",
}
INTERVAL_COLUMNS = ["method", "split", "task", "metric", "estimate", "low", "high", "undefined"]
GROUP_COLUMNS = ["method", "split", "task", "group", "rate", "value", "low", "high", "count", "positive"]
COMPARISON_COLUMNS = ["base", "method", "task", "metric", "difference", "low", "high", "p", "p_holm"]
COHORT_COLUMNS = ["step", "stays", "patients", "windows", "positive"]


@dataclasses.dataclass(frozen=True)
class Judged:
    """What the evaluation part found, indexed.

    Attributes:
      seeds: `summarize` over seeds, by split, method, task, metric.
      intervals: Over patients, by the same: estimate, low, high, undefined.
      groups: A row a method, split, domain, group and rate.
      comparisons: By method, task, metric: base minus method.
      base: The method that all others are compared with; "" if there is none.
      methods: All that were judged, in the order of the page.
      domains: Their names.
      size: Patients, windows and deaths that were evaluated, in words.
      resamples: Of the patients.
    """

    seeds: pd.DataFrame
    intervals: pd.DataFrame
    groups: pd.DataFrame
    comparisons: pd.DataFrame
    base: str
    methods: Sequence[str]
    domains: Sequence[str]
    size: str
    resamples: int

    def seed_row(self, split: str, method: str, key: Key) -> pd.Series | None:
        """The summary over seeds; None if there is none."""
        return row_of(self.seeds, (split, method, *key))

    def patient_row(self, split: str, method: str, key: Key) -> pd.Series | None:
        """The interval over patients; None if there is none."""
        return row_of(self.intervals, (split, method, *key))

    def difference(self, method: str, key: Key) -> pd.Series | None:
        """The base's figure minus the method's, with its interval over patients; None if there is none."""
        return row_of(self.comparisons, (method, *key))

    def estimate(self, method: str, key: Key, split: str = "evaluate") -> float:
        """The mean over seeds; NaN if there is none."""
        row = self.seed_row(split, method, key)
        return float("nan") if row is None else float(row["mean"])

    def num_seeds(self, method: str) -> int:
        """How many seeds a method has."""
        row = self.seed_row("evaluate", method, ("", "roc_auc"))
        return 0 if row is None else int(row["n"] + row["missing"])


def row_of(table: pd.DataFrame, key: tuple) -> pd.Series | None:
    """The row of an indexed table; None if there is none."""
    return table.loc[key] if key in table.index else None


def judged(run: Run) -> Judged:
    """What the evaluation part of a run found."""
    rows = evaluated(run.results)
    known = {metric for _, metric in MAIN} | set(GAPS) | {"balanced_accuracy", "brier"}
    rows = rows[rows["metric"].isin(known)]
    index = ["split", "method", "task", "metric"]
    # All of them lie between 0 and 1: gaps are absolute here.
    seeds = summarize(rows, index, bounds=(0, 1)).set_index(index).sort_index()
    intervals = run.table("intervals", INTERVAL_COLUMNS).set_index(index).sort_index()
    compared = run.table("comparisons", COMPARISON_COLUMNS)
    base = str(compared["base"].iloc[0]) if len(compared) else ""
    groups = run.table("groups", GROUP_COLUMNS)
    cohort = run.table("cohort", COHORT_COLUMNS)
    return Judged(
        seeds=seeds,
        intervals=intervals,
        groups=groups,
        comparisons=compared.set_index(["method", "task", "metric"]).sort_index(),
        base=base,
        methods=in_order(rows.loc[rows["split"] == "evaluate", "method"].unique()),
        domains=list(dict.fromkeys(groups["task"])),
        size=_size(cohort),
        resamples=int(run.config.get("bootstrap_resamples", 0)),
    )


def evaluated(results: pd.DataFrame) -> pd.DataFrame:
    """The rows of the evaluation part; a task that is null becomes ""."""
    rows = results[results["epoch"].isna() & results["stage"].eq("evaluation").fillna(value=False)]
    return rows.assign(task=rows["task"].astype("string").fillna("").astype(str), method=rows["method"].astype(str))


def _size(cohort: pd.DataFrame) -> str:
    """Of the last step: of the set that is judged where there are two."""
    if cohort.empty:
        return "patients not counted"
    last = cohort.iloc[-1]
    patients, windows, deaths = (number(last[name], "count") for name in ("patients", "windows", "positive"))
    if last["patients"] == last["windows"]:
        return f"{patients} patients, {deaths} deaths"
    return f"{patients} patients, {windows} windows, {deaths} of them followed by death"
