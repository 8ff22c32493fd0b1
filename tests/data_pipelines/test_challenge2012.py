"""The Challenge 2012: its files against a plain reader, its cache, and what is wrong with a file in one sentence."""

import collections
import csv
import pathlib

import numpy as np
import pytest

from data_pipelines.icu import challenge2012
from data_pipelines.icu.challenge2012 import files

FIRST = """Time,Parameter,Value
00:00,RecordID,132539
00:00,Age,54
00:00,Gender,0
00:00,Height,-1
00:00,ICUType,4
00:00,Weight,80.5
00:07,HR,73
00:07,pH,7.41
01:37,HR,77
01:37,,3
01:37,Weight,-1
26:05,MechVent,1
"""
SECOND = """Time,Parameter,Value
00:00,RecordID,132540
00:00,Age,76
00:00,Gender,-1
00:00,Height,175.3
00:00,ICUType,2
00:00,Weight,-1
"""
OUTCOMES = """RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death
132540,16,8,8,-1,0
132539,6,-1,5,4,1
"""


def write(folder, first=FIRST, second=SECOND, outcomes=OUTCOMES):
    (folder / "set-a").mkdir(parents=True, exist_ok=True)
    for name, text in (("set-a/132539.txt", first), ("set-a/132540.txt", second), ("Outcomes-a.txt", outcomes)):
        if text is not None:
            (folder / name).write_text(text)
    return folder


def assert_same(one, other):
    for name in ("variables", "stay", "hours", "variable", "value", "subject", "ids"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for name in ("static", "outcomes"):
        pair = getattr(one, name), getattr(other, name)
        assert pair[0].keys() == pair[1].keys()
        for key in pair[0]:
            np.testing.assert_array_equal(pair[0][key], pair[1][key], err_msg=key)
    assert one.counts == other.counts


def test_two_stays_by_hand(tmp_path):
    found = challenge2012.load(write(tmp_path))
    np.testing.assert_array_equal(found.ids, [132539, 132540])
    measured = [(found.variables[code], hours, value) for code, hours, value in _measurements(found, 0)]
    minutes = {"00:00": 0, "00:07": 7 / 60, "01:37": 97 / 60, "26:05": 26 + 5 / 60}
    assert measured == [
        ("Weight", 0, 80.5),
        ("HR", np.float32(minutes["00:07"]), 73),
        ("pH", np.float32(minutes["00:07"]), np.float32(7.41)),
        ("HR", np.float32(minutes["01:37"]), 77),
        ("MechVent", np.float32(minutes["26:05"]), 1),
    ]
    assert not _measurements(found, 1)
    expected = {"age": [54, 76], "male": [0, np.nan], "height": [np.nan, 175.3], "icu_type": [4, 2]}
    for name, values in (expected | {"weight": [80.5, np.nan]}).items():
        np.testing.assert_array_equal(found.static[name], np.float32(values), err_msg=name)
    expected = {"hospital_death": [1, 0], "survival_days": [4, np.nan], "length_of_stay_days": [5, 8]}
    for name, values in (expected | {"saps_i": [6, 16], "sofa": [np.nan, 8]}).items():
        np.testing.assert_array_equal(found.outcomes[name], np.float32(values), err_msg=name)
    assert found.counts == {
        "rows_without_parameter": 1,
        "unknown_values": 4,
        "stays_without_measurements": 1,
        "impossible_survival": 0,
    }


def _measurements(found, stay):
    own = found.stay == stay
    return list(zip(found.variable[own], found.hours[own], found.value[own], strict=True))


def test_a_descriptor_after_admission_is_refused(tmp_path):
    with pytest.raises(ValueError, match="line 12: Age is of the whole stay and belongs at 00:00"):
        challenge2012.load(write(tmp_path, FIRST.replace("00:00,Age,54\n", "").replace("26:05", "26:05,Age,54\n26:05")))


def test_line_ends_of_windows_and_no_line_end_at_all_change_nothing(tmp_path):
    plain = challenge2012.load(write(tmp_path / "plain"))
    other = write(tmp_path / "other", FIRST.rstrip("\n"))
    (other / "set-a/132540.txt").write_bytes(SECOND.replace("\n", "\r\n").encode())
    assert_same(challenge2012.load(other), plain)


def test_the_cache_holds_the_same_and_follows_the_files(tmp_path):
    folder = write(tmp_path / "raw")
    for _ in range(2):
        assert_same(challenge2012.load(folder, cache_dir=tmp_path / "cache"), challenge2012.load(folder))
    write(folder, FIRST.replace("HR,73", "HR,730"))
    assert challenge2012.load(folder, cache_dir=tmp_path / "cache").value.max() == 730


def test_survival_before_admission_is_unknown_and_counted(tmp_path):
    found = challenge2012.load(write(tmp_path, outcomes=OUTCOMES.replace("8,8,-1,0", "8,8,-23,0")))
    assert np.isnan(found.outcomes["survival_days"][1])
    assert found.counts["impossible_survival"] == 1


def refusal(folder):
    """The sentence with which a folder is refused."""
    with pytest.raises((ValueError, FileNotFoundError)) as refused:
        challenge2012.load(folder)
    return str(refused.value)


BAD_FIRST = {
    "a number": ("HR,73", "HR,high", "132539.txt, line 8: HR is 'high', which is no number."),
    "infinite": ("HR,73", "HR,inf", "line 8: HR is 'inf', which is no number."),
    "digits with an underscore": ("HR,73", "HR,7_3", "line 8: HR is '7_3', which is no number."),
    "time": ("01:37,HR", "1h37,HR", "line 10: expected a time such as 07:30, but found '1h37'."),
    "order": ("26:05", "01:36", "line 13: time goes back, from 01:37 to 01:36."),
    "parameter": ("MechVent", "Ventilation", "line 13: the Challenge has no parameter 'Ventilation'."),
    "fields": (
        "26:05,MechVent,1",
        "26:05,MechVent",
        "line 13: expected a time, a parameter and a value, but found '26:05,MechVent'.",
    ),
    "two faults that cancel": (
        "01:37,HR,77\n01:37,,3",
        "01:37,HR,77,1\n01:37,3",
        "line 10: expected a time, a parameter and a value, but found '01:37,HR,77,1'.",
    ),
    "header": ("Time,Parameter,Value", "Time;Parameter;Value", "line 1: expected Time,Parameter,Value, but found"),
    "record": ("RecordID,132539", "RecordID,132541", "line 2: expected RecordID 132539 as the first row, but found"),
    "age twice": ("00:00,Gender", "00:00,Age", "line 4: Age is there a second time."),
    "age again later": ("26:05", "26:05,Age,54\n26:05", "line 13: Age is there a second time."),
    "carriage return": ("01:37,HR,77", "01:37,HR\r,77", "line 10: expected a time, a parameter and a value, but found"),
}


@pytest.mark.parametrize("name", BAD_FIRST)
def test_a_bad_row_is_named_with_file_and_line(tmp_path, name):
    good, bad, message = BAD_FIRST[name]
    assert good in FIRST
    folder = write(tmp_path, FIRST.replace(good, bad, 1))
    sentence = refusal(folder)
    assert message in sentence
    assert str(folder) in sentence


BAD_OUTCOMES = {
    "no column": ("SOFA", "sofa", "column SOFA is missing"),
    "no number": ("132540,16", "132540,many", "Outcomes-a.txt, line 2: SAPS-I is 'many', which is no number."),
    "twice": ("132540,16,8,8,-1,0", "132539,16,8,8,-1,0", "line 3: RecordID 132539 is there a second time."),
    "neither": ("4,1\n", "4,2\n", "line 3: In-hospital_death must be 0 or 1, but is 2."),
    "no file": ("132540,", "132541,", "132541.txt is missing, but its outcome is known"),
    "no outcome": ("132540,16,8,8,-1,0\n", "", "132540.txt: no outcome is known of this stay"),
}


@pytest.mark.parametrize("name", BAD_OUTCOMES)
def test_bad_outcomes_are_named(tmp_path, name):
    good, bad, message = BAD_OUTCOMES[name]
    assert good in OUTCOMES
    assert message in refusal(write(tmp_path, outcomes=OUTCOMES.replace(good, bad, 1)))


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Outcomes-a\.txt is missing; expected the Challenge's folder"):
        challenge2012.load(tmp_path)
    (tmp_path / "Outcomes-a.txt").write_text(OUTCOMES)
    with pytest.raises(FileNotFoundError, match="set-a is missing"):
        challenge2012.load(tmp_path)
    with pytest.raises(ValueError, match="no set 'd'"):
        challenge2012.load(tmp_path, "d")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "132540.txt, line 1: expected Time,Parameter,Value, but found ''"),
        ("Time,Parameter,Value\n", "132540.txt has no rows, not even the stay's RecordID"),
        ("<html><body>404</body></html>", "132540.txt is a web page"),
    ],
)
def test_a_stay_without_rows_is_named(tmp_path, text, message):
    assert message in refusal(write(tmp_path, second=text))


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["a", "b"])
def test_the_real_sets_are_as_a_plain_reader_reads_them(data_dir, name):
    folder = pathlib.Path(data_dir) / "challenge-2012"
    found = challenge2012.load(folder, name)
    with open(folder / f"Outcomes-{name}.txt", newline="") as file:
        outcomes = {int(row["RecordID"]): row for row in csv.DictReader(file)}
    assert list(found.ids) == sorted(outcomes)
    assert found.outcomes["hospital_death"].sum() == {"a": 554, "b": 568}[name]
    ends = np.searchsorted(found.stay, np.arange(len(found) + 1))
    unknown = collections.Counter()
    for place, record in enumerate(found.ids):
        with open(folder / f"set-{name}" / f"{record}.txt", newline="") as file:
            rows = [(row["Time"], row["Parameter"], float(row["Value"])) for row in csv.DictReader(file)]
        unknown["all"] += sum(value == -1 for _, _, value in rows)
        expected = []
        for time, parameter, value in rows:
            if parameter in files.VARIABLES and value != -1:
                hours, minutes = time.split(":")
                expected.append((np.float32(int(hours) + int(minutes) / 60), parameter, np.float32(value)))
        own = slice(ends[place], ends[place + 1])
        names = [files.VARIABLES[code] for code in found.variable[own]]
        assert list(zip(found.hours[own], names, found.value[own], strict=True)) == expected
        for static, parameter in files.STATIC.items():
            value = next((value for _, known, value in rows if known == parameter), -1)
            np.testing.assert_equal(found.static[static][place], np.float32(np.nan if value == -1 else value))
        death = float(outcomes[record]["Survival"])
        np.testing.assert_equal(found.outcomes["survival_days"][place], np.float32(np.nan if death < 0 else death))
    assert unknown["all"] == found.counts["unknown_values"]
