"""One compiled program for each baseline for sequences, and what their masks and parameters promise in it."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np

# PyTorch 2.13.0 in float64, by golden/make_sequence_baselines.py.
GOLDEN = np.load(pathlib.Path(__file__).with_name("golden") / "sequence_baselines.npz")
X, TIME = np.float32(GOLDEN["x"]), GOLDEN["mask"]
BATCH, STEPS, FEATURES = X.shape
Z = np.random.default_rng(7).normal(size=(BATCH, 2)).astype(np.float32)
ALL = np.ones(BATCH, bool)


def shapes_of(model, static=Z):
    return jax.eval_shape(lambda key: model.init(key, X, static=static), jax.random.key(0))["params"]


def random_params(model, seed=0):
    """Parameters without the zeros and ones of `init`."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape) / 1.5, jnp.float32), shapes_of(model))


def count(model, static=Z):
    return sum(leaf.size for leaf in jax.tree.leaves(shapes_of(model, static)))


def program(model, params, **further):
    """A function of params and data that gives outputs and gradients, all by name; what is not named is as above.

    The value is the sum, over the patients that exist, of `of_outcome · sin(outcome) + Σ sin(representation)`, the
    latter without the static features.
    """

    @jax.jit
    def run(params, x, time_mask, static, mask, of_outcome, further):
        def total(params, x, static):
            outputs = model.apply({"params": params}, x, time_mask=time_mask, static=static, mask=mask, **further)
            values = jnp.sin(outputs.representation[:, : -Z.shape[1]]).sum(1) + of_outcome * jnp.sin(outputs.outcome)
            return jnp.where(mask, values, 0).sum(), outputs

        (value, outputs), gradients = jax.value_and_grad(total, argnums=(0, 1, 2), has_aux=True)(params, x, static)
        names = ("to_params", "to_x", "to_static")
        return {"value": value, **outputs._asdict(), **dict(zip(names, gradients, strict=True))}

    def call(params=params, x=X, time_mask=TIME, static=Z, mask=ALL, of_outcome=1.0, **others):
        return jax.tree.map(np.asarray, run(params, x, time_mask, static, mask, of_outcome, {**further, **others}))

    return call


def assert_same(found, expected, where=slice(None)):
    """Value and gradients to the bit, and outputs where they have a meaning."""
    for name in expected:
        if name in ("value", "to_params", "to_x", "to_static"):
            jax.tree.map(np.testing.assert_array_equal, found[name], expected[name])
        elif name != "attention":
            np.testing.assert_array_equal(found[name][where], expected[name][where], err_msg=name)


def assert_masks_hold(call, **corrupt):
    """Padded steps and absent patients may be NaN, change nothing and have no gradient; `corrupt`: more of the kind."""
    mask = np.array([True, True, True, False])
    there = TIME & mask[:, None]
    x, static = np.where(there[..., None], X, np.nan), np.where(mask[:, None], Z, np.nan)
    expected, found = call(mask=mask), call(mask=mask, x=x, static=static, **corrupt)
    assert_same(found, expected, mask)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((found, expected)))
    for outputs in (found, expected):
        assert (outputs["to_x"][~there] == 0).all()
        assert (outputs["to_static"][~mask] == 0).all()
    assert np.abs(found["to_x"][there]).max() > 1e-3
    for path, leaf in jax.tree.leaves_with_path(found["to_params"]):
        # A bias of all keys adds the same to each score of a query, which softmax takes out again.
        assert np.abs(leaf).max() > 1e-6 or jax.tree_util.keystr(path).endswith("['key']['bias']"), path
    # The gradient is the sum over those who exist.
    alone = call(mask=mask & (np.arange(BATCH) == 1))
    others = call(mask=mask & (np.arange(BATCH) != 1))
    jax.tree.map(
        lambda whole, a, b: np.testing.assert_allclose(whole, a + b, atol=1e-5, rtol=1e-5),
        expected["to_params"],
        alone["to_params"],
        others["to_params"],
    )


def assert_finite_without_steps(call, params):
    """A patient without a step: the representation is 0, the outcome what the head makes of the static features."""
    time_mask = TIME.copy()
    time_mask[2] = False
    found = call(time_mask=time_mask, x=np.where(time_mask[..., None], X, np.nan))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))
    np.testing.assert_array_equal(found["representation"][2], [*np.zeros(found["representation"].shape[1] - 2), *Z[2]])
    head = params["outcome_head"]
    np.testing.assert_allclose(found["outcome"][2], Z[2] @ head["kernel"][-2:, 0] + head["bias"][0], rtol=1e-5)
    rest = np.arange(BATCH) != 2
    np.testing.assert_array_equal(found["outcome"][rest], call()["outcome"][rest])


def assert_members_side_by_side(model, call, **further):
    members = [random_params(model, seed) for seed in (3, 4)]

    @jax.jit
    @jax.vmap
    def side_by_side(params):
        return model.apply({"params": params}, X, time_mask=TIME, static=Z, **further)

    found = side_by_side(jax.tree.map(lambda *leaves: jnp.stack(leaves), *members))
    for place, params in enumerate(members):
        one = call(params=params)
        np.testing.assert_allclose(found.outcome[place], one["outcome"], atol=1e-5, rtol=1e-5)
        np.testing.assert_allclose(found.representation[place], one["representation"], atol=1e-5, rtol=1e-5)


def assert_drops(model):
    """Half of what a model passes on is dropped in training, otherwise in each draw, and nothing at other times."""

    @jax.jit
    def both(params, keys):
        def train(key):
            return model.apply({"params": params}, X, static=Z, train=True, rngs={"dropout": key}).representation

        return jax.vmap(train)(keys), model.apply({"params": params}, X, static=Z).representation

    trained, evaluated = both(random_params(model), jax.random.split(jax.random.key(0), 2))
    assert (np.asarray(trained[0]) != np.asarray(trained[1])).any()
    assert (np.asarray(evaluated) != 0).all()
