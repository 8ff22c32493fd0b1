import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import regression

from jaxfair import sweeps, training
from jaxfair.sweeps import engine, placement

DATA = regression.dataset()
NUM = len(DATA["y"])


def grid_and_members(num_seeds=3, rates=(0.01, 0.1)):
    grid = sweeps.product(seed=range(num_seeds), fold=[0, 1], learning_rate=rates)
    fold = np.arange(NUM) % 3
    train = np.stack([fold != 0, fold == 1])  # Of different sizes: one member has half the steps of another.
    return grid, sweeps.make_members(grid, train, ~train)


def assert_same(result, members, stages, exact=True):
    """The sweep's result is that of `training.train` for each member on its own."""
    alone = jax.jit(lambda member: training.train(stages, member, DATA))
    check = np.testing.assert_array_equal if exact else lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5)
    for number in range(len(members.key)):
        state, runs = alone(jax.tree.map(lambda leaf, number=number: leaf[number], members))
        check(result.state["weights"][number], state["weights"])
        for name, run in runs.items():
            check(result.logs[name]["error"][number], run.logs["error"])
            assert result.epochs_run[name][number] == run.epochs_run


@pytest.mark.parametrize("segments", [1, 4, 100])
def test_a_sweep_equals_its_single_runs(segments):
    _, members = grid_and_members()
    stages = regression.stages()
    assert_same(sweeps.sweep(stages, members, DATA, segments=segments), members, stages)


@pytest.mark.parametrize(
    ("width", "num_devices"),
    [(1, 1), (5, 2), pytest.param(2, 2, marks=pytest.mark.slow), pytest.param(16, 1, marks=pytest.mark.slow)],
)
def test_width_and_devices_change_nothing(width, num_devices):
    _, members = grid_and_members()  # 12 members: most of these widths do not divide them.
    stages = regression.stages()
    chosen = sweeps.Placement(tuple(jax.devices()[:num_devices]), width)
    result = sweeps.sweep(stages, members, DATA, placement=chosen)
    assert_same(result, members, stages, exact=width == 1)


def test_the_program_has_no_collective_and_one_loop_over_members():
    _, members = grid_and_members()
    stage = regression.stages()[0]
    data = placement.put(DATA, sweeps.default_placement(), split=False)
    mapped = placement.over_members(lambda each, data: training.begin(stage, *each, data), sweeps.default_placement())
    text = jax.jit(mapped).lower(np.ones(12, bool), (members, None), data).compile().as_text()
    assert not any(name in text for name in ("all-reduce", "all-gather", "collective-permute", "all-to-all"))


def test_stopped_members_leave_and_the_others_go_on():
    _, members = grid_and_members()
    stages = regression.stages(12, patience=lambda state: jnp.where(state["weights"][0] > 0.9, 2, 7))
    reports = []
    result = sweeps.sweep(stages[:1], members, DATA, segments=12, on_segment=reports.append)
    assert_same(result, members, stages[:1])
    assert set(result.epochs_run["fit"]) >= {7}
    assert [progress.running for progress in reports][-1] == 0
    assert reports[-1].epoch < 12
    running = [12, *(progress.running for progress in reports)]
    assert running == sorted(running, reverse=True)


def test_a_program_has_whole_groups_and_narrows_in_few_steps():
    devices = tuple(jax.devices())
    assert [placement.capacity_for(count, sweeps.Placement(devices, 1)) for count in (1, 2, 3, 40)] == [2, 2, 4, 40]
    assert [placement.capacity_for(count, sweeps.Placement(devices, 3)) for count in (1, 6, 7)] == [6, 6, 12]
    wide = sweeps.Placement(devices, 20)
    widths = [placement.narrowed(wide, running).width for running in range(40, 0, -1)]
    assert all(2 * width >= running for running, width in zip(range(40, 0, -1), widths, strict=True))
    assert widths[-1] == 1
    assert len(set(widths)) <= 6


def test_members_are_dealt_evenly():
    order = placement.arrange(np.arange(5), 8, 2)
    assert order.members[order.filled].tolist() == [0, 2, 4, 1, 3]
    assert order.filled.tolist() == [True] * 3 + [False] + [True] * 2 + [False] * 2
    # The second deal begins where the first has ended: both devices have four.
    again = placement.arrange(np.arange(3), 8, 2, first=5)
    assert again.members[again.filled].tolist() == [1, 0, 2]
    assert again.filled.tolist() == [True] + [False] * 3 + [True] * 2 + [False] * 2


@pytest.mark.parametrize("width", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_a_member_that_becomes_nan_is_reported_and_touches_no_other(width):
    grid = sweeps.product(seed=range(3), learning_rate=[0.01, 1e30])
    members = sweeps.make_members(grid, np.ones(NUM, bool), np.ones(NUM, bool))
    stages = regression.stages()
    reports = []
    chosen = sweeps.Placement(tuple(jax.devices()), width)
    result = sweeps.sweep(stages, members, DATA, on_segment=reports.append, placement=chosen)
    assert result.diverged.tolist() == [False, True] * 3
    assert reports[-1].diverged == 3
    good = sweeps.sweep(stages, jax.tree.map(lambda leaf: leaf[::2], members), DATA, placement=chosen)
    np.testing.assert_array_equal(result.state["weights"][::2], good.state["weights"])
    table = sweeps.members_table(result, grid)
    assert table["status"].tolist() == ["finished", "diverged"] * 3


def test_previous_states_are_given_by_member():
    _, members = grid_and_members()
    first, second = regression.stages()
    both = sweeps.sweep([first, second], members, DATA)
    halfway = sweeps.sweep([first], members, DATA)
    after = sweeps.sweep([second], members, DATA, previous=halfway.state)
    np.testing.assert_array_equal(after.state["weights"], both.state["weights"])


def test_stages_need_distinct_names():
    _, members = grid_and_members()
    first, second = regression.stages()
    with pytest.raises(ValueError, match="distinct names"):
        sweeps.sweep([first, dataclasses.replace(second, name="fit")], members, DATA)


@pytest.mark.parametrize("places", [None, 2, 5])
def test_over_all_evaluates_every_member(places):
    values = np.arange(7.0, dtype=np.float32)
    groups = []
    outputs = sweeps.over_all(
        lambda value, shift: {"sum": value + shift}, (values,), (np.float32(3),), places=places, on_group=groups.append
    )
    np.testing.assert_array_equal(outputs["sum"], values + 3)
    assert sum(groups) == 7


def test_sweeping_numbers_never_recompiles():
    _, members = grid_and_members()
    original = regression.stages()[0]

    def traces(count):
        """How often the epoch is traced; a stage of its own each time, as JAX remembers what it traced."""
        calls = []

        def counting(member, state, data, key, epoch):
            calls.append(1)
            return original.epoch(member, state, data, key, epoch)

        stage = dataclasses.replace(original, epoch=counting)
        sweeps.sweep([stage], jax.tree.map(lambda leaf: leaf[:count], members), DATA, segments=3)
        return len(calls)

    assert traces(4) == traces(12)


def test_tables():
    grid, members = grid_and_members()
    stages = regression.stages(5, patience=lambda state: jnp.where(state["weights"][0] > 0.9, 2, 4))
    result = sweeps.sweep(stages[:1], members, DATA)
    logs = sweeps.logs_table(result, grid)
    assert list(logs.columns) == ["member", "seed", "fold", "learning_rate", "stage", "epoch", "metric", "value"]
    assert len(logs) == result.epochs_run["fit"].sum()
    row = logs[(logs["member"] == 7) & (logs["epoch"] == 1)].iloc[0]
    assert row["value"] == result.logs["fit"]["error"][7, 1]
    assert row["seed"] == grid[7]["seed"]
    assert (sweeps.members_table(result, grid)["status"] == "stopped").all()


def test_engine_names_what_it_offers():
    assert engine.sweep is sweeps.sweep


def test_what_is_asked_to_save_now_is_saved_before_it_is_told_so(tmp_path):
    _, members = grid_and_members()
    stages, shares, seen = regression.stages(), [], []
    options = {"directory": tmp_path / "sweep", "segments": 4, "seconds_between_saves": 1e9}

    def leave(progress):
        shares.append(progress.share)
        if len(shares) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweeps.sweep(stages, members, DATA, **options, on_segment=leave, save_now=lambda: len(shares) == 2)
    assert_same(sweeps.sweep(stages, members, DATA, **options, on_segment=seen.append), members, stages)
    assert seen[0].resumed
    assert seen[0].share == shares[2] > shares[1]
