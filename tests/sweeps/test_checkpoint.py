import pickle
import shutil
import types

import jax
import numpy as np
import pytest
import regression
import small_disk

from jaxfair import sweeps
from jaxfair.sweeps import checkpoint
from jaxfair.sweeps.checkpoint import Checkpoints, Position, fingerprint

DATA = regression.dataset()
EVERYONE = np.ones(len(DATA["y"]), bool)


def members(seeds=2, rate=0.01, train=EVERYONE):
    return sweeps.make_members(sweeps.product(seed=range(seeds), learning_rate=[rate]), train, EVERYONE)


def arrays(epoch):
    return {"weights": np.full((2, 3), epoch, np.float32), "logs": {"loss": np.arange(epoch, dtype=np.float32)}}


def at(epoch):
    """Two members in the first stage; how many were started stands for the epoch here."""
    return Position(epoch, [[0, 1], []])


def saved(folder, epochs=(1, 2, 3)):
    """A folder with a checkpoint after each of `epochs`."""
    checkpoints = Checkpoints(folder, "mine")
    for epoch in epochs:
        checkpoints.save(at(epoch), arrays(epoch))
    return folder


def read(folder):
    """Position and arrays, as a fresh process reads them."""
    checkpoints = Checkpoints(folder, "mine")
    position = checkpoints.position()
    restored = checkpoints.restore(arrays(position.started))
    return position, restored


def assert_stands_at(folder, epoch):
    position, restored = read(folder)
    assert position == at(epoch)
    jax.tree.map(np.testing.assert_array_equal, restored, arrays(epoch))


def steps(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("saved") / "sweep")


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "sweep")


def test_the_newest_is_read_and_only_two_are_kept(folder):
    assert_stands_at(folder, 3)
    assert steps(folder) == ["2", "3"]


def test_an_empty_folder_has_no_position(tmp_path):
    assert Checkpoints(tmp_path / "new", "mine").position() is None


def test_a_checkpoint_of_another_sweep_is_refused(folder):
    sentence = (
        "sweep: holds a sweep with other stages, members, data or width, another `finish` or an earlier version; "
        "use another folder, or delete this one to start again"
    )
    with pytest.raises(sweeps.CheckpointError, match=sentence):
        Checkpoints(folder, "another").position()
    assert_stands_at(folder, 3)


def test_the_fingerprint_tells_sweeps_apart():
    stages = regression.stages()
    others = {
        "the same": fingerprint(regression.stages(), members(), regression.dataset(), 1),
        "epochs": fingerprint(regression.stages(7), members(), DATA, 1),
        "stages": fingerprint(stages[:1], members(), DATA, 1),
        "seeds": fingerprint(stages, members(3), DATA, 1),
        "rate": fingerprint(stages, members(rate=0.02), DATA, 1),
        "train": fingerprint(stages, members(train=EVERYONE & (DATA["y"] > 0)), DATA, 1),
        "data": fingerprint(stages, members(), DATA | {"y": -DATA["y"]}, 1),
        "width": fingerprint(stages, members(), DATA, 2),
        "previous": fingerprint(stages, members(), (DATA, {"weights": np.zeros(3)}), 1),
        "kept": fingerprint(stages, members(), DATA, 1, {"best": np.zeros((2, 3))}),
        "kept shape": fingerprint(stages, members(), DATA, 1, {"best": np.zeros((2, 4))}),
    }
    assert others.pop("the same") == fingerprint(stages, members(), DATA, 1)
    assert len({fingerprint(stages, members(), DATA, 1), *others.values()}) == 1 + len(others)


def damaged(path, how, rng):
    """Damages a file: one bit flipped, cut at a random byte, emptied, or gone."""
    content = bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
        return
    if how == "bit":
        content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    path.write_bytes(content[: {"bit": len(content), "cut": rng.integers(len(content)), "empty": 0}[how]])


@pytest.mark.parametrize("how", ["bit", "cut", "empty", "gone"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_counts(original, tmp_path, how):
    """Each file of the newest checkpoint in turn: what is read is the checkpoint before it, and the file is named."""
    rng = np.random.default_rng(0)
    files = [path.relative_to(original) for path in (original / "3").rglob("*") if path.is_file()]
    assert len(files) >= 4
    for number, name in enumerate(files):
        folder = shutil.copytree(original, tmp_path / str(number))
        damaged(folder / name, how, rng)
        with pytest.warns(RuntimeWarning, match="goes on from checkpoint 2") as warned:
            assert_stands_at(folder, 2)
        (sentence,) = (str(warning.message) for warning in warned)
        assert str(folder / name) in sentence
        checkpoints = Checkpoints(folder, "mine")
        with pytest.warns(RuntimeWarning):
            checkpoints.position()
        checkpoints.save(at(4), arrays(4))
        assert steps(folder) == ["2", "4"]
        assert_stands_at(folder, 4)


def test_where_all_are_damaged_the_sweep_begins_anew(folder):
    for step in (folder / "2", folder / "3"):
        (step / "about.json").write_text("{}")
    with pytest.warns(RuntimeWarning) as warned:
        assert Checkpoints(folder, "mine").position() is None
    assert [str(warning.message).partition("the sweep ")[2].rstrip(".") for warning in warned] == [
        "goes on from checkpoint 2",
        "begins anew",
    ]


def test_an_empty_folder_of_a_higher_number_is_skipped(folder):
    (folder / "17").mkdir()
    with pytest.warns(RuntimeWarning, match=r"17/manifest\.json is missing; the sweep goes on from checkpoint 3"):
        assert_stands_at(folder, 3)


def test_what_was_not_finished_is_ignored(folder):
    shutil.copytree(folder / "3", folder / ".4.part")
    (folder / "notes").mkdir()
    assert_stands_at(folder, 3)
    assert steps(folder) == ["2", "3", "notes"]


@pytest.mark.parametrize("name", ["run [1]", "a*?b", "{x}", "50% of ü", "new\nline", "tab\t'\"\\"])
def test_any_name_of_a_folder_will_do(tmp_path, name):
    assert_stands_at(saved(tmp_path / name / "sweep"), 3)


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "sweep").write_text("")
    with pytest.raises(sweeps.CheckpointError, match=r"sweep: is a file and cannot hold checkpoints; name a folder\."):
        Checkpoints(tmp_path / "sweep", "mine")


def test_nothing_is_pickled(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("pickle was used")

    for name in ("load", "loads", "dump", "dumps", "Pickler", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    assert_stands_at(saved(tmp_path / "sweep"), 3)


@pytest.mark.parametrize("noticed", ["before", "while writing"])
def test_a_full_disk_leaves_the_checkpoints_before_it(tmp_path, monkeypatch, noticed):
    if noticed == "while writing":  # Somebody else takes the space after we looked.
        monkeypatch.setattr(checkpoint.shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=2**40))
    with small_disk.mounted(tmp_path / "disk", megabytes=4) as disk:
        folder = saved(disk.folder / "sweep")
        checkpoints = Checkpoints(folder, "mine")
        disk.fill()
        sentence = r"sweep: checkpoint 4 could not be written \(.*\)\. Checkpoints before it are complete: free some"
        with pytest.raises(sweeps.CheckpointError, match=sentence) as caught:
            checkpoints.save(at(4), arrays(4))
        assert "\n" not in str(caught.value)
        if noticed == "before":
            assert "the disk is full: it needs up to 1.0 MB and 0.0 MB are free" in str(caught.value)
        with pytest.raises(sweeps.CheckpointError, match=r"checkpoint \d could not be written"):
            saved(folder, [5])  # Also in a new process, whose first word to the disk fails.
        disk.free()
        assert_stands_at(folder, 3)
        saved(folder, [4])
        assert_stands_at(folder, 4)
        assert steps(folder) == ["3", "4"]


def test_a_sweep_goes_on_from_the_checkpoint_before_a_damaged_one(tmp_path):
    stages = regression.stages()
    undisturbed = sweeps.sweep(stages, members(), DATA)

    def stop(progress):
        if (progress.stage, progress.epoch) == ("again", 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweeps.sweep(stages, members(), DATA, directory=tmp_path / "sweep", seconds_between_saves=0, on_segment=stop)
    newest, older = sorted((int(step) for step in steps(tmp_path / "sweep")), reverse=True)
    largest = max((tmp_path / f"sweep/{newest}").rglob("*"), key=lambda path: path.is_file() and path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
    reports = []
    arguments = {"directory": tmp_path / "sweep", "seconds_between_saves": 0, "on_segment": reports.append}
    with pytest.warns(
        RuntimeWarning, match=f"{largest.name} is damaged: .*; the sweep goes on from checkpoint {older}"
    ):
        resumed = sweeps.sweep(stages, members(), DATA, **arguments)
    jax.tree.map(np.testing.assert_array_equal, resumed, undisturbed)
    assert [(progress.stage, progress.epoch, progress.resumed) for progress in reports[:2]] == [
        ("again", 1, True),
        ("again", 2, False),
    ]
    assert not any(progress.resumed for progress in reports[1:])
    with pytest.raises(sweeps.CheckpointError, match="other stages, members, data or width"):
        sweeps.sweep(stages, members(rate=0.02), DATA, directory=tmp_path / "sweep", seconds_between_saves=0)
