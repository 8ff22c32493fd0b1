"""The fairness study's tables: methods by figure, the paper's figures beside ours, gaps by domain, differences."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from experiments.mtate import published
from experiments.mtate.domains import domain
from experiments.mtate.judged import AUC, GAPS, MAIN, Judged, Key, row_of
from experiments.mtate.kinds import RELABELLED
from experiments.mtate.styles import in_order, style
from experiments.report.blocks import Table
from experiments.report.cells import DASH, Cell, cell, interval, interval_of_mean, number, signed

# Of which rate of the groups a figure of the main table is made, for its spread between subpopulations.
_RATES = {("", name): name for name in ("roc_auc", "accuracy", "pr_auc")}
# What a gap needs of both groups beside somebody in them.
_NEEDS_DEATHS = ("opportunity", "odds", "auc")
_NEEDS_SURVIVORS = ("odds", "auc")
FEW = 30  # Deaths of a group, below which one patient moves its true positive rate by more than 0.03.
LEVEL = 0.05
ABBREVIATIONS = (
    "DPD, EOD and EQOD are the absolute differences between the two groups of a domain in the share predicted to die "
    "(demographic parity), in the true positive rate (equal opportunity) and in the mean of true and false positive "
    "rate (equalized odds)"
)


def spread(found: Judged, split: str, method: str, key: Key) -> float:
    """The standard deviation across subpopulations, as in the brackets of the paper's tables.

    Of ROC AUC, accuracy and PR AUC over the groups of all domains, of gaps over the domains; NaN where one is missing.
    """
    if key in _RATES:
        rows = found.groups
        rows = rows[(rows["method"] == method) & (rows["split"] == split) & (rows["rate"] == _RATES[key])]
        values = rows["value"].to_numpy(float)
    else:
        rows = [found.patient_row(split, method, (name, key[1])) for name in found.domains]
        values = np.array([np.nan if row is None else row["estimate"] for row in rows], float)
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def figure_cell(found: Judged, split: str, method: str, key: Key, *, patients: bool = True) -> Cell:
    """Mean ± SD over seeds, then S the interval over seeds, P over patients, G the spread between subpopulations."""
    seeds = found.seed_row(split, method, key)
    if seeds is None:
        return Cell(DASH)
    if not seeds["n"]:
        return Cell("undefined", _why_undefined(found, split, method, key), alarm=True)
    written = cell(seeds, "fraction", int(seeds["n"] + seeds["missing"]))
    lines = [f"S {written.sub}"] if written.sub else []
    row = found.patient_row(split, method, key)
    if patients and row is not None:
        within = interval(row["low"], row["high"])
        lines += [f"P {within}"] if within else []
        between = spread(found, split, method, key)
        lines += [f"G {number(between)}"] if np.isfinite(between) else []
    return Cell(written.main, "\n".join(lines), written.alarm or seeds["missing"] > 0)


def _why_undefined(found: Judged, split: str, method: str, key: Key) -> str:
    """Of a figure that no seed has."""
    if key[0] == "all":
        missing = []
        for name in found.domains:
            row = found.patient_row(split, method, (name, key[1]))
            if row is not None and np.isnan(row["estimate"]):
                missing.append(domain(name).title)
        if 0 < len(missing) < len(found.domains):
            return "in " + ", ".join(missing)
    elif key[0]:
        counts = group_counts(found, split)
        for group, title in enumerate(domain(key[0]).groups):
            count, deaths = counts.get((key[0], group), (1, 1))
            if not count:
                return f"nobody {title}"
            if not deaths and any(word in key[1] for word in _NEEDS_DEATHS):
                return f"no deaths, {title}"
            if deaths == count and count > 1 and any(word in key[1] for word in _NEEDS_SURVIVORS):
                return f"no survivors, {title}"
    if method in RELABELLED and np.isfinite(found.estimate(method, AUC)):
        return "no threshold for a group in a fold"  # Its validation patients have no death, or no survivor.
    return "no finite prediction"


def group_counts(found: Judged, split: str = "evaluate") -> dict[tuple[str, int], tuple[int, int]]:
    """By domain and group, how many windows are in it and how many of them are positive."""
    rows = found.groups[found.groups["split"] == split].drop_duplicates(["task", "group"])
    return {
        (row.task, int(row.group)): (int(row.count_), int(row.positive))
        for row in rows.rename(columns={"count": "count_"}).itertuples()
    }


def reading(found: Judged) -> str:
    """How a cell of `methods_table` is read."""
    text = "Mean ± SD over seeds; S: the 95 % interval of that mean over seeds"
    if found.resamples:
        text += f"; P: the 95 % interval over patients, of {found.resamples:,} resamples of them"
    return text + "; G: the SD across subpopulations, which the paper has in brackets."


def methods_table(found: Judged, split: str, methods: Sequence[str], caption: str, **options) -> Table:
    """Methods by the paper's six figures."""
    rows = [
        [style(method).label, str(found.num_seeds(method)), *(figure_cell(found, split, method, key) for key in MAIN)]
        for method in methods
        if any(found.seed_row(split, method, key) is not None for key in MAIN)
    ]
    return Table(caption, ["model", "seeds", *MAIN.values()], rows, **options)


def paper_table(found: Judged, caption: str) -> Table:
    """The paper's Table A1 beside ours, a row a model and figure."""
    split, rows = "evaluate_1_to_1", []
    for method, figures in published.TABLE_A1.items():
        for key, (value, bracket) in figures.items():
            seeds = found.seed_row(split, method, key)
            if seeds is None:
                continue
            known = seeds["n"] > 0
            patients = found.patient_row(split, method, key)
            written = figure_cell(found, split, method, key)
            between = spread(found, split, method, key)
            rows.append(
                [
                    style(method).label,
                    MAIN[key],
                    f"{value:.2f}",
                    f"{bracket:.2f}",
                    Cell(written.main, "" if known else written.sub, written.alarm),
                    (interval_of_mean(seeds) or DASH) if known else DASH,
                    str(int(seeds["n"])),
                    DASH if patients is None else interval(patients["low"], patients["high"]) or DASH,
                    number(between) if known else DASH,
                    signed(seeds["mean"] - value) if known else DASH,
                ]
            )
    header = [
        "model", "figure", "paper", "its SD", "ours", "over seeds", "seeds", "over patients", "our SD", "ours − paper",
    ]  # fmt: skip
    return Table(caption, header, rows, text_columns=2)


def published_on_challenge(found: Judged) -> Table:
    """Models that others published on Challenge 2012, and ours."""
    rows = [
        [each.model, each.sets, each.source, each.roc_auc, each.pr_auc or DASH] for each in published.CHALLENGE_2012
    ]
    for method in found.methods:
        cells = []
        for key in (("", "roc_auc"), ("", "pr_auc")):
            seeds, patients = found.seed_row("evaluate", method, key), found.patient_row("evaluate", method, key)
            ends = "" if patients is None else interval(patients["low"], patients["high"])
            cells.append(Cell(cell(seeds, "fraction", found.num_seeds(method)).main, ends))
        rows.append([style(method).label, "ours", "this run", *cells])
    caption = (
        "Challenge 2012, hospital death from the first 48 hours: what others have published, then ours (mean ± SD over "
        "seeds, below it the 95 % interval over patients)"
    )
    return Table(caption, ["model", "sets", "source", "ROC AUC", "PR AUC"], rows, text_columns=3, folded=True)


def group_table(found: Judged, method: str) -> Table:
    """Of one method, each group's size and rates with intervals over patients."""
    rates = {
        "selection_rate": "predicted to die",
        "true_positive_rate": "true positive rate",
        "false_positive_rate": "false positive rate",
        "roc_auc": "ROC AUC",
    }
    own = found.groups[(found.groups["method"] == method) & (found.groups["split"] == "evaluate")]
    own = own.set_index(["task", "group", "rate"]).sort_index()
    rows = []
    for (name, group), (count, deaths) in group_counts(found).items():
        few = deaths < FEW
        size = Cell(f"{deaths:,}", "few" if few else "", alarm=few)
        cells = []
        for rate in rates:
            row = row_of(own, (name, group, rate))
            known = row is not None and np.isfinite(row["value"])
            empty = Cell("undefined", "no deaths" if not deaths else "", alarm=True)
            cells.append(Cell(number(row["value"]), interval(row["low"], row["high"])) if known else empty)
        share = number(deaths / count) if count else DASH
        rows.append([domain(name).title, domain(name).groups[group], f"{count:,}", size, share, *cells])
    caption = (
        f"The groups of each domain ({found.size}; who is in neither is not known) and how {style(method).label} "
        f"treats them: means over seeds with 95 % intervals over patients. Marked are groups of fewer than {FEW} "
        "deaths: one of them moves the true positive rate by more than 0.03, and no claim rests on such a group."
    )
    header = ["domain", "group", "windows", "deaths", "share", *rates.values()]
    return Table(caption, header, rows, text_columns=2)


def gap_table(found: Judged, name: str) -> Table:
    """All gaps of one domain, by method, with intervals over patients."""
    counts, rows = group_counts(found), []
    for method in found.methods:
        cells = []
        for gap in GAPS:
            row = found.patient_row("evaluate", method, (name, gap))
            if row is None:
                cells.append(Cell(DASH))
            elif np.isnan(row["estimate"]):
                cells.append(Cell("undefined", _why_undefined(found, "evaluate", method, (name, gap)), alarm=True))
            else:
                lost = f"\nnot in {int(row['undefined'])}" if row["undefined"] else ""
                ends = interval(row["low"], row["high"]).replace(" ", "\u00a0")  # The column is as wide as that.
                cells.append(Cell(number(row["estimate"]), f"{ends}{lost}".strip()))
        rows.append([style(method).label, *cells])
    sizes = [
        f"{title}: {counts.get((name, group), (0, 0))[0]:,} windows, {counts.get((name, group), (0, 0))[1]:,} deaths"
        for group, title in enumerate(domain(name).groups)
    ]
    title = domain(name).title
    return Table(f"{title[:1].upper()}{title[1:]} ({'; '.join(sizes)})", ["model", *GAPS.values()], rows, folded=True)


def comparison_table(found: Judged) -> Table:
    """The base minus every other method, with intervals over patients and Holm's p-values."""
    others = in_order(found.comparisons.index.get_level_values("method").unique())
    rows = []
    for method in others:
        cells = []
        for key in MAIN:
            row = found.difference(method, key)
            if row is None:
                cells.append(Cell(DASH))
            elif np.isnan(row["difference"]):
                cells.append(Cell("undefined", "", alarm=True))
            else:
                sure = " *" if row["p_holm"] < LEVEL else ""
                ends = interval(row["low"], row["high"])
                cells.append(
                    Cell(
                        signed(row["difference"]) + sure, f"{ends}\np {number(row['p'])}\nHolm {number(row['p_holm'])}"
                    )
                )
        rows.append([style(method).label, *cells])
    name = style(found.base).label
    caption = (
        f"{name} minus each other model ({found.size}; natural prevalence): difference of the means over seeds, its 95 "
        f"% interval over patients, both models on the same {found.resamples:,} resamples of them, and the two-sided p "
        f"of the bootstrap before and after Holm's correction over the {len(rows)} models of a column. * marks what is "
        f"below {LEVEL:g} after it. For ROC AUC, accuracy and PR AUC more than 0 is better for {name}, for the gaps "
        "less than 0."
    )
    return Table(caption, ["model", *MAIN.values()], rows)


def attention_table(attention: pd.DataFrame, together: pd.DataFrame) -> Table:
    """By domain, mean domain loss and attention, and how they go together.

    Args:
      attention: domain, outcome_loss, domain_loss, weight.
      together: Of `attention_figure.attention_correlation`.
    """
    rows = []
    for row in together.itertuples():
        own = attention[attention["domain"] == row.domain].dropna(subset=["domain_loss", "weight"])
        rows.append(
            [
                domain(str(row.domain)).title,
                number(row.examples, "count"),
                number(own["domain_loss"].mean()),
                f"{number(own['weight'].mean())} ± {number(own['weight'].std())}",
                number(row.r),
            ]
        )
    caption = (
        "By domain: the mean domain loss (nats; 0.693 is a coin's: more says that the representation is closer to "
        "domain-invariant, less that it is domain-specific), the mean attention ± its SD between windows, and the "
        "correlation of the two, the mean over folds of that within each; without intervals. Windows are those whose "
        "group is known."
    )
    return Table(caption, ["domain", "windows", "domain loss", "attention", "r of the two"], rows)


def calibration_table(found: Judged) -> Table:
    """Brier score and the gap of calibration between groups, by method."""
    keys = {("", "brier"): "Brier score", ("all", "calibration_bias_difference"): "gap of the mean excess risk"}
    rows = []
    for method in found.methods:
        cells = []
        for key in keys:
            row = found.patient_row("evaluate", method, key)
            known = row is not None and np.isfinite(row["estimate"])
            cells.append(Cell(number(row["estimate"]), interval(row["low"], row["high"])) if known else Cell(DASH))
        if any(written.main != DASH for written in cells):
            rows.append([style(method).label, *cells])
    caption = f"Calibration of all models ({found.size}): means over seeds with 95 % intervals over patients"
    return Table(caption, ["model", *keys.values()], rows, folded=True)
