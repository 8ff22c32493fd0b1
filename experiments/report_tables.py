"""Values of many members -> mean, standard deviation, 95 % interval and n, and how these are written in a table."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxfair.metrics import mean_interval

DASH = "–"  # not measured
MINUS = "−"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_DECIMALS = {"fraction": 3, "correlation": 3, "r2": 3, "years": 1, "s": 1}


class Cell(NamedTuple):
    """One cell of a table: what is read first, and what is read second, smaller, below it."""

    main: str
    sub: str = ""
    alarm: bool = False


def final_values(results: pd.DataFrame, split: str = "evaluate") -> pd.DataFrame:
    """The values after training: one row a member, method, backbone and metric.

    A member that passed through several stages keeps the value of the last one, which is the later row.

    Args:
      results: The long table of a run.
      split: Whose examples the metrics were computed on.
    """
    rows = results[results["epoch"].isna() & (results["split"] == split)]
    return rows.drop_duplicates(["member", "seed", "fold", "backbone", "method", "metric"], keep="last")


def summarize(results: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Mean, standard deviation, 95 % interval of the mean and n over the rows of each group.

    The interval is Student's, mean ± t(0.975, n - 1) sd / √n: it speaks of the seeds and folds, not of the
    patients. Values that are NaN or infinite have no mean; they are left out of it and counted in `missing`.

    Args:
      results: Rows with a column `value`, each row one member.
      by: Columns whose values make a group; a null is a value like any other.

    Returns:
      One row a group, in order of first appearance: the columns `by`, then mean, sd (n - 1 in the denominator),
      low, high, n, missing. Without two values sd, low and high are NaN; without any the mean is too.

    Raises:
      ValueError: `results` lacks `value` or a column of `by`.
    """
    lacking = [column for column in [*by, "value"] if column not in results]
    if lacking:
        raise ValueError(f"summarize: the table has no column {', '.join(map(repr, lacking))}.")
    results = results.reset_index(drop=True)
    groups = results.groupby(list(by), dropna=False, sort=False)
    group = groups.ngroup().to_numpy()
    values = results["value"].to_numpy(dtype=float, na_value=np.nan)
    matrix = np.full((groups.ngroups, int(groups.size().max()) if len(results) else 0), np.nan)
    matrix[group, groups.cumcount().to_numpy()] = np.where(np.isfinite(values), values, np.nan)
    summary = results.loc[np.unique(group, return_index=True)[1], list(by)].reset_index(drop=True)
    for name, column in zip(("mean", "sd", "low", "high", "n"), mean_interval(matrix), strict=True):
        summary[name] = column
    summary["missing"] = np.bincount(group, minlength=groups.ngroups) - summary["n"]
    return summary


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


def _bound(value, unit):
    """As `number` writes it, but "−0.0002" where that would be "0.000": verdicts hang on the sign."""
    text = number(value, unit)
    if text.strip("0.") or abs(value) < 1e-6:  # Less is rounding.
        return text
    return f"{value:.{-math.floor(math.log10(abs(value)))}f}".replace("-", MINUS)


def cell(summary: pd.Series | None, unit: str, members: int, diverged: int = 0) -> Cell:
    """One arm's metric: mean ± SD above [interval], and in words whatever is not a finite number.

    Args:
      summary: The arm's row of `summarize`; None if the metric was not measured.
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
    parts = [interval(summary["low"], summary["high"], unit)] if n > 1 else []
    if n != members:
        parts.append(f"n = {n} of {members}")
    return Cell(main, "\n".join(parts), alarm=diverged > 0)


def in_words(summary: pd.Series, unit: str) -> str:
    """A mean with its spread as it stands in a sentence: mean ± SD, or the only value."""
    return number(summary["mean"], unit) + (f" ± {number(summary['sd'], unit)}" if summary["n"] > 1 else "")


def span(counts: pd.Series) -> str:
    """How many members the arms have: 5, or 3 to 5."""
    counts = counts.fillna(0).astype(int)
    if counts.empty:
        return "0"
    return str(counts.min()) if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"


def arm_members(members: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """How many members each arm has and how many of them diverged: columns `by`, members, diverged."""
    diverged = members["status"].eq("diverged")
    groups = members.assign(diverged=diverged).groupby(list(by), dropna=False, sort=False)["diverged"]
    return groups.agg(members="size", diverged="sum").reset_index()
