"""Scores of training samples by attribution, against sums and all outputs explained."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_beats as study
from scipy.special import log_softmax

from jaxfair.attribution import data_values
from jaxfair.attribution.deep_shap import deep_shap
from jaxfair.methods import shapley, shapley_scores
from jaxfair.models.time_series import time_series_classifier

NETWORKS = {
    "fcn": study.NETWORK,
    "blend_res2net": time_series_classifier("blend_res2net", study.CLASSES, channels=(4,), depth=1, kernel_sizes=(3,)),
}
DATA, BACKGROUND = study.beats(7, seed=1, channels=2), study.beats(5, seed=2, channels=2)["inputs"]


@functools.cache
def scores_of(name, at_once):
    setting = shapley.Setting(NETWORKS[name], 1)
    program = jax.jit(functools.partial(shapley_scores.training_scores, setting, at_once=at_once))
    return lambda variables: jax.tree.map(np.asarray, program(variables, DATA["inputs"], DATA["label"], BACKGROUND))


@functools.cache
def variables_of(name):
    return study.variables(3, NETWORKS[name], channels=2)


def plain_logits(name, inputs, variables=None):
    return np.asarray(NETWORKS[name].apply(variables or variables_of(name), inputs), np.float64)


@pytest.mark.parametrize("name", ["fcn", pytest.param("blend_res2net", marks=pytest.mark.slow)])
def test_scores_are_complete(name):
    found = scores_of(name, 4)(variables_of(name))
    own = np.arange(7), DATA["label"]
    at, behind = (log_softmax(plain_logits(name, inputs), axis=1) for inputs in (DATA["inputs"], BACKGROUND))
    mean = np.exp(behind).mean(0)[DATA["label"]]
    scores = found.by_name
    assert set(scores) == {*data_values.SCORES, "loss"}
    np.testing.assert_allclose(found.probability, np.exp(at)[own], atol=1e-5)
    np.testing.assert_allclose(scores["signed_sum"], np.exp(at)[own] - mean, atol=1e-5)
    np.testing.assert_allclose(scores["loss"], -behind.mean(0)[DATA["label"]] + at[own], rtol=1e-4, atol=1e-4)
    assert found.contributions.shape == (7, study.TIME)
    np.testing.assert_allclose(found.contributions.sum(1), scores["signed_sum"], atol=1e-5)
    assert found.residual.shape == (7,)
    assert found.residual.max() < 1e-4
    assert np.ptp(scores["signed_sum"]) > 0.02
    assert (scores["positive_sum"] > np.maximum(scores["signed_sum"], 0) + 1e-3).all()
    np.testing.assert_allclose(scores["absolute_sum"], 2 * scores["positive_sum"] - scores["signed_sum"], atol=1e-5)


def test_scores_are_those_of_all_outputs_explained_at_once():
    def outputs(inputs):
        # The same formula: DeepLIFT's rules tell exp(log_softmax) from softmax.
        logits = study.NETWORK.apply(variables_of("fcn"), inputs)
        loss = jax.scipy.special.logsumexp(logits, axis=1, keepdims=True) - logits
        return jnp.concatenate([jax.nn.softmax(logits), loss], axis=1)

    values = np.asarray(jax.jit(functools.partial(deep_shap, outputs))(DATA["inputs"], BACKGROUND).values)
    found, labels = scores_of("fcn", 4)(variables_of("fcn")), DATA["label"]
    close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
    for kind in data_values.SCORES:
        close(found.by_name[kind], data_values.attribution_scores(values, labels, kind))
    loss = -data_values.attribution_scores(values, labels + study.CLASSES)
    close(found.by_name["loss"], loss)
    close(found.contributions, values[np.arange(7), labels].sum(-1))


@pytest.mark.slow
def test_scores_do_not_depend_on_how_many_are_computed_at_once():
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
        scores_of("fcn", 3)(variables_of("fcn")),
        scores_of("fcn", 4)(variables_of("fcn")),
    )


@pytest.mark.parametrize("group", ["params", "batch_stats"])
def test_a_broken_network_has_no_scores(group):
    found = scores_of("fcn", 4)(study.spoiled(variables_of("fcn"), group))
    assert all(np.isnan(leaf).all() for leaf in jax.tree.leaves(found))
