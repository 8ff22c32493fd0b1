"""The usual gaps by their names, fairlearn's where it has them.

All read `gap(predictions, targets, groups, num_groups=None, mask=None, weights=None, *, between=None, absolute=None,
threshold=0.5, min_count=1) -> [...]`; `gaps.gap` says what each argument is. A difference is the largest rate minus the
least over all groups, or with `between=(first, second)` the second's minus the first's, with its sign; a ratio is the
least by the largest, or the second's by the first's. The differences lie in [0, 1], signed ones in [-1, 1].
"""

import dataclasses

import jax

from jaxfair.metrics.fairness.gaps import GAPS, gap


def demographic_parity_difference(
    predictions, targets, groups, num_groups=None, mask=None, weights=None, **options
) -> jax.Array:
    """How far apart the selection rates are, the shares that are called positive.

    It asks for equal calls whatever the shares of the sick are: where prevalence differs, a perfect test has a gap.
    Of `targets` only whether they are known is used.

    Args: as `gap`. Returns `[...]`, NaN where a group has no example.

    References:
      Dwork et al., Fairness through awareness, ITCS 2012.
    """
    return gap("demographic_parity_difference", predictions, targets, groups, num_groups, mask, weights, **options)


def demographic_parity_ratio(
    predictions, targets, groups, num_groups=None, mask=None, weights=None, **options
) -> jax.Array:
    """The least selection rate by the largest; below 0.8 is the "four-fifths rule" of US employment law.

    Args: as `gap`. Returns `[...]`, NaN where a group has no example, or nobody is called positive.
    """
    return gap("demographic_parity_ratio", predictions, targets, groups, num_groups, mask, weights, **options)


def equal_opportunity_difference(
    predictions, targets, groups, num_groups=None, mask=None, weights=None, **options
) -> jax.Array:
    """How far apart the true positive rates are: whose sick are missed more often.

    Args: as `gap`. Returns `[...]`, NaN where a group has no positive.

    References:
      Hardt, Price and Srebro, Equality of opportunity in supervised learning, NeurIPS 2016.
    """
    return gap("equal_opportunity_difference", predictions, targets, groups, num_groups, mask, weights, **options)


def equal_opportunity_ratio(
    predictions, targets, groups, num_groups=None, mask=None, weights=None, **options
) -> jax.Array:
    """The least true positive rate by the largest.

    Args: as `gap`. Returns `[...]`, NaN where a group has no positive, or no positive is found at all.
    """
    return gap("equal_opportunity_ratio", predictions, targets, groups, num_groups, mask, weights, **options)


def equalized_odds_difference(
    predictions, targets, groups, num_groups=None, mask=None, weights=None, *, agg="worst_case", **options
) -> jax.Array:
    """The gaps in true and in false positive rates as one number: the larger of them, or their mean.

    Two papers' numbers compare only with the same `agg`. "mean" between two groups is the average absolute odds
    difference, `(|TPR_1 - TPR_0| + |FPR_1 - FPR_0|) / 2`; the average odds difference of other libraries keeps the
    signs, and opposite gaps cancel in it.

    Args: as `gap`; `agg` is "worst_case" or "mean". Between two groups it is absolute too.
    Returns `[...]`, NaN where a group has no positive or no negative.

    References:
      Hardt, Price and Srebro, Equality of opportunity in supervised learning, NeurIPS 2016; Bellamy et al., AI Fairness
      360, 2018 (average absolute odds difference).
    """
    which = dataclasses.replace(GAPS["equalized_odds_difference"], agg=agg)
    return gap(which, predictions, targets, groups, num_groups, mask, weights, **options)


def equalized_odds_ratio(
    predictions, targets, groups, num_groups=None, mask=None, weights=None, *, agg="worst_case", **options
) -> jax.Array:
    """The ratios of true and of false positive rates as one number: the smaller of them, or their mean.

    Args: as `gap`; `agg` is "worst_case" or "mean". Each ratio is the smaller rate by the larger.
    Returns `[...]`, NaN where a group has no positive or no negative, or where one of the rates is 0 in all groups.
    """
    which = dataclasses.replace(GAPS["equalized_odds_ratio"], agg=agg)
    return gap(which, predictions, targets, groups, num_groups, mask, weights, **options)


def predictive_parity_difference(
    predictions, targets, groups, num_groups=None, mask=None, weights=None, **options
) -> jax.Array:
    """How far apart the positive predictive values are: whose positive calls are wrong more often.

    It moves with the prevalence: with equal TPR and FPR the rarer the disease in a group, the lower its value.

    Args: as `gap`; `min_count` counts positive calls. Returns `[...]`, NaN where a group has no positive call.

    References:
      Chouldechova, Fair prediction with disparate impact, Big Data 5, 2017.
    """
    return gap("predictive_parity_difference", predictions, targets, groups, num_groups, mask, weights, **options)


def predictive_parity_ratio(
    predictions, targets, groups, num_groups=None, mask=None, weights=None, **options
) -> jax.Array:
    """The least positive predictive value by the largest.

    Args: as `gap`. Returns `[...]`, NaN where a group has no positive call, or no call is right.
    """
    return gap("predictive_parity_ratio", predictions, targets, groups, num_groups, mask, weights, **options)


def accuracy_difference(predictions, targets, groups, num_groups=None, mask=None, weights=None, **options) -> jax.Array:
    """How far apart the accuracies are. Args: as `gap`. Returns `[...]`, NaN where a group has no example."""
    return gap("accuracy_difference", predictions, targets, groups, num_groups, mask, weights, **options)


def roc_auc_difference(predictions, targets, groups, num_groups=None, mask=None, weights=None, **options) -> jax.Array:
    """How far apart the areas under the groups' own ROC curves are, which no threshold enters.

    Args: as `gap`. Returns `[...]`, NaN where a group has no positive or no negative.
    """
    return gap("roc_auc_difference", predictions, targets, groups, num_groups, mask, weights, **options)


def pr_auc_difference(predictions, targets, groups, num_groups=None, mask=None, weights=None, **options) -> jax.Array:
    """How far apart the groups' average precisions are; chance is each group's prevalence, so these must be near.

    Args: as `gap`. Returns `[...]`, NaN where a group has no positive.
    """
    return gap("pr_auc_difference", predictions, targets, groups, num_groups, mask, weights, **options)


def xauc_difference(predictions, targets, groups, num_groups=None, mask=None, weights=None, **options) -> jax.Array:
    """The largest `|xAUC(a, b) - xAUC(b, a)|` over pairs of groups (`cross_group_auc`).

    With `between=(first, second)` it is `xAUC(second, first) - xAUC(first, second)`: above 0 the second's sick are
    ranked above the first's healthy more reliably than the other way round.

    Args: as `gap`. Returns `[...]`, NaN where a group has no positive or no negative.

    References:
      Kallus and Zhou, The Fairness of Risk Scores Beyond Classification, NeurIPS 2019, definition 3.
    """
    return gap("xauc_difference", predictions, targets, groups, num_groups, mask, weights, **options)


def calibration_bias_difference(
    predictions, targets, groups, num_groups=None, mask=None, weights=None, **options
) -> jax.Array:
    """How far apart the groups' mean predicted minus observed rates are: whose risk is overestimated against whose.

    Args: as `gap`; predictions are probabilities. Returns `[...]` in [0, 2], NaN where a group has no example.
    """
    return gap("calibration_bias_difference", predictions, targets, groups, num_groups, mask, weights, **options)


def expected_calibration_error_difference(
    predictions, targets, groups, num_groups=None, mask=None, weights=None, **options
) -> jax.Array:
    """How far apart the groups' expected calibration errors (ten bins) are; the smaller group's is biased upwards more.

    Args: as `gap`; predictions are probabilities. Returns `[...]`, NaN where a group has no example.
    """
    return gap(
        "expected_calibration_error_difference", predictions, targets, groups, num_groups, mask, weights, **options
    )


def worst_group_accuracy(
    predictions, targets, groups, num_groups=None, mask=None, weights=None, **options
) -> jax.Array:
    """The least accuracy of any group. The more and the smaller the groups, the lower it is by chance alone.

    Args: as `gap`. Returns `[...]`, NaN where a group has no example: it might be the worst.

    References:
      Sagawa et al., Distributionally Robust Neural Networks for Group Shifts, ICLR 2020.
    """
    return gap("worst_group_accuracy", predictions, targets, groups, num_groups, mask, weights, **options)
