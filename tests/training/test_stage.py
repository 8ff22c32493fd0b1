"""Stages whose state is a record of what was drawn, so that any cut, shift or extra epoch shows in every bit."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxfair import training

NUM_EPOCHS = 7
DATA = {"x": np.arange(5, dtype=np.float32)}


def member(seed=0, patience=100):
    mask = jnp.ones(5, bool)
    return training.Member(jax.random.key(seed), {"patience": jnp.float32(patience)}, mask, ~mask, mask)


def recorder(name="record", num_epochs=NUM_EPOCHS, stops=False):
    """Keeps its draws, and a chaotic sum of them: 4 x (1 - x) doubles any difference in every epoch."""

    def init(member, previous, data, key):
        chaos = jnp.float32(0.3) if previous is None else previous["chaos"]
        return {"first": jax.random.bits(key), "drawn": jnp.zeros(num_epochs, jnp.uint32), "chaos": chaos, "ran": 0}

    def epoch(member, state, data, key, epoch):
        value = data["x"][epoch % 5] + jax.random.uniform(key)
        chaos = (4 * state["chaos"] * (1 - state["chaos"]) + value) % 1
        drawn = state["drawn"].at[epoch].set(jax.random.bits(key))
        return state | {"drawn": drawn, "chaos": chaos, "ran": state["ran"] + 1}, {"value": value, "epoch": epoch}

    return training.Stage(name, num_epochs, init, epoch, (lambda state: state["ran"] >= 3) if stops else None)


@functools.cache
def compiled(stops):
    return jax.jit(functools.partial(training.advance, recorder(stops=stops)))


def run_in(cuts, stops=False, seed=0):
    data = jax.tree.map(jnp.asarray, DATA)
    run = training.begin(recorder(stops=stops), member(seed), None, data)
    for start, stop in itertools.pairwise(cuts):
        run = compiled(stops)(member(seed), run, data, start, stop)
    return run


def assert_equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.mark.parametrize("stops", [False, True])
@pytest.mark.parametrize("cuts", [(0, 1, 7), (0, 3, 5, 7), (0, 1, 2, 3, 4, 5, 6, 7), (0, 0, 7, 7)])
def test_cutting_a_stage_into_segments_changes_no_bit(cuts, stops):
    assert_equal(run_in(cuts, stops), run_in((0, 7), stops))


def test_a_run_before_its_first_epoch_has_no_logs():
    run = training.begin(recorder(), member(), None, DATA)
    assert run.epochs_run == 0
    assert run.logs.keys() == {"value", "epoch"}
    for values in run.logs.values():
        assert values.shape == (NUM_EPOCHS,)
        assert values.dtype == jnp.float32
        assert np.isnan(values).all()


def test_logs_stand_at_their_epoch_and_are_nan_where_none_was_run():
    run = run_in((0, 4))
    assert run.epochs_run == 4
    np.testing.assert_array_equal(run.logs["epoch"], [0, 1, 2, 3, np.nan, np.nan, np.nan])


def test_a_stopped_member_runs_no_further_epoch():
    run, whole = run_in((0, 7), stops=True), run_in((0, 7))
    assert run.epochs_run == 3
    assert run.state["ran"] == 3
    np.testing.assert_array_equal(run.logs["value"][:3], whole.logs["value"][:3])
    assert np.isnan(run.logs["value"][3:]).all()
    np.testing.assert_array_equal(run.state["drawn"][3:], 0)


def test_every_epoch_and_the_initialisation_have_a_key_of_their_own():
    run, other = run_in((0, 7)), run_in((0, 7), seed=1)
    drawn = [int(run.state["first"]), *map(int, run.state["drawn"])]
    drawn += [int(other.state["first"]), *map(int, other.state["drawn"])]
    assert len(set(drawn)) == 2 * (NUM_EPOCHS + 1)


def test_randomness_follows_the_name_of_the_stage_and_not_its_place_or_length():
    one, runs = recorder("one"), {}
    for place, stages in enumerate([[one], [recorder("other"), one], [recorder("one", 4)]]):
        _, runs[place] = training.train(stages, member(), DATA)
    draws = {place: run["one"].state for place, run in runs.items()}
    for place in (0, 1):
        np.testing.assert_array_equal(draws[place]["drawn"][:4], draws[2]["drawn"])
        assert draws[place]["first"] == draws[2]["first"]
    np.testing.assert_array_equal(draws[0]["drawn"], draws[1]["drawn"])
    other = runs[1]["other"].state
    assert not set(np.asarray(other["drawn"])) & set(np.asarray(draws[1]["drawn"]))
    assert other["first"] != draws[1]["first"]
    assert jax.random.key_data(training.stage_key(member(1), one)).tolist() != (
        jax.random.key_data(training.stage_key(member(0), one)).tolist()
    )


def test_train_hands_each_final_state_to_the_next_stage():
    first, second = recorder("first"), recorder("second")
    state, runs = training.train([first, second], member(), DATA)
    assert list(runs) == ["first", "second"]
    assert_equal(state, runs["second"].state)
    alone, _ = training.train([second], member(), DATA, previous=runs["first"].state)
    assert_equal(alone, state)
    assert runs["first"].state["chaos"] != state["chaos"]


def test_members_side_by_side_stop_each_at_its_own_epoch():
    def init(member, previous, data, key):
        return {"left": member.hyperparameters["patience"], "sum": jax.random.uniform(key)}

    def epoch(member, state, data, key, epoch):
        state = {"left": state["left"] - 1, "sum": state["sum"] + jax.random.uniform(key)}
        return state, {"sum": state["sum"]}

    stage = training.Stage("patient", 5, init, epoch, lambda state: state["left"] <= 0)
    members = [member(seed, patience) for seed, patience in enumerate([2.0, 0.0, 9.0])]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    program = jax.jit(lambda member: training.train([stage], member, DATA)[1]["patient"])
    together = jax.jit(jax.vmap(lambda member: training.train([stage], member, DATA)[1]["patient"]))(stacked)
    assert together.epochs_run.tolist() == [2, 0, 5]
    assert np.isfinite(together.logs["sum"]).sum(1).tolist() == [2, 0, 5]
    for number, one in enumerate(members):
        assert_equal(jax.tree.map(lambda leaf, number=number: leaf[number], together), program(one))
