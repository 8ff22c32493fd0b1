"""More members than places: who waits starts where a place is free, and nobody's numbers depend on it."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import regression

from jaxfair import sweeps, training
from jaxfair.sweeps import engine

DATA = regression.dataset()
NUM = len(DATA["y"])
COUNT, PLACES = 11, 4


@functools.cache
def stages():
    """The first ends after `own` epochs, a hyperparameter, or where the state has become NaN; then three more."""
    first, second = regression.stages(20)

    def init(member, *rest):
        return first.init(member, *rest) | {"own": member.hyperparameters["own"]}

    def epoch(member, state, *rest):
        after, logs = first.epoch(member, state, *rest)
        return after | {"own": state["own"]}, logs

    stopped = lambda state: state["epochs"] >= state["own"]  # noqa: E731
    return dataclasses.replace(first, init=init, epoch=epoch, stopped=stopped), second


def members(order=None):
    """The fourth diverges, the sixth has no epoch to run."""
    own = [2 + 7 * number % 18 for number in range(COUNT)]
    own[5] = 0
    grid = [
        {"seed": number, "learning_rate": 1e30 if number == 3 else 0.05, "own": own[number]} for number in range(COUNT)
    ]
    train = np.random.default_rng(0).random((COUNT, NUM)) < 0.6
    made = sweeps.make_members(grid, train, ~train)
    return made if order is None else jax.tree.map(lambda leaf: leaf[order], made)


def kept(member, state, data):
    """A third of the state, and what has to be computed with the data."""
    error = jnp.mean((data["x"] @ state["weights"] - data["y"]) ** 2, where=member.evaluate)
    return {"weights": state["weights"], "error": error}


def sweep(order=None, **options):
    return sweeps.sweep(stages(), members(order), DATA, **{"segments": 5, "places": PLACES} | options)


def assert_equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


@functools.cache
def everyone_at_once():
    return sweep(places=None)


@functools.cache
def queued():
    return sweep(finish=kept)


def test_each_member_is_as_if_it_was_alone():
    alone = jax.jit(lambda member: training.train(stages(), member, DATA))
    result = everyone_at_once()
    for number in range(COUNT):
        state, runs = alone(jax.tree.map(lambda leaf, number=number: leaf[number], members()))
        if number != 3:  # One that diverges leaves at the end of its segment.
            np.testing.assert_array_equal(result.state["weights"][number], state["weights"])
            assert result.epochs_run["fit"][number] == runs["fit"].epochs_run
    assert result.epochs_run["fit"].tolist()[5] == 0
    assert len(set(result.epochs_run["fit"].tolist())) > 7
    assert result.diverged.tolist() == [number == 3 for number in range(COUNT)]


@pytest.mark.parametrize("places", [1, PLACES, 9])
def test_places_and_order_change_no_bit(places):
    assert_equal(sweep(places=places), everyone_at_once())
    order = np.random.default_rng(places).permutation(COUNT)
    expected = jax.tree.map(lambda leaf: leaf[order], everyone_at_once())
    assert_equal(sweep(order, places=places), expected)


def test_no_more_members_than_places_train_and_all_of_these_do_while_others_wait():
    reports = []
    sweep(on_segment=reports.append)
    for progress in reports:
        assert progress.running <= PLACES
        assert progress.running == PLACES or not progress.waiting
    shares = [progress.share for progress in reports]
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] == 1
    assert (reports[-1].running, reports[-1].diverged) == (0, 1)


def test_finish_is_computed_of_the_final_state_on_the_device():
    expected = jax.vmap(kept, in_axes=(0, 0, None))(members(), everyone_at_once().state, DATA)
    np.testing.assert_array_equal(queued().state["weights"], expected["weights"])
    np.testing.assert_allclose(queued().state["error"], expected["error"], rtol=1e-6)
    assert_equal(queued()._replace(state=None), everyone_at_once()._replace(state=None))


def test_interrupted_anywhere_it_ends_as_if_it_was_not(tmp_path):
    reports = []
    assert_equal(sweep(finish=kept, on_segment=reports.append), queued())
    moments = range(1, len(reports), 3)
    assert len(moments) >= 3
    for moment in moments:
        left = [moment]

        def stop(progress, left=left):
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt

        options = {"finish": kept, "directory": tmp_path / str(moment), "seconds_between_saves": 0}
        with pytest.raises(KeyboardInterrupt):
            sweep(**options, on_segment=stop)
        again = []
        assert_equal(sweep(**options, on_segment=again.append), queued())
        assert again[0].resumed
        assert again[0].share == reports[moment - 1].share
        assert len(again) == 1 + len(reports) - moment
    # What is complete is only read.
    again = []
    assert_equal(sweep(**options, on_segment=again.append), queued())
    assert [(progress.share, progress.resumed) for progress in again] == [(1, True)]
    with pytest.raises(sweeps.CheckpointError, match="another `finish`"):
        sweep(**options | {"finish": None})


def test_a_checkpoint_holds_full_states_of_those_in_places_only(tmp_path, monkeypatch):
    sizes = []

    def save(checkpoints, position, arrays):
        held = {name: runs.epochs_run.shape[0] for name, runs in arrays["held"].items()}
        assert sum(held.values()) == sum(map(len, position.held)) <= PLACES
        ended = len(arrays["ended"][1]) if arrays["ended"] else 0
        assert ended + sum(held.values()) == position.started
        sizes.append((sum(held.values()), ended))

    monkeypatch.setattr(engine.Checkpoints, "save", save)
    sweep(finish=kept, directory=tmp_path / "sweep", seconds_between_saves=0)
    assert sizes[0][0] == PLACES
    assert sizes[-1] == (0, COUNT)


def counted(num_epochs):
    """A stage whose member has `own` epochs, and the list of all epochs that were computed, needed or not."""
    computed = []

    def init(member, previous, data, key):
        return {"ran": jnp.int32(0), "own": member.hyperparameters["own"], "drawn": jnp.float32(0)}

    def epoch(member, state, data, key, epoch):
        jax.debug.callback(lambda drawn: computed.append(float(drawn)), state["drawn"])
        return state | {"ran": state["ran"] + 1, "drawn": state["drawn"] + jax.random.uniform(key)}, {}

    return training.Stage("counted", num_epochs, init, epoch, lambda state: state["ran"] >= state["own"]), computed


@pytest.mark.parametrize(
    ("num_devices", "width", "places"),
    [
        (1, 1, 3),
        (2, 4, 8),
        pytest.param(1, 8, 8, marks=pytest.mark.slow),
        pytest.param(1, 4, None, marks=pytest.mark.slow),
    ],
)
def test_hardly_an_epoch_is_computed_that_no_member_needs(num_devices, width, places):
    """Own epochs from 10 to 100: a `vmap` of all would compute 100 for each."""
    own = np.random.default_rng(1).integers(10, 101, size=120)
    own[:2] = 10, 100
    stage, computed = counted(100)
    grid = [{"seed": number, "own": count} for number, count in enumerate(own)]
    made = sweeps.make_members(grid, np.ones(2, bool), np.ones(2, bool))
    chosen = sweeps.Placement(tuple(jax.devices()[:num_devices]), width)
    result = sweeps.sweep([stage], made, np.zeros(2), placement=chosen, places=places)
    jax.effects_barrier()
    np.testing.assert_array_equal(result.epochs_run["counted"], own)
    assert len(computed) >= own.sum()
    assert len(computed) <= (1 if width == 1 else 1.15) * own.sum()
    assert own.size * own.max() > 1.5 * own.sum()


def test_a_wide_group_ends_with_the_last_of_its_members():
    """One segment of 100 epochs, groups of 4 whose members have at most 3."""
    stage, computed = counted(100)
    grid = [{"seed": number, "own": 1 + number % 3} for number in range(8)]
    made = sweeps.make_members(grid, np.ones(2, bool), np.ones(2, bool))
    chosen = sweeps.Placement(tuple(jax.devices()), 4)
    result = sweeps.sweep([stage], made, np.zeros(2), placement=chosen, segments=1)
    jax.effects_barrier()
    assert result.epochs_run["counted"].tolist() == [1, 2, 3, 1, 2, 3, 1, 2]
    assert len(computed) == 2 * 4 * 3
