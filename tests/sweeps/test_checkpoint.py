import os
import pickle
import re
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
    checkpoints.close()
    return folder


def read(folder):
    """Position and arrays, as a fresh process reads them."""
    checkpoints = Checkpoints(folder, "mine")
    position = checkpoints.position()
    restored = checkpoints.restore(arrays(position.started))
    checkpoints.close()
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


# Where one file cannot be read, Orbax leaves the reads of the others behind, and asyncio complains of them later.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_damaged_checkpoint_is_named_and_without_it_the_one_before_counts(original, tmp_path):
    """Every file of the newest checkpoint cut in half, one at a time: never a wrong answer, never a riddle."""
    files = [path.relative_to(original) for path in (original / "3").rglob("*") if path.is_file()]
    assert len(files) >= 4
    sentences = []
    for number, name in enumerate(files):
        folder = shutil.copytree(original, tmp_path / str(number))
        os.truncate(folder / name, (folder / name).stat().st_size // 2)
        sentence = None
        try:
            assert_stands_at(folder, 3)  # Not every file is needed to read the arrays.
        except sweeps.CheckpointError as error:
            sentence = str(error)
        if sentence:
            sentences.append(sentence)
            shutil.rmtree(folder / "3")
            assert_stands_at(folder, 2)
    assert len(sentences) >= 2  # The arrays' own file, and what says where the sweep stands.
    for sentence in sentences:
        assert re.search(r"\d: checkpoint 3 cannot be read \(.*\)\. Delete its folder 3 to go on", sentence)
        assert "\n" not in sentence


def test_what_was_not_finished_is_ignored(folder):
    unfinished = folder / "4.orbax-checkpoint-tmp-123"
    shutil.copytree(folder / "3", unfinished)
    assert_stands_at(folder, 3)


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
    newest = max((tmp_path / "sweep").iterdir(), key=lambda path: int(path.name))
    for path in (newest / "arrays").rglob("*"):
        if path.is_file():
            os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(sweeps.CheckpointError, match=f"checkpoint {newest.name} cannot be read"):
        sweeps.sweep(stages, members(), DATA, directory=tmp_path / "sweep", seconds_between_saves=0)
    shutil.rmtree(newest)
    reports = []
    resumed = sweeps.sweep(
        stages, members(), DATA, directory=tmp_path / "sweep", seconds_between_saves=0, on_segment=reports.append
    )
    jax.tree.map(np.testing.assert_array_equal, resumed, undisturbed)
    assert [(progress.stage, progress.epoch, progress.resumed) for progress in reports[:2]] == [
        ("again", 1, True),
        ("again", 2, False),
    ]
    assert not any(progress.resumed for progress in reports[1:])
    with pytest.raises(sweeps.CheckpointError, match="other stages, members, data or width"):
        sweeps.sweep(stages, members(rate=0.02), DATA, directory=tmp_path / "sweep", seconds_between_saves=0)
