"""The masked triple attention transformer encoder: its pieces, the whole against NumPy, and what masks promise."""

import dataclasses
import functools

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import plain_mtate
import pytest

from jaxfair.models import mtate_modules, sequences
from jaxfair.models.mtate import Mtate, MtateConfig
from jaxfair.models.mtate_modules import FeatureRelevanceAttention, draw_kept

SMALL = MtateConfig(
    num_domains=3, num_blocks=2, num_heads=2, head_dim=3, feature_heads=2, feature_head_dim=3, hidden=4, attention_dim=3
)
BATCH, STEPS, FEATURES, STATIC = 4, 6, 5, 2
RNG = np.random.default_rng(0)
X = RNG.normal(size=(BATCH, STEPS, FEATURES)).astype(np.float32)
Z = RNG.normal(size=(BATCH, STATIC)).astype(np.float32)
LABELS = np.float32([[0, 1, 1], [np.nan, 0, 1], [1, np.nan, np.nan], [0, 0, 1]])
TIME = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0], [0, 1, 0, 1, 1, 0], [1, 0, 0, 0, 0, 0]], bool)
ALL = np.ones(BATCH, bool)


def initialized(config, seed=0):
    """The model with variables that differ from those of `init` in having no zeros and ones."""
    model = Mtate(config)
    shapes = jax.eval_shape(lambda key: model.init(key, X, static=Z), jax.random.key(0))
    rng = np.random.default_rng(seed)
    params = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape) / 1.5, jnp.float32), shapes["params"])
    kept = (
        jnp.array([[0, 2, 4], [1, 2, 3], [0, 1, 4]]) if config.masking_rate else jnp.tile(jnp.arange(FEATURES), (3, 1))
    )
    return model, {"params": params, "masks": {"kept": kept}}


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


def assert_equals_plain(outputs, variables, config, time_mask=TIME):
    params, kept = jax.tree.map(np.float64, variables["params"]), np.asarray(variables["masks"]["kept"])
    for patient in range(BATCH):
        steps = time_mask[patient]
        expected = plain_mtate.one_patient(params, kept, X[patient], steps, Z[patient], LABELS[patient], config)
        for name in ("domain_representations", "domains", "domain_losses", "representation_weights", "outcome"):
            np.testing.assert_allclose(
                getattr(outputs, name)[patient], expected[name], rtol=2e-4, atol=2e-4, err_msg=name
            )
        np.testing.assert_allclose(outputs.representation[patient], expected["representation"], rtol=2e-4, atol=2e-4)
        for block, weights in enumerate(outputs.temporal_attention):
            there = np.ix_(steps, steps)
            for domain in range(config.num_domains):
                found = weights[patient] if block == 0 else weights[patient, domain]
                of_block = expected["temporal_attention"][block][domain]
                np.testing.assert_allclose(found[:, *there], of_block, atol=2e-4)
        for block, weights in enumerate(outputs.feature_attention):
            np.testing.assert_allclose(weights[patient], expected["feature_attention"][block], atol=2e-4)


def test_the_whole_against_the_equations_in_numpy(network):
    variables, call = network
    _, outputs, _ = call()
    assert_equals_plain(outputs, variables, SMALL)
    np.testing.assert_array_equal(outputs.kept, variables["masks"]["kept"])


def test_without_any_of_the_parts_of_table_3_against_numpy():
    config = dataclasses.replace(
        SMALL,
        num_blocks=1,
        masking_rate=0.0,
        temporal_attention=False,
        feature_attention=False,
        representation_attention=False,
    )
    model, variables = initialized(config)
    outputs = jax.jit(functools.partial(model.apply, time_mask=TIME, static=Z, domain_labels=LABELS))(variables, X)
    assert_equals_plain(outputs, variables, config)
    assert outputs.temporal_attention == outputs.feature_attention == ()


@pytest.mark.parametrize(
    ("switch", "gone"),
    [
        ("temporal_attention", {"temporal_0", "temporal_1"}),
        ("feature_attention", set()),
        ("representation_attention", {"representation_attention"}),
    ],
)
def test_each_switch_removes_its_part_alone(switch, gone):
    def parts(config):
        params = jax.eval_shape(lambda key: Mtate(config).init(key, X, static=Z), jax.random.key(0))["params"]
        return set(params), {name for name in params if "attention" in params[name]}

    everything, attending = parts(SMALL)
    remaining, still_attending = parts(dataclasses.replace(SMALL, **{switch: False}))
    assert everything - remaining == gone
    if switch == "feature_attention":
        gone = {"feature_0", "feature_1"}
    assert attending - still_attending == gone & attending


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


def test_the_outcome_does_not_teach_the_domain_classifiers_unless_asked():
    def outcome_gradient(stop):
        model, variables = initialized(dataclasses.replace(SMALL, num_blocks=1, stop_domain_loss=stop))

        def outcome(params):
            given = {**variables, "params": params}
            return model.apply(given, X, static=Z, domain_labels=LABELS).outcome.sum()

        return jax.jit(jax.grad(outcome))(variables["params"])["domain_classifiers"]

    stopped, flowing = outcome_gradient(True), outcome_gradient(False)
    assert all((np.asarray(leaf) == 0).all() for leaf in jax.tree.leaves(stopped))
    assert all(np.abs(leaf).max() > 1e-5 for leaf in jax.tree.leaves(flowing))


def test_reversal_turns_the_gradient_below_the_classifiers_and_not_theirs():
    model, variables = initialized(dataclasses.replace(SMALL, num_blocks=1))

    @jax.jit
    def gradients(reversal):
        def total(params, reversal):
            outputs = model.apply({**variables, "params": params}, X, domain_labels=LABELS, static=Z, reversal=reversal)
            return outputs.domain_losses.sum()

        plain = jax.grad(total)(variables["params"], None)
        return plain, jax.grad(total)(variables["params"], reversal)

    plain, reversed_ = gradients(0.5)
    for name, factor in (("domain_classifiers", 1), ("feature_0", -0.5), ("temporal_0", -0.5)):
        jax.tree.map(
            lambda a, b, f=factor: np.testing.assert_allclose(a, f * b, rtol=1e-3, atol=1e-5),
            reversed_[name],
            plain[name],
        )


def test_masks_drawn_anew_use_the_rows_of_the_features_that_are_left():
    fixed, _ = initialized(dataclasses.replace(SMALL, num_blocks=1, feature_norm="feature"))
    redrawn, wide = initialized(dataclasses.replace(SMALL, num_blocks=1, feature_norm="feature", redraw_masks=True))

    @jax.jit
    def outputs(key):
        train = redrawn.apply(wide, X, static=Z, train=True, rngs={"masks": key})
        rows = jax.vmap(lambda leaf, kept: leaf[kept])
        kept = train.kept
        params = dict(wide["params"])
        feature, classifier = dict(params["feature_0"]), dict(params["domain_classifiers"])
        for norm in ("attention_norm", "feed_forward_norm"):
            feature[norm] = jax.tree.map(lambda leaf: rows(leaf, kept), feature[norm])
        feed = dict(feature["feed_forward"])
        feed |= {name: rows(feed[name], kept) for name in ("kernel_1", "bias_2")}
        feed["kernel_2"] = jnp.swapaxes(rows(jnp.swapaxes(feed["kernel_2"], 1, 2), kept), 1, 2)
        feature["feed_forward"] = feed
        classifier["kernel"] = rows(classifier["kernel"], kept)
        params |= {"feature_0": feature, "domain_classifiers": classifier}
        same = fixed.apply({"params": params, "masks": {"kept": kept}}, X, static=Z)
        return train, same, redrawn.apply(wide, X, static=Z)

    first, same, evaluated = outputs(jax.random.key(0))
    second, *_ = outputs(jax.random.key(1))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), first, same)
    assert (np.asarray(first.kept) != np.asarray(second.kept)).any()
    np.testing.assert_array_equal(evaluated.kept, wide["masks"]["kept"])


def test_masks_are_drawn_from_the_key_of_init_and_differ_between_domains():
    init = jax.jit(lambda key: Mtate(dataclasses.replace(SMALL, num_blocks=1)).init(key, X, static=Z)["masks"]["kept"])
    first, again, other = (np.asarray(init(jax.random.key(seed))) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    kept = np.asarray(jax.jit(lambda key: draw_kept(key, 2000, 10, 0.3))(jax.random.key(0)))
    assert kept.shape == (2000, 7)
    assert (np.diff(kept, axis=1) > 0).all()
    np.testing.assert_allclose(np.bincount(kept.ravel(), minlength=10) / 2000, 0.7, atol=0.05)
    assert len(np.unique(kept, axis=0)) > 100


@pytest.mark.slow  # A sweep of its stage is in tests/methods.
def test_members_side_by_side_equal_members_one_by_one():
    model = Mtate(dataclasses.replace(SMALL, num_blocks=1))

    def outputs(variables):
        found = model.apply(variables, X, time_mask=TIME, static=Z)
        return found.outcome, found.kept

    @jax.jit
    def both(keys):
        variables = jax.vmap(lambda key: model.init(key, X, static=Z))(keys)
        return jax.vmap(outputs)(variables), jax.lax.map(outputs, variables)

    together, alone = both(jax.random.split(jax.random.key(1), 3))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), together, alone)
    assert (np.asarray(together[1])[0] != np.asarray(together[1])[1]).any()  # Each member has masks of its own.


def test_dropout_acts_in_training_alone():
    model, variables = initialized(dataclasses.replace(SMALL, num_blocks=1, dropout=0.5))

    @jax.jit
    def outcome(key):
        return model.apply(variables, X, static=Z, train=True, rngs={"dropout": key}).outcome

    assert np.abs(outcome(jax.random.key(0)) - outcome(jax.random.key(1))).max() > 1e-3
    jax.eval_shape(lambda: model.apply(variables, X, static=Z))  # Evaluation asks for no random numbers.


def test_parameters_of_the_default_network():
    shape = jax.ShapeDtypeStruct((2, 48, 12), jnp.float32)
    static = jax.ShapeDtypeStruct((2, 6), jnp.float32)
    init = functools.partial(Mtate().init, jax.random.key(0))
    variables = jax.eval_shape(lambda x, s: init(x, static=s), shape, static)
    counts = {}
    for path, leaf in flax.traverse_util.flatten_dict(variables["params"]).items():
        group = "/".join(path[:2]) if len(path) > 2 else path[0]
        counts[group] = counts.get(group, 0) + leaf.size
    assert counts == {
        "temporal_0/attention": 4 * 12 * 32,  # Three projections to 4 heads of 8, and one back.
        "temporal_0/norm": 2 * 12,
        "feature_0/attention": 9 * 4 * 48 * 32,
        "feature_0/attention_norm": 9 * 2 * 48,
        "feature_0/feed_forward": 9 * (7 * 64 + 64 + 64 * 7 + 7),  # 40 % of 12 features are 5: 7 remain.
        "feature_0/feed_forward_norm": 9 * 2 * 7,
        "domain_classifiers": 9 * (7 + 1),
        "representation_attention/hidden": 13 * 16,
        "representation_attention/score": 16,
        "outcome_head": 12 + 6 + 1,
    }
    assert sum(counts.values()) == 66864
    assert variables["masks"]["kept"].shape == (9, 7)


def test_errors_say_what_to_do():
    key, model = jax.random.key(0), Mtate(SMALL)
    with pytest.raises(ValueError, match=r"inputs must be \[batch, time, feature\]"):
        model.init(key, X[0])
    for name, given, shape in (
        ("time_mask", TIME[:, 1:], (4, 6)),
        ("mask", TIME[:, 0][1:], (4,)),
        ("domain_labels", LABELS[:, 1:], (4, 3)),
        ("static", Z[1:], (4, 2)),
    ):
        with pytest.raises(ValueError, match=f"{name} must have shape {shape}".replace("(", r"\(").replace(")", r"\)")):
            jax.eval_shape(lambda name=name, given=given: model.init(key, X, **{name: given}))
    with pytest.raises(TypeError, match="time_mask must be boolean"):
        model.init(key, X, time_mask=TIME.astype(int))
    with pytest.raises(ValueError, match="'features'"):
        MtateConfig(feature_norm="features")
    with pytest.raises(ValueError, match="num_domains must be at least 1, but is 0"):
        MtateConfig(num_domains=0)


def test_compiled_gradients_are_those_of_differences():
    """As XLA may compute a maximum's input twice with other rounding, its gradient must not compare them."""
    module = Mtate(dataclasses.replace(SMALL, num_blocks=1))
    variables = jax.jit(module.init)(jax.random.key(0), X[:1])
    rng = np.random.default_rng(0)
    direction = jax.tree.map(lambda leaf: np.float32(rng.normal(size=leaf.shape)), variables["params"])

    def loss(params):
        return jnp.sin(module.apply(variables | {"params": params}, X).domains).mean()

    def moved(step):
        return loss(jax.tree.map(lambda leaf, change: leaf + step * change, variables["params"], direction))

    gradient, values = jax.jit(lambda steps: (jax.grad(loss)(variables["params"]), jax.lax.map(moved, steps)))(
        np.float32([-2e-3, 2e-3])
    )
    products = jax.tree.map(lambda slope, change: (slope * change).sum(), gradient, direction)
    np.testing.assert_allclose(sum(jax.tree.leaves(products)), (values[1] - values[0]) / 4e-3, rtol=2e-2)
