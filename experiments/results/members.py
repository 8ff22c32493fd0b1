"""Members as tables: what each is, its training curves, and what it predicts."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from jaxfair import sweeps


def curves(result: sweeps.Result, members: pd.DataFrame, rows: Sequence[int] | None = None) -> pd.DataFrame:
    """The logs of a sweep, a row per member, stage, epoch that was run, and metric.

    A log `train/loss` becomes the metric `loss` of the split `train`.

    Args:
      result: Of the sweep.
      members: Its members' table, a row a member in their order.
      rows: Which of them; all if None.
    """
    rows = np.arange(len(members)) if rows is None else np.asarray(rows)
    tables = []
    for stage, logs in result.logs.items():
        ran = np.arange(next(iter(logs.values())).shape[1]) < result.epochs_run[stage][rows, None]
        member, epoch = np.nonzero(ran)
        for name, values in logs.items():
            split, _, metric = name.rpartition("/")
            table = members.iloc[rows[member]].reset_index(drop=True)
            values = values[rows][ran].astype(float)
            tables.append(table.assign(stage=stage, epoch=epoch, split=split or pd.NA, metric=metric, value=values))
    return pd.concat(tables, ignore_index=True)


def predictions(
    members: pd.DataFrame,
    examples: pd.DataFrame,
    values: Mapping[str, np.ndarray],
    evaluated: np.ndarray | None = None,
    **columns,
) -> pd.DataFrame:
    """What members predict: a row per member and example, in this order.

    Args:
      members: A row a member: what is to be known of it in every row.
      examples: A row an example: id, subject, target, sensitive attributes.
      values: By name, `[member, example]`.
      evaluated: `[member, example]` boolean; only these rows. All if None.
      **columns: Constants.
    """
    shape = len(members), len(examples)
    member, example = np.nonzero(np.ones(shape, bool) if evaluated is None else evaluated)
    left = members.iloc[member].reset_index(drop=True)
    right = examples.iloc[example].reset_index(drop=True)
    table = pd.concat([left.assign(**columns), right], axis=1)
    return table.assign(**{name: np.asarray(value)[member, example] for name, value in values.items()})
