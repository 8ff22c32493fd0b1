"""Whether a claim about MTATE holds, by the difference of two methods, and how such a difference is written.

A claim holds, or is contradicted, only where the interval over patients lies on one side of 0 and its p-value is small
after Holm's correction over all methods that were compared. Anything else is not decided, whatever the estimates are.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from experiments.mtate.judged import Judged, Key
from experiments.mtate.styles import style
from experiments.mtate.tables import LEVEL
from experiments.report.cells import interval, number, signed

HOLDS, CONTRADICTED, UNDECIDED, UNKNOWN = "Holds", "Contradicted", "Not decided", "Not measured"
# A statement of the page: question, answer, lines (label, value, remark), note.
Card = tuple[str, str, list[tuple[str, str, str]], str]


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


def difference_line(found: Judged, name: str, key: Key, label: str = "") -> tuple[str, str, str]:
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


def counted(verdicts: Sequence[str]) -> str:
    """How many of several methods the base is better than, worse than, and so on."""
    words = {HOLDS: "better than {}", CONTRADICTED: "worse than {}", UNDECIDED: "{} undecided", UNKNOWN: "{} unknown"}
    counts = [(word, sum(one == each for each in verdicts)) for one, word in words.items()]
    return ", ".join(word.format(count) for word, count in counts if count)


def with_interval(found: Judged, name: str, key: Key) -> str:
    """A method's own figure with its interval over patients."""
    row = found.patient_row("evaluate", name, key)
    if row is None:
        return number(found.estimate(name, key))
    return f"{number(row['estimate'])} {interval(row['low'], row['high'])}".strip()
