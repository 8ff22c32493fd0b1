"""What the fairness study prints at its end."""

import pandas as pd

from experiments.mtate.findings import group_thresholds
from experiments.mtate.judged import MAIN, judged
from experiments.mtate.styles import style
from experiments.report.cells import DASH
from experiments.results.reading import Run


def summary(run: Run) -> str:
    """Mean and standard deviation over seeds of the main figures by method, and how MTATE compares with thresholds."""
    found, rows = judged(run), {}
    for method in found.methods:
        each = [found.seed_row("evaluate", method, key) for key in MAIN]
        rows[style(method).label] = [DASH if row is None else _written(row) for row in each]
    wide = pd.DataFrame.from_dict(rows, orient="index", columns=list(MAIN.values()))
    text = ["mean ± standard deviation over seeds, natural prevalence; gaps are means over domains", wide.to_string()]
    card = group_thresholds(found)
    if card:
        question, answer, lines, _ = card
        text.append(f"{question} {answer}. " + "; ".join(f"{name} {value}" for name, value, _ in lines[:2]) + ".")
    return "\n".join(text)


def _written(row: pd.Series) -> str:
    if not row["n"]:
        return "NaN"
    return f"{row['mean']:.3f}" + (f" ± {row['sd']:.3f}" if row["n"] > 1 else "")
