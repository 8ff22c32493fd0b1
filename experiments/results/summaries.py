"""From a run's long tables to one row per member and metric, and to counts of members."""

from collections.abc import Sequence

import pandas as pd


def final_values(results: pd.DataFrame, split: str = "evaluate") -> pd.DataFrame:
    """The values after training: one row a member, method, backbone and metric.

    A member that passed through several stages keeps the value of the last one, which is the later row.

    Args:
      results: The long table of a run.
      split: Whose examples the metrics were computed on.
    """
    rows = results[results["epoch"].isna() & (results["split"] == split)]
    return rows.drop_duplicates(
        ["problem", "task", "member", "seed", "fold", "backbone", "method", "metric"], keep="last"
    )


def arm_members(members: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """How many members each arm has and how many of them diverged: columns `by`, members, diverged."""
    diverged = members["status"].eq("diverged")
    groups = members.assign(diverged=diverged).groupby(list(by), dropna=False, sort=False)["diverged"]
    return groups.agg(members="size", diverged="sum").reset_index()
