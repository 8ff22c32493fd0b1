"""What the fairness study's page says first: the paper's claims one by one, each decided by an interval or not at all.

A claim holds, or is contradicted, only where the interval over patients lies on one side of 0 and its p-value is small
after Holm's correction over all methods that were compared. Anything else is not decided, whatever the estimates are.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from experiments.mtate.judged import MAIN, Judged, Key
from experiments.mtate.published import BASELINES, BEST_RATE, MASKING_LOSS
from experiments.mtate.styles import style
from experiments.mtate.tables import LEVEL
from experiments.report.blocks import Section, Statements, Text
from experiments.report.cells import interval, number, signed, span

HOLDS, CONTRADICTED, UNDECIDED, UNKNOWN = "Holds", "Contradicted", "Not decided", "Not measured"
Card = tuple[str, str, list[tuple[str, str, str]], str]

AUC, PR_AUC, ACCURACY = ("", "roc_auc"), ("", "pr_auc"), ("", "accuracy")
DPD, EOD, EQOD = (
    ("all", f"{name}_difference") for name in ("demographic_parity", "equal_opportunity", "mean_equalized_odds")
)
BALANCED = ("", "balanced_accuracy")
_NAMES = {AUC: "ROC AUC", PR_AUC: "PR AUC", ACCURACY: "accuracy", DPD: "DPD", EOD: "EOD", EQOD: "EQOD"}
_QUESTIONS = {
    AUC: "Has MTATE the best ROC AUC?",
    PR_AUC: "Has MTATE the best PR AUC?",
    ACCURACY: "Has MTATE the best accuracy?",
    DPD: "Is MTATE the fairest by demographic parity?",
    EOD: "Is MTATE the fairest by equal opportunity?",
    EQOD: "Is MTATE the fairest by equalized odds?",
}
# MTATE itself in another guise, which it has not to be better than.
_OWN = ("mtate_unlabelled", "mtate_gradient_boosting", "mtate_svm", "mtate_random_forest")
_RELABELLED = ("lstm_group_thresholds", "lstm_threshold_optimizer")  # Other decisions of the same scores.
SUMMARIES = ("gradient_boosting", "logistic_regression")
DOWNSTREAM = _OWN[1:]
ABLATIONS = (
    "without_temporal", "without_feature", "without_representation", "without_masking", "without_domain_loss",
    "without_contrastive", "without_temporal_wider", "without_feature_wider", "without_representation_wider",
)  # fmt: skip
LEFT_OPEN = ("domain_loss_gradient", "redrawn_masks")  # What the text leaves open, chosen otherwise.


def verdict(row: pd.Series | None, key: Key) -> str:
    """Whether the base is better than a method by one figure, as its difference says (`Judged.difference`)."""
    if row is None or not np.isfinite(row["difference"]):
        return UNKNOWN
    better = 1 if key[0] == "" else -1  # Gaps are the better the smaller.
    low, high = sorted((better * row["low"], better * row["high"]))
    if not row["p_holm"] < LEVEL:
        return UNDECIDED
    return HOLDS if low > 0 else CONTRADICTED if high < 0 else UNDECIDED


def of_all(verdicts: Sequence[str]) -> str:
    """Of a claim against several methods: it falls with one of them, and holds only against all."""
    if CONTRADICTED in verdicts:
        return CONTRADICTED
    if verdicts and all(each == HOLDS for each in verdicts):
        return HOLDS
    return UNDECIDED if any(each != UNKNOWN for each in verdicts) else UNKNOWN


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
    figures = [f"{_NAMES[key]} {_with_interval(found, base, key)}" for key in (AUC, PR_AUC, EQOD)]
    label = style(base).label
    sentences.append(f"{label[:1].upper()}{label[1:]}: {', '.join(figures)} (95 % intervals over patients).")
    others = [name for name in methods if name not in (base, "optimum")]
    for key, words, pick in ((AUC, "The highest ROC AUC of another model", max), (EQOD, "The lowest EQOD", min)):
        known = {name: found.estimate(name, key) for name in others if np.isfinite(found.estimate(name, key))}
        if key == AUC:
            known = {name: value for name, value in known.items() if name not in _RELABELLED}
        if known:
            name = pick(known, key=known.get)
            sentences.append(f"{words}: {style(name).label}, {_with_interval(found, name, key)}.")
    if "optimum" in methods:
        sentences.append(f"The best possible score reaches ROC AUC {_with_interval(found, 'optimum', AUC)}.")
    seeds = span(pd.Series([found.num_seeds(name) for name in methods]))
    folds = config.get("folds")
    sentences.append(
        f"Figures are means over seeds (n = {seeds}) of {folds} folds at the natural prevalence; whether they differ "
        "is said below, by paired resampling of patients."
    )
    return " ".join(sentences)


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
    lines = [_line(found, name, key) for name in rivals]
    if others:
        each = [verdict(found.difference(name, key), key) for name in others]
        lines.append((f"{len(others)} other model{'s' if len(others) > 1 else ''}", _counted(each), ""))
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
    note = f"Difference: the {_NAMES[key]} of MTATE minus that of {whom}; {direction} than 0 is for MTATE."
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
        _line(found, name, EQOD, "EQOD, MTATE minus LSTM"),
        _line(found, name, AUC, "ROC AUC, MTATE minus LSTM"),
        ("EQOD, MTATE", _with_interval(found, "mtate", EQOD), ""),
        ("EQOD, LSTM by group", _with_interval(found, name, EQOD), ""),
        ("EQOD, LSTM, one threshold", _with_interval(found, "lstm", EQOD), ""),
    ]
    note = (
        f"{words} The thresholds are validation patients', at which each group has the true positive rate that all "
        "have at one threshold; one domain after the other, so they need the patient's group."
    )
    return question, answer, lines, note


def threshold_optimizer(found: Judged) -> Card | None:
    """Whether MTATE is fairer than the LSTM with randomised thresholds, and what those cost."""
    name = "lstm_threshold_optimizer"
    if found.base != "mtate" or found.difference(name, EQOD) is None:
        return None
    lines = [_line(found, name, EQOD, "EQOD, MTATE minus LSTM"), _line(found, name, AUC, "ROC AUC, MTATE minus LSTM")]
    whose = {"mtate": "MTATE", "lstm": "LSTM, one threshold", name: "LSTM, optimizer"}
    lines += [(f"balanced accuracy, {label}", _with_interval(found, one, BALANCED), "") for one, label in whose.items()]
    cost = found.estimate(name, BALANCED) - found.estimate("lstm", BALANCED)
    note = (
        f"Randomised thresholds for equalized odds (Hardt et al.), at best balanced accuracy on validation patients. "
        f"They change the LSTM's balanced accuracy by {signed(cost)}; 0.5 is a coin's, and a rule that treats all "
        "alike because it decides next to nothing is fair for the wrong reason."
    )
    answer = verdict(found.difference(name, EQOD), EQOD)
    return "Is MTATE fairer than a plain LSTM behind a threshold optimizer?", answer, lines, note


def labels(found: Judged) -> Card | None:
    """Whether MTATE is better with the patient's domain labels than with its own expected losses."""
    name, keys = "mtate_unlabelled", (AUC, PR_AUC, ACCURACY, EQOD)
    if found.base != "mtate" or found.difference(name, AUC) is None:
        return None
    verdicts = {key: verdict(found.difference(name, key), key) for key in keys}
    lines = [_line(found, name, key, _NAMES[key]) for key in keys]
    helped = [_NAMES[key] for key, one in verdicts.items() if one == HOLDS]
    harmed = [_NAMES[key] for key, one in verdicts.items() if one == CONTRADICTED]
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
        lines += [_line(found, name, key, f"{_NAMES[key]}, {style(name).label}") for key in (AUC, EQOD)]
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
        (label.split(", ")[-1], value, remark) for label, value, remark in (_line(found, name, AUC) for name in names)
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
    note = (
        "ROC AUC of MTATE minus that of other classifiers of its representation (of "
        f"{span(pd.Series([found.num_seeds(name) for name in names]))} seeds). The paper calls them similar, which no "
        f"test can show; contradicted are those that are worse."
    )
    if better:
        note += f" By estimate alone, {better}."
    return "Does the representation serve other classifiers as well?", answer, lines, note


def parts_matter(found: Judged) -> Card | None:
    """The paper's Table 3: MTATE is the best of its ablations in all but ROC AUC."""
    names = [name for name in ABLATIONS if found.difference(name, AUC) is not None]
    if found.base != "mtate" or not names:
        return None
    lines, verdicts = [], {}
    for key in MAIN:
        each = [verdict(found.difference(name, key), key) for name in names]
        verdicts[key] = of_all(each)
        lines.append((_NAMES[key], _counted(each), ""))
    claimed = [one for key, one in verdicts.items() if key != AUC]
    held, fell = (sum(each == one for each in claimed) for one in (HOLDS, CONTRADICTED))
    if held >= len(claimed) - 1 and not fell:
        answer = HOLDS
    elif fell:
        answer = f"{CONTRADICTED} in {fell} of {len(claimed)} figures"
    else:
        answer = f"{UNDECIDED}: best in {held} of {len(claimed)} figures"
    note = (
        f"MTATE against its {len(names)} ablations. The paper has MTATE best in almost all figures but ROC AUC; holds "
        "means here: better than every ablation in all others, or all but one."
    )
    return "Is MTATE better than without one of its parts?", answer, lines, note


def most_useful(found: Judged) -> Card | None:
    """Whether leaving out the representation-wise attention costs more than leaving out any other part."""
    name = "without_representation"
    others = [one for one in ABLATIONS[:6] if one != name and found.difference(one, AUC) is not None]
    own = found.difference(name, AUC)
    if found.base != "mtate" or own is None or not others:
        return None
    rows = {one: found.difference(one, AUC) for one in others}
    cost = verdict(own, AUC)
    if cost == HOLDS and all(own["low"] > row["high"] for row in rows.values()):
        answer = HOLDS
    elif cost == CONTRADICTED or any(verdict(row, AUC) == HOLDS and row["low"] > own["high"] for row in rows.values()):
        answer = CONTRADICTED
    else:
        answer = UNDECIDED
    lines = [_line(found, one, AUC) for one in (name, *others)]
    note = (
        "ROC AUC of MTATE minus that without the part: its cost. Holds: the cost of the representation-wise attention "
        "is decided, and its interval lies above that of every other part. Contradicted: MTATE is better without it, "
        "or another part's decided cost lies above its interval."
    )
    return "Is the representation-wise attention the most useful part?", answer, lines, note


def masking_loss(found: Judged) -> Card | None:
    """Whether accuracy falls without masking, as in Table 3, and whether by as much."""
    name = "without_masking"
    row = found.difference(name, ACCURACY)
    if found.base != "mtate" or row is None:
        return None
    whole = found.estimate("mtate", ACCURACY)
    relative = row["difference"] / whole
    inside = row["low"] <= MASKING_LOSS * whole <= row["high"] or row["low"] <= MASKING_LOSS <= row["high"]
    size = "lies within the interval" if inside else "lies outside the interval"
    lines = [_line(found, name, key, _NAMES[key]) for key in (ACCURACY, AUC, PR_AUC, EQOD)]
    note = (
        f"MTATE minus MTATE without masking. Accuracy is lower without it by {number(100 * relative, 'years')} % of "
        f"MTATE's; the paper's 18 %, as a share or in points, {size}. Accuracy depends on the threshold, which is here "
        "that of the best balanced accuracy on validation patients."
    )
    return "Does accuracy fall without masking?", verdict(row, ACCURACY), lines, note


def masking_rate(found: Judged) -> list[Card]:
    """Appendix A.4: both areas fall with the masking rate, accuracy rises, and 0.4 is among the best."""
    base = f"masking_{BEST_RATE}"
    rates = [tenths for tenths in range(10) if found.difference(f"masking_{tenths}", AUC) is not None]
    if found.base != base or not rates:
        return []
    everything = sorted([*rates, BEST_RATE])
    trends = {AUC: -1, PR_AUC: -1, ACCURACY: 1}
    lines, answers = [], {}
    for key, direction in trends.items():
        each = {tenths: verdict(found.difference(f"masking_{tenths}", key), key) for tenths in rates}
        # 0.4 has to be better than rates on that side on which the figure is said to be lower.
        claimed = {tenths: HOLDS if direction * (BEST_RATE - tenths) > 0 else CONTRADICTED for tenths in rates}
        decided = [tenths for tenths, one in each.items() if one in (HOLDS, CONTRADICTED)]
        agree = sum(each[tenths] == claimed[tenths] for tenths in decided)
        if decided and agree == len(decided):
            answers[key] = HOLDS
        else:
            answers[key] = CONTRADICTED if decided and not agree else UNDECIDED
        ends = [
            f"{number(found.estimate(f'masking_{tenths}', key))} at 0.{tenths}"
            for tenths in (everything[0], everything[-1])
        ]
        label = f"{_NAMES[key]} {'falls' if direction < 0 else 'rises'} ({', '.join(ends)})"
        lines.append((label, f"{answers[key].lower()}, {agree} of {len(decided)} agree", ""))
    trend = (
        "Do both areas fall with the masking rate, and accuracy rise?",
        of_all(list(answers.values())),
        lines,
        "Every rate is compared with 0.4. Holds: some differences are decided, and all of these agree with the paper.",
    )
    lines, verdicts = [], []
    for key in trends:
        each = [verdict(found.difference(f"masking_{tenths}", key), key) for tenths in rates]
        values = [found.estimate(f"masking_{tenths}", key) for tenths in everything]
        rank = 1 + sum(value > found.estimate(base, key) for value in values)
        lines.append((f"{_NAMES[key]}: place {rank} of {len(everything)}", _counted(each), ""))
        verdicts += each
    among = (
        "Is a masking rate of 0.4 among the best?",
        of_all(verdicts),
        lines,
        "The paper has it first by accuracy and PR AUC, third by ROC AUC. Holds: better than every other rate; "
        "contradicted: some rate is better.",
    )
    return [trend, among]


def _rivals(found: Judged, key: Key) -> list[str]:
    """Models that MTATE is compared with; by scores those that only decide differently say nothing of their own."""
    names = [name for name in found.methods if found.difference(name, key) is not None]
    left_out = set(_OWN) | set(ABLATIONS) | set(LEFT_OPEN)
    if key in (AUC, PR_AUC):
        left_out |= set(_RELABELLED)
    return [name for name in names if name not in left_out]


def _line(found: Judged, name: str, key: Key, label: str = "") -> tuple[str, str, str]:
    """A difference with its interval, and whether it is decided."""
    row = found.difference(name, key)
    label = label or style(name).label
    if row is None or not np.isfinite(row["difference"]):
        return label, "undefined", "a group or a member has no such figure"
    value = f"{signed(row['difference'])} {interval(row['low'], row['high'])}".strip()
    decided = verdict(row, key)
    remark = {HOLDS: "MTATE is better", CONTRADICTED: "MTATE is worse"}.get(decided, "")
    if remark:
        remark += f", p = {number(row['p_holm'])} after Holm"
    elif row["low"] > 0 or row["high"] < 0:
        remark = f"not decided: p = {number(row['p'])}, {number(row['p_holm'])} after Holm"
    return label, value, remark


def _counted(verdicts: Sequence[str]) -> str:
    words = {HOLDS: "better than {}", CONTRADICTED: "worse than {}", UNDECIDED: "{} undecided", UNKNOWN: "{} unknown"}
    counts = [(word, sum(one == each for each in verdicts)) for one, word in words.items()]
    return ", ".join(word.format(count) for word, count in counts if count)


def _with_interval(found: Judged, name: str, key: Key) -> str:
    row = found.patient_row("evaluate", name, key)
    if row is None:
        return number(found.estimate(name, key))
    return f"{number(row['estimate'])} {interval(row['low'], row['high'])}".strip()


def _n(found: Judged) -> str:
    """Of whom and of how many seeds, after every statement."""
    seeds = found.num_seeds(found.base)
    return f"Intervals: 95 %, over patients. n = {found.size}; {seeds} seed{'s' if seeds != 1 else ''}."
