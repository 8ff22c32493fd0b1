"""Every public metric and loss where there is little or nothing: 0, 1 or 2 examples, one class, constants, infinities.

The expected values are plain NumPy in float64. A metric that is not defined is NaN; a loss that is not defined is 0.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from jaxfair import losses, metrics

INF, NAN = np.inf, np.nan


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


def pearson(p, t):
    if len(p) < 2 or np.ptp(p) == 0 or np.ptp(t) == 0:
        return NAN
    a, b = p - p.mean(), t - t.mean()
    return (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())


def ranks(x):
    return (x[:, None] > x).sum(1) + (x[:, None] == x).sum(1) / 2


def r2(p, t):
    return 1 - ((t - p) ** 2).sum() / ((t - t.mean()) ** 2).sum() if len(t) and np.ptp(t) else NAN


def double_centered(x):
    d = np.abs(x[:, None] - x)
    return d - d.mean(0) - d.mean(1, keepdims=True) + d.mean()


def distance_correlation(p, t):
    if len(p) < 2 or np.ptp(p) == 0 or np.ptp(t) == 0:
        return NAN
    a, b = double_centered(p), double_centered(t)
    return np.sqrt((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))


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

# Predictions, targets, mask: rows of one length are computed by one program.
ROWS = {
    0: [([], [], [])],
    1: [([0.7], [1], [1]), ([0.7], [0], [1]), ([INF], [0], [1]), ([0.7], [1], [0])],
    5: [
        ([0.7, 0.2, 0, 0, 0], [1, 0, 1, 0, 1], [1, 1, 0, 0, 0]),
        ([0.7, 0.2, 0.6, 0.1, 0.9], [1, 0, 0, 0, 1], [0, 0, 0, 0, 0]),
        ([0.7, NAN, 0.6, INF, 0.9], [1, NAN, 0, 0, 1], [1, 0, 1, 0, 1]),
        ([0.7, 0.2, 0.6, 0.1, 0.9], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1]),
        ([0.7, 0.2, 0.6, 0.1, 0.9], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]),
        ([0.4, 0.4, 0.4, 0.4, 0.4], [1, 0, 0, 0, 1], [1, 1, 1, 1, 1]),
        ([0.4, INF, 0.6, 0.1, -INF], [1, 1, 0, 0, 0], [1, 1, 1, 1, 1]),
        ([0.7, 0.2, NAN, 0.1, 0.9], [1, 0, 0, 0, 1], [1, 1, 1, 1, 1]),
    ],
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


def covariance(a, b):
    return ((a - a.mean()) * (b - b.mean())).mean() if len(a) else 0


def squared(correlation):
    def plain(a, b):
        value = correlation(a, b)
        return 0 if np.isnan(value) else value**2

    return plain


def unbiased_squared_covariance(a, b):
    """Over all tuples of distinct examples."""
    n = len(a)
    if n < 4:
        return 0
    i, j, k, m = np.meshgrid(*[np.arange(n)] * 4, indexing="ij")
    distinct = (i != j) & (i != k) & (i != m) & (j != k) & (j != m) & (k != m)
    terms = a[i] * b[i] * a[j] * b[j] - 2 * a[i] * b[i] * a[j] * b[k] + a[i] * a[j] * b[k] * b[m]
    return terms[distinct].mean()


def kernel(x, bandwidth=1.0):
    return np.exp(-((x[:, None] - x) ** 2) / (2 * bandwidth**2))


def centered_kernel(x):
    h = np.eye(len(x)) - 1 / max(len(x), 1)
    return h @ kernel(x) @ h


def hsic(a, b):
    return (centered_kernel(a) * centered_kernel(b)).sum() / len(a) ** 2 if len(a) else 0


def normalized_hsic(a, b):
    return hsic(a, b) / np.sqrt(hsic(a, a) * hsic(b, b)) if len(a) > 1 and np.ptp(a) and np.ptp(b) else 0


def standardized(a):
    return (a - a.mean()) / a.std() if len(a) and np.ptp(a) else 0 * a


def cross_entropy(a, b):
    return np.array([np.log1p(np.exp(-2 * x if y == 0 else 2 * x)) for x, y in zip(a, b, strict=True)])


def weights_of_classes(b):
    return [len(b) / (2 * (b == c).sum()) if (b == c).any() else 0 for c in (0, 1)]


def contrastive(a, b):
    h = np.stack([a, np.ones(len(a))], 1)
    h /= np.linalg.norm(h, axis=1, keepdims=True)
    total = 0
    for i in range(len(a)):
        others = [j for j in range(len(a)) if j != i]
        same = [j for j in others if b[j] == b[i]]
        if same and len(set(b)) > 1:
            likeness = h @ h[i] / 0.1
            total -= np.mean(likeness[same]) - np.log(np.exp(likeness[others]).sum())
    return total / len(a) if len(a) else 0


# Name: the loss of (a, b, mask), and a plain one of the examples that count.
LOSSES = {
    "class_weights": (
        lambda a, b, mask: losses.class_weights(b, mask) @ jnp.array([1.0, 2.0]) + 0 * losses.masked_sum(a, mask),
        lambda a, b: np.dot(weights_of_classes(b), [1, 2]),
    ),
    "covariance": (losses.covariance, covariance),
    "distance_correlation": (losses.distance_correlation, lambda a, b: np.nan_to_num(distance_correlation(a, b))),
    "gaussian_kernel": (lambda a, b, mask: losses.gaussian_kernel(a, 1.0, mask).sum(), lambda a, b: kernel(a).sum()),
    "hsic": (losses.hsic, hsic),
    "masked_mean": (lambda a, b, mask: losses.masked_mean(a, mask), lambda a, b: a.mean() if len(a) else 0),
    "masked_sum": (lambda a, b, mask: losses.masked_sum(a, mask), lambda a, b: a.sum()),
    "negative_squared_covariance": (losses.negative_squared_covariance, lambda a, b: -(covariance(a, b) ** 2)),
    "normalized_hsic": (losses.normalized_hsic, normalized_hsic),
    "squared_correlation": (losses.squared_correlation, squared(pearson)),
    "squared_distance_correlation": (losses.squared_distance_correlation, squared(distance_correlation)),
    "standardize": (
        lambda a, b, mask: losses.masked_sum(losses.standardize(a, mask) * b, mask),
        lambda a, b: (standardized(a) * b).sum(),
    ),
    "supervised_contrastive": (
        lambda a, b, mask: losses.supervised_contrastive(jnp.stack([a, jnp.ones_like(a)], 1), b, mask),
        contrastive,
    ),
    "unbiased_squared_covariance": (losses.unbiased_squared_covariance, unbiased_squared_covariance),
    "weighted_cross_entropy": (
        lambda a, b, mask: losses.weighted_cross_entropy(jnp.stack([a, -a], 1), b, None, mask).sum(),
        lambda a, b: cross_entropy(a, b).sum(),
    ),
    "weighted_mean": (losses.weighted_mean, lambda a, b: (a * b).sum() / b.sum() if b.sum() else 0),
}


@jax.jit
def all_losses(a, b, mask):
    def each(a, b, mask):
        return {name: jax.value_and_grad(loss)(a, b, mask) for name, (loss, _) in LOSSES.items()}

    return jax.vmap(each)(a, b, mask)


def test_no_public_loss_is_forgotten():
    assert set(LOSSES) == set(losses.__all__)


@pytest.mark.parametrize("size", ROWS)
def test_a_loss_is_the_plain_value_or_0_with_a_finite_gradient(size):
    rows = np.array(ROWS[size], np.float32).reshape(len(ROWS[size]), 3, size)
    found = all_losses(rows[:, 0], rows[:, 1], rows[:, 2] > 0)
    for number, (first, second, mask) in enumerate(np.float64(rows)):
        a, b = first[mask > 0], second[mask > 0]
        for name, (_, plain) in LOSSES.items():
            value, gradient = (np.asarray(part)[number] for part in found[name])
            label = f"{name} {number}"
            if np.isfinite(a).all():
                np.testing.assert_allclose(value, plain(a, b), rtol=1e-4, atol=1e-6, err_msg=label)
                assert np.isfinite(gradient).all(), label
            elif len(a) > 1 and name not in ("class_weights", "gaussian_kernel", "weighted_cross_entropy"):
                assert not np.isfinite(value), label  # It shows.
            np.testing.assert_array_equal(gradient[mask == 0], 0, err_msg=label)
