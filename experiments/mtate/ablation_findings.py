"""What the fairness study's page says of MTATE's parts and its masking rate: the claims of Table 3 and appendix A.4."""

from experiments.mtate.judged import ACCURACY, AUC, EQOD, MAIN, PR_AUC, Judged
from experiments.mtate.kinds import ABLATIONS, WITHOUT_PART
from experiments.mtate.published import BEST_RATE, MASKING_LOSS
from experiments.mtate.verdicts import CONTRADICTED, HOLDS, UNDECIDED, Card, counted, difference_line, of_all, verdict
from experiments.report.cells import number


def parts_matter(found: Judged) -> Card | None:
    """The paper's Table 3: MTATE is the best of its ablations in all but ROC AUC."""
    names = [name for name in ABLATIONS if found.difference(name, AUC) is not None]
    if found.base != "mtate" or not names:
        return None
    lines, verdicts = [], {}
    for key in MAIN:
        each = [verdict(found.difference(name, key), key) for name in names]
        verdicts[key] = of_all(each)
        lines.append((MAIN[key], counted(each), ""))
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
    others = [one for one in WITHOUT_PART if one != name and found.difference(one, AUC) is not None]
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
    lines = [difference_line(found, one, AUC) for one in (name, *others)]
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
    lines = [difference_line(found, name, key, MAIN[key]) for key in (ACCURACY, AUC, PR_AUC, EQOD)]
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
        label = f"{MAIN[key]} {'falls' if direction < 0 else 'rises'} ({', '.join(ends)})"
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
        lines.append((f"{MAIN[key]}: place {rank} of {len(everything)}", counted(each), ""))
        verdicts += each
    among = (
        "Is a masking rate of 0.4 among the best?",
        of_all(verdicts),
        lines,
        "The paper has it first by accuracy and PR AUC, third by ROC AUC. Holds: better than every other rate; "
        "contradicted: some rate is better.",
    )
    return [trend, among]
