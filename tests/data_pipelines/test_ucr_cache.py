"""Problems of the UCR archive as TFDS keeps them: the same as their text, and safe."""

import pathlib
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from data_pipelines import ucr
from data_pipelines.ucr import builder, files, problem

NAN = np.nan


def assert_same(one, other):
    np.testing.assert_array_equal(one.dataset.inputs, other.dataset.inputs)
    np.testing.assert_array_equal(one.dataset.targets["label"], other.dataset.targets["label"])
    np.testing.assert_array_equal(one.dataset.ids, other.dataset.ids)
    np.testing.assert_array_equal(one.train, other.train)
    for name in ("name", "labels", "num_filled", "num_padded", "deviation", "verified"):
        assert getattr(one, name) == getattr(other, name)


def test_the_cache_gives_what_the_text_gives(write_ucr, tmp_path, monkeypatch):
    train = (["x", "y", "x"], [[1.0, NAN, 4.0, 8.0], [2.0, 5.0], [3.0, 1.0, 7.0, 2.0]])
    root = write_ucr(train=train, test=(["y"], [[4.0, 3.0, 2.0, 1.0, 0.5]]))
    text = ucr.load(root, "Tiny")
    first = ucr.load(root, "Tiny", cache_dir=tmp_path / "cache")
    monkeypatch.setattr(files, "read_series", lambda *args, **kwargs: pytest.fail("the text was read again"))
    second = ucr.load(root, "Tiny", cache_dir=tmp_path / "cache")
    assert_same(text, first)
    assert_same(text, second)
    assert second.labels == ("x", "y")


@pytest.mark.parametrize("change", ["train", "test", "normalize", "padding_seed", "pipeline", "library"])
def test_whatever_changes_the_result_changes_the_cache(write_ucr, monkeypatch, tmp_path, change):
    folder = write_ucr() / "Tiny"
    options = {"problem": "Tiny", "train": "Tiny_TRAIN.tsv", "test": "Tiny_TEST.tsv"}
    before = builder.UcrConfig("Tiny", **options).cache_name(folder)
    assert builder.UcrConfig("Tiny", **options).cache_name(folder) == before
    if change in ("train", "test"):
        path = folder / options[change]
        path.write_text(path.read_text().replace("1", "2", 1))
    elif change == "pipeline":
        copy = tmp_path / "ucr_problem.py"
        copy.write_text(pathlib.Path(problem.__file__).read_text().replace("AMPLITUDE = 1e-3", "AMPLITUDE = 1e-4"))
        monkeypatch.setattr(problem, "__file__", str(copy))
    elif change == "library":
        monkeypatch.setattr("numpy.__version__", "0.0")
    else:
        options[change] = 1
    assert builder.UcrConfig("Tiny", **options).cache_name(folder) != before


def test_a_build_that_is_killed_leaves_nothing_to_trust(write_ucr, tmp_path):
    root = write_ucr()
    program = f"""
        import os, signal
        from data_pipelines import ucr
        from data_pipelines.ucr import builder
        generate = builder.UcrProblem._generate_examples
        def die_half_way(self, problem, among):
            for number, example in enumerate(generate(self, problem, among)):
                if number == 2:
                    os.kill(os.getpid(), signal.SIGKILL)
                yield example
        builder.UcrProblem._generate_examples = die_half_way
        ucr.load({str(root)!r}, "Tiny", cache_dir={str(tmp_path / "cache")!r})
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert list((tmp_path / "cache").rglob("incomplete*"))
    assert_same(ucr.load(root, "Tiny", cache_dir=tmp_path / "cache"), ucr.load(root, "Tiny"))


@pytest.mark.parametrize("how", ["bit", "cut", "empty", "gone"])
def test_a_cache_that_was_damaged_later_is_made_again(write_ucr, tmp_path, how):
    """Each of its files in turn."""
    root, cache = write_ucr(), tmp_path / "cache"
    first = ucr.load(root, "Tiny", cache_dir=cache)
    names = sorted(path for path in cache.rglob("*") if path.is_file())
    assert {"dataset_info.json", "features.json", "sha256"} < {path.name for path in names}
    for path in names:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= how == "bit"
        path.write_bytes(content[: {"bit": len(content), "cut": len(content) // 2, "empty": 0, "gone": 0}[how]])
        if how == "gone":
            path.unlink()
        with pytest.warns(RuntimeWarning, match="is damaged or incomplete: made again from"):
            assert_same(first, ucr.load(root, "Tiny", cache_dir=cache))


@pytest.mark.real_data
def test_a_real_problem_from_the_cache(real_ucr, tmp_path):
    text = ucr.load(real_ucr, "TwoLeadECG")
    for _ in range(2):
        assert_same(text, ucr.load(real_ucr, "TwoLeadECG", cache_dir=tmp_path))
