"""Long tables of members' values: summaries over members, and an arm beside its control."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from jaxfair.metrics.bounds import UNBOUNDED, bounds_of
from jaxfair.metrics.intervals import mean_interval, outside_bounds


def summarize(results: pd.DataFrame, by: Sequence[str], *, bounds: tuple[float, float] | None = None) -> pd.DataFrame:
    """Mean, standard deviation, 95 % interval of the mean and n over the rows of each group.

    The interval is Student's within the bounds of the figure (`mean_interval`): it speaks of the seeds and folds, not
    of the patients. Values that are NaN or infinite have no mean; they are left out of it and counted in `missing`.

    Args:
      results: Rows with a column `value`, each row one member.
      by: Columns whose values make a group; a null is a value like any other.
      bounds: The least and the largest value that there can be. By default those of the name in column `metric`
        (`bounds_of`), if there is that column and no value of the name lies outside; a difference of two accuracies
        has to be named `accuracy_difference`, as `minus_control` does.

    Returns:
      One row a group, in order of first appearance: the columns `by`, then mean, sd (n - 1 in the denominator),
      low, high, n, missing. Without two values sd, low and high are NaN, of equal values low and high; without any
      the mean is too.

    Raises:
      ValueError: `results` lacks `value` or a column of `by`, or a value lies outside given `bounds`.
    """
    lacking = [column for column in [*by, "value"] if column not in results]
    if lacking:
        raise ValueError(f"summarize: the table has no column {', '.join(map(repr, lacking))}.")
    results = results.reset_index(drop=True)
    groups = results.groupby(list(by), dropna=False, sort=False)
    group = groups.ngroup().to_numpy()
    values = results["value"].to_numpy(dtype=float, na_value=np.nan)
    values = np.where(np.isfinite(values), values, np.nan)
    matrix = np.full((groups.ngroups, int(groups.size().max()) if len(results) else 0), np.nan)
    matrix[group, groups.cumcount().to_numpy()] = values
    ends = np.empty((2, groups.ngroups))
    ends[:, group] = np.array(bounds)[:, None] if bounds is not None else _named_bounds(results, values)
    first = np.unique(group, return_index=True)[1]
    summary = results.loc[first, list(by)].reset_index(drop=True)
    columns = mean_interval(matrix, bounds=tuple(ends))
    for name, column in zip(("mean", "sd", "low", "high", "n"), columns, strict=True):
        summary[name] = column
    summary["missing"] = np.bincount(group, minlength=groups.ngroups) - summary["n"]
    return summary


def _named_bounds(results, values):
    """Of each row, `[2, row]`, by its metric's name; none where the values say that the name means something else."""
    ends = np.array(UNBOUNDED)[:, None].repeat(len(results), axis=1)
    if "metric" not in results:
        return ends
    for name, rows in results.groupby("metric").indices.items():
        bounds, known = bounds_of(name), values[rows][~np.isnan(values[rows])]
        if len(known) and not outside_bounds(known.min(), known.max(), bounds):
            ends[:, rows] = np.array(bounds)[:, None]
    return ends


def minus_control(
    values: pd.DataFrame, control: pd.DataFrame, pair: Sequence[str] = ("problem", "seed", "fold", "metric")
) -> pd.DataFrame:
    """An arm's values minus its control's, paired: both members of a pair have the same problem, seed and fold.

    Args:
      values: The arm's rows, with `value`.
      control: The control's rows, with `value`; of several rows of a pair the first counts.
      pair: Columns that both share; those that neither table has are left out. A null pairs with a null.

    Returns:
      The arm's rows that have a partner, in their order, with the difference as `value`; `accuracy` in column `metric`
      becomes `accuracy_difference`, which has bounds of its own.
    """
    pair = [name for name in pair if name in values and name in control]
    other = control.drop_duplicates(pair)[[*pair, "value"]]
    pairs = values.merge(other, on=pair, suffixes=("", "_control"))
    pairs = pairs.assign(value=pairs["value"] - pairs["value_control"]).drop(columns="value_control")
    return pairs.assign(metric=pairs["metric"] + "_difference") if "metric" in pairs else pairs


def mode(values: np.ndarray) -> tuple[float, int]:
    """The most frequent of the values (up to rounding at the ninth decimal) and how often it is; of several the least.

    What some papers report over seeds. It is no average and has no error: show it beside a mean only. Of no values it
    is NaN.
    """
    if not np.size(values):
        return float("nan"), 0
    found, counts = np.unique(np.round(values, 9), return_counts=True)
    return float(found[counts.argmax()]), int(counts.max())
