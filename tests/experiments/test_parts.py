"""Parts on disk: whole or not there, once, in the hands of one process, joined with members of their own."""

import multiprocessing
import os

import numpy as np
import pandas as pd
import pytest
import small_disk

from experiments import status
from experiments.run.folder import write_json
from experiments.run.parts import Parts, described
from experiments.run.study import Output, Part, Study


def table(*members, **columns):
    return pd.DataFrame({"member": list(members)}).assign(**columns)


def test_what_a_part_leaves_is_read_as_it_was_given(tmp_path):
    parts = Parts(tmp_path)
    arrays = {
        "variables": {"params": {"kernel": np.float32([[1, 2]])}, "mean": np.zeros((2, 0))},
        "mask": np.array([True]),
    }
    with parts.claimed("fit"):
        parts.write("fit", Output({"members": table(0, 1)}, arrays), {"seconds": {"training": 1.5}})
    stored = parts.read("fit")
    assert stored.names == ["members"]
    assert stored.table("members")["member"].tolist() == [0, 1]
    assert stored.record["seconds"] == {"training": 1.5}
    read = stored.arrays
    assert read["variables"]["params"]["kernel"].dtype == np.float32
    np.testing.assert_array_equal(read["variables"]["params"]["kernel"], [[1, 2]])
    assert read["variables"]["mean"].shape == (2, 0)
    assert read["mask"].dtype == bool


@pytest.mark.parametrize("array", [np.array([object()]), np.array([{"a": 1}], dtype=object)])
def test_what_would_have_to_be_pickled_is_refused(tmp_path, array):
    parts = Parts(tmp_path)
    with parts.claimed("fit"), pytest.raises(TypeError, match="part fit: array state/x is of type object"):
        parts.write("fit", Output({}, {"state": {"x": array}}), {})
    assert not parts.is_done("fit")


def test_a_damaged_array_is_noticed(tmp_path):
    parts = Parts(tmp_path)
    with parts.claimed("fit"):
        parts.write("fit", Output({}, {"x": np.zeros(1000)}), {})
    path = tmp_path / "parts/fit/arrays.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ValueError, match=r"arrays\.npz is damaged: its content is not what was written"):
        _ = parts.read("fit").arrays
    with pytest.warns(RuntimeWarning, match=r"arrays\.npz is damaged: .*; part fit is computed again\."):
        parts.discard_damaged("fit")
    assert not parts.is_done("fit")


def test_a_part_without_one_of_its_tables_is_not_joined(tmp_path):
    parts = Parts(tmp_path)
    with parts.claimed("fit"):
        parts.write("fit", Output({"members": table(0), "results": table(0, value=1.0)}), {})
    (tmp_path / "parts/fit/results.parquet").unlink()
    with pytest.raises(ValueError, match=r"fit/results\.parquet is missing"):
        parts.join(["fit"])
    assert not (tmp_path / "manifest.json").exists()


def test_the_first_of_two_attempts_counts_and_one_cut_short_does_not(tmp_path):
    parts = Parts(tmp_path)
    with parts.claimed("fit"):
        (tmp_path / "parts/.fit.dead.part").mkdir()
    assert not parts.is_done("fit")
    with parts.claimed("fit"):
        assert not (tmp_path / "parts/.fit.dead.part").exists()
        parts.write("fit", Output({"members": table(0)}), {})
        parts.write("fit", Output({"members": table(0, 1)}), {})
    assert parts.read("fit").table("members")["member"].tolist() == [0]
    assert sorted(os.listdir(tmp_path / "parts")) == [".fit.lock", "fit"]


def test_joined_members_have_numbers_of_their_own_and_nothing_else_changes(tmp_path):
    parts = Parts(tmp_path)
    outputs = {
        "a": {"members": table(1, 0), "results": table(0, 1, pd.NA, value=1.0).astype({"member": "Int64"})},
        "none": {"cohort": pd.DataFrame({"step": ["all"]})},
        "b": {"members": table(0, 1, 2), "results": table(2, 0, value=2.0).astype({"member": "Int64"})},
    }
    for name, tables in outputs.items():
        with parts.claimed(name):
            parts.write(name, Output(tables), {})
    parts.join(list(outputs))
    assert pd.read_parquet(tmp_path / "members.parquet")["member"].tolist() == [1, 0, 2, 3, 4]
    assert pd.read_parquet(tmp_path / "results.parquet")["member"].tolist() == [0, 1, pd.NA, 4, 2]
    assert pd.read_parquet(tmp_path / "cohort.parquet")["step"].tolist() == ["all"]
    parts.remove()
    assert sorted(os.listdir(tmp_path)) == ["cohort.parquet", "manifest.json", "members.parquet", "results.parquet"]


def test_members_that_are_not_numbered_from_0_are_an_error(tmp_path):
    parts = Parts(tmp_path)
    with parts.claimed("a"):
        parts.write("a", Output({"members": table(1, 2)}), {})
    with pytest.raises(ValueError, match="part a must number its 2 members from 0"):
        parts.join(["a"])


def hold(workdir, ready, done):
    with Parts(workdir).claimed("a"):
        ready.set()
        done.wait(30)


def test_status_tells_done_running_ready_and_waiting(tmp_path):
    plan = [Part("a", (), None), Part("b", (), None), Part("c", ("a", "b"), None), Part("d", (), None)]
    write_json(tmp_path / "parts.json", described(plan))
    parts = Parts(tmp_path)
    with parts.claimed("b"):
        parts.write("b", Output({"members": table(0)}), {})
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    process = context.Process(target=hold, args=(tmp_path, ready, done))
    process.start()
    try:
        assert ready.wait(60)
        found = status.states(tmp_path)
        assert found["a"].startswith(f"running: process {process.pid} on ")
        assert {name: found[name] for name in "bcd"} == {"b": "done", "c": "waiting for a", "d": "ready"}
        expected = rf"part a of .*: process {process.pid} on .* is running there"
        with pytest.raises(RuntimeError, match=expected), parts.claimed("a"):
            pass
    finally:
        done.set()
        process.join()
    assert status.states(tmp_path)["a"] == "ready"


def test_status_of_no_run_is_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"parts\.json is missing: name the folder of a run"):
        status.states(tmp_path)


def test_parts_stand_behind_what_they_need():
    def study(*parts):
        return Study("toy", lambda config: list(parts), lambda config: None)

    first, second = Part("first", (), None), Part("second", ("first",), None)
    assert study(first, second).checked_parts(None) == [first, second]
    with pytest.raises(ValueError, match="part 'second' needs 'first', which is not before it"):
        study(second, first).checked_parts(None)
    with pytest.raises(ValueError, match="'first' is no name for a part"):
        study(first, first).checked_parts(None)
    with pytest.raises(ValueError, match="'a/b' is no name for a part"):
        study(Part("a/b", (), None)).checked_parts(None)


def test_a_full_disk_leaves_no_part(tmp_path):
    after = Output({"results": pd.DataFrame({"value": np.random.default_rng(0).random(100_000)})})
    with small_disk.mounted(tmp_path / "disk", megabytes=2) as disk:
        parts = Parts(disk.folder)
        disk.fill(leave=65536)
        with parts.claimed("ncov"), pytest.raises(OSError, match="No space left on device"):
            parts.write("ncov", after, {})
        assert not parts.is_done("ncov")
        disk.free()
        with parts.claimed("ncov"):
            parts.write("ncov", after, {})
        pd.testing.assert_frame_equal(parts.read("ncov").table("results"), after.tables["results"])
