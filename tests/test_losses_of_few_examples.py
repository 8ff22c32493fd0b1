"""Every public loss where there is little or nothing: its plain value, or 0; and a finite gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from few_examples import ROWS, distance_correlation, pearson

from jaxfair import losses


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
