import dataclasses
import json

import jax
import numpy as np
import pytest
import regression

from jaxfair import sweeps
from jaxfair.sweeps import width

DATA = regression.dataset()


@pytest.fixture
def members():
    grid = sweeps.product(seed=range(4), learning_rate=[0.01, 0.02])
    everyone = np.ones(len(DATA["y"]), bool)
    return sweeps.make_members(grid, everyone, everyone)


@pytest.fixture
def measured(monkeypatch):
    """The widths whose sweeps were run; a made-up clock makes each width faster than the one before, down to 4."""
    seconds = {1: 8.0, 2: 6.0, 4: 2.0}
    widths, now = [], [0.0]

    def sweep(stages, members, data, *, placement, on_segment, **options):
        widths.append(placement.width)
        assert len(members.key) == min(8, placement.width * len(placement.devices))
        for _ in range(2):
            on_segment(None)
            now[0] += seconds[placement.width] * len(members.key) / 8

    monkeypatch.setattr(width, "sweep", sweep)
    monkeypatch.setattr(width.time, "perf_counter", lambda: now[0])
    return widths, seconds


def tune(members, **options):
    return sweeps.tune_width(regression.stages()[0], members, DATA, **options)


def test_a_cpu_takes_one_at_a_time_unmeasured(members, measured, tmp_path):
    chosen = tune(members, remember=tmp_path / "widths.json")
    assert chosen == sweeps.Placement(tuple(jax.devices()), 1)
    assert measured[0] == []
    assert not (tmp_path / "widths.json").exists()


def test_widths_that_are_given_are_really_measured(members, tmp_path):
    stage = regression.stages()[0]
    chosen = sweeps.tune_width(stage, members, DATA, widths=(1, 2), remember=tmp_path / "widths.json")
    assert chosen.devices == tuple(jax.devices())
    assert chosen.width in (1, 2)
    assert list(json.loads((tmp_path / "widths.json").read_text()).values()) == [chosen.width]


def test_the_fastest_is_chosen_and_remembered(members, measured, tmp_path):
    widths, _ = measured
    memory = tmp_path / "new" / "widths.json"
    assert tune(members, widths=(1, 2, 4), remember=memory).width == 4
    assert widths == [1, 2, 4]
    assert tune(members, widths=(1, 2, 4), remember=memory).width == 4
    assert widths == [1, 2, 4]
    assert [path.name for path in memory.parent.iterdir()] == ["widths.json"]


def test_another_program_and_another_choice_are_measured_anew(members, measured, tmp_path):
    widths, _ = measured
    memory = tmp_path / "widths.json"
    tune(members, widths=(1, 2, 4), remember=memory)
    fewer = jax.tree.map(lambda leaf: leaf[:6], members)
    tune(fewer, widths=(1,), remember=memory)
    tune(members, widths=(1, 2), remember=memory)  # The remembered 4 is not among these.
    tune(members, widths=(1, 2, 4), devices=jax.devices()[:1], remember=memory)
    assert widths == [1, 2, 4, 1, 1, 2, 1, 2, 4]


def test_networks_of_one_name_do_not_share_a_width(members, measured, tmp_path):
    """The state's shapes are the network's, and those of `previous` its input's."""
    widths, _ = measured
    stage, memory = regression.stages()[0], tmp_path / "widths.json"
    larger = dataclasses.replace(
        stage, init=lambda *given: stage.init(*given) | {"moments": np.zeros((2, 3), np.float32)}
    )
    before = {"weights": np.zeros((8, 3), np.float32)}
    half = before | {"more": np.zeros(8, np.float16)}
    for options in ({}, {"stage": larger}, {"previous": before}, {"previous": half}):
        for _ in range(2):  # The second time it is remembered.
            sweeps.tune_width(
                options.get("stage", stage),
                members,
                DATA,
                previous=options.get("previous"),
                widths=(1, 2),
                remember=memory,
            )
    assert widths == [1, 2] * 4
    assert len(json.loads(memory.read_text())) == 4


def test_the_search_ends_when_wider_is_clearly_slower(members, measured):
    widths, seconds = measured
    seconds |= {1: 1.0, 2: 1.05, 4: 2.0}
    assert tune(members, widths=(1, 2, 4)).width == 1
    assert widths == [1, 2, 4]
    widths.clear()
    seconds |= {2: 1.2}
    assert tune(members, widths=(1, 2, 4)).width == 1
    assert widths == [1, 2]


@pytest.mark.parametrize("content", ["", '{"', "[]", '{"x": "4"', "\udcff"])
def test_a_damaged_memory_only_means_to_measure_again(members, measured, tmp_path, content):
    memory = tmp_path / "widths.json"
    memory.write_text(content, errors="surrogateescape")
    assert tune(members, widths=(1, 2, 4), remember=memory).width == 4
    assert measured[0] == [1, 2, 4]
    assert list(json.loads(memory.read_text()).values()) == [4]


@pytest.mark.parametrize(("fits", "chosen"), [(2, 2), (0, None)])
def test_what_does_not_fit_into_memory_is_not_chosen(members, measured, monkeypatch, fits, chosen):
    pretend = width.sweep

    def sweep(*args, placement, **options):
        if placement.width > fits:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        pretend(*args, placement=placement, **options)

    monkeypatch.setattr(width, "sweep", sweep)
    if chosen:
        assert tune(members, widths=(1, 2, 4)).width == chosen
    else:
        with pytest.raises(RuntimeError, match="stage 'fit' does not fit into the memory of a cpu even with 1 members"):
            tune(members, widths=(1, 2, 4))
