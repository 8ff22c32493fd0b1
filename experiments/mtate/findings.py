"""What the fairness study's page says first: the paper's claims one by one, each decided by an interval or not at all.

Those on MTATE as a whole are here, those on its parts in `ablation_findings.py`; `verdicts.py` says when one is
decided.
"""

import numpy as np
import pandas as pd

from experiments.mtate.ablation_findings import masking_loss, masking_rate, most_useful, parts_matter
from experiments.mtate.judged import ACCURACY, AUC, BALANCED, DPD, EOD, EQOD, MAIN, PR_AUC, Judged, Key
from experiments.mtate.kinds import ABLATIONS, DOWNSTREAM, LEFT_OPEN, RELABELLED, SUMMARIES
from experiments.mtate.overview import paragraph, undecidable
from experiments.mtate.published import BASELINES
from experiments.mtate.styles import style
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
