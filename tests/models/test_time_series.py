"""The networks for time series: against PyTorch with the same weights, and the laws that all of them obey."""

import functools
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from jaxfair.models.time_series import BACKBONES, time_series_classifier

# Compiling is nearly all that these tests do, and unoptimised code is compiled in half the time.
quick_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
# PyTorch 2.15.0 in float64, by golden/make_time_series.py.
GOLDEN = np.load(pathlib.Path(__file__).with_name("golden") / "time_series.npz")
CASES = json.loads(str(GOLDEN["cases"]))
# For the laws, which do not ask for many layers or taps.
SMALL = {
    "fcn": {"channels": (3, 4), "kernel_sizes": (2, 3)},
    "resnet": {"channels": (3,), "kernel_sizes": (2, 3)},
    "blend_res2net": {"channels": (3,), "depth": 1, "kernel_sizes": (2, 3)},
}


def series(batch, seed=0, length=11):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(batch, length, 1)), jnp.float32)


def objective(model, params, batch_stats, inputs, mask=None):
    variables = {"params": params, "batch_stats": batch_stats}
    logits, state = model.apply(variables, inputs, train=True, mask=mask, mutable=["batch_stats"])
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.arange(len(inputs)) % 2)
    mask = jnp.ones(len(inputs), bool) if mask is None else mask
    return jnp.where(mask, losses, 0).sum() / jnp.maximum(mask.sum(), 1), (logits, state)


def gradient(model):
    return jax.value_and_grad(lambda *arguments: objective(model, *arguments), argnums=(0, 2), has_aux=True)


@functools.lru_cache(maxsize=8)
def gradient_of(model):
    return quick_jit(gradient(model))


@pytest.fixture(scope="module", params=sorted(BACKBONES))
def network(request):
    model = time_series_classifier(request.param, 3, **SMALL[request.param])
    return model, quick_jit(model.init)(jax.random.key(0), series(4))


LONG = {"log_magnitude", "real_imaginary", "spectrum_once"}  # As Blend-Res2Net's "magnitude", which stays.


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.slow] * (case in LONG)) for case in sorted(CASES)]
)
def test_outputs_gradients_and_statistics_equal_pytorch(case):
    name, _, sizes = CASES[case]
    golden = {key: GOLDEN[f"{case}/{key}"] for key in ("inputs", "evaluated", "trained", "params", "batch_stats")}
    sizes = {field: tuple(size) if isinstance(size, list) else size for field, size in sizes.items()}
    model = time_series_classifier(name, golden["evaluated"].shape[1], **sizes)
    like = jax.eval_shape(model.init, jax.random.key(0), golden["inputs"])
    held = {}
    for collection in ("params", "batch_stats"):
        zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), like[collection])
        vector, restore = ravel_pytree(zeros)
        assert vector.shape == golden[collection].shape
        held[collection] = restore(jnp.asarray(golden[collection]))
    if name != "blend_res2net":  # Evaluation differs from training in the normalisation alone.
        evaluated = quick_jit(model.apply)(held, golden["inputs"])
        np.testing.assert_allclose(evaluated, golden["evaluated"], rtol=1e-4, atol=1e-5)
    inputs = jnp.asarray(golden["inputs"])
    (_, (logits, state)), (to_params, to_inputs) = gradient_of(model)(held["params"], held["batch_stats"], inputs, None)
    np.testing.assert_allclose(logits, golden["trained"], rtol=1e-4, atol=1e-5)
    for found, key in (
        (to_params, "gradient_of_params"),
        (to_inputs, "gradient_of_inputs"),
        (state["batch_stats"], "later_batch_stats"),
    ):
        expected = GOLDEN[f"{case}/{key}"].reshape(-1)
        np.testing.assert_allclose(ravel_pytree(found)[0], expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def norm(channels):
    return 2 * channels


def stack(before, channels):
    return sum(
        size * inner * outer + norm(outer)
        for size, inner, outer in zip((8, 5, 3), (before, *channels), channels, strict=False)
    )


def block(before, after, convolved=1, added=1):
    """A block's parameters; `convolved` and `added` say how many times the channels enter stack and shortcut."""
    projection = added * before * after if added * before != after else 0
    return stack(convolved * before, (after,) * 3) + projection + norm(after)


RESNET = block(1, 64) + block(64, 128) + block(128, 128)


@pytest.mark.parametrize(
    ("name", "sizes", "expected"),
    [
        ("fcn", {}, stack(1, (128, 256, 128)) + 128 * 5 + 5),
        ("resnet", {}, RESNET + 128 * 5 + 5),
        ("blend_res2net", {}, 2 * RESNET + 256 * 5 + 5),
        ("blend_res2net", {"merge": "add"}, 2 * RESNET + 128 * 5 + 5),
        ("blend_res2net", {"depth": 1}, 2 * block(1, 64) + 128 * 5 + 5),
        ("blend_res2net", {"depth": 2}, 2 * (block(1, 64) + block(64, 128)) + 256 * 5 + 5),
        (
            "blend_res2net",
            {"depth": 2, "transform": "real_imaginary"},
            block(1, 64, 1, 2) + block(1, 64, 2, 1) + block(64, 128, 1, 2) + block(64, 128, 2, 1) + 256 * 5 + 5,
        ),
        (
            "blend_res2net",
            {"depth": 2, "transform": "real_imaginary", "transform_every_block": False},
            block(1, 64, 1, 2) + block(1, 64, 2, 1) + 2 * block(64, 128) + 256 * 5 + 5,
        ),
    ],
)
def test_parameters(name, sizes, expected):
    model = time_series_classifier(name, 5, **sizes)
    variables = jax.eval_shape(model.init, jax.random.key(0), series(2, length=140))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == expected
    if not sizes:
        assert expected == int(GOLDEN[f"{name}/parameters"])
    assert set(variables["params"]) == {"backbone", "head"}
    assert set(variables["batch_stats"]) == {"backbone"}
    if name == "resnet":
        assert set(variables["params"]["backbone"]["shortcut_2"]) == {"norm"}


def test_logits_are_the_head_on_the_represented(network):
    model, variables = network
    apply = quick_jit(model.apply, static_argnames="method")
    features = np.asarray(apply(variables, series(4), method="represent"))
    dense = variables["params"]["head"]["Dense_0"]
    logits = apply(variables, series(4))
    assert logits.shape == (4, 3)
    assert (features >= 0).all()
    expected = features @ np.asarray(dense["kernel"]) + np.asarray(dense["bias"])
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)


def test_masked_entries_change_nothing_and_have_no_gradient(network):
    model, variables = network
    inputs, mask = series(4), jnp.array([True, True, False, False])
    corrupt = jnp.where(mask[:, None, None], inputs, jnp.nan)
    function, arguments = gradient_of(model), (variables["params"], variables["batch_stats"])
    clean = jax.tree.map(np.asarray, function(*arguments, inputs, mask))
    jax.tree.map(np.testing.assert_array_equal, function(*arguments, corrupt, mask), clean)
    (value, (_, state)), (to_params, to_inputs) = clean
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(clean))
    assert (to_inputs[2:] == 0).all()
    assert np.abs(to_inputs[:2]).max() > 0
    # The two that count, twice over and with the same labels, have the same mean loss and the same statistics.
    twice = function(*arguments, inputs[jnp.array([0, 1, 0, 1])], jnp.ones(4, bool))
    (other, (_, other_state)), (other_params, _) = twice
    np.testing.assert_allclose(value, other, rtol=1e-5)
    for found, expected in ((state, other_state), (to_params, other_params)):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4 * np.abs(b).max()), found, expected)


@pytest.mark.slow  # Its parts are, in test_conv and test_ecg_cnn.
@pytest.mark.parametrize("network", ["blend_res2net"], indirect=True)  # The others are made of parts of it.
def test_members_side_by_side_equal_members_one_by_one(network):
    model, variables = network
    members = jax.tree.map(lambda leaf: jnp.stack([leaf, 0.7 * leaf + 0.1]), variables)

    def one(member):
        return gradient(model)(member["params"], member["batch_stats"], series(4), jnp.ones(4, bool))

    together = quick_jit(jax.vmap(one))(members)
    assert together[0][0][0] != together[0][0][1]
    for number in range(2):
        member = jax.tree.map(lambda leaf, number=number: leaf[number], members)
        alone = gradient_of(model)(member["params"], member["batch_stats"], series(4), jnp.ones(4, bool))
        jax.tree.map(
            lambda a, b, number=number: np.testing.assert_allclose(a[number], b, atol=1e-4 * np.abs(b).max()),
            together,
            alone,
        )


@pytest.mark.slow
@pytest.mark.parametrize("network", ["blend_res2net"], indirect=True)
def test_compiled_equals_eager(network):
    model, variables = network
    compiled = quick_jit(model.apply)(variables, series(4))
    np.testing.assert_allclose(compiled, model.apply(variables, series(4)), rtol=1e-4, atol=1e-6)


def test_a_constant_series_has_finite_gradients(network):
    model, variables = network
    constant = jnp.broadcast_to(jnp.array([0.0, 0.0, 3.0, 3.0])[:, None, None], (4, 11, 1))
    found = gradient_of(model)(variables["params"], variables["batch_stats"], constant, jnp.ones(4, bool))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))


def test_the_even_kernel_looks_three_samples_back_and_four_ahead():
    model = time_series_classifier("fcn", 2, channels=(1,), kernel_sizes=(8,))
    variables = quick_jit(model.init)(jax.random.key(0), series(1))
    kernel = variables["params"]["backbone"]["stack"]["conv_0"]["kernel"]
    variables["params"]["backbone"]["stack"]["conv_0"]["kernel"] = jnp.ones_like(kernel)
    spike = jnp.zeros((1, 20, 1)).at[0, 10, 0].set(1.0)
    sequence = quick_jit(lambda x: model.apply(variables, x, method=lambda self, x: self.backbone(x, train=False)))(
        spike
    )
    assert np.flatnonzero(np.asarray(sequence)[0, :, 0]).tolist() == list(range(10 - 4, 10 + 3 + 1))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("lstm", 2), ValueError, "'lstm' is none of"),
        (("blend_res2net", 2, {"depth": 4}), ValueError, "depth 4 must be 1 to 3"),
        (("blend_res2net", 2, {"depth": 0}), ValueError, "depth 0 must be 1 to 3"),
        (("blend_res2net", 2, {"merge": "product"}), ValueError, "merge 'product'"),
        (("blend_res2net", 2, {"transform": "phase"}), ValueError, "kind 'phase'"),
        (("fcn", 2, {"depth": 2}), TypeError, "depth"),
        (("fcn", 2, {"channels": (4, 4)}), ValueError, "as many kernel sizes"),
    ],
)
def test_bad_choices_are_refused(arguments, error, words):
    *names, sizes = arguments if isinstance(arguments[-1], dict) else (*arguments, {})
    with pytest.raises(error, match=words):
        time_series_classifier(*names, **sizes).init(jax.random.key(0), series(1))
