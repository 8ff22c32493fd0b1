"""The fairness study's page: the paper's claims, its tables and figures beside ours, and who is treated how."""

import pandas as pd

from experiments.mtate import domain_figure, findings, masking_figure, tables
from experiments.mtate.attention_report import attention
from experiments.mtate.calibration import MAIN as CALIBRATED
from experiments.mtate.calibration import calibration
from experiments.mtate.domains import domain
from experiments.mtate.front import front
from experiments.mtate.judged import COHORT_COLUMNS, INTERVAL_COLUMNS, Judged, judged
from experiments.mtate.kinds import ABLATIONS, DOWNSTREAM, LEFT_OPEN, MASKING
from experiments.mtate.published import TABLE_A1
from experiments.mtate.selection_report import selection, training
from experiments.mtate.tables import ABBREVIATIONS, reading
from experiments.report.blocks import Figure, Section, Table, Text
from experiments.report.cells import DASH, number, span
from experiments.results.reading import Run

TITLE = "Is a masked triple attention transformer fairer between groups of patients than other models?"
LEAD = (
    "MTATE (Unbiased representation of electronic health records for patient outcome prediction, ICLR 2023 "
    "submission) run again with several seeds and folds, beside its baselines, methods for fairness and simple models; "
    "every gap between groups has an interval over patients."
)
PREDICTIONS = ["method", "seed", "fold", "id", "end", "target", "prediction", "decision"]
RATIOS = {"evaluate_1_to_4": 4, "evaluate_1_to_1": 1}
# Said wherever a gap has an interval.
BIAS = (
    "A gap is an absolute value: it is hardly ever 0 in a sample, and larger in resamples than in the sample, so an "
    "interval may lie above its estimate, and one that leaves 0 out does not show that groups are treated differently."
)


def sections(run: Run) -> list[Section]:
    """What the page says, section by section."""
    found = judged(run)
    return [
        findings.section(found, run.config),
        _cohort(run),
        _paper(run, found),
        _by_domain(run, found),
        _front(run, found),
        _differences(found),
        selection(run, found),
        attention(run),
        _calibration(run, found),
        _ablations(run, found),
        training(run),
    ]


def _task(config: dict) -> str:
    """What is predicted, in words."""
    if config.get("task") == "rolling":
        return (
            f"death within {config.get('horizon')} hours of the end of a window of {config.get('window')} hours, up to "
            f"{config.get('most_windows')} windows a patient"
        )
    return f"hospital death, from the first {config.get('window')} hours"


def _cohort(run: Run) -> Section:
    steps = run.table("cohort", COHORT_COLUMNS)
    if steps.empty:
        return Section("Cohort", [Text("This run wrote no cohort table.")])
    names = ["stays", "patients", "windows", "positive"]
    rows = []
    for _, row in steps.iterrows():
        share = number(row["positive"] / row["windows"]) if row["windows"] else DASH
        rows.append([str(row["step"]), *(number(row[name], "count") for name in names), share])
    folds = run.config.get("folds")
    how = (
        f"All of set {run.config.get('train_set')} trains, with the candidate and for as many epochs as its {folds} "
        f"folds chose, and {run.config['evaluate_on'].replace('-', ' ')} is judged"
        if run.config.get("evaluate_on")
        else f"{folds} folds of patients (of hospitals where the data know them); each patient is judged once, by the "
        "model that has not seen the fold"
    )
    counted = (
        "before the last step, deaths are windows of patients who die in hospital, whenever that is; "
        if run.config.get("task") == "rolling"
        else ""
    )
    caption = (
        f"Who is left after each step; {counted}the last is what is judged. Predicted is {_task(run.config)}. {how}."
    )
    header = ["after this step", "stays", "patients", "windows", "deaths", "share"]
    return Section("Cohort", [Table(caption, header, rows)])


def _paper(run: Run, found: Judged) -> Section:
    if not found.methods:
        return Section("The paper's figures beside ours", [Text("This run judged no method.")])
    blocks: list = []
    methods = [name for name in found.methods if name not in (*ABLATIONS, *LEFT_OPEN, *MASKING)]
    if not methods:
        words = "This run has none of the paper's models beside MTATE's own parts, which have a section of their own."
        return Section("The paper's figures beside ours", [Text(words)])
    natural = f"All models at the natural prevalence ({found.size}). {reading(found)} {ABBREVIATIONS}; here their means"
    caption = f"{natural} over the domains. {BIAS}"
    blocks.append(tables.methods_table(found, "evaluate", methods, caption))
    if any(found.seed_row("evaluate_1_to_1", name, ("", "roc_auc")) is not None for name in TABLE_A1):
        blocks.append(Text(_what_differs(run)))
        caption = (
            f"The paper's Table A1 beside ours: one survivor for each death, {_subsampled(found, 1)}. The paper's SD "
            "stands in brackets there and is most likely one across subpopulations; ours across subpopulations (of "
            "both groups of every domain, or of gaps over the domains) is beside it. Ours: mean ± SD over seeds, the "
            "95 % interval of that mean over seeds, and the 95 % interval over patients."
        )
        blocks.append(tables.paper_table(found, caption))
    for split, ratio in RATIOS.items():
        name = "Table 2, of which no figure survives: all our models" if ratio == 4 else "Table A1: all our models"
        text = f"{name} at 1 death to {ratio} survivor{'s' if ratio > 1 else ''}, {_subsampled(found, ratio)}"
        block = tables.methods_table(found, split, methods, f"{text} (cells as in the first table)", folded=True)
        if block.rows:
            blocks.append(block)
    if run.config.get("data") == "challenge2012" and run.config.get("task") == "hospital_death":
        words = (
            "On this task others have published figures, too (folded). Their ± is over seeds or folds of one split, "
            "and their splits are other ones, so that only differences beyond our intervals over patients mean "
            "anything. Figures of the same stays with length of stay as the label are of another task and left out."
        )
        blocks += [Text(words), tables.published_on_challenge(found)]
    return Section("The paper's figures beside ours", blocks)


def _subsampled(found: Judged, ratio: int) -> str:
    counts = tables.group_counts(found, f"evaluate_1_to_{ratio}")
    sizes = [tuple(counts.get((name, group), (0, 0)) for group in (0, 1)) for name in found.domains]
    if not sizes:
        return "the survivors drawn anew for every seed"
    windows, deaths = (max(one[place] + other[place] for one, other in sizes) for place in (0, 1))
    return f"about {windows:,} windows with {deaths:,} deaths, the survivors drawn anew for every seed"


def _what_differs(run: Run) -> str:
    data = {
        "simulated": "simulated stays",
        "challenge2012": "PhysioNet's Challenge 2012",
        "eicu": "the eICU demo",
        "mimic": "MIMIC",
    }.get(run.config.get("data"), "other data")
    domains = ", ".join(domain(name).title for name in run.config.get("domains", ()))
    cohort = ", acute kidney injury with dialysis" if run.config.get("dialysed_injury") else ""
    return (
        "The paper's figures are of 570 patients with acute kidney injury and dialysis of one hospital, whose data are "
        "not public, and of death within 72 hours of rolling windows. Ours are "
        f"of {data}{cohort}: {_task(run.config)}; domains: {domains}. Data, task, domains and the choice of thresholds "
        "differ, so that only the order of the models can be compared, and a difference from the paper says nothing "
        "of either."
    )


def _by_domain(run: Run, found: Judged) -> Section:
    intervals = run.table("intervals", INTERVAL_COLUMNS)
    own = intervals[(intervals["split"] == "evaluate") & intervals["task"].isin(found.domains)]
    title = "Fairness by domain"
    if own.empty:
        return Section(title, [Text("This run wrote no gaps by domain.")])
    seeds = span(pd.Series([found.num_seeds(name) for name in found.methods]))
    shared = (
        f"Natural prevalence ({found.size}); means over seeds (n = {seeds}), bars are 95 % intervals over patients, "
        "and the last column is the mean over the domains. Less is better."
    )
    whose = "mtate" if "mtate" in found.methods else found.base or found.methods[0]
    words = (
        "All gaps by domain follow, folded, a table a domain: means over seeds with 95 % intervals over patients, "
        "which are as biased as above. DPD, EOD and EQOD as above; larger odds is the larger of the gaps of both "
        "rates, equalized odds as fairlearn has it by default; ROC AUC and PR AUC are differences between the groups, "
        "PR AUC also because of their prevalence; least accuracy is that of the worse group. Undefined is what a group "
        "cannot show, with the reason; 'not in' counts resamples that lack it."
    )
    blocks = [
        tables.group_table(found, whose),
        Figure(
            "figure_3",
            f"The paper's Figure 3: the mean equalized odds difference between the groups of each domain. {shared}",
            domain_figure.by_domain(intervals, "mean_equalized_odds_difference"),
        ),
        Figure(
            "figure_a2",
            "The paper's Figure A2: the difference of PR AUC between the groups of each domain, here absolute and not "
            f"in percent. {shared} PR AUC rises with the share of deaths: groups that die more often have more of it.",
            domain_figure.by_domain(intervals, "pr_auc_difference"),
        ),
        Text(words),
        *(tables.gap_table(found, name) for name in found.domains),
    ]
    return Section(title, blocks)


def _front(run: Run, found: Judged) -> Section:
    title = "Detection against fairness"
    intervals = run.table("intervals", INTERVAL_COLUMNS)
    if intervals.empty:
        return Section(title, [Text("This run wrote no intervals to draw the models from.")])
    seeds = span(pd.Series([found.num_seeds(name) for name in found.methods]))
    caption = (
        f"ROC AUC against the mean equalized odds difference over the domains, all models in one picture "
        f"({found.size}; natural prevalence); upper left is better. Marks are means over seeds "
        f"(n = {seeds}), thin lines 95 % intervals over patients, small dots the seeds of the paper's models. The "
        "faint line joins the models that no other one beats in both; the dotted one those with the LSTM's scores, "
        "which differ in their decisions only. Intervals here are of each model alone: whether two differ is in the "
        "next section."
    )
    return Section(title, [Figure("front", caption, front(run.results, intervals))])


def _differences(found: Judged) -> Section:
    title = "Which differences are decided"
    if found.comparisons.empty:
        return Section(title, [Text("This run has no model of the paper's own to compare the others with.")])
    return Section(title, [tables.comparison_table(found)])


def _calibration(run: Run, found: Judged) -> Section:
    predictions = run.table("predictions", PREDICTIONS)
    blocks: list = []
    if predictions["method"].isin(CALIBRATED).any():
        first = next((name for name in predictions if name.startswith("domain_")), "")
        grouped = f"; the last row is by group, of {domain(first.removeprefix('domain_')).title}" if first else ""
        seeds = span(pd.Series([found.num_seeds(name) for name in found.methods]))
        caption = (
            "Observed share of deaths against mean predicted risk, in ten bins of equally many predictions each "
            f"({found.size}): means over seeds (n = {seeds}), bands from the lowest to the highest seed, no "
            f"intervals over patients; the dotted line is perfect calibration{grouped}. ECE is the expected "
            "calibration error, the mean over the windows of their bin's distance from that line."
        )
        blocks.append(Figure("calibration", caption, calibration(predictions)))
    table = tables.calibration_table(found)
    if table.rows:
        text = (
            "The Brier score, in the table, is the mean squared error of the risk. Mean excess risk is predicted minus "
            "observed, and its gap the absolute difference between the two groups, averaged over the domains. Models "
            "that weight their classes or examples predict too high a risk by design, and the SVM's score is no risk."
        )
        blocks += [Text(text), table]
    return Section("Calibration", blocks or [Text("This run wrote no predictions.")])


def _ablations(run: Run, found: Judged) -> Section:
    title = "Parts of MTATE"
    own = [name for name in ("mtate", *ABLATIONS, *LEFT_OPEN, *DOWNSTREAM) if name in found.methods]
    rates = [name for name in MASKING if name in found.methods]
    blocks: list = []
    if any(name in ABLATIONS for name in own):
        caption = (
            "The paper's Table 3, whose figures are lost: MTATE, the same without each of its parts, and other "
            f"classifiers of its representation. Natural prevalence ({found.size}). {reading(found)}"
        )
        blocks.append(tables.methods_table(found, "evaluate", own, caption))
        caption = f"The same at 1 death to 4 survivors, {_subsampled(found, 4)}"
        blocks.append(tables.methods_table(found, "evaluate_1_to_4", own, caption, folded=True))
    elif any(name in DOWNSTREAM for name in own) and "mtate" in own:
        caption = (
            "The last lines of the paper's Table 3: MTATE beside other classifiers of its representation (its "
            "ablations are the variant `ablation`), natural prevalence (cells as in the first table)"
        )
        blocks.append(tables.methods_table(found, "evaluate", own, caption, folded=True))
    if rates:
        seeds = span(pd.Series([found.num_seeds(name) for name in rates]))
        caption = (
            f"The paper's Figure A3: MTATE by the share of features that each domain's module masks ({found.size}; "
            f"natural prevalence). Means over seeds (n = {seeds}) with the 95 % intervals of these over seeds."
        )
        blocks.append(Figure("figure_a3", caption, masking_figure.masking(run.results)))
        blocks.append(
            tables.methods_table(found, "evaluate", rates, f"The same in figures. {reading(found)} {ABBREVIATIONS}.")
        )
    return Section(title, blocks or [Text("This run has neither ablations nor masking rates.")])
