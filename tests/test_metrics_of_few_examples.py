"""Every public metric where there is little or nothing to measure: its plain value, or NaN where it is not defined."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from few_examples import INF, NAN, ROWS, distance_correlation, pearson

from jaxfair import metrics


def share(part, of):
    return part / of if of else NAN


def outcomes(p, t):
    called, positive = p >= 0.5, t > 0.5
    return (
        (called & positive).sum(),
        (called & ~positive).sum(),
        (~called & ~positive).sum(),
        (~called & positive).sum(),
    )


def sensitivity(p, t):
    return share(((p >= 0.5) & (t > 0.5)).sum(), (t > 0.5).sum())


def specificity(p, t):
    return share(((p < 0.5) & (t <= 0.5)).sum(), (t <= 0.5).sum())


def f1(p, t):
    tp, fp, _, fn = outcomes(p, t)
    return share(2 * tp, 2 * tp + fp + fn)


def roc_auc(p, t):
    pairs = [(x > y) + 0.5 * (x == y) for x in p[t > 0.5] for y in p[t <= 0.5]]
    return np.mean(pairs) if pairs else NAN


def pr_auc(p, t):
    found = [(t[p >= x] > 0.5).mean() for x in p[t > 0.5]]
    return np.mean(found) if found else NAN


def macro_recall(p, t):
    decisions = np.where(np.isnan(p), -1, p >= 0.5)
    recalls = [(decisions == c)[t == c].mean() for c in (0, 1) if (t == c).any()]
    return np.mean(recalls) if recalls else NAN


def ranks(x):
    return (x[:, None] > x).sum(1) + (x[:, None] == x).sum(1) / 2


def r2(p, t):
    return 1 - ((t - p) ** 2).sum() / ((t - t.mean()) ** 2).sum() if len(t) and np.ptp(t) else NAN


FIGURES = {
    "confusion": outcomes,
    "accuracy": lambda p, t: share(((p >= 0.5) == (t > 0.5)).sum(), len(p)),
    "balanced_accuracy": lambda p, t: (sensitivity(p, t) + specificity(p, t)) / 2,
    "majority_share": lambda p, t: share(max((t > 0.5).sum(), (t <= 0.5).sum()), len(t)),
    "sensitivity": sensitivity,
    "specificity": specificity,
    "precision": lambda p, t: share(((p >= 0.5) & (t > 0.5)).sum(), (p >= 0.5).sum()),
    "f1": f1,
    "g_mean": lambda p, t: np.sqrt(sensitivity(p, t) * specificity(p, t)),
    "macro_recall": macro_recall,
    "roc_auc": roc_auc,
    "pr_auc": pr_auc,
    "pearson": pearson,
    "spearman": lambda p, t: pearson(ranks(p), ranks(t)),
    "r2": r2,
    "distance_correlation": distance_correlation,
}


def measured(name, predictions, targets, mask):
    if name == "macro_recall":
        decisions = jnp.where(jnp.isnan(predictions), -1, predictions >= 0.5)
        return metrics.macro_recall(decisions, targets, 2, mask)
    return getattr(metrics, name)(predictions, targets, mask)


@jax.jit
def all_figures(predictions, targets, mask):
    return {name: jnp.asarray(measured(name, predictions, targets, mask)) for name in FIGURES}


@pytest.mark.parametrize("size", ROWS)
def test_a_metric_is_the_plain_value_or_nan_where_there_is_none(size):
    rows = np.array(ROWS[size], np.float32).reshape(len(ROWS[size]), 3, size)
    found = all_figures(rows[:, 0], rows[:, 1], rows[:, 2] > 0)
    for number, (predictions, targets, mask) in enumerate(np.float64(rows)):
        p, t = predictions[mask > 0], targets[mask > 0]
        for name, plain in FIGURES.items():
            with np.errstate(all="ignore"):
                expected = np.array(plain(p, t), float)
            if np.isnan(p).any() and name not in ("majority_share", "macro_recall"):
                expected = expected * NAN
            actual = np.asarray(found[name])[..., number]
            np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6, err_msg=f"{name} {number}")
            low, high = metrics.bounds_of(name)
            assert name == "confusion" or not (actual < low or actual > high)


NO_ROWS = pd.DataFrame({"seed": pd.Series(dtype=int), "metric": pd.Series(dtype=str), "value": pd.Series(dtype=float)})
OTHERS = {
    "Bounds": lambda: True,
    "Confusion": lambda: True,
    "Difference": lambda: True,
    "Interval": lambda: True,
    "MeanInterval": lambda: True,
    "OneStandardError": lambda: True,
    "bounds_of": lambda: metrics.bounds_of("") == (-INF, INF),
    "difference_bounds": lambda: metrics.difference_bounds((-INF, INF)) == (-INF, INF),
    "bootstrap_interval": lambda: np.array_equal(
        metrics.bootstrap_interval(metrics.accuracy, [], np.zeros(0), [], key=jax.random.key(0), num_resamples=3),
        [NAN, NAN, NAN, 3, 0],
        equal_nan=True,
    ),
    "holm": lambda: metrics.holm([]).shape == (0,),
    "mean_interval": lambda: np.array_equal(metrics.mean_interval([]), [NAN] * 4 + [0], equal_nan=True),
    "minus_control": lambda: metrics.minus_control(NO_ROWS, NO_ROWS).empty,
    "mode": lambda: np.array_equal(metrics.mode([]), [NAN, 0], equal_nan=True),
    "one_standard_error": lambda: metrics.one_standard_error([[1.0]]).chosen == 0,
    "paired_difference": lambda: np.array_equal(
        metrics.paired_difference([], []), [NAN] * 4 + [0, NAN], equal_nan=True
    ),
    "resample_subjects": lambda: metrics.resample_subjects(jax.random.key(0), np.zeros(0, int), 2, []).shape == (0,),
    "summarize": lambda: metrics.summarize(NO_ROWS, ["metric"]).empty,
    "verdict": lambda: metrics.verdict(metrics.paired_difference([], [])) == "too few seeds",
}


@pytest.mark.filterwarnings("error")
def test_no_public_metric_is_forgotten_and_none_fails_on_nothing():
    assert {*FIGURES, *OTHERS} == set(metrics.__all__)
    for name, holds in OTHERS.items():
        assert holds(), name
    for losses_ in (np.zeros((0, 3)), np.zeros((3, 0)), []):
        with pytest.raises(ValueError, match=r"must be \[model, part\]"):
            metrics.one_standard_error(losses_)
