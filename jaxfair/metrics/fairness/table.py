"""Long tables of rates by group and of gaps: the one place where pandas is needed."""

import functools
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from jaxfair.metrics.fairness.by_group import rates_by_group
from jaxfair.metrics.fairness.cohort import array, cohort
from jaxfair.metrics.fairness.gaps import Gap, gap_named, gaps_by_group
from jaxfair.metrics.fairness.groups import members
from jaxfair.metrics.fairness.intervals import USUAL, gap_intervals

RATES_SHOWN = ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy", "roc_auc")


def group_table(
    predictions,
    targets,
    groups,
    metrics: Sequence[str] | Mapping[str, str | Callable] | None = None,
    mask=None,
    weights=None,
    *,
    num_groups: int | Mapping[str, int] | None = None,
    axes: Sequence[str] | None = None,
    threshold=0.5,
    min_count: int = 1,
) -> pd.DataFrame:
    """Rates of every group of every attribute and member, one a row: fairlearn's MetricFrame, made long.

    Beside the groups of an attribute stands a row of all who are in one of them, with group "all".

    Args:
      predictions: `[..., example]`.
      targets: `[..., example]`.
      groups: `[..., example]` as of `by_group`, or such by the attribute's name; `intersection` makes one of several.
      metrics: Names of `RATES`, or rates and metrics of one's own by name; by default selection rate, TPR, FPR,
        accuracy and ROC AUC.
      mask: `[..., example]` boolean.
      weights: `[..., example]`.
      num_groups: Where `groups` holds codes: their number, one for all attributes or by name. Then groups have their
        codes as names.
      axes: Names of the leading axes; by default "member" for one, "axis_0", "axis_1", ... for several.
      threshold: As of `by_group`.
      min_count: As of `by_group`.

    Returns:
      Columns: `axes` (indices), attribute, group (strings), metric, value, count (examples that the rate rests on).

    Raises:
      ValueError: As `by_group`; not as many `axes` as leading axes.
    """
    metrics = RATES_SHOWN if metrics is None else metrics
    metrics = dict(metrics) if isinstance(metrics, Mapping) else {name: name for name in metrics}
    cohorts = _cohorts(predictions, targets, groups, num_groups, mask, weights, threshold)
    rows, rates = [], tuple(metrics.values())
    found = _groups_and_all(rates, *_together(cohorts), threshold, min_count)
    for (attribute, given), by_metric in zip(cohorts.items(), found, strict=True):
        names = range(given.num_groups) if given.names is None else given.names
        for metric, (by, of_all) in zip(metrics, by_metric, strict=True):
            values = np.concatenate([by.values, of_all.values], axis=-1)
            counts = np.concatenate([by.counts, of_all.counts], axis=-1)
            table = _long(values, axes, "group", [*map(str, names), "all"])
            rows.append(table.assign(attribute=attribute, metric=metric, count=counts.reshape(-1)))
    table = pd.concat(rows, ignore_index=True)
    leading = [name for name in table.columns if name not in ("attribute", "group", "metric", "value", "count")]
    return table[[*leading, "attribute", "group", "metric", "value", "count"]]


def gap_table(
    predictions,
    targets,
    groups,
    gaps: Sequence[str] | Mapping[str, str | Gap] = USUAL,
    mask=None,
    weights=None,
    *,
    num_groups: int | Mapping[str, int] | None = None,
    axes: Sequence[str] | None = None,
    threshold=0.5,
    min_count: int = 1,
    subject=None,
    key: jax.Array | None = None,
    **interval,
) -> pd.DataFrame:
    """Gaps of every attribute and member, one a row, with intervals over patients if `subject` and `key` are given.

    Args:
      predictions: As of `group_table`, and so are all that are not named here.
      gaps: Names of `GAPS`, or `Gap`s by name.
      subject: As of `gap_intervals`.
      key: As of `gap_intervals`.
      **interval: Further options of `gap_intervals`: `strata`, `num_resamples`, `level`, ...

    Returns:
      Columns: `axes`, attribute, metric, value; with intervals also low, high, num_undefined, num_subjects.

    Raises:
      ValueError: As `gap` and `gap_intervals`; one of `subject` and `key` is given without the other.
    """
    if (subject is None) != (key is None) or (interval and key is None):
        raise ValueError("gap_table: intervals need both subject and key.")
    gaps = dict(gaps) if isinstance(gaps, Mapping) else {name: name for name in gaps}
    which = tuple(gap_named(each) for each in gaps.values())
    if key is not None:
        attributes = groups if isinstance(groups, Mapping) else {"group": groups}
        options = dict(num_groups=num_groups, mask=mask, weights=weights, threshold=threshold, min_count=min_count)
        found = gap_intervals(
            predictions, targets, attributes, subject, key=key, gaps=which, **options, **interval
        )._asdict()
        found["value"] = found.pop("estimate")
    else:
        cohorts = _cohorts(predictions, targets, groups, num_groups, mask, weights, threshold)
        attributes = cohorts
        values = _gaps(which, *_together(cohorts), threshold, min_count)
        found = {"value": np.stack([np.stack(row) for row in values])}
    rows = []
    for place, attribute in enumerate(attributes):
        for number, metric in enumerate(gaps):
            parts = {name: np.asarray(values)[place, number] for name, values in found.items()}
            table = _long(parts["value"][..., None], axes, "group", [""]).drop(columns="group")
            table.insert(table.shape[1] - 1, "attribute", attribute)
            table.insert(table.shape[1] - 1, "metric", metric)
            rows.append(table.assign(**{name: part.reshape(-1) for name, part in parts.items()}))
    return pd.concat(rows, ignore_index=True)


def _cohorts(predictions, targets, groups, num_groups, mask, weights, threshold):
    """A cohort for each attribute, by name."""
    attributes = groups if isinstance(groups, Mapping) else {"group": groups}
    if not attributes:
        raise ValueError("A table needs at least one attribute.")
    counts = num_groups if isinstance(num_groups, Mapping) else dict.fromkeys(attributes, num_groups)
    weights = array(weights, float)
    return {
        name: cohort(predictions, targets, values, counts.get(name), mask, weights, threshold)
        for name, values in attributes.items()
    }


def _together(cohorts):
    """What the programs below are given: they are one for all attributes, which take less time to compile so."""
    one = next(iter(cohorts.values()))
    codes, numbers = [each.codes for each in cohorts.values()], tuple(each.num_groups for each in cohorts.values())
    return numbers, codes, one.scores, one.mask, one.weights


@functools.partial(jax.jit, static_argnums=(0, 1))
def _groups_and_all(rates, numbers, codes, read, mask, weights, threshold, min_count):
    """For each attribute and rate, by group, and of all who are in a group."""
    found = []
    for own, number in zip(codes, numbers, strict=True):
        anyone = jnp.where(jnp.any(members(own, number), axis=-2), 0, -1)
        parts = (
            rates_by_group(rates, read, each, count, mask, weights, threshold, min_count)
            for each, count in ((own, number), (anyone, 1))
        )
        found.append(list(zip(*parts, strict=True)))
    return found


@functools.partial(jax.jit, static_argnums=(0, 1))
def _gaps(which, numbers, codes, read, mask, weights, threshold, min_count):
    return [
        gaps_by_group(which, read, own, number, mask, weights, threshold, min_count)
        for own, number in zip(codes, numbers, strict=True)
    ]


def _long(values, axes, last, names):
    """`[..., last]` as a table, one number a row."""
    leading = values.ndim - 1
    if axes is None:
        axes = ["member"] if leading == 1 else [f"axis_{axis}" for axis in range(leading)]
    if len(axes) != leading:
        raise ValueError(f"axes must name the {leading} leading axes, got {list(axes)!r}.")
    number = values[..., 0].size
    indices = np.indices(values.shape[:-1]).reshape(leading, number).repeat(len(names), axis=1)
    table = pd.DataFrame(dict(zip(axes, indices, strict=True)), index=range(values.size))
    table[last] = np.tile(np.array(names, dtype=object), number)
    table["value"] = np.asarray(values, float).reshape(-1)
    return table
