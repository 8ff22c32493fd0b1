"""Sweeps with a fixed number of places: the same results, from one program for all calls and all sweeps of a stage."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import regression

from jaxfair import sweeps

DATA = regression.dataset()
NUM = len(DATA["y"])


def counted_stages():
    """Both stages, and a list that grows each time an epoch of the first is traced.

    A member stops in the first once it has run as many epochs as its rank says.
    """
    first, second = regression.stages(8)
    traces = []

    def init(member, *rest):
        return first.init(member, *rest) | {"rank": member.hyperparameters["rank"]}

    def epoch(member, state, *rest):
        traces.append(1)
        after, logs = first.epoch(member, state, *rest)
        return after | {"rank": state["rank"]}, logs

    stopped = lambda state: state["epochs"] >= state["rank"]  # noqa: E731
    return [dataclasses.replace(first, init=init, epoch=epoch, stopped=stopped), second], traces


STAGES, _ = counted_stages()


def members(seeds=range(7), rate=0.05):
    grid = [{"seed": seed, "fold": 0, "learning_rate": rate, "rank": 2 + seed % 7} for seed in seeds]
    return sweeps.make_members(grid, np.arange(NUM)[None] % 3 > 0, np.arange(NUM)[None] % 3 == 0)


def assert_equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.fixture(scope="module")
def default():
    return sweeps.sweep(STAGES, members(), DATA, segments=4)


@pytest.mark.parametrize("places", [4, 8])
def test_places_change_no_bit(default, places):
    """Fewer than the members, that stop in between, and more."""
    assert default.epochs_run["fit"].tolist() == [2, 3, 4, 5, 6, 7, 8]
    assert_equal(sweeps.sweep(STAGES, members(), DATA, segments=4, places=places), default)


def test_resumed_with_places_it_equals_the_uninterrupted(default, tmp_path):
    def stop(progress):
        if (progress.stage, progress.epoch) == ("fit", 4):
            raise KeyboardInterrupt

    options = {"segments": 4, "places": 4, "directory": tmp_path / "sweep", "seconds_between_saves": 0}
    with pytest.raises(KeyboardInterrupt):
        sweeps.sweep(STAGES, members(), DATA, on_segment=stop, **options)
    reports = []
    assert_equal(sweeps.sweep(STAGES, members(), DATA, on_segment=reports.append, **options), default)
    assert (reports[0].epoch, reports[0].resumed) == (4, True)


def test_calls_segments_and_sweeps_of_one_stage_share_one_program():
    stages, traces = counted_stages()
    reports = []
    sweeps.sweep(stages[:1], members(), DATA, places=4, segments=8, on_segment=reports.append)
    # Of the seven, which have 2, 3, ... 8 epochs, four train: the first in places that those before them leave.
    assert [progress.running for progress in reports] == [4, 4, 4, 4, 3, 3, 3, 2, 2, 1, 1, 0]
    assert [progress.waiting for progress in reports] == [3, 2, 1, *[0] * 9]
    once = len(traces)
    # Others: fewer than the places, and more than twice as many.
    for seeds, rate in ((range(7, 9), 0.05), (range(20, 33), 0.01)):
        sweeps.sweep(stages[:1], members(seeds, rate), DATA, places=4, segments=2)
    assert len(traces) == once
    sweeps.sweep(stages[:1], members(), DATA, places=8)
    assert len(traces) > once  # Another number of places is another program: the count can tell.


@pytest.mark.slow
def test_members_of_a_wide_placement_touch_no_other(default):
    wide = sweeps.Placement(tuple(jax.devices()), 3)
    found = sweeps.sweep(STAGES[:1], members(), DATA, segments=4, places=4, placement=wide)
    np.testing.assert_allclose(found.logs["fit"]["error"], default.logs["fit"]["error"], rtol=1e-5)


def test_more_places_than_members_share_one_program_of_over_all():
    traces, counts = [], []

    def function(value, shift):
        traces.append(1)
        return {"sum": value + shift}

    for count, groups in ((3, [3]), (8, [8]), (13, [8, 5])):
        reports, values = [], jnp.arange(count, dtype=jnp.float32)
        found = sweeps.over_all(function, (np.asarray(values),), (np.float32(3),), places=8, on_group=reports.append)
        np.testing.assert_array_equal(found["sum"], values + 3)
        assert reports == groups
        counts.append(len(traces))
    assert len(set(counts)) == 1


@pytest.mark.parametrize("places", [0, -2])
def test_no_place_is_refused(places):
    with pytest.raises(ValueError, match=rf"sweep: {places} places take no member; give 1 or more"):
        sweeps.sweep(STAGES, members(), DATA, places=places)
    with pytest.raises(ValueError, match=rf"over_all: {places} places take no member; give 1 or more"):
        sweeps.over_all(lambda value: value, (np.zeros(3),), (), places=places)
