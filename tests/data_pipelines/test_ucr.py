"""Problems of the UCR archive, from their folder to arrays."""

import hashlib
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from data_pipelines import ucr
from data_pipelines.ucr import checksums, files

NAN = np.nan


def test_a_problem_is_what_its_files_say(write_ucr):
    rng = np.random.default_rng(3)
    train, test = rng.standard_normal((3, 5)), rng.standard_normal((2, 5))
    problem = ucr.load(write_ucr("Tiny", train=(["7", "-1", "7"], train), test=(["-1", "7"], test)), "Tiny")
    dataset = problem.dataset
    assert dataset.inputs.dtype == np.float32
    np.testing.assert_allclose(dataset.inputs[..., 0], np.concatenate([train, test]), rtol=1e-7)
    assert dataset.inputs.shape == (5, 5, 1)
    assert dataset.targets["label"].tolist() == [1, 0, 1, 0, 1]
    assert dataset.ids.tolist() == ["TRAIN-0001", "TRAIN-0002", "TRAIN-0003", "TEST-0001", "TEST-0002"]
    assert len(set(dataset.subject)) == 5
    assert dict(dataset.sensitive) == {}
    assert problem.train.tolist() == [True, True, True, False, False]
    assert problem.labels == ("-1", "7")
    assert (problem.name, problem.num_filled, problem.num_padded, problem.verified) == ("Tiny", 0, 0, None)


@pytest.mark.parametrize("normalize", [False, True])
def test_all_forms_give_the_same_arrays(write_ucr, normalize):
    train = (["x", "y", "x"], [[1.0, NAN, 4.0, 8.0], [2.0, 5.0], [3.0, 1.0, NAN, 2.0]])
    test = (["y", "x"], [[NAN, 1.0, 2.0], [4.0, 3.0, 2.0, 1.0, 0.5]])
    problems = [
        ucr.load(write_ucr(f"Tiny{extension[1:]}", extension, train, test), f"Tiny{extension[1:]}", normalize=normalize)
        for extension in files.EXTENSIONS
    ]
    for other in problems[1:]:
        np.testing.assert_array_equal(problems[0].dataset.inputs, other.dataset.inputs)
        np.testing.assert_array_equal(problems[0].dataset.targets["label"], other.dataset.targets["label"])
        assert (problems[0].num_filled, problems[0].num_padded) == (other.num_filled, other.num_padded) == (3, 4)


def test_a_folder_that_holds_the_archive_by_its_name_will_do(write_ucr):
    root = write_ucr("Tiny")
    archive = root / "UCRArchive_2018"
    archive.mkdir()
    (root / "Tiny").rename(archive / "Tiny")
    assert ucr.problem_names(root) == ucr.problem_names(archive) == ["Tiny"]
    assert ucr.find_files(root, "Tiny") == ucr.find_files(archive, "Tiny")
    np.testing.assert_array_equal(ucr.load(root, "Tiny").dataset.inputs, ucr.load(archive, "Tiny").dataset.inputs)


def test_of_several_forms_the_archives_own_is_read(write_ucr):
    write_ucr(extension=".ts", train=(["1", "2"], [[1.0, 1.0], [2.0, 3.0]]))
    root = write_ucr(extension=".tsv")
    assert [path.suffix for path in ucr.find_files(root, "Tiny")] == [".tsv", ".tsv"]
    (root / "Tiny" / "Tiny_TEST.tsv").unlink()
    assert [path.suffix for path in ucr.find_files(root, "Tiny")] == [".ts", ".ts"]


@pytest.mark.parametrize(
    ("written", "labels"),
    [
        (["10", "9", "-1"], ("-1", "9", "10")),
        (["1.0000000e+00", "2", "0.5"], ("0.5", "1", "2")),
        (["ten", "9", "Two"], ("9", "Two", "ten")),
    ],
)
def test_labels_of_any_kind_to_numbers_and_back(write_ucr, written, labels):
    series = np.random.default_rng(0).standard_normal((3, 4))
    problem = ucr.load(write_ucr(train=(written, series), test=(written[::-1], series)), "Tiny")
    assert problem.labels == labels
    back = [labels[int(label)] for label in problem.dataset.targets["label"]]
    expected = [written_label if written_label in labels else "1" for written_label in written]
    assert back == expected + expected[::-1]


def test_one_label_written_in_two_ways_is_one_class(write_ucr):
    series = np.random.default_rng(0).standard_normal((2, 4))
    problem = ucr.load(write_ucr(train=(["1", "2"], series), test=(["2.0", "1e0"], series)), "Tiny")
    assert problem.dataset.targets["label"].tolist() == [0, 1, 1, 0]


def test_missing_values_are_interpolated_and_counted(write_ucr):
    rng = np.random.default_rng(1)
    series = rng.standard_normal((20, 30))
    series[rng.random(series.shape) < 0.2] = NAN
    series[:, -1] = 1.0  # So that no series ends early.
    labels = ["1", "2"] * 10
    problem = ucr.load(write_ucr(train=(labels, series), test=(labels, series[::-1])), "Tiny")
    expected = pd.DataFrame(series.T).interpolate(limit_direction="both").to_numpy().T  # Linear; the ends repeated.
    np.testing.assert_allclose(problem.dataset.inputs[:20, :, 0], expected, rtol=1e-6, atol=1e-7)
    assert problem.num_filled == 2 * np.isnan(series).sum() > 100
    assert problem.num_padded == 0


def test_shorter_series_are_padded_with_noise_of_low_amplitude(write_ucr):
    rng = np.random.default_rng(2)
    series = [100.0 * rng.standard_normal(400 if place == 5 else 40) for place in range(10)]
    labels = ["1", "2"] * 5
    root = write_ucr(train=(labels, series), test=(labels, [values[:30] for values in series]))
    problem = ucr.load(root, "Tiny")
    inputs = problem.dataset.inputs[..., 0]
    assert inputs.shape == (20, 400)  # The longest of both files.
    assert problem.num_padded == 19
    np.testing.assert_allclose(inputs[5], series[5], rtol=1e-6)
    padding = [inputs[place, 40:] / np.std(series[place]) for place in (0, 1, 2)]
    padding = np.array([*padding, inputs[10, 30:390] / np.std(series[0][:30])])  # The first of TEST.
    assert 0.9e-3 < padding.std() < 1.1e-3
    assert abs(padding.mean()) < 1e-4
    assert np.abs(np.corrcoef(padding) - np.eye(4)).max() < 0.2
    # Only its seed, its file and its place there decide how a series is padded.
    np.testing.assert_array_equal(inputs, ucr.load(root, "Tiny", padding_seed=0).dataset.inputs[..., 0])
    other = ucr.load(root, "Tiny", padding_seed=1).dataset.inputs[..., 0]
    np.testing.assert_array_equal(other[0, :40], inputs[0, :40])
    assert not np.isclose(other[0, 40:], inputs[0, 40:]).any()
    fewer = ucr.load(write_ucr("Fewer", train=(labels[:6], series[:6]), test=(labels, series)), "Fewer")
    np.testing.assert_array_equal(fewer.dataset.inputs[:6], problem.dataset.inputs[:6])


def test_the_archives_problems_with_gaps_have_them_at_the_end_too(write_ucr):
    file = (["1", "2"], [[1.0, 2.0, NAN], [1.0, 5.0, 3.0]])
    gaps = ucr.load(write_ucr("DodgerLoopDay", train=file, test=file), "DodgerLoopDay")
    assert (gaps.num_filled, gaps.num_padded) == (2, 0)
    assert gaps.dataset.inputs[0, :, 0].tolist() == [1.0, 2.0, 2.0]
    ends = ucr.load(write_ucr("PLAID", train=file, test=file), "PLAID")
    assert (ends.num_filled, ends.num_padded) == (0, 2)


def test_the_archives_adjusted_copies_are_a_root_of_their_own(write_ucr, tmp_path):
    root = write_ucr()
    folder = tmp_path / "all" / "Missing_value_and_variable_length_datasets_adjusted"
    folder.parent.mkdir()
    root.rename(folder)
    assert ucr.problem_names(folder.parent) == []
    assert ucr.load(folder, "Tiny").name == "Tiny"


def test_nothing_is_normalised_unless_asked_for(write_ucr):
    rng = np.random.default_rng(4)
    series = [5.0 + 3.0 * rng.standard_normal(length) for length in (50, 50, 20, 50)]
    root = write_ucr(train=(["1", "2"] * 2, series), test=(["1", "2"] * 2, series))
    stored, normalised = ucr.load(root, "Tiny"), ucr.load(root, "Tiny", normalize=True)
    np.testing.assert_allclose(stored.dataset.inputs[0, :, 0], series[0], rtol=1e-6)
    for place in (0, 2):
        length = len(series[place])
        expected = scipy.stats.zscore(series[place], ddof=1)
        np.testing.assert_allclose(normalised.dataset.inputs[place, :length, 0], expected, rtol=1e-5, atol=1e-6)
    assert np.abs(normalised.dataset.inputs[2, 20:]).max() < 0.01  # Padded after normalisation.
    deviation = max(max(abs(values.mean()), abs(values.std(ddof=1) - 1.0)) for values in series)
    assert stored.deviation == pytest.approx(deviation, rel=1e-6)
    assert normalised.deviation == stored.deviation  # Of the files.


def test_a_constant_series_stops_normalisation_only(write_ucr):
    root = write_ucr(train=(["1", "2"], [[1.0, 2.0, 3.0], [4.0, 4.0, 4.0]]), test=(["1"], [[1.0, 2.0, 4.0]]))
    assert ucr.load(root, "Tiny").deviation == 4.0
    with pytest.raises(ValueError, match=r"Tiny_TRAIN\.tsv, line 2: all 3 values are 4, .* cannot be z-normalised"):
        ucr.load(root, "Tiny", normalize=True)


def test_a_missing_folder(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"nowhere is not a folder; expected the UCR archive, unpacked from https"
    ):
        ucr.load(tmp_path / "nowhere", "ECG200")


def test_a_problem_that_is_not_there(write_ucr):
    write_ucr("ECG5000")
    root = write_ucr("ECGFiveDays")
    with pytest.raises(FileNotFoundError, match=r"has no problem 'ecg500'; did you mean ECG5000\?$"):
        ucr.load(root, "ecg500")
    with pytest.raises(
        FileNotFoundError, match=r"has no problem 'Wafer'; it has ECG5000, ECGFiveDays; expected the UCR"
    ):
        ucr.load(root, "Wafer")
    with pytest.raises(FileNotFoundError, match="has no problem 'ECG5000'; it has none at all"):
        ucr.load(root / "ECG5000", "ECG5000")
    for number in range(5):
        write_ucr(f"Q{number}")
    with pytest.raises(FileNotFoundError, match=r"it has ECG5000, ECGFiveDays, Q0, Q1, Q2, \.\.\.; expected"):
        ucr.load(root, "Wafer")


@pytest.mark.parametrize(("missing", "there"), [("TRAIN", "TEST"), ("TEST", "TRAIN")])
def test_half_a_problem(write_ucr, missing, there):
    root = write_ucr()
    (root / "Tiny" / f"Tiny_{missing}.tsv").unlink()
    with pytest.raises(
        FileNotFoundError, match=rf"Tiny has Tiny_{there}\.tsv without Tiny_{missing}\.tsv; expected both"
    ):
        ucr.load(root, "Tiny")
    (root / "Tiny" / f"Tiny_{there}.tsv").rename(root / "Tiny" / f"Tiny_{there}.csv")
    with pytest.raises(FileNotFoundError, match=r"has neither TRAIN nor TEST as \('\.tsv', "):
        ucr.load(root, "Tiny")


SERIES = np.random.default_rng(0).standard_normal((3, 4))


@pytest.mark.parametrize(
    ("train", "test", "sentence"),
    [
        (
            (["1", "2", "1"], SERIES),
            (["1", "3", "2"], SERIES),
            r"Tiny_TEST\.tsv, line 2: no series of Tiny_TRAIN\.tsv has the label '3'",
        ),
        ((["1"] * 3, SERIES), (["1"] * 3, SERIES), r"Tiny_TRAIN\.tsv: all 3 series have the label '1'"),
        (
            (["1", "2", "1"], SERIES),
            (["1", "2", "1"], SERIES[:, :3]),
            r"Tiny_TEST\.tsv: all series have 3 values, but those of Tiny_TRAIN\.tsv have 4; the two files are not of",
        ),
    ],
)
def test_two_files_that_do_not_belong_together(write_ucr, train, test, sentence):
    with pytest.raises(ValueError, match=sentence):
        ucr.load(write_ucr(train=train, test=test), "Tiny")


def test_another_content_under_a_known_name_is_a_warning(write_ucr):
    root = write_ucr("ECG200")
    sentence = r"ECG200: the content of ECG200_TRAIN\.tsv and ECG200_TEST\.tsv is not that of the UCR archive's \.tsv"
    with pytest.warns(UserWarning, match=sentence) as caught:
        problem = ucr.load(root, "ECG200")
    assert problem.verified is False
    assert caught[0].filename == __file__


def test_files_are_known_by_content(write_ucr, monkeypatch):
    root = write_ucr("ECG200", test=(["1", "2"], [[1.0, 2.0, 3.0, 5.0, 4.0, 6.0], [3.0, 2.0, 1.0, 0.0, 1.0, 0.0]]))
    train, test = ucr.find_files(root, "ECG200")
    assert checksums.identify(train) is None
    for path, split in ((train, "TRAIN"), (test, "TEST")):
        checksum = hashlib.sha256(path.read_bytes()).hexdigest()
        monkeypatch.setitem(checksums._KNOWN, checksum, ("ECG200", split))
    assert checksums.identify(train) == ("ECG200", "TRAIN")
    assert ucr.load(root, "ECG200").verified is True
    train.write_bytes(test.read_bytes())
    with pytest.warns(UserWarning, match=r"the content of ECG200_TRAIN\.tsv \(it is ECG200's TEST\) is not that of"):
        assert ucr.load(root, "ECG200").verified is False


def test_loading_needs_neither_jax_nor_tensorflow():
    program = """
        import sys
        from data_pipelines import ucr
        from data_pipelines.simulate import beat_classes
        found = {"jax", "tensorflow", "jaxfair", "experiments"} & set(sys.modules)
        assert not found, found
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)
