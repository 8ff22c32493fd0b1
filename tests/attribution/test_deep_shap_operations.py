"""DeepSHAP of other people's layers: each operation complete, or named in an error; each rule against a plain one."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxfair.attribution.deep_shap import deep_shap
from jaxfair.attribution.secant import RULES, UnsupportedPrimitive


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


INPUTS, BACKGROUND = draw(2, 7, 4), draw(3, 7, 4, seed=1)


def applied(layer, *arguments):
    def function(x):
        variables = layer.init(jax.random.key(0), x, *arguments)
        # Statistics that a training could have left.
        variables = jax.tree.map(
            lambda leaf: leaf + 0.1 * jnp.cos(jnp.arange(leaf.size)).reshape(leaf.shape), variables
        )
        return layer.apply(variables, x, *arguments).reshape(len(x), -1)[:, -9:]

    return function


def mean(function):
    return lambda x: function(x).mean(1)


def repeated(x):
    def outer(number, carried):
        return jax.lax.fori_loop(0, 2, lambda inner, value: jnp.tanh(value * (1 + number + inner)), carried)

    return jax.lax.fori_loop(0, 2, outer, x).sum(1)


def counted(x):
    def body(state):
        count, value = state
        return count + 1, value * x[:, 0] * count + jnp.sin(value)

    return jax.lax.while_loop(lambda state: state[0] < jnp.zeros((), int) + 3, body, (jnp.zeros((), int), x[:, 1]))[1]


def branched(x):
    by_predicate = jax.lax.cond(len(x) > 0, jnp.sin, jnp.cos, x)
    return jax.lax.fori_loop(0, 2, lambda n, value: jax.lax.switch(n, [jnp.tanh, jnp.cos], value), by_predicate).sum(1)


def embedded(x):
    layer = nn.Embed(7, 4)
    return nn.relu(x + layer.apply(layer.init(jax.random.key(0), jnp.arange(7)), jnp.arange(7))).sum(1)


ACTIVATIONS = (
    nn.gelu, nn.silu, nn.softplus, nn.elu, jax.nn.selu, nn.leaky_relu, jax.nn.hard_swish, nn.relu6, jax.nn.mish,
    lambda x: nn.gelu(x, approximate=False), lambda x: jax.nn.logsumexp(9 * x, axis=-1, keepdims=True), nn.softmax,
)  # fmt: skip
# Many operations in one function: what takes time is to compile.
FUNCTIONS = {
    "pools": lambda x: jnp.concatenate(
        [
            mean(lambda x: nn.max_pool(x, (3,), (2,), "SAME"))(x),
            mean(lambda x: nn.max_pool(x, (3,), (3,)))(x),
            mean(lambda x: nn.avg_pool(nn.relu(x), (3,), (2,), "SAME"))(x),
            mean(lambda x: -nn.max_pool(-x, (2,), (1,), ((1, 1),)))(x),
        ],
        axis=-1,
    ),
    "orders": lambda x: jnp.concatenate(
        [
            jnp.sort(x[..., 0], 1),
            jax.lax.top_k(x[..., 1], 3)[0],
            jnp.median(x, 1),
            jax.lax.cummax(x[..., 2], axis=1),
            jax.lax.cummin(x[..., 3], axis=1, reverse=True),
        ],
        axis=-1,
    ),
    "products": lambda x: jnp.concatenate(
        [
            jnp.prod(x[:, :3], axis=1),
            jnp.prod(x, axis=(1, 2))[:, None],
            jnp.cumprod(x[:, :4, 0], axis=1),
            jnp.cumsum(x, 1)[:, -1],
            jax.lax.cumlogsumexp(x[..., 2], axis=1),
        ],
        axis=-1,
    ),
    "activations": lambda x: jnp.concatenate([function(x).mean(1) for function in ACTIVATIONS], axis=-1),
    "normalisations": lambda x: sum(
        applied(layer)(scale * x + 3)
        for layer in (nn.LayerNorm(), nn.GroupNorm(2), nn.BatchNorm(use_running_average=True))
        for scale in (1, 5)
    ),
    "loops": lambda x: repeated(x) + counted(x) + branched(x) + embedded(x),
    "recurrent": lambda x: applied(nn.RNN(nn.LSTMCell(5)))(x) + applied(nn.RNN(nn.GRUCell(5)))(x),
}


def assert_complete(found, within=1.0):
    """To rounding; `test_deep_shap_rounding` says that what is allowed is no more than that."""
    assert np.isfinite(found.values).all()
    np.testing.assert_array_less(np.abs(found.residual), within * np.asarray(found.allowed) + 1e-30)
    np.testing.assert_array_less(np.abs(found.residual), 1e-5 * np.abs(found.values).sum((2, 3)).max())
    assert np.abs(found.values).max() > 1e-2


LONG = [pytest.param(name, marks=pytest.mark.slow) for name in FUNCTIONS if name != "pools"]


@pytest.mark.parametrize("rule", ["rescale", pytest.param("reveal_cancel", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["pools", *LONG])
def test_layers_are_complete(name, rule):
    assert_complete(deep_shap(FUNCTIONS[name], INPUTS, BACKGROUND, rule=rule))


def values_of(function, at, reference):
    return np.asarray(deep_shap(function, at, reference).values)


def plain_extreme(at, reference, largest):
    """Of one group: all goes to its extreme element at the point whose extreme is the more extreme one."""
    sign = 1 if largest else -1
    first, second = (sign * at).argmax(), (sign * reference).argmax()
    here, there = at[first], reference[second]
    values = np.zeros(at.size)
    values[first if sign * here > sign * there else second] = here - there
    return values


def test_pooling_credits_the_extreme_element_of_each_window():
    # Windows of 3 every 2, one entry of padding before and behind.
    at, reference = draw(4, 6), draw(1, 6, seed=1)
    found = values_of(lambda x: nn.max_pool(x[..., None], (3,), (2,), ((1, 1),))[..., 0], at, reference)
    for example, (output, window) in itertools.product(range(4), enumerate([(0, 2), (1, 4), (3, 6)])):
        part = slice(*window)
        expected = np.zeros(6)
        expected[part] = plain_extreme(at[example][part], reference[0][part], True)
        np.testing.assert_allclose(found[example, output], expected, atol=1e-6)


@pytest.mark.slow
def test_running_and_ordered_extremes_are_those_of_pooling():
    at, reference = draw(3, 5), draw(1, 5, seed=1)
    found = values_of(
        lambda x: jnp.concatenate([jax.lax.cummax(x, axis=1), jnp.sort(x, 1)[:, ::4], jax.lax.top_k(x, 1)[0]], axis=1),
        at,
        reference,
    )
    for example in range(3):
        for length in range(1, 6):
            expected = np.zeros(5)
            expected[:length] = plain_extreme(at[example, :length], reference[0, :length], True)
            np.testing.assert_allclose(found[example, length - 1], expected, atol=1e-6)
        for output, largest in ((5, False), (6, True), (7, True)):
            expected = plain_extreme(at[example], reference[0], largest)
            np.testing.assert_allclose(found[example, output], expected, atol=1e-6)


def test_a_product_shares_by_shapley_values():
    at, reference = draw(1, 4).astype(float)[0], draw(1, 4, seed=1).astype(float)[0]
    expected = np.zeros(4)
    orders = list(itertools.permutations(range(4)))
    for order in orders:
        now = reference.copy()
        for player in order:
            before = now.prod()
            now[player] = at[player]
            expected[player] += (now.prod() - before) / len(orders)
    found = values_of(lambda x: x.prod(1, keepdims=True), np.float32([at]), np.float32([reference]))
    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-5)


@pytest.mark.slow
def test_what_one_passes_both_is_complete_in_order():
    # The median rises from 1 to 2 though its elements stay: the third passes them both.
    at, reference = np.float32([[1, 2, 5]]), np.float32([[1, 2, -5]])
    np.testing.assert_allclose(values_of(lambda x: jnp.sort(x, 1), at, reference)[0].sum(1), [6, 1, 3])
    np.testing.assert_allclose(values_of(lambda x: jnp.sort(x, 1), at, reference)[0, 1], [0, 0, 1], atol=1e-6)


ERRORS = {
    "'cond' takes a branch by what depends on the inputs": lambda x: jax.lax.cond(x.sum() > 0, jnp.sin, jnp.cos, x),
    "steps 'while' takes depends on the inputs": lambda x: jax.lax.while_loop(
        lambda state: state.sum() < 3, lambda state: state + 1, x
    ),
    "'gather' looks at positions that depend": lambda x: jnp.take_along_axis(x, x.argmax(1, keepdims=True), 1),
    "'sort' orders numbers by others": lambda x: jax.lax.sort((x, 2 * x), num_keys=1)[1],
    "'select_n' turns a comparison": lambda x: jnp.where(x > 0, 1.0, 2.0),
}


@pytest.mark.parametrize("message", ERRORS)
@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
def test_what_jumps_is_named(message, rule):
    with pytest.raises(UnsupportedPrimitive, match=message):
        deep_shap(ERRORS[message], draw(1, 3), draw(1, 3, seed=1), rule=rule)


def test_a_number_of_steps_that_only_a_run_knows_is_named():
    @jax.jit
    def explained(steps):
        return deep_shap(lambda x: jax.lax.fori_loop(0, steps, lambda _, x: 2 * x, x), draw(1, 3), draw(1, 3)).values

    with pytest.raises(UnsupportedPrimitive, match="steps 'while' takes is not known before the function runs"):
        explained(3)


def test_the_documentation_names_every_operation_that_has_a_rule():
    table = deep_shap.__doc__.split("=" * 78)[1]
    named = {word.strip(",;:()") for word in table.split()}
    assert [name for name in RULES if name not in named] == []
