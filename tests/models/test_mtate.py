"""The masked triple attention transformer encoder: the whole against NumPy, its modules, and what masks promise."""

import jax
import jax.numpy as jnp
import numpy as np
import plain_mtate
import pytest
from small_mtate import ALL, FEATURES, LABELS, SMALL, STEPS, TIME, X, Z, assert_equals_plain, initialized

from jaxfair.models import mtate_modules, sequences
from jaxfair.models.mtate_modules import FeatureRelevanceAttention


@pytest.fixture(scope="module")
def network():
    """The model, its variables, and one compiled program that every test of the whole calls."""
    model, variables = initialized(SMALL)

    @jax.jit
    def run(x, time_mask, static, labels, mask, kept):
        def total(params, x, static):
            given = {"params": params, "masks": {"kept": kept}}
            outputs = model.apply(given, x, time_mask=time_mask, static=static, domain_labels=labels, mask=mask)
            values = jnp.sin(outputs.outcome) + outputs.domain_losses.sum(1) + jnp.sin(outputs.representation).sum(1)
            return jnp.where(mask, values, 0).sum(), outputs

        return jax.value_and_grad(total, argnums=(0, 1, 2), has_aux=True)(variables["params"], x, static)

    def call(x=X, time_mask=TIME, static=Z, labels=LABELS, mask=ALL, kept=variables["masks"]["kept"]):
        (value, outputs), gradients = run(x, time_mask, static, labels, mask, kept)
        return jax.tree.map(np.asarray, (value, outputs, gradients))

    return variables, call


def test_the_whole_against_the_equations_in_numpy(network):
    variables, call = network
    _, outputs, _ = call()
    assert_equals_plain(outputs, variables, SMALL)
    np.testing.assert_array_equal(outputs.kept, variables["masks"]["kept"])


def test_padded_steps_change_nothing_and_have_no_gradient(network):
    _, call = network
    clean = call()
    corrupt = call(x=np.where(TIME[..., None], X, np.nan))
    jax.tree.map(np.testing.assert_array_equal, corrupt, clean)
    _, _, (to_params, to_inputs, _) = clean
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(to_params))
    assert (to_inputs[~TIME] == 0).all()
    assert (np.abs(to_inputs[:3]).max((1, 2)) > 1e-4).all()  # The fourth patient has one step: see below.


def test_patients_that_do_not_exist_change_nothing(network):
    _, call = network
    mask = np.array([True, False, True, True])
    x, static, labels = (np.where(mask.reshape(-1, *[1] * (v.ndim - 1)), v, np.nan) for v in (X, Z, LABELS))
    value, outputs, gradients = call(mask=mask)
    other = call(x=x, static=static, labels=labels, mask=mask)
    np.testing.assert_array_equal(other[0], value)
    jax.tree.map(np.testing.assert_array_equal, other[2], gradients)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(other[1]))
    for gradient in gradients[1:]:
        assert (gradient[1] == 0).all()
        assert np.abs(gradient[2]).max() > 0
    np.testing.assert_allclose(outputs.outcome[mask], call()[1].outcome[mask], rtol=1e-5, atol=1e-6)


def test_a_patient_without_a_step_is_represented_by_zero(network):
    _, call = network
    time_mask = TIME.copy()
    time_mask[2] = False
    _, outputs, gradients = call(x=np.full_like(X, np.nan), time_mask=np.zeros_like(TIME))
    assert (outputs.domain_representations == 0).all()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((outputs, gradients)))
    _, outputs, gradients = call(time_mask=time_mask)
    assert (outputs.representation[2, :FEATURES] == 0).all()
    assert (gradients[1][2] == 0).all()


def test_patients_in_another_order_give_the_outputs_in_that_order(network):
    _, call = network
    order = np.array([2, 0, 3, 1])
    value, outputs, gradients = call()
    other, others, other_gradients = call(X[order], TIME[order], Z[order], LABELS[order])
    np.testing.assert_allclose(other, value, rtol=1e-5)
    kept, others_kept = outputs.kept, others.kept
    np.testing.assert_array_equal(kept, others_kept)
    for name in set(outputs._fields) - {"kept"}:
        expected = jax.tree.map(lambda leaf: leaf[order], getattr(outputs, name))
        found = getattr(others, name)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, expected)
    np.testing.assert_allclose(other_gradients[1], gradients[1][order], rtol=1e-4, atol=1e-5)


def test_unknown_labels_are_replaced_by_what_the_classifier_expects(network):
    _, call = network
    _, outputs, _ = call()
    _, unknown, _ = call(labels=np.full_like(LABELS, np.nan))
    p = 1 / (1 + np.exp(-outputs.domains))
    entropy = -p * np.log(p) - (1 - p) * np.log(1 - p)
    np.testing.assert_allclose(unknown.domain_losses, entropy, rtol=1e-4, atol=1e-6)
    missing = np.isnan(LABELS)
    np.testing.assert_array_equal(outputs.domain_losses[missing], unknown.domain_losses[missing])
    assert (outputs.domain_losses[~missing] != unknown.domain_losses[~missing]).all()
    certain = mtate_modules.domain_losses(jnp.array([[-200.0, 200.0, 0.0]]))
    np.testing.assert_allclose(certain, [[0, 0, np.log(2)]], atol=1e-6)
    np.testing.assert_allclose(mtate_modules.domain_losses(jnp.array([3.0]), [np.nan]), entropy_of(3.0), rtol=1e-5)


def entropy_of(logit):
    p = 1 / (1 + np.exp(-logit))
    return [-p * np.log(p) - (1 - p) * np.log(1 - p)]


def test_the_vmapped_modules_are_single_modules_with_the_same_weights(network):
    variables, call = network
    _, outputs, _ = call()
    temporal, feature = mtate_modules.TemporalRelevanceAttention(2, 3), FeatureRelevanceAttention(2, 3, 4)
    first = np.float32(X + plain_mtate.positions(STEPS, FEATURES))

    @jax.jit
    def single(of_domain, kept):
        values, _ = temporal.apply({"params": variables["params"]["temporal_0"]}, first, TIME)
        latent, weights = feature.apply({"params": of_domain["feature_0"]}, values, kept, TIME)
        values = mtate_modules.reinsert(latent, kept, FEATURES)
        values, _ = temporal.apply({"params": of_domain["temporal_1"]}, values, TIME)
        latent, _ = feature.apply({"params": of_domain["feature_1"]}, values, kept, TIME)
        return weights, mtate_modules.reinsert(sequences.max_over_time(latent, TIME), kept, FEATURES)

    modules = {name: variables["params"][name] for name in ("feature_0", "temporal_1", "feature_1")}
    for domain in range(3):
        of_domain = jax.tree.map(lambda leaf, d=domain: leaf[d], modules)
        weights, representation = single(of_domain, variables["masks"]["kept"][domain])
        np.testing.assert_allclose(outputs.feature_attention[0][:, domain], weights, atol=1e-5)
        np.testing.assert_allclose(outputs.domain_representations[:, domain], representation, atol=1e-5)
