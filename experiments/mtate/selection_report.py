"""The page's sections on how the fairness study's models were chosen and trained: rules, candidates, epochs, curves."""

import pandas as pd

from experiments.mtate.judged import Judged
from experiments.mtate.published import TABLE_A1
from experiments.mtate.selection import RULES
from experiments.mtate.styles import METHODS, in_order, style
from experiments.mtate.tables import figure_cell, methods_table
from experiments.report.blocks import Figure, Section, Table, Text
from experiments.report.cells import DASH, Cell, number, span
from experiments.report.curves import training_curves
from experiments.results.reading import Run

CHOICES = ["method", "seed", "fold", "candidate", "best_epoch", "epochs_run", "rule"]


def selection(run: Run, found: Judged) -> Section:
    """Which candidates were chosen, and what other rules would have chosen."""
    if "candidate" in run.members and run.members["candidate"].nunique() == 1:
        words = (
            "Every model has one candidate, so that no rule has anything to choose but the epoch, which is that with "
            "the highest ROC AUC of the validation patients."
        )
        return Section("Selection", [Text(words)])
    choices = run.table("choices", CHOICES)
    blocks: list = []
    other = {rule: f"evaluate_by_{rule}" for rule in RULES if rule != "roc_auc"}
    table = rules_table(found)
    if table.rows:
        blocks.append(table)
    for rule, split in other.items():
        methods = [name for name in found.methods if found.seed_row(split, name, ("", "roc_auc")) is not None]
        caption = (
            f"All figures under the rule '{RULES[rule]}' (natural prevalence, {found.size}): mean ± SD over "
            "seeds, S the 95 % interval of that mean over seeds"
        )
        if methods:
            blocks.append(methods_table(found, split, methods, caption, folded=True))
    if len(choices) and "candidate" in choices:
        blocks.append(choices_table(choices, run.members))
    return Section("Selection", blocks or [Text("This run has nothing that was chosen.")])


def training(run: Run) -> Section:
    """Training curves and epochs of the chosen members."""
    choices = run.table("choices", CHOICES)
    chosen = choices[choices["rule"] == "roc_auc"] if len(choices) else choices
    curves = run.results[run.results["epoch"].notna()]
    if len(chosen) and "candidate" in run.members:
        keys = ["method", "seed", "fold", "candidate"]
        kept = _as_words(run.members[[*keys, "member"]], keys).merge(_as_words(chosen[keys], keys), on=keys)
        curves = curves[curves["member"].isin(kept["member"])]
    if curves.empty:
        return Section("Training", [Text("This run wrote no training curves.")])
    diverged = run.members[run.members["status"] == "diverged"][["member", "method"]]
    ended = set(diverged.itertuples(index=False, name=None)) & set(
        curves[["member", "method"]].itertuples(index=False, name=None)
    )
    n = curves.groupby("method")["member"].nunique()
    caption = (
        f"Training curves of the chosen members: mean over seeds and folds (n = {span(n)}), without intervals. "
        "Above, ROC AUC of the validation patients, which decides when a member stops and "
        "which epoch is judged; a mean goes on over those that are left. Below, the loss that each method trains on "
        "(nats), not comparable between methods: weighted ones, worst groups', and with domain and contrastive terms."
    )
    drawn = training_curves(_drawn(curves), METHODS, {"roc_auc": "validation ROC AUC", "loss": "training loss"}, ended)
    blocks: list = [Figure("training", caption, drawn)]
    if len(chosen):
        blocks.append(training_table(chosen, run.members, int(run.config.get("epochs", 0))))
    return Section("Training", blocks)


def _drawn(curves: pd.DataFrame) -> pd.DataFrame:
    """The curves as they are drawn: the paper's models in a column of their own, without bands, which would overlap.

    The epochs in which just train twice finds its errors are left out.
    """
    column = curves["method"].isin(list(TABLE_A1)).map({True: "the paper's models", False: "other models"})
    drawn = curves.assign(split="mean", stage=column)
    return drawn[curves["stage"] != "identification"].sort_values("stage", ascending=False, kind="stable")


def _as_words(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Columns that are joined by, of the same type in every table."""
    return table.assign(**{name: table[name].astype(str) for name in columns})


def rules_table(found: Judged) -> Table:
    """ROC AUC and equalized odds of the arms under the three rules of selection."""
    splits = {rule: "evaluate" if rule == "roc_auc" else f"evaluate_by_{rule}" for rule in RULES}
    keys = {("", "roc_auc"): "ROC AUC", ("all", "mean_equalized_odds_difference"): "EQOD"}
    others = [split for rule, split in splits.items() if rule != "roc_auc"]
    methods = [
        method
        for method in found.methods
        if any(found.seed_row(split, method, key) is not None for split in others for key in keys)
    ]
    short = {"roc_auc": "main rule", "worst_group": "worst group", "closest_to_ideal": "nearest"}
    rows = [
        [
            style(method).label,
            *(figure_cell(found, split, method, key, patients=False) for key in keys for split in splits.values()),
        ]
        for method in methods
    ]
    header = [f"{title}: {short[rule]}" for title in keys.values() for rule in splits]
    n = span(pd.Series([found.num_seeds(method) for method in methods]))
    named = "; ".join(f"{short[rule]}: {text}" for rule, text in RULES.items())
    caption = (
        "What the choice of candidates decides: the same models under three rules, all on validation patients "
        f"({named}). Natural prevalence ({found.size}); mean ± SD over seeds (n = {n}), S: the 95 % interval of that "
        "mean over seeds. Models without candidates are not in it."
    )
    return Table(caption, ["model", *header], rows)


_HYPERPARAMETERS = {
    "learning_rate": "learning rate",
    "domain_weight": "domain weight",
    "reversal": "reversal",
    "step_size": "step size",
    "upweight": "weight",
    "fairness_weight": "fairness weight",
}


def choices_table(choices: pd.DataFrame, members: pd.DataFrame) -> Table:
    """How often each candidate was chosen under each rule."""
    named, rows = _candidates(members), []
    for method in in_order(choices["method"].unique()):
        cells = []
        for rule in RULES:
            chosen = choices.loc[(choices["method"] == method) & (choices["rule"] == rule), "candidate"].astype(str)
            counted = chosen.value_counts().sort_index()
            parts = [f"{named.get((method, one), one)}: {count} of {len(chosen)}" for one, count in counted.items()]
            cells.append("; ".join(parts) or DASH)
        rows.append([style(method).label, *cells])
    caption = (
        "Which candidate was chosen how often, counted over seeds and folds, under each rule. The first rule is that "
        "of all other tables; it was fixed before any result was known."
    )
    return Table(caption, ["model", *RULES.values()], rows, text_columns=4, folded=True)


def _candidates(members: pd.DataFrame) -> dict[tuple[str, str], str]:
    """By method and candidate, its value of the hyperparameter in which an arm's candidates differ."""
    named = {}
    if "candidate" not in members:
        return named
    for method, own in members.groupby("method"):
        for column in _HYPERPARAMETERS:
            if column in own and own[column].nunique() > 1:
                for candidate, value in own.groupby("candidate")[column].first().items():
                    named[str(method), str(candidate)] = f"{_HYPERPARAMETERS[column]} {value:g}"
    return named


def training_table(chosen: pd.DataFrame, members: pd.DataFrame, most: int) -> Table:
    """How long the chosen members trained, by method; epochs are counted from 1."""
    rows = []
    diverged = members[members["status"] == "diverged"].groupby("method").size()
    for method in in_order(chosen["method"].unique()):
        own = chosen[chosen["method"] == method]
        best, ran = own["best_epoch"] + 1, own["epochs_run"]
        last = int((best >= most).sum())
        lost = int(diverged.get(method, 0))
        total = int((members["method"] == method).sum())
        rows.append(
            [
                style(method).label,
                str(len(own)),
                f"{number(ran.mean(), 'years')} ({ran.min()} to {ran.max()})",
                f"{number(best.mean(), 'years')} ({best.min()} to {best.max()})",
                str(last),
                Cell(f"{lost} of {total}", alarm=True) if lost else "0",
            ]
        )
    caption = (
        f"Epochs of the chosen members, at most {most}: mean and range over seeds and folds of those that were run and "
        "of the best one by validation ROC AUC, whose weights are judged; how many were best at the very last epoch, "
        "and might have gained from more; and how many of all candidates diverged."
    )
    header = ["model", "members", "epochs run", "best epoch", "best at the last", "diverged"]
    return Table(caption, header, rows)
