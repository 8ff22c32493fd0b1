"""The network of the age study, and the normalisation, pooling and heads that it is made of."""

import functools

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxfair.models.ecg_cnn import EcgCnn, EcgCnnConfig
from jaxfair.models.heads import DenseHead
from jaxfair.models.normalization import BatchNorm

# Compiling is nearly all that these tests do, and unoptimised code is compiled in half the time.
quick_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
SMALL = EcgCnnConfig(channels=(4, 6), kernel_size=3, representation=5, disease_hidden=3)


def beats(batch, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(batch, 58, 12)), jnp.float32)


@pytest.fixture(scope="module")
def network():
    model = EcgCnn(SMALL)
    return model, quick_jit(model.init)(jax.random.key(0), beats(2))


def objective(model, params, batch_stats, inputs, mask=None):
    variables = {"params": params, "batch_stats": batch_stats}
    outputs, state = model.apply(variables, inputs, train=True, mask=mask, mutable=["batch_stats"])
    labels = jnp.arange(len(inputs)) % 2
    losses = optax.softmax_cross_entropy_with_integer_labels(outputs.disease, labels) + outputs.age**2
    mask = jnp.ones(len(inputs), bool) if mask is None else mask
    return jnp.where(mask, losses, 0).sum() / jnp.maximum(mask.sum(), 1), (outputs, state)


def gradient(model, variables, inputs, mask=None):
    function = quick_jit(jax.value_and_grad(lambda *args: objective(model, *args), argnums=(0, 2), has_aux=True))
    return function(variables["params"], variables["batch_stats"], inputs, mask)


def test_parameters_of_the_default_network():
    model = EcgCnn()
    variables = jax.eval_shape(model.init, jax.random.key(0), beats(2))
    counts = {"/".join(path[:2]): 0 for path in flax.traverse_util.flatten_dict(variables["params"])}
    for path, leaf in flax.traverse_util.flatten_dict(variables["params"]).items():
        counts["/".join(path[:2])] += leaf.size
    assert counts == {
        "backbone/conv_0": 5 * 12 * 32 + 32,
        "backbone/norm_0": 2 * 32,
        "backbone/conv_1": 5 * 32 * 64 + 64,
        "backbone/norm_1": 2 * 64,
        "backbone/dense": 14 * 64 * 64 + 64,
        "disease_head/Dense_0": 64 * 32 + 32,
        "disease_head/Dense_1": 32 * 2 + 2,
        "age_head/Dense_0": 64 + 1,
    }
    assert sum(counts.values()) == 72067
    assert set(variables["batch_stats"]) == {"backbone"}


def test_outputs_are_the_parts_put_together(network):
    model, variables = network

    @quick_jit
    def all_and_parts(inputs):
        representation = model.apply(variables, inputs, method="represent")
        parts = (representation, *(model.apply(variables, representation, method=name) for name in ("disease", "age")))
        return model.apply(variables, inputs), parts

    outputs, parts = all_and_parts(beats(3))
    assert outputs.representation.shape == (3, 5)
    assert outputs.disease.shape == (3, 2)
    assert outputs.age.shape == (3,)
    for part, output in zip(parts, (outputs.representation, outputs.disease, outputs.age), strict=True):
        np.testing.assert_array_equal(part, output)


def test_backbone_against_plain_numpy(network):
    model, variables = network
    params = jax.tree.map(np.asarray, variables["params"]["backbone"])
    values = np.asarray(beats(3), np.float64)
    for block in range(2):
        kernel, bias = params[f"conv_{block}"]["kernel"], params[f"conv_{block}"]["bias"]
        padded = np.pad(values, ((0, 0), (1, 1), (0, 0)))
        steps = values.shape[1]
        values = sum(padded[:, tap : tap + steps] @ kernel[tap] for tap in range(3)) + bias
        values = np.maximum(values, 0)
        values = (values - values.mean((0, 1))) / np.sqrt(values.var((0, 1)) + 1e-5)
        values = np.maximum(values[:, 0 : steps // 2 * 2 : 2], values[:, 1 : steps // 2 * 2 : 2])
    values = values.reshape(3, -1) @ params["dense"]["kernel"] + params["dense"]["bias"]
    represent = functools.partial(model.apply, train=True, method="represent", mutable=["batch_stats"])
    found, _ = quick_jit(represent)(variables, beats(3))
    np.testing.assert_allclose(found, np.maximum(values, 0), rtol=1e-4, atol=1e-5)


def test_masked_entries_change_nothing_and_have_no_gradient(network):
    model, variables = network
    inputs, mask = beats(4), jnp.array([True, False, True, False])
    corrupt = jnp.where(mask[:, None, None], inputs, jnp.nan)
    (value, (outputs, state)), (to_params, to_inputs) = gradient(model, variables, inputs, mask)
    (other, (others, other_state)), (other_params, other_inputs) = gradient(model, variables, corrupt, mask)
    clean = jax.tree.map(np.asarray, (value, state, to_params, to_inputs, outputs))
    dirty = jax.tree.map(np.asarray, (other, other_state, other_params, other_inputs, others))
    jax.tree.map(np.testing.assert_array_equal, dirty, clean)
    assert np.isfinite(clean[2]["backbone"]["conv_0"]["kernel"]).all()
    assert (clean[3][1] == 0).all()
    assert (clean[3][3] == 0).all()
    assert np.abs(clean[3][0]).max() > 0

    # The labels alternate, so the examples that count keep theirs only in places of equal parity.
    (short, (_, short_state)), (short_params, _) = gradient(
        model, variables, inputs[jnp.array([0, 1, 2])], jnp.array([True, False, True])
    )
    np.testing.assert_allclose(short, value, rtol=1e-6)
    for longer, shorter in ((state, short_state), (to_params, short_params)):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), longer, shorter)


def test_a_full_mask_is_no_mask(network):
    model, variables = network
    (with_mask, _), gradients = gradient(model, variables, beats(4), jnp.ones(4, bool))
    (without, _), expected = gradient(model, variables, beats(4))
    np.testing.assert_allclose(with_mask, without, rtol=1e-6)
    # Sums in another order: what rounding leaves is measured by a kernel's largest gradient, not by its smallest.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max()), gradients, expected)


def test_an_empty_batch_keeps_the_state_and_gives_no_gradient(network):
    model, variables = network
    empty = jnp.full((4, 58, 12), jnp.nan)
    (value, (outputs, state)), gradients = gradient(model, variables, empty, jnp.zeros(4, bool))
    assert value == 0
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(outputs))
    jax.tree.map(np.testing.assert_array_equal, state["batch_stats"], variables["batch_stats"])
    assert all((np.asarray(leaf) == 0).all() for leaf in jax.tree.leaves(gradients))


@pytest.mark.slow  # Batch normalisation itself is compared with NumPy below.
def test_training_uses_the_batch_and_evaluation_the_running_statistics(network):
    model, variables = network
    train, state = model.apply(variables, beats(4), train=True, mutable=["batch_stats"])
    evaluated = model.apply(variables, beats(4))
    assert np.abs(train.representation - evaluated.representation).max() > 1e-3
    one, two = model.apply(variables, beats(4)).disease, model.apply(variables, beats(4)[:2]).disease
    np.testing.assert_allclose(one[:2], two, rtol=1e-5, atol=1e-6)
    later = model.apply({**variables, **state}, beats(4))
    assert np.abs(later.disease - evaluated.disease).max() > 1e-4


def test_a_part_behind_stop_gradient_gets_exactly_none(network):
    model, variables = network

    def age_on_frozen(params):
        bound = model.bind({**variables, "params": params})
        return jnp.square(bound.age(jax.lax.stop_gradient(bound.represent(beats(3))))).sum()

    def adversarial(params):
        frozen = {name: jax.lax.stop_gradient(params[name]) for name in ("disease_head", "age_head")}
        bound = model.bind({**variables, "params": {**params, **frozen}})
        return jnp.square(bound(beats(3)).age).sum()

    for function, trained in ((age_on_frozen, "age_head"), (adversarial, "backbone")):
        gradients = quick_jit(jax.grad(function))(variables["params"])
        for name, group in gradients.items():
            largest = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(group))
            assert (largest > 0) == (name == trained), (name, trained)


def test_members_side_by_side_equal_members_one_by_one(network):
    model, _ = network
    keys = jax.random.split(jax.random.key(1), 3)

    def one(key):
        variables = model.init(key, beats(4))

        def of(params):
            return objective(model, params, variables["batch_stats"], beats(4))

        return jax.value_and_grad(of, has_aux=True)(variables["params"])

    together, alone = quick_jit(lambda keys: (jax.vmap(one)(keys), jax.lax.map(one, keys)))(keys)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5), together, alone)


def test_dropout_acts_in_training_alone():
    model = EcgCnn(EcgCnnConfig(channels=(4, 6), dropout=0.5))
    variables = quick_jit(model.init)(jax.random.key(0), beats(2))

    @quick_jit
    def represent(seed):
        outputs, _ = model.apply(
            variables, beats(2), train=True, mutable=["batch_stats"], rngs={"dropout": jax.random.key(seed)}
        )
        return outputs.representation

    assert np.abs(represent(0) - represent(1)).max() > 1e-3
    np.testing.assert_array_equal(represent(0), represent(0))
    jax.eval_shape(model.apply, variables, beats(2))  # Evaluation asks for no random numbers.


def test_batch_norm_against_numpy():
    rng = np.random.default_rng(0)
    inputs = rng.normal(2.0, 3.0, size=(5, 4, 6, 3)).astype(np.float32)
    mask = np.array([True, True, False, True, False])
    norm = BatchNorm(momentum=0.8)
    variables = norm.init(jax.random.key(0), inputs, train=True)
    np.testing.assert_array_equal(variables["batch_stats"]["mean"], np.zeros(3))
    variables = {
        "params": {"scale": jnp.array([1.0, -2.0, 0.5]), "bias": jnp.array([0.0, 1.0, 2.0])},
        "batch_stats": {"mean": jnp.array([1.0, 2.0, 3.0]), "var": jnp.array([4.0, 5.0, 6.0])},
    }
    train = functools.partial(norm.apply, train=True, mutable=["batch_stats"])
    outputs, state = quick_jit(train)(variables, inputs, mask=mask)
    counted = inputs[mask].astype(np.float64)
    mean, variance = counted.mean((0, 1, 2)), counted.var((0, 1, 2))
    expected = (counted - mean) / np.sqrt(variance + 1e-5) * [1.0, -2.0, 0.5] + [0.0, 1.0, 2.0]
    np.testing.assert_allclose(np.asarray(outputs)[mask], expected, rtol=1e-5, atol=1e-5)
    stats = state["batch_stats"]
    np.testing.assert_allclose(stats["mean"], 0.8 * np.array([1.0, 2.0, 3.0]) + 0.2 * mean, rtol=1e-5)
    np.testing.assert_allclose(stats["var"], 0.8 * np.array([4.0, 5.0, 6.0]) + 0.2 * variance, rtol=1e-5)
    evaluated = quick_jit(functools.partial(norm.apply, train=False))(variables, inputs)
    by_hand = (inputs - [1.0, 2.0, 3.0]) / np.sqrt(np.array([4.0, 5.0, 6.0]) + 1e-5)
    np.testing.assert_allclose(evaluated, by_hand * [1.0, -2.0, 0.5] + [0.0, 1.0, 2.0], rtol=1e-5, atol=1e-5)


def test_batch_norm_of_a_constant_channel_is_finite():
    norm = BatchNorm()
    inputs = jnp.full((4, 3, 2), 7.0)
    variables = norm.init(jax.random.key(0), inputs, train=True)

    def total(inputs):
        return norm.apply(variables, inputs, train=True, mutable=["batch_stats"])[0].sum()

    value, slope = quick_jit(jax.value_and_grad(total))(inputs)
    assert np.isfinite(value)
    assert np.isfinite(slope).all()


def test_dense_head_layers():
    head = DenseHead((4, 2))
    inputs = beats(1)[0, :3, :5]
    params = head.init(jax.random.key(0), inputs)["params"]
    first, second = params["Dense_0"], params["Dense_1"]
    hidden = np.maximum(np.asarray(inputs) @ first["kernel"] + first["bias"], 0)
    np.testing.assert_allclose(head.apply({"params": params}, inputs), hidden @ second["kernel"], rtol=1e-5, atol=1e-6)
