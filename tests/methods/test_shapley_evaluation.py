"""The evaluation of models, against plain NumPy and closed forms."""

import functools

import jax
import numpy as np
import pytest
import small_beats as study
from flax import linen as nn
from scipy.special import log_softmax
from sklearn.metrics import balanced_accuracy_score

from jaxfair import sweeps
from jaxfair.methods import shapley, shapley_evaluation

DATA = study.beats(7, seed=1, channels=2)


@pytest.fixture(scope="module")
def network():
    """Variables, and the logits of DATA."""
    variables = study.variables(3, channels=2)
    return variables, np.asarray(study.NETWORK.apply(variables, DATA["inputs"]), np.float64)


@pytest.mark.parametrize("chunk", [1, 5, 64])
def test_logits_of_all_are_those_of_a_loop(network, chunk):
    variables, logits = network
    program = jax.jit(functools.partial(shapley_evaluation.logits_of_all, study.SETTING, chunk=chunk))
    found = program(variables, DATA["inputs"])
    np.testing.assert_allclose(found, logits, rtol=1e-4, atol=1e-5)


def test_predictions_are_right_or_wrong_and_a_broken_network_is_never_right(network):
    variables, logits = network
    program = jax.jit(functools.partial(shapley_evaluation.predictions, study.SETTING))
    right, loss = program(variables, DATA["inputs"], DATA["label"])
    np.testing.assert_array_equal(right, logits.argmax(1) == DATA["label"])
    np.testing.assert_allclose(loss, -log_softmax(logits, axis=1)[np.arange(7), DATA["label"]], rtol=1e-4)
    for group in ("params", "batch_stats"):
        right, loss = program(study.spoiled(variables, group), DATA["inputs"], DATA["label"])
        assert not right.any()
        assert np.isnan(loss).all()


class Linear(nn.Module):
    """Two classes that a plane separates: DeepFool's and the strongest l_inf attack are known."""

    num_classes: int = 2

    @nn.compact
    def __call__(self, inputs, *, train=False, mask=None):
        return nn.Dense(2)(inputs.reshape(len(inputs), -1))


def plane(seed):
    rng = np.random.default_rng(seed)
    # All about the same direction, so that the models agree on most beats and not on all.
    slope = np.random.default_rng(0).normal(size=(16, 2)) + 0.6 * rng.normal(size=(16, 2))
    return {"params": {"Dense_0": {"kernel": np.float32(slope), "bias": np.float32(rng.normal(size=2))}}}


def margin(variables, inputs):
    """By how much the second class's logit is larger, and that function's slope."""
    dense = jax.tree.map(np.float64, variables["params"]["Dense_0"])
    slope = dense["kernel"][:, 1] - dense["kernel"][:, 0]
    return inputs.reshape(len(inputs), -1) @ slope + dense["bias"][1] - dense["bias"][0], slope


EPSILON = np.float32(0.15)
LINEAR = shapley.Setting(Linear(), 1)


def separated(size, seed):
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(size, 16, 1)).astype(np.float32)
    label = (margin(plane(9), inputs)[0] + rng.normal(size=size) > 0).astype(np.int32)
    return {"inputs": inputs, "label": label}


TEST, ATTACKED = separated(40, 1), separated(20, 2)


def fooling(variables):
    """DeepFool's formula applied to the attacked beats: beats, whether it classified them rightly, relative norms."""
    inputs, label = ATTACKED["inputs"], ATTACKED["label"]
    values, slope = margin(variables, inputs)
    right = (values > 0) == label
    size = 1.02 * (np.abs(values) / np.linalg.norm(slope) + 1e-4)
    moved = -np.sign(values) * size * right
    changed = inputs + (moved[:, None] * slope / np.linalg.norm(slope))[..., None]
    return changed, right, size * right / np.linalg.norm(inputs[..., 0], axis=1)


@functools.cache
def crafting():
    return jax.jit(functools.partial(shapley_evaluation.counterfactuals, LINEAR))


@functools.cache
def evaluator(setting):
    return jax.jit(functools.partial(shapley_evaluation.evaluate, setting))


def made(variables):
    return jax.tree.map(np.asarray, crafting()(variables, ATTACKED["inputs"], ATTACKED["label"]))


def evaluated(one, full, surrogate, seed=0):
    return evaluator(LINEAR)(one, full, made(full), made(surrogate), jax.random.key(seed), TEST, ATTACKED, EPSILON)


def stack(trees):
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def test_counterfactuals_of_a_linear_classifier_are_its_projections():
    found = made(plane(1))
    changed, right, relative = fooling(plane(1))
    assert 0 < right.mean() < 1
    np.testing.assert_array_equal(found.right, right)
    np.testing.assert_array_equal(found.fooled, right)
    np.testing.assert_allclose(found.inputs, changed, atol=1e-5)
    np.testing.assert_allclose(found.relative_norm, relative, rtol=1e-4)


def test_everything_that_is_said_of_a_linear_classifier_has_a_closed_form():
    one, full, surrogate = plane(1), plane(2), plane(3)
    found = evaluated(one, full, surrogate)
    label = ATTACKED["label"]
    values, _ = margin(one, TEST["inputs"])
    away = np.where(TEST["label"] == 1, values, -values)
    own, of_full, of_surrogate = (fooling(each) for each in (one, full, surrogate))
    both = own[1] & of_full[1]

    def accuracy(model, made):
        return ((margin(model, made[0])[0] > 0) == label)[made[1]].mean()

    attacked, slope = margin(one, ATTACKED["inputs"])
    expected = {
        "accuracy": (away > 0).mean(),
        "balanced_accuracy": balanced_accuracy_score(TEST["label"], values > 0),
        "loss": np.logaddexp(0, -away).mean(),
        "counterfactual_norm": own[2][own[1]].mean(),
        "counterfactual_norm_ratio": own[2][both].mean() / of_full[2][both].mean(),
        "counterfactual_success": 1,
        "counterfactual_accuracy_own": 0,
        "counterfactual_accuracy_full": accuracy(one, of_full),
        "counterfactual_accuracy_crossed": accuracy(full, own),
        "counterfactual_accuracy_surrogate": accuracy(one, of_surrogate),
        "pgd_accuracy": (np.where(label == 1, attacked, -attacked) > EPSILON * np.abs(slope).sum()).mean(),
    }
    assert set(found.metrics) == set(expected)
    for name, value in expected.items():
        assert value not in (0, 1) or name in ("counterfactual_accuracy_own", "counterfactual_success"), name
        np.testing.assert_allclose(found.metrics[name], value, rtol=1e-4, err_msg=name)
    assert len({round(float(value), 4) for value in expected.values()}) == len(expected)
    assert both.sum() < own[1].sum()
    np.testing.assert_array_equal(found.decision, values > 0)
    np.testing.assert_allclose(found.probability, 1 / (1 + np.exp(-away)), rtol=1e-4)


def test_the_full_model_is_its_own_measure():
    found = evaluated(plane(1), plane(1), plane(2)).metrics
    np.testing.assert_allclose(found["counterfactual_norm_ratio"], 1, rtol=1e-6)
    for name in ("own", "full", "crossed"):
        assert found[f"counterfactual_accuracy_{name}"] == 0


def test_many_models_side_by_side_or_spread_over_devices_are_evaluated_as_one_by_one():
    models, fulls, surrogates = [plane(1), plane(2), plane(1)], [plane(1), plane(1), plane(4)], [plane(5)] * 3
    expected = [evaluated(*each, seed) for seed, each in enumerate(zip(models, fulls, surrogates, strict=True))]
    expected = stack(expected)
    each = stack(models), stack(fulls), *(stack([made(one) for one in those]) for those in (fulls, surrogates))
    each += (jax.vmap(jax.random.key)(np.arange(3)),)
    shared = TEST, ATTACKED, EPSILON
    evaluate = functools.partial(shapley_evaluation.evaluate, LINEAR)
    beside = jax.jit(jax.vmap(evaluate, (0,) * 5 + (None,) * 3))(*each, *shared)
    spread = sweeps.over_all(evaluate, each, shared, places=4)
    for found in (beside, spread):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), found, expected)


@pytest.fixture(scope="module")
def networks():
    """Metrics of networks with ReLUs: a trained one, the same with a NaN, and one that gives one class only."""
    data, key = study.beats(12, seed=4), jax.random.key(0)
    full, surrogate = (study.run(study.member(seed)).state["best"].kept for seed in (0, 1))
    craft = jax.jit(functools.partial(shapley_evaluation.counterfactuals, study.SETTING))
    of_full, of_surrogate = (craft(each, data["inputs"], data["label"]) for each in (full, surrogate))
    dense = {"kernel": np.zeros_like(full["params"]["head"]["Dense_0"]["kernel"]), "bias": np.float32([0, 1, 0])}
    constant = full | {"params": full["params"] | {"head": {"Dense_0": dense}}}
    each = {
        "full": full,
        "constant": constant,
        "kernel": study.spoiled(full),
        "mean": study.spoiled(full, "batch_stats"),
    }
    evaluate = evaluator(study.SETTING)
    found = {name: evaluate(one, full, of_full, of_surrogate, key, data, data, EPSILON) for name, one in each.items()}
    return data, of_full, jax.tree.map(np.asarray, found)


def test_a_network_against_itself(networks):
    _, of_full, found = networks
    metrics = found["full"].metrics
    assert of_full.fooled.sum() > 2
    np.testing.assert_allclose(metrics["counterfactual_norm_ratio"], 1, rtol=1e-5)
    assert metrics["counterfactual_accuracy_own"] == metrics["counterfactual_accuracy_full"] == 0
    assert all(np.isfinite(value) for value in metrics.values())


@pytest.mark.parametrize("where", ["kernel", "mean"])
def test_a_broken_network_gets_no_number(networks, where):
    """XLA's CPU compiler may turn NaN into 0 in a ReLU, so this holds under jit or not at all."""
    _, _, found = networks
    assert all(np.isnan(value) for value in found[where].metrics.values())
    assert (found[where].decision == -1).all()
    assert np.isnan(found[where].probability).all()


def test_where_no_beat_is_fooled_there_is_no_norm_and_no_accuracy(networks):
    """DeepFool finds no slope in a network that says the same of everything, and moves nothing."""
    data, of_full, found = networks
    metrics = found["constant"].metrics
    for name in ("norm", "norm_ratio", "accuracy_own", "accuracy_crossed"):
        assert np.isnan(metrics[f"counterfactual_{name}"]), name
    np.testing.assert_allclose(metrics["accuracy"], 1 / 3, rtol=1e-6)
    np.testing.assert_allclose(metrics["pgd_accuracy"], 1 / 3, rtol=1e-6)
    right = (data["label"] == 1)[np.asarray(of_full.fooled)]
    np.testing.assert_allclose(metrics["counterfactual_accuracy_full"], right.mean(), rtol=1e-6)
