"""How means, spreads, intervals and counts are written in a table or a sentence."""

import math
from typing import NamedTuple

import pandas as pd

DASH = "–"  # not measured
MINUS = "−"
# What tables say of the interval below a mean; `sections.provenance` says the rest once for the whole page.
MEAN_INTERVAL = "the 95 % interval of the mean (Student's, within the bounds of the figure)"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_DECIMALS = {"fraction": 3, "correlation": 3, "r2": 3, "years": 1, "s": 1}


class Cell(NamedTuple):
    """One cell of a table: what is read first, and what is read second, smaller, below it."""

    main: str
    sub: str = ""
    alarm: bool = False


def number(value: float | None, unit: str = "") -> str:
    """A number as it stands in a table: decimals by unit, a true minus, a dash for none, 1.3×10⁵ if large."""
    if value is None or pd.isna(value):
        return DASH
    value = float(value)
    if math.isinf(value):
        return f"{MINUS if value < 0 else ''}∞"
    decimals = _DECIMALS.get(unit, 3)
    if abs(value) >= 10_000 and unit != "count":
        exponent = math.floor(math.log10(abs(value)))
        text = f"{value / 10**exponent:.1f}"
        if text.lstrip("-") == "10.0":
            text, exponent = text.replace("10.0", "1.0"), exponent + 1
        return f"{text}×10{str(exponent).translate(_SUPERSCRIPTS)}".replace("-", MINUS)
    text = f"{int(value):,}" if unit == "count" else f"{value:.{decimals}f}"
    zero = not text.strip("-0.")
    return text.lstrip("-") if zero else text.replace("-", MINUS)


def signed(value: float | None, unit: str = "") -> str:
    """A difference as `number` writes it, with a plus where it is above 0."""
    return ("+" if value is not None and value > 0 else "") + number(value, unit)


def interval(low: float, high: float, unit: str = "") -> str:
    """[low, high], or nothing where there is no interval; a bound near 0 is written so that its side of 0 shows."""
    return "" if pd.isna(low) or pd.isna(high) else f"[{_bound(low, unit)}, {_bound(high, unit)}]"


def interval_of_mean(row: pd.Series, unit: str = "") -> str:
    """The interval of a row of `metrics.summarize`, in words where equal members give none; nothing for one member."""
    return interval(row["low"], row["high"], unit) or ("all equal" if row["n"] > 1 else "")


def _bound(value, unit):
    """As `number` writes it, but "−0.0002" where that would be "0.000": verdicts hang on the sign."""
    text = number(value, unit)
    if text.strip("0.") or abs(value) < 1e-6:  # Less is rounding.
        return text
    return f"{value:.{-math.floor(math.log10(abs(value)))}f}".replace("-", MINUS)


def cell(summary: pd.Series | None, unit: str, members: int, diverged: int = 0) -> Cell:
    """One arm's metric: mean ± SD above [interval], and in words whatever is not a finite number.

    Args:
      summary: The arm's row of `metrics.summarize`; None if the metric was not measured.
      unit: The metric's unit.
      members: How many members the arm has.
      diverged: How many of them diverged.
    """
    if summary is None and diverged < max(members, 1):
        return Cell(DASH)
    n = 0 if summary is None else int(summary["n"])
    if n == 0:
        if diverged:
            return Cell("diverged", f"{diverged} of {members}", alarm=True)
        return Cell("NaN", f"{int(summary['missing'])} of {members}", alarm=True)
    main = number(summary["mean"], unit)
    if n > 1:
        main += f" ± {number(summary['sd'], unit)}"
    parts = [interval_of_mean(summary, unit)] if n > 1 else []
    if n != members:
        parts.append(f"n = {n} of {members}")
    return Cell(main, "\n".join(parts), alarm=diverged > 0)


def in_words(summary: pd.Series, unit: str) -> str:
    """A mean with its spread as it stands in a sentence: mean ± SD, or the only value."""
    return number(summary["mean"], unit) + (f" ± {number(summary['sd'], unit)}" if summary["n"] > 1 else "")


def with_intervals(counts: pd.Series) -> str:
    """How the intervals of so many members are announced: by 95 %, or not at all where every arm has one member."""
    return "with 95 % intervals" if counts.fillna(0).max() > 1 else "without intervals, which one member does not have"


def span(counts: pd.Series) -> str:
    """How many members the arms have: 5, or 3 to 5."""
    counts = counts.fillna(0).astype(int)
    if counts.empty:
        return "0"
    return str(counts.min()) if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"
