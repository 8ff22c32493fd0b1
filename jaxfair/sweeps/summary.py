"""A sweep's result as pandas tables."""

import numpy as np
import pandas as pd

from jaxfair.sweeps.engine import Result
from jaxfair.sweeps.members import Grid


def members_table(result: Result, grid: Grid) -> pd.DataFrame:
    """A row a member: its row of the grid, `epochs_run` of the last stage, and `status`.

    `status` is `diverged` if the state holds a NaN, else `stopped` if the last stage ended early, else `finished`.
    """
    last = list(result.epochs_run)[-1]
    lengths = next(iter(result.logs[last].values())).shape[1] if result.logs[last] else result.epochs_run[last].max()
    status = np.where(result.epochs_run[last] < lengths, "stopped", "finished")
    table = pd.DataFrame(grid)
    table.insert(0, "member", np.arange(len(grid)))
    table["epochs_run"] = result.epochs_run[last]
    table["status"] = np.where(result.diverged, "diverged", status)
    return table


def logs_table(result: Result, grid: Grid) -> pd.DataFrame:
    """A row per member, stage, epoch run and metric: the grid's columns, then member, stage, epoch, metric, value."""
    rows = pd.DataFrame(grid)
    rows.insert(0, "member", np.arange(len(grid)))
    tables = []
    for stage, logs in result.logs.items():
        for metric, values in logs.items():
            num_epochs = values.shape[1]
            ran = np.arange(num_epochs) < result.epochs_run[stage][:, None]
            member, epoch = np.nonzero(ran)
            long = rows.iloc[member].reset_index(drop=True)
            tables.append(long.assign(stage=stage, epoch=epoch, metric=metric, value=values[ran].astype(float)))
    return pd.concat(tables, ignore_index=True) if tables else rows.iloc[:0]
