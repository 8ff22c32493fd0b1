"""The masked triple attention transformer encoder: its switches, drawn masks, gradients, parameters and errors."""

import dataclasses
import functools

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_mtate import LABELS, SMALL, TIME, X, Z, assert_equals_plain, initialized

from jaxfair.models.mtate import Mtate, MtateConfig
from jaxfair.models.mtate_modules import draw_kept


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
