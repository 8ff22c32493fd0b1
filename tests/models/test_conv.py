"""Every strategy of `conv` against `lax.conv_general_dilated` and JAX's own gradients of it."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.test_util import check_grads

from jaxfair.models.conv import Conv, choose_strategy, conv

STRATEGIES = ("slices", "canonical", "reference")

# Space, window and padding: even and odd lengths and windows, a window of 1, padding that cuts off (negative).
SHAPES = [
    ((9,), (5,), "SAME"),
    ((10,), (4,), "SAME"),
    ((10,), (3,), "VALID"),
    ((8,), (3,), ((2, 1),)),
    ((11,), (2,), ((-1, 3),)),
    ((7,), (1,), "SAME"),
    ((6, 7), (3, 2), "SAME"),
    ((7, 6), (2, 3), "VALID"),
    ((5, 6), (3, 3), ((1, 1), (2, 0))),
    ((5, 4), (1, 1), "SAME"),
]
STEPS = [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2)]  # Stride and dilation.
GROUPS = [(1, 6, 4), (2, 6, 4), (6, 6, 6), (3, 3, 6)]  # Groups, channels, features; the last two are depthwise.
EVERY_CASE = list(itertools.product(SHAPES, STEPS, GROUPS))
# An eighth of them, in which every pair of a step and a grouping, and every other pair of a shape and a step, meets.
CASES = [
    (shape, step, GROUPS[(i // 2 + j) % len(GROUPS)])
    for (i, shape), (j, step) in itertools.product(enumerate(SHAPES), enumerate(STEPS))
    if (i + j) % 2 == 0
]


def plain(inputs, kernel, strides, padding, dilation, groups):
    """JAX's convolution, padded beforehand: XLA on CPUs miscomputes some strided ones with negative padding."""
    axes = "HW"[: kernel.ndim - 2]
    if isinstance(padding, str):
        reach = [(size - 1) * step + 1 for size, step in zip(kernel.shape, dilation, strict=False)]
        padding = lax.padtype_to_pads(inputs.shape[1:-1], reach, strides, padding)
    config = [(0, 0, 0), *((*pair, 0) for pair in padding), (0, 0, 0)]
    return lax.conv_general_dilated(
        lax.pad(inputs, 0.0, config),
        kernel,
        strides,
        "VALID",
        rhs_dilation=dilation,
        dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
        feature_group_count=groups,
    )


def draw(space, window, groups, channels, features, batch=3):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(batch, *space, channels)).astype(np.float32)
    kernel = rng.normal(size=(*window, channels // groups, features)).astype(np.float32)
    return jnp.asarray(inputs), jnp.asarray(kernel)


def value_and_gradients(function, inputs, kernel):
    outputs, pull = jax.vjp(function, inputs, kernel)
    cotangent = jnp.cos(jnp.arange(outputs.size, dtype=jnp.float32)).reshape(outputs.shape)
    return outputs, *pull(cotangent)


def assert_close(actual, expected):
    """Equal to 1e-5 of the largest entry: single entries may be sums that cancel."""
    for one, other in zip(actual, expected, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5 * float(np.abs(other).max()))


# Compiling is nearly all that these tests do, and unoptimised code is compiled in half the time.
quick_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def check(case):
    (space, window, padding), (stride, dilation), (groups, channels, features) = case
    rank = len(window)
    inputs, kernel = draw(space, window, groups, channels, features)

    def reference(inputs, kernel):
        return plain(inputs, kernel, (stride,) * rank, padding, (dilation,) * rank, groups)

    def by(strategy):
        return functools.partial(
            conv, strides=stride, padding=padding, dilation=dilation, groups=groups, strategy=strategy
        )

    functions = [reference, *map(by, STRATEGIES)]
    everything = quick_jit(lambda *args: [value_and_gradients(function, *args) for function in functions])
    expected, *found = everything(inputs, kernel)
    for actual in found:
        assert_close(actual, expected)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_strategies_have_the_values_and_gradients_of_lax(case):
    check(case)


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in EVERY_CASE if case not in CASES], ids=str)
def test_strategies_have_the_values_and_gradients_of_lax_in_every_case(case):
    check(case)


def test_hand_worked_values():
    inputs = jnp.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1)
    kernel = jnp.array([1.0, 10.0, 100.0]).reshape(3, 1, 1)
    for strategy in STRATEGIES:
        same = conv(inputs, kernel, strategy=strategy)[0, :, 0]
        np.testing.assert_array_equal(same, [210.0, 321.0, 432.0, 43.0])
        # Four samples at stride 2 need one of padding, which XLA puts behind.
        strided = conv(inputs, kernel, strides=2, strategy=strategy)[0, :, 0]
        np.testing.assert_array_equal(strided, [321.0, 43.0])


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("window", [(3,), (3, 2)])
def test_inside_scan_under_vmap_with_batched_kernels_and_eagerly(window, groups):
    space = (7, 6)[: len(window)]
    inputs, kernel = draw(space, window, groups, 4, 4, batch=4)
    members = jnp.stack([kernel, 2 * kernel, -kernel])

    def one(function, kernel):
        # Two steps of descent inside a scan, as in training, with two batches of two.
        def step(kernel, batch):
            outputs, pull = jax.vjp(function, batch, kernel)
            to_inputs, to_kernel = pull(outputs)
            return kernel - 1e-2 * to_kernel, (outputs, to_inputs)

        kernel, (outputs, to_inputs) = lax.scan(step, kernel, inputs.reshape(2, 2, *inputs.shape[1:]))
        return kernel, outputs, to_inputs

    ours = [functools.partial(conv, strides=2, groups=groups, strategy=strategy) for strategy in STRATEGIES]
    reference = functools.partial(
        plain, strides=(2,) * len(window), padding="SAME", dilation=(1,) * len(window), groups=groups
    )

    @quick_jit
    def everything(members, inputs, kernel):
        return (
            [lax.map(functools.partial(one, function), members) for function in ours],
            [jax.vmap(functools.partial(one, function))(members) for function in ours],
            [value_and_gradients(function, inputs, kernel) for function in ours],
            lax.map(functools.partial(one, reference), members),
        )

    *by_strategy, expected = everything(members, inputs, kernel)
    for function, loop, batched, compiled in zip(ours, *by_strategy, strict=True):
        assert_close(batched, loop)
        assert_close(loop, expected)
        if groups == 2:
            with jax.disable_jit():
                eager = value_and_gradients(function, inputs, kernel)
            assert_close(eager, compiled)


def test_vmap_over_inputs_alone():
    inputs, kernel = draw((6,), (3,), 1, 2, 3, batch=4)
    stacked = inputs.reshape(2, 2, 6, 2)
    for strategy in STRATEGIES:
        function = functools.partial(conv, kernel=kernel, strategy=strategy)
        assert_close([jax.vmap(function)(stacked)], [function(stacked)])
        assert_close([function(stacked).reshape(4, 6, 3)], [function(inputs)])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_gradients_agree_with_differences(strategy):
    inputs, kernel = draw((5,), (3,), 1, 2, 2, batch=1)
    function = functools.partial(conv, strides=2, dilation=2, strategy=strategy)
    modes = ("fwd", "rev") if strategy == "reference" else ("rev",)
    check_grads(function, (inputs, kernel), order=1, modes=modes, atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize("strategy", ["slices", "canonical"])
def test_second_derivatives(strategy):
    inputs, kernel = draw((5,), (3,), 1, 2, 2, batch=2)

    def penalty(strategy, kernel):
        return jnp.square(
            jax.grad(lambda x: jnp.tanh(conv(x, kernel, strides=2, strategy=strategy)).sum())(inputs)
        ).sum()

    assert_close([jax.grad(penalty, 1)(strategy, kernel)], [jax.grad(penalty, 1)("reference", kernel)])


def test_the_choice_by_shape_and_platform():
    for platform in ("cpu", "gpu", "tpu"):
        assert choose_strategy((32, 58, 12), (5, 12, 32), platform=platform) == "slices"
        assert choose_strategy((64, 56, 56, 64), (1, 1, 64, 256), platform=platform) == "slices"
    large = (16, 32, 32, 64)
    assert choose_strategy(large, (3, 3, 64, 64), platform="cpu") == "canonical"
    assert choose_strategy(large, (3, 3, 8, 64), groups=8, platform="cpu") == "canonical"
    assert choose_strategy(large, (3, 3, 1, 64), groups=64, platform="cpu") == "slices"
    assert choose_strategy(large, (3, 3, 64, 64), platform="gpu") == "reference"


def test_no_convolution_is_left_to_xla_where_slices_are_chosen():
    inputs, kernel = draw((8,), (5,), 1, 3, 4)
    program = jax.jit(jax.grad(lambda w: conv(inputs, w).sum())).lower(kernel).as_text()
    assert "stablehlo.convolution" not in program


def test_layer():
    layer = Conv(4, (3,), strides=2, groups=2, use_bias=True)
    inputs, _ = draw((6,), (3,), 2, 6, 4)
    variables = layer.init(jax.random.key(0), inputs)
    kernel, bias = variables["params"]["kernel"], variables["params"]["bias"]
    assert kernel.shape == (3, 3, 4)
    assert bias.shape == (4,)
    shifted = {"params": {"kernel": kernel, "bias": bias + 2.0}}
    outputs = conv(inputs, kernel, strides=2, groups=2)
    np.testing.assert_allclose(layer.apply(shifted, inputs), outputs + 2.0, rtol=1e-6)
    assert "bias" not in Conv(4, (3,), use_bias=False).init(jax.random.key(0), inputs)["params"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"groups": 4}, "channels"),
        ({"padding": "FULL"}, "neither"),
        ({"padding": ((1, 1), (1, 1))}, "pair for each"),
        ({"padding": ((-3, -3),)}, "does not fit"),
        ({"strides": (1, 1)}, "strides"),
        ({"dilation": 0}, "dilation"),
        ({"strategy": "fourier"}, "strategy"),
    ],
)
def test_arguments_that_do_not_fit_are_named(change, message):
    inputs, kernel = draw((6,), (3,), 1, 2, 2)
    with pytest.raises(ValueError, match=message):
        conv(inputs, kernel, **change)


def test_inputs_without_a_batch_axis_are_refused():
    with pytest.raises(ValueError, match=r"\[\.\.\., batch"):
        conv(jnp.ones((6, 2)), jnp.ones((3, 2, 2)))
