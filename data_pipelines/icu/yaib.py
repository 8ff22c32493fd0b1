"""Cohorts in the format of YAIB and ricu, which export MIMIC-III, MIMIC-IV, eICU, HiRID and AmsterdamUMCdb to it.

A folder with three tables: `dyn.parquet`, a row a stay and hour with a column a variable, in harmonised units;
`sta.parquet`, a row a stay; `outc.parquet`, the label of the exported task, a row a stay or a stay and hour.

References:
  van de Water et al.: Yet Another ICU Benchmark: A Flexible Multi-Center Framework for Clinical ML, ICLR 2024.
  Bennett et al.: ricu: R's interface to intensive care data, GigaScience 2023 (names and units of the variables).
"""

import os
import pathlib

import numpy as np
import pandas as pd

from data_pipelines import file_kind
from data_pipelines.icu.stays import Stays

_STATIC = ("age", "height", "weight")
_SEXES = {"male": 1.0, "m": 1.0, "female": 0.0, "f": 0.0}


def read_cohort(folder: str | os.PathLike) -> Stays:
    """The stays of a cohort.

    Args:
      folder: With `dyn.parquet`, `sta.parquet` and, where there is a task, `outc.parquet`.

    Returns:
      The stays in order of `stay_id`, each its own subject: the format does not say whose it is. Measurements are of
      whole hours, and every column of `dyn.parquet` but `stay_id` and `time` is a variable. `static`: `age` (years),
      `male` (1, or 0 for female), `height` (cm), `weight` (kg), those that the cohort has. `outcomes`: `label`, if the
      task has one label a stay. `counts`: `stays_without_measurements`.

    Raises:
      FileNotFoundError: A table is not there.
      ValueError: A table cannot be used; the sentence says which and why.
    """
    folder = pathlib.Path(folder)
    static, hourly = _read(folder / "sta.parquet", ["stay_id"]), _read(folder / "dyn.parquet", ["stay_id", "time"])
    again = static["stay_id"].duplicated()
    if again.any():
        stay = static["stay_id"][again].iloc[0]
        raise ValueError(f"{folder / 'sta.parquet'}: stay_id {stay} is there more than once.")
    static = static.sort_values("stay_id").set_index("stay_id")
    stay = static.index.get_indexer(hourly["stay_id"])
    if (stay < 0).any():
        unknown = hourly["stay_id"].iloc[int((stay < 0).argmax())]
        raise ValueError(f"{folder / 'dyn.parquet'}: stay_id {unknown} is not in sta.parquet; export both together.")
    hours = _hours(folder / "dyn.parquet", hourly["time"])
    order = np.lexsort((hours, stay))
    stay, hours = stay[order], hours[order]
    twice = (np.diff(stay) == 0) & (np.diff(hours) == 0)
    if twice.any():
        place = int(twice.argmax())
        raise ValueError(
            f"{folder / 'dyn.parquet'}: hour {hours[place]:g} of stay_id {static.index[stay[place]]} is there twice."
        )
    variables = [name for name in hourly if name not in ("stay_id", "time")]
    values = np.stack([_numbers(folder / "dyn.parquet", hourly[name])[order] for name in variables], axis=1)
    infinite = np.isinf(values)
    if infinite.any():
        row, column = np.unravel_index(infinite.argmax(), infinite.shape)
        where = f"hour {hours[row]:g} of stay_id {static.index[stay[row]]}"
        raise ValueError(f"{folder / 'dyn.parquet'}: {variables[column]} is infinite at {where}.")
    rows, columns = np.nonzero(~np.isnan(values))
    ids = static.index.to_numpy()
    return Stays(
        variables=tuple(variables),
        stay=stay[rows],
        hours=hours[rows].astype(np.float32),
        variable=columns.astype(np.int16),
        value=values[rows, columns].astype(np.float32),
        static=_static(folder / "sta.parquet", static),
        outcomes=_label(folder / "outc.parquet", static.index),
        subject=ids,
        ids=ids,
        counts={"stays_without_measurements": len(ids) - len(np.unique(stay[rows]))},
    )


def _read(path, columns):
    try:
        with open(path, "rb") as file:
            start = file.read(1024)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{path} is missing; expected a cohort as YAIB exports it: dyn.parquet, sta.parquet, outc.parquet."
        ) from error
    if not start.startswith(b"PAR1"):
        raise ValueError(f"{path} is {file_kind.foreign_kind(start) or 'no Parquet file; export the cohort again'}.")
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a Parquet table ({error}); export the cohort again.") from error
    for column in columns:
        if column not in table:
            raise ValueError(f"{path}: column {column} is missing; it has {', '.join(map(str, table.columns[:8]))}.")
        if table[column].isna().any():
            raise ValueError(f"{path}: {column} of row {int(table[column].isna().to_numpy().argmax()) + 1} is missing.")
    return table


def _hours(path, times):
    """Since admission: the format has durations, or numbers of hours."""
    if pd.api.types.is_timedelta64_dtype(times):
        hours = times.dt.total_seconds().to_numpy() / 3600
    else:
        hours = _numbers(path, times)
    wrong = ~(hours >= 0) | (hours != np.floor(hours))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"{path}: time must be whole hours since admission, but row {row + 1} has {times.iloc[row]}.")
    return hours


def _numbers(path, column):
    if not (pd.api.types.is_numeric_dtype(column) or column.isna().all()):
        raise ValueError(f"{path}: column {column.name} holds {column.dropna().iloc[0]!r}, which is no number.")
    return pd.to_numeric(column).to_numpy(np.float64, na_value=np.nan)


def _static(path, table):
    found = {name: _numbers(path, table[name]).astype(np.float32) for name in _STATIC if name in table}
    if "sex" in table:
        words = table["sex"].astype(object).where(table["sex"].notna(), None)
        unknown = [word for word in words if word is not None and str(word).lower() not in _SEXES]
        if unknown:
            raise ValueError(f"{path}: sex is {unknown[0]!r}; expected Male or Female, or nothing where it is unknown.")
        found["male"] = np.float32([np.nan if word is None else _SEXES[str(word).lower()] for word in words])
    return found


def _label(path, ids):
    """The label of each stay; none where there is no task or it has a label an hour."""
    if not path.exists():
        return {}
    table = _read(path, ["stay_id", "label"])
    if "time" in table:
        return {}
    unknown = ~table["stay_id"].isin(ids)
    for wrong, what in ((unknown, "is not in sta.parquet"), (table["stay_id"].duplicated(), "is there more than once")):
        if wrong.any():
            raise ValueError(f"{path}: stay_id {table['stay_id'][wrong].iloc[0]} {what}.")
    label = table.set_index("stay_id")["label"].reindex(ids)
    return {"label": _numbers(path, label).astype(np.float32)}
