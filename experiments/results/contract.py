"""The contract of what a run leaves: tables with the same columns for every study, written whole or not at all."""

import os
import pathlib
from collections.abc import Mapping

import numpy as np
import pandas as pd

COLUMNS = (
    "experiment",
    "unit",
    "problem",
    "task",
    "member",
    "seed",
    "fold",
    "backbone",
    "method",
    "stage",
    "epoch",
    "split",
    "metric",
    "value",
)
_WHOLE = ("member", "seed", "fold", "epoch")
DEFAULT_UNIT = "fraction"


def unit_of(metric: str, units: Mapping[str, str]) -> str:
    """The unit of a metric: by its name, else by the first of its words that has one, else fraction."""
    named = [units[name] for name in (metric, *metric.split("_")) if name in units]
    return named[0] if named else DEFAULT_UNIT


def write_table(path: pathlib.Path, table: pd.DataFrame) -> None:
    """Writes a parquet file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    table.to_parquet(part, index=False)
    os.replace(part, path)


def long(members: pd.DataFrame, values: Mapping[str, np.ndarray], **columns) -> pd.DataFrame:
    """A row per member and metric, with the contract's columns that the members and `columns` know.

    Args:
      members: A row a member, with `member`, `seed` and, where they apply, `fold`, `method`, `backbone`, `problem`.
      values: By metric, `[member]`.
      **columns: Constants for other columns (`stage`, `split`, `task`, ...).
    """
    known = members[[name for name in COLUMNS if name in members]]
    tables = [known.assign(metric=metric, value=np.asarray(value, float)) for metric, value in values.items()]
    return pd.concat(tables, ignore_index=True).assign(**columns)


def conform(table: pd.DataFrame, experiment: str, units: Mapping[str, str]) -> pd.DataFrame:
    """Exactly the contract's columns and types; what does not apply is null."""
    metrics = table["metric"].astype(str)
    by_metric = {metric: unit_of(metric, units) for metric in metrics.unique()}
    table = table.assign(experiment=experiment, unit=metrics.map(by_metric)).reindex(columns=COLUMNS)
    words = dict.fromkeys(set(COLUMNS) - {*_WHOLE, "value"}, "string")
    return table.astype(dict.fromkeys(_WHOLE, "Int64") | words | {"value": "float64"})
