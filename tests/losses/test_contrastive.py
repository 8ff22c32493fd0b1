"""The supervised contrastive loss against pytorch-metric-learning, against its definition in NumPy, and its limits."""

import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxfair.losses import supervised_contrastive

# pytorch-metric-learning 2.9.0 on PyTorch 2.13.0, by golden/make_contrastive.py.
GOLDEN = np.load(pathlib.Path(__file__).with_name("golden") / "contrastive.npz")
RNG = np.random.default_rng(1)
H = RNG.normal(size=(9, 3))
LABELS = np.array([0, 1, 1, 0, 2, 1, 0, 0, 1])  # Class 2 has one example.
MASK = np.array([1, 1, 1, 1, 1, 0, 1, 0, 1], bool)
FORMS = {"all": {}, "negatives": {"denominator": "negatives", "normalize": False}}


@functools.partial(jax.jit, static_argnames=("form",))
def value_and_gradient(h, labels, mask, temperature, form):
    def loss(h):
        return supervised_contrastive(h, labels, mask, temperature, **FORMS[form])

    return jax.value_and_grad(loss)(h)


def plain(h, labels, temperature, form):
    if form == "all":
        h = h / np.linalg.norm(h, axis=1, keepdims=True)
    total = 0.0
    for i in range(len(h)):
        positives = [p for p in range(len(h)) if p != i and labels[p] == labels[i]]
        others = [a for a in range(len(h)) if a != i and (form == "all" or labels[a] != labels[i])]
        for p in positives:
            denominator = sum(np.exp(h[i] @ h[a] / temperature) for a in others)
            total -= np.log(np.exp(h[i] @ h[p] / temperature) / denominator) / len(positives)
    return total / len(h)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
@pytest.mark.parametrize("form", FORMS)
def test_against_other_software(form, temperature):
    loss, gradient = value_and_gradient(GOLDEN["h"], GOLDEN["labels"], np.ones(10, bool), temperature, form)
    np.testing.assert_allclose(loss, GOLDEN[f"{form}/{temperature}/loss"], rtol=1e-5)
    expected = GOLDEN[f"{form}/{temperature}/gradient"]
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("form", FORMS)
def test_masked_examples_may_be_nan_and_change_nothing(form):
    expected = plain(H[MASK], LABELS[MASK], 0.3, form)
    corrupt = np.where(MASK[:, None], H, np.nan)
    for h, labels in ((H, LABELS), (corrupt, np.where(MASK, LABELS, np.nan))):
        loss, gradient = value_and_gradient(h, np.float32(labels), MASK, 0.3, form)
        np.testing.assert_allclose(loss, expected, rtol=1e-5)
        assert (np.asarray(gradient)[~MASK] == 0).all()
        assert np.abs(np.asarray(gradient)[MASK]).max() > 1e-3
        assert np.isfinite(gradient).all()


def test_the_two_choices_are_independent():
    mixed = supervised_contrastive(H, LABELS, MASK, 0.3, denominator="negatives")
    unit = H[MASK] / np.linalg.norm(H[MASK], axis=1, keepdims=True)
    np.testing.assert_allclose(mixed, plain(unit, LABELS[MASK], 0.3, "negatives"), rtol=1e-5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("labels", "mask"),
    [
        (np.zeros(9), MASK),  # One class.
        (LABELS, np.arange(9) == 4),  # One example.
        (np.arange(9), MASK),  # No anchor has a positive.
        (LABELS, np.zeros(9, bool)),
    ],
    ids=["one class", "one example", "no positive", "all masked"],
)
def test_where_nothing_is_contrasted_the_loss_and_its_gradient_are_zero(labels, mask, form):
    loss, gradient = value_and_gradient(H, np.float32(labels), mask, 0.3, form)
    assert loss == 0
    assert (np.asarray(gradient) == 0).all()


def test_a_representation_of_zero_is_finite():
    loss, gradient = value_and_gradient(np.zeros((9, 3)), np.float32(LABELS), MASK, 0.3, "all")
    # Everything is equally alike: 6 of the 7 anchors that count have positives, each of them log 6 from certain.
    np.testing.assert_allclose(loss, 6 / 7 * np.log(6), rtol=1e-6)
    assert (np.asarray(gradient) == 0).all()


def test_likeness_far_beyond_the_exponential_function_is_finite():
    loss, gradient = value_and_gradient(1000 * H, np.float32(LABELS), MASK, 0.01, "negatives")
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()


def test_without_norms_the_papers_form_falls_for_ever():
    apart = np.where(LABELS[:, None] == np.arange(3), 1.0, 0.0)
    losses = [value_and_gradient(size * apart, np.float32(LABELS), MASK, 1.0, "negatives")[0] for size in (1, 10, 100)]
    assert losses[0] > losses[1] > losses[2]
    assert losses[2] < -1000


@pytest.mark.parametrize("form", FORMS)
def test_gradients(form):
    with jax.enable_x64(True):
        loss = jax.jit(lambda h, t: supervised_contrastive(h, LABELS, MASK, t, **FORMS[form]))
        check_grads(loss, (jnp.asarray(H), jnp.asarray(0.7)), order=1, modes=["rev"])


def test_a_label_of_nan_that_counts_is_not_passed_over():
    labels = np.where(np.arange(9) == 0, np.nan, LABELS)
    assert np.isnan(value_and_gradient(H, np.float32(labels), MASK, 0.3, "all")[0])


def test_errors_say_what_to_do():
    with pytest.raises(ValueError, match=r"but have shapes \(9,\) and \(9,\)"):
        supervised_contrastive(H[:, 0], LABELS)
    with pytest.raises(ValueError, match=r"but have shapes \(9, 3\) and \(8,\)"):
        supervised_contrastive(H, LABELS[1:])
    with pytest.raises(ValueError, match="'negative'"):
        supervised_contrastive(H, LABELS, denominator="negative")
    with pytest.raises(ValueError, match="temperature must be positive, but is 0"):
        supervised_contrastive(H, LABELS, temperature=0)
    with pytest.raises(TypeError, match="must be boolean"):
        supervised_contrastive(H, LABELS, np.ones(9))
