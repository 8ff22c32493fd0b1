"""What the fairness study's page says first: the paper's claims one by one, each decided by an interval or not at all.

Those on MTATE as a whole are here, those on its parts in `ablation_findings.py`; `verdicts.py` says when one is
decided.
"""

import numpy as np
import pandas as pd

from experiments.mtate.ablation_findings import masking_loss, masking_rate, most_useful, parts_matter
from experiments.mtate.judged import ACCURACY, AUC, BALANCED, DPD, EOD, EQOD, MAIN, PR_AUC, Judged, Key
from experiments.mtate.kinds import ABLATIONS, DOWNSTREAM, LEFT_OPEN, RELABELLED, SUMMARIES
from experiments.mtate.published import BASELINES
from experiments.mtate.styles import style
from experiments.mtate.tables import LEVEL
from experiments.mtate.verdicts import (
    CONTRADICTED,
    HOLDS,
    UNDECIDED,
    UNKNOWN,
    Card,
    counted,
    difference_line,
    of_all,
    verdict,
    with_interval,
)
from experiments.report.blocks import Section, Statements, Text
from experiments.report.cells import number, signed, span

_QUESTIONS = {
    AUC: "Has MTATE the best ROC AUC?",
    PR_AUC: "Has MTATE the best PR AUC?",
    ACCURACY: "Has MTATE the best accuracy?",
    DPD: "Is MTATE the fairest by demographic parity?",
    EOD: "Is MTATE the fairest by equal opportunity?",
    EQOD: "Is MTATE the fairest by equalized odds?",
}


def section(found: Judged, config: dict) -> Section:
    """The paragraph and the statements of what the run holds."""
    cards = [
        *(best(found, key) for key in MAIN),
        group_thresholds(found),
        threshold_optimizer(found),
        labels(found),
        summaries(found),
        representation(found),
        parts_matter(found),
        most_useful(found),
        masking_loss(found),
        *masking_rate(found),
    ]
    cards = [(question, answer, lines, f"{note} {_n(found)}") for question, answer, lines, note in filter(None, cards)]
    blocks = [Text(text) for text in (paragraph(found, config), undecidable(found)) if text]
    if cards:
        blocks.append(Statements(cards))
    else:
        blocks.append(Text("This run has no differences from MTATE, so that no claim of the paper can be judged."))
    return Section("What this page says", blocks)


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


def best(found: Judged, key: Key) -> Card | None:
    """Whether MTATE is better than each of the paper's baselines by one figure, and what the other models say."""
    if found.base != "mtate":
        return None
    rivals = [name for name in BASELINES if found.difference(name, key) is not None]
    others = [name for name in _rivals(found, key) if name not in rivals]
    if not rivals:
        rivals, others = others, []
    verdicts = {name: verdict(found.difference(name, key), key) for name in rivals}
    if not verdicts:
        return None
    lines = [difference_line(found, name, key) for name in rivals]
    if others:
        each = [verdict(found.difference(name, key), key) for name in others]
        lines.append((f"{len(others)} other model{'s' if len(others) > 1 else ''}", counted(each), ""))
        worse = [name for name, one in zip(others, each, strict=True) if one == CONTRADICTED]
        if worse:
            lines.append(("better than MTATE", "", ", ".join(style(name).label for name in worse)))
    answer = of_all(list(verdicts.values()))
    if answer == CONTRADICTED:
        answer += " by " + ", ".join(style(name).label for name, one in verdicts.items() if one == CONTRADICTED)
    elif answer == UNDECIDED:
        answer += f": better than {sum(one == HOLDS for one in verdicts.values())} of {len(verdicts)}"
    direction = "more" if key[0] == "" else "less"
    whom = "the paper's baselines" if set(rivals) <= set(BASELINES) else "all other models"
    note = f"Difference: the {MAIN[key]} of MTATE minus that of {whom}; {direction} than 0 is for MTATE."
    return _QUESTIONS[key], answer, lines, note


def group_thresholds(found: Judged) -> Card | None:
    """Whether MTATE is fairer at the same ROC AUC than an LSTM with a threshold for each group."""
    name = "lstm_group_thresholds"
    if found.base != "mtate" or found.difference(name, EQOD) is None:
        return None
    question = "Is MTATE fairer at the same ROC AUC than a plain LSTM with a threshold for each group?"
    fairer, as_good = (verdict(found.difference(name, key), key) for key in (EQOD, AUC))
    answer = fairer
    if fairer == HOLDS and as_good != HOLDS:
        answer = "Fairer, but at a lower ROC AUC" if as_good == CONTRADICTED else HOLDS
    area = found.difference(name, AUC)
    same = "" if area is None else f", so the same within {number(max(abs(area['low']), abs(area['high'])))}"
    words = {
        HOLDS: "MTATE's ROC AUC is higher.",
        CONTRADICTED: "MTATE's ROC AUC is lower: the two are not at the same one.",
        UNDECIDED: f"That the areas differ is not decided{same}.",
        UNKNOWN: "ROC AUC is not known.",
    }[as_good]
    lines = [
        difference_line(found, name, EQOD, "EQOD, MTATE minus LSTM"),
        difference_line(found, name, AUC, "ROC AUC, MTATE minus LSTM"),
        ("EQOD, MTATE", with_interval(found, "mtate", EQOD), ""),
        ("EQOD, LSTM by group", with_interval(found, name, EQOD), ""),
        ("EQOD, LSTM, one threshold", with_interval(found, "lstm", EQOD), ""),
    ]
    note = (
        f"{words} The thresholds are those of validation patients, at which each group has the true positive rate that "
        "all have at one threshold; one domain after the other, so they need the patient's group."
    )
    return question, answer, lines, note


def threshold_optimizer(found: Judged) -> Card | None:
    """Whether MTATE is fairer than the LSTM with randomised thresholds, and what those cost."""
    name = "lstm_threshold_optimizer"
    if found.base != "mtate" or found.difference(name, EQOD) is None:
        return None
    lines = [
        difference_line(found, name, EQOD, "EQOD, MTATE minus LSTM"),
        difference_line(found, name, AUC, "ROC AUC, MTATE minus LSTM"),
    ]
    whose = {"mtate": "MTATE", "lstm": "LSTM, one threshold", name: "LSTM, optimizer"}
    lines += [(f"balanced accuracy, {label}", with_interval(found, one, BALANCED), "") for one, label in whose.items()]
    cost = found.estimate(name, BALANCED) - found.estimate("lstm", BALANCED)
    change = (
        f"They change the LSTM's balanced accuracy by {signed(cost)}; 0.5 is a coin's"
        if np.isfinite(cost)
        else "A balanced accuracy of 0.5 is a coin's"
    )
    note = (
        f"Randomised thresholds for equalized odds (Hardt et al.), at best balanced accuracy on validation patients. "
        f"{change}, and a rule that treats all alike because it decides next to nothing is fair for the wrong reason."
    )
    answer = verdict(found.difference(name, EQOD), EQOD)
    return "Is MTATE fairer than a plain LSTM behind a threshold optimizer?", answer, lines, note


def labels(found: Judged) -> Card | None:
    """Whether MTATE is better with the patient's domain labels than with its own expected losses."""
    name, keys = "mtate_unlabelled", (AUC, PR_AUC, ACCURACY, EQOD)
    if found.base != "mtate" or found.difference(name, AUC) is None:
        return None
    verdicts = {key: verdict(found.difference(name, key), key) for key in keys}
    lines = [difference_line(found, name, key, MAIN[key]) for key in keys]
    helped = [MAIN[key] for key, one in verdicts.items() if one == HOLDS]
    harmed = [MAIN[key] for key, one in verdicts.items() if one == CONTRADICTED]
    if helped and harmed:
        answer = f"Mixed: better in {', '.join(helped)}, worse in {', '.join(harmed)}"
    elif helped or harmed:
        answer = f"{HOLDS} for {', '.join(helped)}" if helped else f"{CONTRADICTED} for {', '.join(harmed)}"
    else:
        answer = UNDECIDED
    note = (
        "Its attention takes each patient's domain losses, which need the patient's groups. Difference: with the "
        "labels, minus with the classifiers' own expected losses in their place."
    )
    return "Does MTATE gain from domain labels at test time?", answer, lines, note


def summaries(found: Judged) -> Card | None:
    """Whether MTATE has a higher ROC AUC than models that see no series."""
    names = [name for name in SUMMARIES if found.difference(name, AUC) is not None]
    if found.base != "mtate" or not names:
        return None
    lines = []
    for name in names:
        lines += [difference_line(found, name, key, f"{MAIN[key]}, {style(name).label}") for key in (AUC, EQOD)]
    verdicts = {name: verdict(found.difference(name, AUC), AUC) for name in names}
    answer = of_all(list(verdicts.values()))
    if answer == CONTRADICTED:
        answer += " by " + ", ".join(style(name).label for name, one in verdicts.items() if one == CONTRADICTED)
    note = "Models of each variable's summary over the window (MTATE minus them); the answer is by ROC AUC."
    return "Is MTATE better than models that see only summaries?", answer, lines, note


def representation(found: Judged) -> Card | None:
    """Whether other classifiers on MTATE's representation come near it, and near the paper's baselines."""
    names = [name for name in DOWNSTREAM if found.difference(name, AUC) is not None]
    if found.base != "mtate" or not names:
        return None
    verdicts = {name: verdict(found.difference(name, AUC), AUC) for name in names}
    lines = [
        (label.split(", ")[-1], value, remark)
        for label, value, remark in (difference_line(found, name, AUC) for name in names)
    ]
    worse = sum(one == HOLDS for one in verdicts.values())
    answer = f"{CONTRADICTED} for {worse} of {len(names)}" if worse else UNDECIDED
    most = {
        name: max(abs(found.difference(name, AUC)["low"]), abs(found.difference(name, AUC)["high"])) for name in names
    }
    if not worse and all(one != UNKNOWN for one in verdicts.values()):
        answer += f": the same within {number(max(most.values()))}"
    above = {
        style(name).label: sorted(
            style(other).label for other in BASELINES if found.estimate(name, AUC) > found.estimate(other, AUC)
        )
        for name in names
    }
    better = "; ".join(f"{label.split(', ')[-1]} above {', '.join(each)}" for label, each in above.items() if each)
    seeds = [found.num_seeds(name) for name in names]
    note = (
        "ROC AUC of MTATE minus that of other classifiers of its representation (of "
        f"{span(pd.Series(seeds))} seed{'s' if max(seeds) > 1 else ''}). The paper calls them similar, which no test "
        "can show; contradicted are those that are worse."
    )
    if better:
        note += f" By estimate alone, {better}."
    return "Does the representation serve other classifiers as well?", answer, lines, note


def _rivals(found: Judged, key: Key) -> list[str]:
    """Models that MTATE is compared with; by scores those that only decide differently say nothing of their own."""
    names = [name for name in found.methods if found.difference(name, key) is not None]
    # MTATE itself in another guise, which it has not to be better than.
    left_out = {"mtate_unlabelled", *DOWNSTREAM, *ABLATIONS, *LEFT_OPEN}
    if key in (AUC, PR_AUC):
        left_out |= set(RELABELLED)
    return [name for name in names if name not in left_out]


def _n(found: Judged) -> str:
    """Of whom and of how many seeds, after every statement."""
    seeds = found.num_seeds(found.base)
    return f"Intervals: 95 %, over patients. n = {found.size}; {seeds} seed{'s' if seeds != 1 else ''}."
