"""The first sentences of the fairness study's page: what was run, the estimates, and what cannot be decided."""

import numpy as np
import pandas as pd

from experiments.mtate.judged import AUC, EQOD, MAIN, PR_AUC, Judged
from experiments.mtate.kinds import RELABELLED
from experiments.mtate.styles import style
from experiments.mtate.tables import LEVEL
from experiments.mtate.verdicts import with_interval
from experiments.report.cells import number, span


def paragraph(found: Judged, config: dict) -> str:
    """What was run and the estimates in some sentences; they decide nothing."""
    methods = found.methods
    if not methods:
        return ""
    sentences = []
    if config.get("data") == "simulated":
        sentences.append(
            "On simulated stays with a planted shift between groups: what holds here is about this program, not about "
            "patients."
        )
    base = found.base if found.base in methods else methods[0]
    figures = [f"{MAIN[key]} {with_interval(found, base, key)}" for key in (AUC, PR_AUC, EQOD)]
    label = style(base).label
    sentences.append(f"{label[:1].upper()}{label[1:]}: {', '.join(figures)} (95 % intervals over patients).")
    others = [name for name in methods if name not in (base, "optimum")]
    for key, words, pick in ((AUC, "The highest ROC AUC of another model", max), (EQOD, "The lowest EQOD", min)):
        known = {name: found.estimate(name, key) for name in others if np.isfinite(found.estimate(name, key))}
        if key == AUC:
            known = {name: value for name, value in known.items() if name not in RELABELLED}
        if known:
            name = pick(known, key=known.get)
            sentences.append(f"{words}: {style(name).label}, {with_interval(found, name, key)}.")
    if "optimum" in methods:
        sentences.append(f"The best possible score reaches ROC AUC {with_interval(found, 'optimum', AUC)}.")
    seeds = span(pd.Series([found.num_seeds(name) for name in methods]))
    other = str(config.get("evaluate_on") or "").replace("-", " ")
    whose = f"models of all of set {config.get('train_set')}" if other else f"{config.get('folds')} folds"
    sentences.append(
        f"Figures are means over seeds (n = {seeds}) of {whose} at the natural prevalence; whether they differ "
        "is said below, by paired resampling of patients."
    )
    if other:
        sentences.append(_levels(found, config, other))
    return " ".join(filter(None, sentences))


def _levels(found: Judged, config: dict, other: str) -> str:
    """At which shares of another set the models are compared, as their thresholds were chosen on the training set."""
    rows = {name: found.patient_row("evaluate", name, ("", "selection_rate")) for name in found.methods}
    known = {name: row["estimate"] for name, row in rows.items() if row is not None and np.isfinite(row["estimate"])}
    if not known:
        return ""
    least, most = (pick(known, key=known.get) for pick in (min, max))
    return (
        f"Thresholds are those of the folds' models on set {config.get('train_set')}. At them the models predict from "
        f"{number(known[least])} ({style(least).label}) to {number(known[most])} ({style(most).label}) of {other} to "
        "die, and accuracy and the gaps between groups compare them at such different shares."
    )


def undecidable(found: Judged) -> str:
    """That no difference can be decided with so few resamples, where it is so."""
    compared = found.comparisons.index.get_level_values("method").nunique()
    if not compared or not found.resamples:
        return ""
    least = compared * 2 / (found.resamples + 1)
    if least < LEVEL:
        return ""
    return (
        f"With {found.resamples:,} resamples no p-value is below {number(2 / (found.resamples + 1))}, and Holm's "
        f"correction over {compared} models starts from {compared} times that: no difference can be decided, however "
        f"large. Set --config.bootstrap_resamples to {round(2 * compared / LEVEL):,} or more to judge the claims."
    )
