"""The age study's page: its paper's figures beside ours, and how much age is left whatever the frozen head says.

This page keeps two questions separate. Whether the frozen age head is fooled is what the paper measures; how much age
a freshly trained probe still reads from the same representation is what removing age would mean.
"""

import numpy as np
import pandas as pd

from experiments.aml import figures, findings, tables
from experiments.aml.front import front
from experiments.aml.styles import JOINT, METHODS, REFERENCES, arm_values, rounded, split_age_head, style
from experiments.report.blocks import Figure, Section, Table, Text
from experiments.report.cells import DASH, MEAN_INTERVAL, Cell, number, span, with_intervals
from experiments.report.curves import training_curves
from experiments.report.tables import arm_table
from experiments.results.reading import Run
from jaxfair.metrics import summarize

TITLE = "Does adversarial training take the age out of a network that detects infarction?"
LEAD = (
    "Ibrahimi, Rivolta and Sassi, Adversarial multitask learning reduces the correlation between age and deep "
    "learning predictions of myocardial infarction from electrocardiograms, Computing in Cardiology 2024, run again "
    "with several seeds, with the controls it lacks, and with fresh probes."
)
COHORT = ["step", "records", "subjects", "infarction", "healthy"]
BEATS = ["infarction", "lead", "time_ms", "mean", "std", "count"]
INTERVALS = ["member", "method", "metric", "estimate", "low", "high"]
PREDICTIONS = ["member", "method", "seed", "alpha", "stage", "split", "target", "prediction", "age", "predicted_age"]


def sections(run: Run) -> list[Section]:
    """What the page says, section by section."""
    values, counts = arm_values(run)
    shown = values[values["shown"]]
    intervals = split_age_head(run.table("intervals", INTERVALS))
    return [
        findings.section(shown, counts, simulated=run.config.get("data") == "simulated"),
        _cohort(run),
        _paper(run, shown, counts, intervals),
        _arms(values, counts),
        _front(values),
        _age_in_the_score(run, shown, counts),
        _references(values, counts),
        _training(run, counts),
        _subjects(intervals, values),
        _rejected(run),
    ]


def _cohort(run: Run) -> Section:
    steps = run.table("cohort", COHORT)
    if steps.empty:
        return Section("Cohort", [Text("This run wrote no cohort table.")])
    rows = [[str(row["step"]), *(number(row[name], "count") for name in COHORT[1:])] for _, row in steps.iterrows()]
    rows.append(
        ["the paper's cohort", Cell(DASH), Cell(DASH), *(f"{count:,}" for count in tables.PAPER_COUNTS.values())]
    )
    last = steps.iloc[-1]
    both = float(last["infarction"] + last["healthy"])
    share = f"{number(last['healthy'] / both)} healthy" if both else "no records left"
    caption = (
        f"Records and subjects after each step; what is left is trained and evaluated on ({share}; the paper's "
        f"7,735 of 9,430 are {number(7735 / 9430)}). The paper does not say which of the two its counts are."
    )
    blocks = [Table(caption, ["after this step", *COHORT[1:]], rows)]
    beats = run.table("average_beats", BEATS)
    if len(beats):
        caption = "The average beat of each class in twelve leads, with a band of 1 SD between records."
        blocks.append(Figure("average_beats", caption, figures.average_beats(beats)))
    return Section("Cohort", blocks)


def _paper(run: Run, shown: pd.DataFrame, counts: pd.DataFrame, intervals: pd.DataFrame) -> Section:
    blocks = [tables.paper_table(shown, counts, intervals)]
    summary = summarize(shown, ["method", "metric"]).set_index(["method", "metric"])
    arms = counts[counts["shown"]].set_index("method")
    blocks += _other_settings(run, arms)
    predictions = shown_predictions(run, counts)
    titles = {}
    for method, name in (("age_head", "a  Age model"), ("reversed_mse", "b  Reversed MSE"), ("ncov", "c  NCOV")):
        if method in set(predictions["method"]):
            known = (method, "age_pearson") in summary.index and summary.loc[(method, "age_pearson"), "n"] > 0
            r = number(summary.loc[(method, "age_pearson"), "mean"]) if known else "undefined"
            total, diverged = (int(arms.loc[method, part]) for part in ("members", "diverged"))
            ending = f"{diverged} of {total} diverged" if diverged else f"n = {total}"
            titles[method] = f"{name}\nmean r = {r}, {ending}"
    if titles:
        caption = (
            "The paper's Figure 2 again: true against predicted age on the evaluation split. Points are one member "
            "(lowest seed with finite predictions, n = 1), lines hold 30, 60 and 90 % of the finite predictions of "
            "all members, the dotted line is a perfect prediction. A panel whose predictions left the human range has "
            "its own scale, and says so."
        )
        blocks.append(Figure("figure_2", caption, figures.true_against_predicted(predictions, titles)))
    return Section("The paper's figures beside ours", blocks)


def _other_settings(run: Run, arms: pd.DataFrame) -> list[Text]:
    """Where the comparison is not one of like with like, in words."""
    remarks = []
    if run.config.get("data") == "simulated":
        remarks.append("The cohort is simulated, so the paper's figures are here for orientation only.")
    alphas = arms["alpha"].reindex(["reversed_mse", "ncov"]).dropna().unique()
    if any(alpha != 0.001 for alpha in alphas):
        remarks.append(f"Alpha is {', '.join(f'{alpha:g}' for alpha in alphas)} here; the paper used 0.001.")
    if run.config.get("optimizer", "sgd") != "sgd":
        remarks.append(f"The optimizer is {run.config['optimizer']} here; the paper says stochastic gradient descent.")
    return [Text(" ".join(remarks))] if remarks else []


def shown_predictions(run: Run, counts: pd.DataFrame) -> pd.DataFrame:
    """The evaluation split's predictions after each member's last stage, of the arms that figures show."""
    rows = split_age_head(run.table("predictions", PREDICTIONS))
    rows = rows[rows["split"] == "evaluate"].assign(alpha=rounded(rows, "alpha"))
    arms = counts.loc[counts["shown"], ["method", "alpha"]]
    several = set(counts.loc[~counts["shown"], "method"])
    kept = [
        (rows["method"] == arm.method) & ((rows["alpha"] == arm.alpha) if arm.method in several else True)
        for arm in arms.itertuples()
    ]
    rows = rows[np.logical_or.reduce(kept)] if kept else rows
    last = rows.groupby(["member", "method"])["stage"].transform("last")
    return rows[rows["stage"].eq(last) | rows["stage"].isna()]


def _arms(values: pd.DataFrame, counts: pd.DataFrame) -> Section:
    arms = counts[~counts["method"].isin(REFERENCES)]
    spread = f"Mean ± SD over members, below it {MEAN_INTERVAL}."
    blocks = [
        arm_table(values, arms, tables.DETECTION, f"Detection of infarction, evaluation split. {spread}"),
        arm_table(
            values,
            arms,
            tables.HEAD,
            "The frozen age head (in the arm with its adversary trained along, that adversary). A correlation near 0 "
            "with a standard deviation near 0 is a constant, and one far beyond a lifetime an explosion: neither is "
            f"an age that was removed. {spread}",
        ),
        arm_table(
            values,
            arms,
            tables.PROBES,
            "Fresh probes, trained on the final representation: R² of the true age, all subjects. Below 0 a probe is "
            f"worse than the mean age. {spread}",
        ),
        arm_table(
            values,
            arms,
            tables.HEALTHY_PROBES,
            "The same within the healthy, where age says nothing about infarction, and there the correlation of the "
            f"MI score with age. {spread}",
        ),
    ]
    caption = (
        "Each arm minus its control, paired by seed and fold: what the age term did, not the extra epochs. Arms "
        "trained in stages are compared with no adversary (which is compared with the baseline), the joint one "
        f"with the joint control. {spread}"
    )
    blocks.append(tables.differences(values, arms, caption))
    blocks = [block for block in blocks if block.rows]
    return Section("Arms", blocks or [Text("This run holds no final value of any arm.")])


def _front(values: pd.DataFrame) -> Section:
    x, y = "probe_ridge_r2_healthy", "roc_auc"
    rows = values[~values["method"].isin(REFERENCES)]
    title = "Detection against what is left of age"
    if not {x, y} <= set(rows["metric"]):
        return Section(title, [Text("This run has no fresh ridge probe within the healthy to draw this front from.")])
    titles = ("R² of a fresh ridge probe for age, within the healthy (left is better)", "ROC AUC (up is better)")
    swept = rows.groupby("method")["alpha"].nunique().max() > 1
    n = rows.groupby(["method", "alpha"], dropna=False)["member"].nunique()
    how = "an arm's points are joined in the order of alpha" if swept else "one alpha an arm, so a point each"
    caption = (
        f"ROC AUC against the age that a fresh probe reads: {how}, {with_intervals(n)} over members "
        f"(n = {span(n)}). An arm far off is drawn on the frame with its values."
    )
    return Section(title, [Figure("front", caption, front(rows, x, y, titles))])


def _age_in_the_score(run: Run, shown: pd.DataFrame, counts: pd.DataFrame) -> Section:
    predictions = shown_predictions(run, counts)
    predictions = predictions[np.isfinite(predictions["prediction"].to_numpy(dtype=float))]
    r = summarize(shown[shown["metric"] == "score_age_pearson_healthy"], ["method"]).set_index("method")["mean"]
    arms = [method for method in counts.loc[counts["shown"], "method"] if method not in REFERENCES]
    labels = {
        method: f"{style(method).label} (r = {number(r.get(method))})"
        for method in arms
        if method != "age_head" and method in set(predictions["method"])
    }
    blocks = []
    if labels:
        n = predictions.groupby("method")["member"].nunique().reindex(list(labels))
        caption = (
            "MI score of the healthy of the evaluation split by age: a score free of age is flat. Mean over members "
            f"(n = {span(n)}) {with_intervals(n)}, cut where they leave the frame; r is the mean correlation of "
            "score and age within the healthy."
        )
        blocks.append(Figure("score_against_age", caption, figures.score_against_age(predictions, labels)))
    banded = shown[shown["metric"].str.contains("_age_") & shown["metric"].str.endswith(tuple(figures.BANDS))]
    methods = [method for method in arms if method in set(banded["method"])]
    if methods:
        n = banded.groupby("method")["member"].nunique().reindex(methods)
        caption = (
            f"Errors by age: means over members (n = {span(n)}) {with_intervals(n)}, cut where they leave the frame; "
            "threshold 0.5."
        )
        blocks.append(Figure("errors_by_age", caption, figures.error_bands(banded, methods)))
    return Section("Age in the MI score", blocks or [Text("This run wrote no predictions.")])


def _references(values: pd.DataFrame, counts: pd.DataFrame) -> Section:
    arms = counts[counts["method"].isin(REFERENCES)]
    table = arm_table(
        values,
        arms,
        {name: tables.DETECTION[name] for name in ("accuracy", "sensitivity", "specificity", "roc_auc", "pr_auc")}
        | {
            "age_pearson": tables.HEAD["age_pearson"],
            "score_age_pearson_healthy": tables.HEALTHY_PROBES["score_age_pearson_healthy"],
        },
        "Simple methods on the same average beats and splits: what a network has to beat, and what the age of a "
        "subject alone predicts.",
    )
    return Section("Simple methods", [table if table.rows else Text("This run holds no simple methods.")])


def _training(run: Run, counts: pd.DataFrame) -> Section:
    curves = run.results[run.results["epoch"].notna()]
    members = run.members.assign(alpha=rounded(run.members, "alpha"))
    hidden = members.merge(counts.loc[~counts["shown"], ["method", "alpha"]], on=["method", "alpha"])
    pairs = pd.MultiIndex.from_frame(curves[["member", "method"]])
    curves = curves[~pairs.isin(pd.MultiIndex.from_frame(hidden[["member", "method"]]))]
    # The other stages train no age head, so its curve there is that of its random start.
    headless = curves["metric"].eq("age_pearson") & curves["method"].isin(["baseline", *JOINT])
    curves = curves[~headless]
    titles = {"loss": "loss", "accuracy": "accuracy", "roc_auc": "ROC AUC", "age_pearson": "age r"}
    if not curves["metric"].isin(list(titles)).any():
        return Section("Training", [Text("This run wrote no training curves.")])
    diverged = members[members["status"] == "diverged"][["member", "method"]]
    ended = set(diverged.itertuples(index=False, name=None)) & set(pairs)
    n = curves.groupby("method")["member"].nunique()
    caption = (
        f"Training curves: mean over members (n = {span(n)}) and, on the evaluation split, a band of 1 SD (cut at the "
        "bounds of a figure). Where an "
        "arm diverged, the frame is that of the others; the mean then goes on over those members that are left. The "
        "adversarial loss is cross-entropy plus the adversary's term, unscaled: alpha scales only its gradient."
    )
    return Section("Training", [Figure("training", caption, training_curves(curves, METHODS, titles, ended))])


def _subjects(intervals: pd.DataFrame, values: pd.DataFrame) -> Section:
    means = tables.interval_means(intervals, values)
    if means.empty:
        return Section("Uncertainty from the subjects", [Text("This run wrote no intervals over subjects.")])
    rows = [
        [
            row["arm"],
            row["metric"],
            *(number(row[name], row["unit"]) for name in ("estimate", "low", "high")),
            str(row["n"]),
        ]
        for _, row in means.iterrows()
    ]
    header = ["arm", "metric", "estimate", "low", "high", "n"]
    caption = (
        "95 % bootstrap intervals over the subjects of the evaluation split, each figure averaged over n members. "
        "There is none of fewer than two subjects, nor where fewer than two resamples of them have the figure."
    )
    return Section("Uncertainty from the subjects", [Table(caption, header, rows, text_columns=2, folded=True)])


def _rejected(run: Run) -> Section:
    rejected = run.table("rejected", ["id", "reason", "detail"])
    title = "Records not used"
    if rejected.empty:
        return Section(title, [Text("No record was lost to damage or quality.")])
    reasons = rejected["reason"].astype(str).value_counts()
    rows = [[str(row.id), str(row.reason), str(row.detail)] for row in rejected.head(50).itertuples()]
    caption = f"The first {len(rows)} of {len(rejected):,} records"
    return Section(
        title,
        [
            Table(
                f"{len(rejected):,} records were lost to damage or quality, not by their labels.",
                ["reason", "records"],
                [[reason, f"{count:,}"] for reason, count in reasons.items()],
            ),
            Table(caption, ["id", "reason", "detail"], rows, text_columns=3, folded=True),
        ],
    )
