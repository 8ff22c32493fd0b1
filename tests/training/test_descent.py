"""Gradient descent by batches against loops in plain NumPy that see the batches in the order the loss recorded."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxfair import training

SIZE, BATCH, EPOCHS, RATE, MOMENTUM, DECAY = 11, 4, 3, 0.05, 0.9, 0.1
FIRST = {"slope": {"w": np.array([1.0, -2.0, 0.5], np.float32)}, "offset": {"b": np.float32(0.3)}}
FROZEN = {"frozen": {"scale": np.float32(1.7)}}
RULES = {
    "momentum": lambda rate: optax.sgd(rate, momentum=MOMENTUM),
    "adamw": lambda rate: optax.adamw(rate, weight_decay=DECAY),
}


def dataset():
    """The first example belongs to nobody and is NaN: padding points at it."""
    rng = np.random.default_rng(0)
    data = {"x": rng.normal(size=(SIZE, 3)), "y": rng.normal(size=SIZE)}
    data = {name: values.astype(np.float32) for name, values in data.items()}
    data["x"][0] = data["y"][0] = np.nan
    return data


# Ten examples make batches of 4, 4, 2; six make 4, 2.
TRAIN = np.stack([np.arange(SIZE) > 0, (np.arange(SIZE) > 0) & (np.arange(SIZE) < 7)])


def members():
    keys = jax.vmap(jax.random.key)(jnp.arange(2))
    rates, nothing = {"rate": jnp.full(2, RATE, jnp.float32)}, jnp.zeros(TRAIN.shape, bool)
    return training.Member(keys, rates, jnp.asarray(TRAIN), nothing, jnp.asarray(~TRAIN))


def stage(rule, trained=("slope", "offset")):
    """Least squares; the collection `seen` is a record of batches and step keys, in the place of batch statistics."""

    def init(member, previous, data, key):
        shape = (EPOCHS, training.num_batches(TRAIN, BATCH))
        seen = {"indices": jnp.full((*shape, BATCH), -1), "key": jnp.zeros((*shape, 2), jnp.uint32)}
        seen["step"] = jnp.int32(0)
        return {"variables": {"params": FIRST | FROZEN, "seen": seen}, "extra": jnp.float32(7)}

    def loss(variables, state, member, data, batch, key, epoch):
        params, seen = variables["params"], dict(variables["seen"])
        x = jnp.where(batch.mask[:, None], data["x"][batch.indices], 0)
        y = jnp.where(batch.mask, data["y"][batch.indices], 0)
        errors = params["frozen"]["scale"] * (x @ params["slope"]["w"] + params["offset"]["b"]) - y
        place = epoch, jnp.argmax(seen["indices"][epoch, :, 0] == -1)  # The first that no step has filled.
        seen["indices"] = seen["indices"].at[place].set(jnp.where(batch.mask, batch.indices, -2))
        seen["key"] = seen["key"].at[place].set(jax.random.key_data(key))
        seen["step"] += 1
        return jnp.sum(jnp.where(batch.mask, errors, 0) ** 2) / batch.mask.sum(), {"seen": seen}

    def evaluate(state, member, data):
        return {"evaluate/offset": state["variables"]["params"]["offset"]["b"]}

    return training.descent(
        "fit",
        EPOCHS,
        init=init,
        loss=loss,
        trained=trained,
        optimizer=lambda member: RULES[rule](member.hyperparameters["rate"]),
        batch_size=BATCH,
        num_batches=training.num_batches(TRAIN, BATCH),
        evaluate=evaluate,
    )


@functools.cache
def program(rule, groups):
    return jax.jit(lambda member: training.train([stage(rule, groups)], member, dataset())[1]["fit"])


def trained(rule, number, groups=("slope", "offset")):
    """The run of one member, in NumPy."""
    member = jax.tree.map(lambda leaf: leaf[number], members())
    return jax.tree.map(np.asarray, program(rule, groups)(member))


def batches(run):
    """Indices of each batch by epoch, as the loss saw them."""
    seen = run.state["variables"]["seen"]["indices"]
    return [[batch[batch >= 0] for batch in epoch if (batch >= 0).any()] for epoch in seen]


def errors_and_gradient(theta, indices):
    """Mean squared error of slope and offset (the last entry), and its gradient, in float64."""
    data = dataset()
    x = np.column_stack([data["x"][indices], np.ones(len(indices))]).astype(np.float64)
    scale = float(FROZEN["frozen"]["scale"])
    errors = scale * x @ theta - data["y"][indices]
    return np.mean(errors**2), 2 * scale * x.T @ errors / len(indices)


def momentum_step(theta, gradient, memory, step):
    trace = gradient + MOMENTUM * memory.get("trace", 0)
    return theta - RATE * trace, {"trace": trace}


def adamw_step(theta, gradient, memory, step):
    first = 0.1 * gradient + 0.9 * memory.get("first", 0)
    second = 0.001 * gradient**2 + 0.999 * memory.get("second", 0)
    update = first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return theta - RATE * (update + DECAY * theta), {"first": first, "second": second}


def by_hand(run, rule_step):
    theta, memory, step = np.append(FIRST["slope"]["w"], FIRST["offset"]["b"]).astype(np.float64), {}, 0
    losses, offsets = [], []
    for epoch in batches(run):
        total = 0.0
        for indices in epoch:
            step += 1
            loss, gradient = errors_and_gradient(theta, indices)
            theta, memory = rule_step(theta, gradient, memory, step)
            total += loss * len(indices)
        losses.append(total / sum(map(len, epoch)))
        offsets.append(theta[3])
    return theta, losses, offsets


def assert_as_by_hand(run, rule_step, rtol=2e-5):
    theta, losses, offsets = by_hand(run, rule_step)
    params = run.state["variables"]["params"]
    np.testing.assert_allclose(np.append(params["slope"]["w"], params["offset"]["b"]), theta, rtol=rtol, atol=1e-6)
    np.testing.assert_allclose(run.logs["train/loss"], losses, rtol=rtol)
    np.testing.assert_allclose(run.logs["evaluate/offset"], offsets, rtol=rtol, atol=1e-6)
    assert params["frozen"]["scale"] == FROZEN["frozen"]["scale"]
    assert run.state["extra"] == 7


def test_momentum_descends_as_by_hand():
    for number in range(2):
        assert_as_by_hand(trained("momentum", number), momentum_step)


def test_adamw_descends_as_by_hand():
    # 1 - 0.999^step, by which Adam divides, has lost three digits in float32.
    assert_as_by_hand(trained("adamw", 0), adamw_step, rtol=1e-3)


def test_each_epoch_takes_every_example_once_in_an_order_of_its_own():
    run = trained("momentum", 0)
    epochs = [np.concatenate(epoch) for epoch in batches(run)]
    assert [[len(batch) for batch in epoch] for epoch in batches(run)] == [[4, 4, 2]] * EPOCHS
    for order in epochs:
        assert sorted(order) == list(range(1, SIZE))
    assert len({tuple(order) for order in epochs}) == EPOCHS


def test_every_step_has_a_key_of_its_own():
    keys = trained("momentum", 0).state["variables"]["seen"]["key"].reshape(-1, 2)
    assert len({tuple(key) for key in keys.tolist()}) == EPOCHS * 3


def test_a_member_with_fewer_examples_takes_fewer_steps():
    for number, steps in enumerate([3 * EPOCHS, 2 * EPOCHS]):
        state = trained("adamw", number).state
        assert state["variables"]["seen"]["step"] == steps
        assert optax.tree_utils.tree_get(state["optimizer"], "count") == steps


def test_groups_that_are_not_trained_have_no_optimizer_and_never_move():
    for rule in RULES:  # A momentum or a weight decay would move them even without a gradient.
        run = trained(rule, 0, ("offset",))
        params = run.state["variables"]["params"]
        np.testing.assert_array_equal(params["slope"]["w"], FIRST["slope"]["w"])
        assert params["frozen"]["scale"] == FROZEN["frozen"]["scale"]
        assert params["offset"]["b"] != FIRST["offset"]["b"]
        held = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(run.state["optimizer"])]
        assert any("offset" in name for name in held)
        assert not any("slope" in name or "frozen" in name for name in held)


def test_every_group_is_trained_where_none_is_named():
    state = trained("momentum", 0, None).state
    named = trained("momentum", 0, ("slope", "offset", "frozen")).state
    jax.tree.map(np.testing.assert_array_equal, state, named)
    assert state["variables"]["params"]["frozen"]["scale"] != FROZEN["frozen"]["scale"]


def test_members_side_by_side_are_those_one_by_one():
    stages = [stage("adamw")]
    together = jax.jit(jax.vmap(lambda member: training.train(stages, member, dataset())[1]["fit"]))(members())
    for number in range(2):
        jax.tree.map(
            lambda a, b, number=number: np.testing.assert_allclose(a[number], b, rtol=1e-4, atol=1e-6),
            together,
            trained("adamw", number),
        )
