"""How far groups are apart: differences and ratios of their rates, and the worst group.

A gap over all groups needs all of them: where one group has no rate (nobody, no positives, fewer than `min_count`) the
gap is NaN, and so it is with fewer than two groups. To leave a group out, mask its examples or code it -1.
"""

import dataclasses
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp

from jaxfair.metrics.fairness.by_group import rates_by_group
from jaxfair.metrics.fairness.cohort import Scores, cohort
from jaxfair.metrics.fairness.rates import rate_named


@dataclasses.dataclass(frozen=True)
class Gap:
    """Which gap: data, so that equal ones share a compiled program.

    Attributes:
      rates: Names of `RATES` or metrics, or ("xauc",); of several, `agg` takes one number.
      kind: "difference" (the largest rate minus the least), "ratio" (the least by the largest) or "worst" (the least).
      between: Codes of two groups: then the second minus the first, or the second by the first.
      absolute: Of a difference between two groups, the absolute value; of a ratio, the smaller by the larger.
      agg: Of several rates, the "worst_case" (largest difference, least ratio) or their "mean". Their gaps are
        absolute.
    """

    rates: tuple[str | Callable, ...]
    kind: Literal["difference", "ratio", "worst"] = "difference"
    between: tuple[int, int] | None = None
    absolute: bool = False
    agg: Literal["worst_case", "mean"] = "worst_case"

    def __post_init__(self):
        if self.kind not in ("difference", "ratio", "worst") or self.agg not in ("worst_case", "mean"):
            raise ValueError(
                "A gap's kind is 'difference', 'ratio' or 'worst' and its agg 'worst_case' or 'mean', "
                f"got {self.kind!r} and {self.agg!r}."
            )
        if "xauc" in self.rates and (len(self.rates) > 1 or self.kind != "difference"):
            raise ValueError("A gap of xauc is a difference, and of no other rate beside it.")
        if self.kind == "ratio" and "calibration_bias" in self.rates:
            raise ValueError("calibration_bias may be negative: its ratio says nothing, take the difference.")
        if self.between is not None and (
            len(self.between) != 2 or any(not isinstance(code, int) or code < 0 for code in self.between)
        ):
            raise ValueError(f"A Gap is between the codes of two groups, whole numbers from 0, not {self.between!r}.")
        for rate in self.rates:
            if rate != "xauc":
                rate_named(rate)


ODDS = ("true_positive_rate", "false_positive_rate")

# The gaps by their names, as they stand in tables of results.
GAPS = {
    "demographic_parity_difference": Gap(("selection_rate",)),
    "demographic_parity_ratio": Gap(("selection_rate",), "ratio"),
    "equal_opportunity_difference": Gap(("true_positive_rate",)),
    "equal_opportunity_ratio": Gap(("true_positive_rate",), "ratio"),
    "equalized_odds_difference": Gap(ODDS),
    "equalized_odds_ratio": Gap(ODDS, "ratio"),
    "mean_equalized_odds_difference": Gap(ODDS, agg="mean"),
    "mean_equalized_odds_ratio": Gap(ODDS, "ratio", agg="mean"),
    "predictive_parity_difference": Gap(("positive_predictive_value",)),
    "predictive_parity_ratio": Gap(("positive_predictive_value",), "ratio"),
    "accuracy_difference": Gap(("accuracy",)),
    "roc_auc_difference": Gap(("roc_auc",)),
    "pr_auc_difference": Gap(("pr_auc",)),
    "xauc_difference": Gap(("xauc",)),
    "calibration_bias_difference": Gap(("calibration_bias",)),
    "expected_calibration_error_difference": Gap(("expected_calibration_error",)),
    "worst_group_accuracy": Gap(("accuracy",), "worst"),
}


def gap(
    which: str | Gap,
    predictions,
    targets,
    groups,
    num_groups: int | None = None,
    mask=None,
    weights=None,
    *,
    between: tuple | None = None,
    absolute: bool | None = None,
    threshold=0.5,
    min_count=1,
) -> jax.Array:
    """A gap between groups.

    Args:
      which: A name of `GAPS`, or a `Gap` of one's own: `Gap(("f1",))`.
      predictions: As of `by_group`, and so are `targets`, `groups`, `num_groups`, `mask`, `weights`, `threshold`,
        `min_count`.
      between: Two groups, first and second: values as `groups` has them, or codes if `num_groups` is given. The
        difference is then the second's rate minus the first's, with its sign, and the other groups do not matter.
        `None`: the largest minus the least over all groups.
      absolute: Without the sign.

    Returns:
      `[...]`; NaN where a rate that it needs is, with fewer than two groups, or for a ratio to a rate of 0.

    Raises:
      ValueError: As `by_group`; no gap has this name, or a code of `between` is no group. A value of `between` that
        does not occur is an absent group: the gap is NaN.
    """
    which = gap_named(which)
    given = cohort(predictions, targets, groups, num_groups, mask, weights, threshold)
    if between is not None:
        which = dataclasses.replace(which, between=pair_codes(between, given.num_groups, given.names))
    if absolute is not None:
        which = dataclasses.replace(which, absolute=absolute)
    return _compiled((which,), *given.traced(), threshold, min_count)[0]


def gap_named(which: str | Gap) -> Gap:
    """The `Gap` of a name.

    Raises:
      ValueError: There is none.
    """
    if isinstance(which, Gap):
        return which
    if which not in GAPS:
        raise ValueError(f"There is no gap {which!r}; there are {', '.join(GAPS)}, or pass a Gap.")
    return GAPS[which]


def pair_codes(between: tuple, num_groups: int, names) -> tuple[int, int]:
    """Codes of two groups by their names or codes; a name that does not occur is a group that is absent.

    Raises:
      ValueError: They are not two, or codes outside `0 .. num_groups - 1`.
    """
    known = list(range(num_groups)) if names is None else list(names)
    if len(between) != 2 or (names is None and any(group not in known for group in between)):
        raise ValueError(f"between must be two of the groups {known}, got {between!r}.")
    first, second = (known.index(group) if group in known else num_groups for group in between)
    return first, second


def gaps_by_group(
    gaps: tuple[Gap, ...], read: Scores, codes, num_groups: int, mask, weights, threshold, min_count
) -> tuple[jax.Array, ...]:
    """Several gaps `[...]` at once, traced; rates that they share are computed once."""
    names = tuple(dict.fromkeys(rate for each in gaps for rate in each.rates))
    found = rates_by_group(names, read, codes, num_groups, mask, weights, threshold, min_count)
    values = {name: rate.values for name, rate in zip(names, found, strict=True)}
    return tuple(_value(each, [values[rate] for rate in each.rates]) for each in gaps)


_compiled = jax.jit(gaps_by_group, static_argnums=(0, 3))


def _value(which: Gap, rates: list[jax.Array]) -> jax.Array:
    if which.rates == ("xauc",):
        return _asymmetry(rates[0], which)
    if len(rates) > 1:
        which = dataclasses.replace(which, absolute=True)
    apart = jnp.stack([_of_one_rate(which, values) for values in rates])
    if which.agg == "mean":
        return jnp.mean(apart, axis=0)
    return jnp.max(apart, axis=0) if which.kind == "difference" else jnp.min(apart, axis=0)


def _of_one_rate(which: Gap, values: jax.Array) -> jax.Array:
    """Of `[..., group]`. NaN reaches the largest and the least by itself: `jnp.max` keeps it."""
    if which.between is not None:
        if max(which.between) >= values.shape[-1]:  # A group that does not occur.
            return jnp.full(values.shape[:-1], jnp.nan)
        first, second = (values[..., group] for group in which.between)
    elif values.shape[-1] < (1 if which.kind == "worst" else 2):
        return jnp.full(values.shape[:-1], jnp.nan)
    else:
        first, second = jnp.min(values, axis=-1), jnp.max(values, axis=-1)
    if which.kind == "worst":
        return jnp.minimum(first, second)
    if which.kind == "difference":
        return jnp.abs(second - first) if which.absolute else second - first
    if which.between is None or which.absolute:
        first, second = jnp.maximum(first, second), jnp.minimum(first, second)
    return jnp.where(first == 0, jnp.nan, second / jnp.where(first == 0, 1, first))


def _asymmetry(values: jax.Array, which: Gap) -> jax.Array:
    """Of the matrix `[..., a, b]`, how far xAUC(a, b) is from xAUC(b, a)."""
    if which.between is not None:
        first, second = which.between
        if max(first, second) >= values.shape[-1]:
            return jnp.full(values.shape[:-2], jnp.nan)
        apart = values[..., second, first] - values[..., first, second]
        return jnp.abs(apart) if which.absolute else apart
    if values.shape[-1] < 2:
        return jnp.full(values.shape[:-2], jnp.nan)
    return jnp.max(jnp.abs(values - jnp.swapaxes(values, -1, -2)), axis=(-2, -1))
