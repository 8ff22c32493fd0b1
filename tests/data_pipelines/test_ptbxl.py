import errno
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest
import tensorflow_datasets as tfds

from data_pipelines import ptbxl
from data_pipelines.ecg import beats
from data_pipelines.ptbxl import builder
from data_pipelines.ptbxl.records import read_signal


@pytest.fixture
def load(tmp_path):
    """Loads a tiny folder with the cache beside it, in this process, without a bar."""
    return lambda tiny, **options: ptbxl.load(
        tiny.folder, **{"cache_dir": tmp_path / "cache", "processes": 1, "progress": False} | options
    )


@pytest.fixture
def count_work(monkeypatch):
    """How often average beats are computed from records, and not taken from the cache."""
    calls = []
    compute = beats.average_beats
    monkeypatch.setattr(beats, "average_beats", lambda *args, **kwargs: calls.append(1) or compute(*args, **kwargs))
    return calls


def assert_same(one, other):
    np.testing.assert_array_equal(one.dataset.inputs, other.dataset.inputs)
    for name in ("subject", "ids"):
        np.testing.assert_array_equal(getattr(one.dataset, name), getattr(other.dataset, name))
    for mapping in ("targets", "sensitive"):
        for name, values in getattr(one.dataset, mapping).items():
            np.testing.assert_array_equal(values, getattr(other.dataset, mapping)[name])
    np.testing.assert_array_equal(one.fold, other.fold)
    pd.testing.assert_frame_equal(one.steps, other.steps)
    pd.testing.assert_frame_equal(one.rejected, other.rejected)


def test_the_cohort_is_what_the_folder_holds(tiny_ptbxl, load):
    tiny = tiny_ptbxl(6)
    tiny.set(5, "age", 300)
    cohort = load(tiny)
    dataset = cohort.dataset
    assert dataset.ids.tolist() == [1, 2, 3, 4, 6]
    assert dataset.subject.tolist() == [100, 100, 101, 101, 102]
    assert dataset.inputs.shape == (5, 58, 12)
    assert dataset.inputs.dtype == np.float32
    assert dataset.targets["infarction"].tolist() == [1, 0, 0, 1, 0]
    assert dataset.sensitive["age"].tolist() == [40, 41, 42, 43, 45]
    assert dataset.sensitive["sex"].tolist() == [0, 1, 0, 1, 1]
    assert cohort.fold.tolist() == [1, 1, 2, 2, 3]
    assert len(cohort.rejected) == 0
    assert cohort.steps["records"].iloc[0] == 6
    assert cohort.steps["records"].tolist()[-3:] == [5, 5, 5]
    for ecg_id, beat in zip(dataset.ids, dataset.inputs, strict=True):
        expected = beats.average_beat(read_signal(str(tiny.path(ecg_id)), 100), 100).beat
        np.testing.assert_array_equal(beat, expected)


def test_the_second_time_comes_from_the_cache(tiny_ptbxl, load, count_work):
    tiny = tiny_ptbxl(6)
    signal = read_signal(str(tiny.path(3)), 100)
    signal[:, 4] = 0.0
    tiny.rewrite(3, signal)
    first = load(tiny)
    second = load(tiny)
    assert len(count_work) == 1
    assert_same(first, second)
    assert second.rejected.values.tolist() == [[3, "flat_lead", "Lead aVL is flat: its samples span 0.0 microvolts."]]
    assert second.steps["records"].tolist()[-2:] == [6, 5]


def test_nothing_is_printed_and_no_network_is_tried(tiny_ptbxl, load, capsys, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    load(tiny_ptbxl(2))
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", "")


@pytest.mark.parametrize("change", ["table", "record", "file", "option", "resolution", "pipeline", "library"])
def test_whatever_changes_the_result_changes_the_cache(tiny_ptbxl, monkeypatch, tmp_path, change):
    tiny = tiny_ptbxl(2)
    tiny.path(2, ".mat").write_bytes(b"Samples whose name only the header says.")
    before = builder.cache_name(tiny.folder, 100, False)
    assert builder.cache_name(tiny.folder, 100, False) == before
    resolution, keep_lvh = 100, False
    if change == "table":
        tiny.set(2, "age", 55)
    elif change == "record":
        os.utime(tiny.path(2, ".dat"), ns=(0, 0))
    elif change == "file":
        os.utime(tiny.path(2, ".mat"), ns=(0, 0))
    elif change == "option":
        keep_lvh = True
    elif change == "resolution":
        resolution = 500
    elif change == "pipeline":
        copy = tmp_path / "beats.py"
        copy.write_text(pathlib.Path(beats.__file__).read_text().replace("MIN_GOOD_LEADS = 8", "MIN_GOOD_LEADS = 9"))
        monkeypatch.setattr(beats, "__file__", str(copy))
    else:
        monkeypatch.setattr("scipy.__version__", "0.0")
    assert builder.cache_name(tiny.folder, resolution, keep_lvh) != before


def test_the_same_folder_elsewhere_needs_no_second_cache(tiny_ptbxl, tmp_path):
    tiny = tiny_ptbxl(2)
    shutil.copytree(tiny.folder, tmp_path / "moved")  # Keeps the times of change.
    assert builder.cache_name(tmp_path / "moved", 100, False) == builder.cache_name(tiny.folder, 100, False)


def spoil(tiny, ecg_id, how):
    if how == "missing_file":
        tiny.path(ecg_id, ".dat").unlink()
    elif how == "truncated":
        os.truncate(tiny.path(ecg_id, ".dat"), 1000)
    elif how == "wrong_checksum":
        data = bytearray(tiny.path(ecg_id, ".dat").read_bytes())
        data[100] ^= 4
        tiny.path(ecg_id, ".dat").write_bytes(data)
    elif how == "unreadable":
        tiny.path(ecg_id, ".hea").write_text("\x00\x01")
    elif how == "missing_samples":
        signal = read_signal(str(tiny.path(ecg_id)), 100)
        signal[7, 0] = np.nan
        tiny.rewrite(ecg_id, signal)


@pytest.mark.parametrize("how", ["missing_file", "truncated", "wrong_checksum", "unreadable", "missing_samples"])
def test_a_few_damaged_records_are_listed(tiny_ptbxl, load, how):
    tiny = tiny_ptbxl(4)
    spoil(tiny, 2, how)
    cohort = load(tiny, max_damaged=0.25)
    assert cohort.dataset.ids.tolist() == [1, 3, 4]
    assert cohort.rejected[["id", "reason"]].values.tolist() == [[2, how]]
    assert cohort.steps["records"].tolist()[-2:] == [3, 3]


def test_more_damage_than_allowed_stops_the_run(tiny_ptbxl, load, count_work):
    tiny = tiny_ptbxl(4)
    spoil(tiny, 2, "truncated")
    sentence = (
        r"1 of 4 records \(25\.0%\) are damaged, the first with ecg_id 2 \(.*00002_lr\.dat ends after"
        r" .*max_damaged=0\.25"
    )
    with pytest.raises(ValueError, match=sentence):
        load(tiny)
    # The refusal is not in the cache: neither a run that allows it nor one after the repair is misled.
    assert len(load(tiny, max_damaged=0.25).dataset) == 3
    assert len(count_work) == 2
    with pytest.raises(ValueError, match=sentence):
        load(tiny)
    tiny.rewrite(2, read_signal(str(tiny.path(3)), 100))
    assert len(load(tiny).dataset) == 4


def test_poor_quality_is_no_damage(tiny_ptbxl, load):
    tiny = tiny_ptbxl(4)
    tiny.rewrite(4, np.random.default_rng(0).standard_normal((1000, 12)))
    cohort = load(tiny)
    assert cohort.rejected[["id", "reason"]].values.tolist() == [[4, "poor_quality"]]
    assert cohort.steps["records"].tolist()[-2:] == [4, 3]


def test_a_cohort_without_one_good_record_is_refused(tiny_ptbxl, load):
    tiny = tiny_ptbxl(1)
    tiny.rewrite(1, np.random.default_rng(0).standard_normal((1000, 12)))
    with pytest.raises(ValueError, match="none of 1 records gave an average beat; the first: QRS complexes"):
        load(tiny)


def test_a_missing_records_folder_is_named(tiny_ptbxl, load):
    tiny = tiny_ptbxl(1)
    with pytest.raises(FileNotFoundError, match=r"records500 is missing; expected PTB-XL"):
        load(tiny, resolution=500)
    with pytest.raises(ValueError, match="resolution must be 100 or 500 Hz"):
        load(tiny, resolution=250)


def test_a_build_that_is_killed_leaves_nothing_to_trust(tiny_ptbxl, load, tmp_path):
    tiny = tiny_ptbxl(4)
    program = f"""
        import os, signal
        from data_pipelines import ptbxl
        from data_pipelines.ptbxl import builder
        generate = builder.PtbxlAverageBeats._generate_examples
        def die_half_way(self, folder):
            for number, example in enumerate(generate(self, folder)):
                if number == 2:
                    os.kill(os.getpid(), signal.SIGKILL)
                yield example
        builder.PtbxlAverageBeats._generate_examples = die_half_way
        ptbxl.load({str(tiny.folder)!r}, cache_dir={str(tmp_path / "cache")!r}, processes=1, progress=False)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False, capture_output=True)
    assert killed.returncode == -9, killed.stderr.decode()
    assert list((tmp_path / "cache").rglob("incomplete*"))
    assert len(load(tiny).dataset) == 4


def test_of_two_builds_at_once_both_get_the_cohort(tiny_ptbxl, load, monkeypatch):
    tiny = tiny_ptbxl(4)
    generate = builder.PtbxlAverageBeats._generate_examples
    others = []

    def overtaken(self, folder):
        monkeypatch.setattr(builder.PtbxlAverageBeats, "_generate_examples", generate)
        others.append(load(tiny))  # Another start of the same command finishes while this one works.
        yield from generate(self, folder)

    monkeypatch.setattr(builder.PtbxlAverageBeats, "_generate_examples", overtaken)
    assert_same(load(tiny), *others)


def test_a_disk_that_is_full_leaves_nothing_to_trust(tiny_ptbxl, load, monkeypatch, tmp_path):
    tiny = tiny_ptbxl(2)
    write = tfds.core.DatasetInfo.write_to_directory

    def full(self, *args, **kwargs):
        write(self, *args, **kwargs)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(tfds.core.DatasetInfo, "write_to_directory", full)
        with pytest.raises(OSError, match="No space left on device"):
            load(tiny)
    assert not list((tmp_path / "cache").rglob("*array_record*"))
    assert len(load(tiny).dataset) == 2


@pytest.mark.parametrize("damage", ["cut", "emptied", "no metadata"])
def test_a_cache_that_was_damaged_later_is_made_again(tiny_ptbxl, load, tmp_path, damage):
    tiny = tiny_ptbxl(4)
    first = load(tiny)
    (data,) = (tmp_path / "cache").rglob("*array_record*")
    if damage == "no metadata":
        (data.parent / "metadata.json").unlink()
    else:
        os.truncate(data, 0 if damage == "emptied" else data.stat().st_size // 2)
    with pytest.warns(RuntimeWarning, match="made again from"):
        second = load(tiny)
    assert_same(first, second)


def test_loading_needs_neither_jax_nor_tensorflow():
    program = """
        import sys
        from data_pipelines import ptbxl, splits
        found = {"jax", "tensorflow", "jaxfair", "experiments"} & set(sys.modules)
        assert not found, found
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)


@pytest.mark.real_data
def test_both_resolutions_give_nearly_the_same_beat(real_ptbxl):
    names = sorted(path.stem.removesuffix("_hr") for path in real_ptbxl.glob("records500/*/*.dat"))
    agreement = []
    for name in names:
        (slow,) = real_ptbxl.glob(f"records100/*/{name}_lr.dat")
        (fast,) = real_ptbxl.glob(f"records500/*/{name}_hr.dat")
        one = beats.average_beat(read_signal(str(slow.with_suffix("")), 100), 100).beat
        other = beats.average_beat(read_signal(str(fast.with_suffix("")), 500), 500).beat
        agreement.append(np.corrcoef(one.ravel(), other.ravel())[0, 1])
    assert np.median(agreement) > 0.99


@pytest.mark.real_data
def test_most_real_records_pass_the_quality_step(real_ptbxl):
    table = ptbxl.read_cohort_table(real_ptbxl)
    healthy = table[table["healthy"]][:: len(table) // 60]
    files = [str(real_ptbxl / name) for name in healthy["filename_lr"]]
    results = beats.average_beats(lambda path: read_signal(path, 100), files, processes=1, progress=False)
    good = [result for result in results if isinstance(result, beats.AverageBeat)]
    assert len(good) / len(files) > 0.9
    peaks = np.array([np.sqrt((result.beat**2).sum(axis=1)).argmax() for result in good])
    assert 2 <= np.median(peaks - 25) <= 3  # 20 to 30 ms after Q.
