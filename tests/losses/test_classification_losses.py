"""Class weights and the weighted cross-entropy, by hand and against scikit-learn and NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.special import log_softmax
from sklearn.utils.class_weight import compute_class_weight

from jaxfair.losses import class_weights, masked_mean, weighted_cross_entropy, weighted_mean

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(12, 3)).astype(np.float32)
LABELS = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 0])
WEIGHTS = np.array([0.5, 2.0, 3.0], np.float32)
MASK = np.arange(12) % 4 != 1


def reference(logits, labels, weights):
    return -weights[labels] * log_softmax(logits.astype(np.float64), axis=1)[np.arange(len(labels)), labels]


def test_class_weights_by_hand_and_against_scikit_learn():
    np.testing.assert_allclose(class_weights([0, 0, 0, 1]), [4 / 6, 2.0], rtol=1e-6)
    np.testing.assert_allclose(class_weights([0, 0, 0, 1], [True, True, False, True]), [3 / 4, 3 / 2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=LABELS)
    np.testing.assert_allclose(class_weights(LABELS, num_classes=3), expected, rtol=1e-6)
    np.testing.assert_allclose(class_weights(LABELS.astype(np.float32), num_classes=3), expected, rtol=1e-6)


def test_class_weights_of_what_does_not_occur():
    np.testing.assert_allclose(class_weights([1, 1], num_classes=3), [0, 1 / 3, 0], rtol=1e-6)
    np.testing.assert_array_equal(class_weights([0, 1], [False, False]), [0, 0])
    np.testing.assert_array_equal(class_weights([0.0, np.nan, 1.0, -1.0]), [1, 1])


def test_balanced_weights_have_mean_one_and_give_classes_the_same_total():
    weights = np.asarray(class_weights(LABELS, MASK, 3))
    each = weights[LABELS[MASK]]
    np.testing.assert_allclose(each.mean(), 1, rtol=1e-6)
    totals = [each[LABELS[MASK] == c].sum() for c in range(3)]
    np.testing.assert_allclose(totals, MASK.sum() / 3, rtol=1e-6)


def test_cross_entropy_by_hand_and_against_numpy():
    np.testing.assert_allclose(weighted_cross_entropy([[0.0, 0.0]], [1], [1.0, 3.0]), 3 * np.log(2), rtol=1e-6)
    compiled = jax.jit(weighted_cross_entropy)
    loss = compiled(LOGITS, LABELS, WEIGHTS)
    np.testing.assert_allclose(loss, reference(LOGITS, LABELS, WEIGHTS), rtol=1e-5)
    np.testing.assert_allclose(compiled(LOGITS, LABELS), reference(LOGITS, LABELS, np.ones(3)), rtol=1e-5)
    np.testing.assert_array_equal(compiled(LOGITS, LABELS.astype(np.float32), WEIGHTS), loss)
    extreme = weighted_cross_entropy([[1e4, -1e4], [1e4, -1e4]], [0, 1])
    np.testing.assert_allclose(extreme, [0, 2e4])


def test_the_two_means():
    loss = reference(LOGITS, LABELS, WEIGHTS)[MASK]
    weighted = weighted_cross_entropy(LOGITS, LABELS, WEIGHTS, MASK)
    np.testing.assert_allclose(masked_mean(weighted, MASK), loss.mean(), rtol=1e-5)
    plain = weighted_cross_entropy(LOGITS, LABELS, mask=MASK)
    of_pytorch = loss.sum() / WEIGHTS[LABELS[MASK]].sum()
    np.testing.assert_allclose(weighted_mean(plain, WEIGHTS[LABELS], MASK), of_pytorch, rtol=1e-5)


@pytest.mark.parametrize("bad_label", [np.nan, -1.0, 7.0])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_does_not_count_is_not_seen(bad, bad_label):
    spoiled = np.where(MASK[:, None], LOGITS, bad).astype(np.float32)
    labels = np.where(MASK, LABELS, bad_label)

    def mean(logits):
        return masked_mean(weighted_cross_entropy(logits, labels, WEIGHTS, MASK), MASK)

    value, gradient = jax.jit(jax.value_and_grad(mean))(spoiled)
    np.testing.assert_allclose(value, reference(LOGITS, LABELS, WEIGHTS)[MASK].mean(), rtol=1e-5)
    assert np.isfinite(gradient).all()
    assert np.all(np.asarray(gradient)[~MASK] == 0)
    assert np.all(np.asarray(gradient)[MASK] != 0)


def test_a_label_that_is_no_class_shows():
    loss = weighted_cross_entropy(LOGITS[:6], [0.0, -1.0, 3.0, np.nan, 0.5, 2.0], WEIGHTS)
    np.testing.assert_array_equal(np.isnan(loss), [False, True, True, True, True, False])


def test_gradient():
    def mean(logits):
        return masked_mean(weighted_cross_entropy(logits, LABELS, WEIGHTS, MASK), MASK)

    with jax.enable_x64(True):
        check_grads(jax.jit(mean), (jnp.asarray(LOGITS, float),), order=1)
        check_grads(jax.jit(jax.grad(mean)), (jnp.asarray(LOGITS, float),), order=1, modes=["rev"])


def test_vmap_over_members_equals_a_loop():
    logits = RNG.normal(size=(4, 12, 3)).astype(np.float32)
    weights = RNG.random((4, 3)).astype(np.float32)
    batched = jax.jit(jax.vmap(weighted_cross_entropy, (0, None, 0)))(logits, LABELS, weights)
    for member in range(4):
        np.testing.assert_allclose(batched[member], reference(logits[member], LABELS, weights[member]), rtol=1e-5)


def test_half_precision():
    loss = weighted_cross_entropy(LOGITS.astype(jnp.bfloat16), LABELS, WEIGHTS)
    assert loss.dtype == jnp.float32
    np.testing.assert_allclose(loss, reference(LOGITS, LABELS, WEIGHTS), rtol=0.03, atol=0.02)


def test_errors_say_what_to_do():
    with pytest.raises(ValueError, match=r"logits must be \[batch, C\] and labels \[batch\]"):
        weighted_cross_entropy(LOGITS[:, 0], LABELS)
    with pytest.raises(ValueError, match=r"labels \[batch\]"):
        weighted_cross_entropy(LOGITS, LABELS[:, None])
    with pytest.raises(ValueError, match=r"weights must be \[3\]"):
        weighted_cross_entropy(LOGITS, LABELS, [1.0, 2.0])
    with pytest.raises(TypeError, match="must be boolean"):
        weighted_cross_entropy(LOGITS, LABELS, WEIGHTS, np.ones(12))
