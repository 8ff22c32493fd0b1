"""Laws of all probes: masks, units, collapsed representations; what they read of planted signals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from probing import NUM_FOLDS, PROBES, binary, compiled, representation, run

from jaxfair import metrics, probes


@pytest.mark.parametrize("name", PROBES)
def test_what_is_not_trained_on_has_no_effect_on_others(name):
    features, attribute, fold, train = representation(9)
    expected = run(name, features, attribute, fold, train)
    spoiled = np.where(train, attribute, np.nan)
    # Labels and folds outside `train` are not read at all; the attribute is NaN there.
    other = compiled(name)(features, binary(attribute) if name == "logistic" else spoiled, fold, train)
    np.testing.assert_array_equal(other, expected)
    if name == "logistic":
        labels = np.where(train, binary(attribute), np.nan)
        np.testing.assert_array_equal(compiled(name)(features, labels, fold, train), expected)
    fold_outside = np.where(train, fold, 1_000)
    np.testing.assert_array_equal(run(name, features, attribute, fold_outside, train), expected)
    # Features outside `train` change their own prediction only.
    features = features.copy()
    features[~train] = np.nan
    other = run(name, features, attribute, fold, train)
    np.testing.assert_array_equal(other[train], expected[train])
    assert np.isnan(other[~train]).all()


@pytest.mark.parametrize("name", PROBES)
def test_padding_and_the_place_of_masked_examples_change_nothing(name):
    features, attribute, fold, train = representation(10)
    arguments = features, binary(attribute) if name == "logistic" else attribute, fold, train
    expected = compiled(name)(*arguments)
    between = np.sort(np.concatenate([np.arange(400), np.arange(0, 400, 8)]))
    is_padding = np.append(False, between[1:] == between[:-1])
    features, attribute, fold, train = (values[between] for values in arguments)
    features[is_padding], train = np.nan, train & ~is_padding
    actual = compiled(name)(features, attribute, fold, train)
    np.testing.assert_allclose(actual[~is_padding], expected, rtol=2e-4)


@pytest.mark.slow  # The fast tests of the age study's evaluation compile probes under vmap, too.
@pytest.mark.parametrize("name", PROBES)
def test_vmap_and_jit_equal_a_loop(name):
    members = [representation(seed, size=120, dim=5) for seed in (11, 12)]
    features, attributes, folds, trains = (np.stack(values) for values in zip(*members, strict=True))
    trains[1] = np.arange(120) >= 40
    attributes = binary(attributes) if name == "logistic" else attributes
    arguments = features, attributes, folds, trains
    loop = [compiled(name)(*row) for row in zip(*arguments, strict=True)]
    mapped = jax.jit(jax.vmap(lambda x, y, fold, train: PROBES[name](x, y, fold, NUM_FOLDS, train)))
    np.testing.assert_allclose(mapped(*arguments), loop, rtol=1e-4)
    eager = PROBES[name](*(values[1] for values in arguments[:3]), NUM_FOLDS, trains[1])
    np.testing.assert_allclose(eager, loop[1], rtol=1e-4)


@pytest.mark.parametrize("name", PROBES)
def test_units_of_features_change_nothing_however_small_or_large(name):
    """A representation shrunk to 1e-25 still holds what it held."""
    features, attribute, fold, train = representation(13)
    expected = run(name, features, attribute, fold, train)
    for scale in (2.0**-80, 2.0**80):
        actual = run(name, features * np.float32(scale), attribute, fold, train)
        np.testing.assert_allclose(actual, expected, rtol=1e-3)


@pytest.mark.parametrize("name", PROBES)
def test_a_collapsed_representation_gives_the_mean_and_a_diverged_one_nan(name):
    features, attribute, fold, train = representation(14)
    constant = np.full_like(features, 0.1)
    wanted = binary(attribute) if name == "logistic" else attribute
    predictions = run(name, constant, attribute, fold, train)
    np.testing.assert_allclose(predictions, wanted[train].mean(), rtol=2e-2)
    assert np.ptp(predictions) <= 1e-5 * np.abs(predictions).max()
    features[5, 2] = np.inf
    assert np.isnan(run(name, features, attribute, fold, train)).all()


@pytest.mark.parametrize("name", PROBES)
def test_an_empty_fold_is_left_out_and_a_full_one_gives_nan(name):
    features, attribute, fold, train = representation(15)
    three = np.where(fold == 3, fold // 2, fold)
    assert np.isfinite(run(name, features, attribute, three, train)).all()
    assert np.isnan(run(name, features, attribute, np.zeros_like(fold), train)).all()
    assert np.isnan(run(name, features, attribute, fold, np.zeros_like(train))).all()


@pytest.mark.parametrize("name", ["ridge", "mlp"])
def test_r2_on_independent_noise_is_zero(name):
    """On n evaluation examples a constant that is off by the training mean's error gives R2 of -1/m -+ 1/n."""
    rng = np.random.default_rng(16)
    size = 2_000
    train = np.arange(size) < 1_000
    values = []
    for _ in range(3):
        features, attribute = rng.normal(size=(size, 8)), rng.normal(size=size)
        predictions = compiled(name)(features, attribute, np.arange(size) % NUM_FOLDS, train)
        values.append(metrics.r2(predictions, attribute, ~train))
    # A fit of 8 useless coefficients would cost 8/1000 without any shrinkage; the gain is chance, of SD below 0.01.
    np.testing.assert_allclose(values, 0, atol=0.03)


def test_r2_of_a_planted_linear_signal_is_what_theory_says():
    rng = np.random.default_rng(17)
    size, dim, explained = 12_000, 16, 0.4
    direction = rng.normal(size=dim)
    features = rng.normal(size=(size, dim))
    signal = features @ direction / np.linalg.norm(direction)
    attribute = 60 + 15 * (np.sqrt(explained) * signal + np.sqrt(1 - explained) * rng.normal(size=size))
    train = np.arange(size) % 2 == 0
    fold = np.arange(size) // 2 % NUM_FOLDS
    predictions = compiled("ridge")(features, attribute, fold, train)
    # Estimating dim + 1 coefficients from m examples costs (1 - explained) (dim + 1) / m = 0.0017.
    expected = explained - (1 - explained) * (dim + 1) / 6_000
    # Delta method for the squared correlation: SD = 2 r (1 - r^2) / sqrt(n) = 0.0098.
    spread = 2 * np.sqrt(explained) * (1 - explained) / np.sqrt(6_000)
    assert abs(metrics.r2(predictions, attribute, ~train) - expected) < 3 * spread


def test_mlp_finds_what_ridge_does_not_and_depends_on_its_key_only():
    rng = np.random.default_rng(18)
    size = 5_000
    features = rng.normal(size=(size, 16)).astype(np.float32)
    attribute = 50 + 10 * features[:, 0] ** 2
    train, fold = np.arange(size) < 4_000, np.arange(size) % 2

    @jax.jit
    def probe(key):
        return probes.mlp_probe(key, features, attribute, fold, 2, train, num_steps=1_000)

    first, again, other = (probe(jax.random.key(seed)) for seed in (0, 0, 1))
    assert metrics.r2(first, attribute, ~train) > 0.8
    assert metrics.r2(other, attribute, ~train) > 0.8
    np.testing.assert_array_equal(first, again)
    assert (np.asarray(first) != np.asarray(other)).any()
    linear = compiled("ridge")(features, attribute, fold, train)
    assert metrics.r2(linear, attribute, ~train) < 0.02


@pytest.mark.parametrize("name", PROBES)
def test_bad_arguments_are_refused(name):
    features, attribute, fold, train = representation(19)
    with pytest.raises(ValueError, match="num_folds of 2 or more, got 1"):
        PROBES[name](features, attribute, fold, 1, train)
    with pytest.raises(ValueError, match=r"'train': \(399,\)"):
        PROBES[name](features, attribute, fold, NUM_FOLDS, train[1:])
    with pytest.raises(ValueError, match=r"'features': \(400,\)"):
        PROBES[name](features[:, 0], attribute, fold, NUM_FOLDS, train)


def test_mlp_checks_at_whole_intervals():
    features, attribute, fold, train = representation(20)
    with pytest.raises(ValueError, match="steps_between_checks=30 does not divide num_steps=100"):
        probes.mlp_probe(
            jax.random.key(0),
            jnp.asarray(features),
            attribute,
            fold,
            NUM_FOLDS,
            train,
            num_steps=100,
            steps_between_checks=30,
        )
