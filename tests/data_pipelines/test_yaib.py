"""Cohorts as YAIB exports them: by hand, damaged, and the real ones against pandas."""

import pathlib

import numpy as np
import pandas as pd
import pytest

from data_pipelines.icu import windows, yaib

NAN = np.nan
DYN = {
    "stay_id": [20, 10, 10, 10],
    "time": pd.to_timedelta([0, 2, 0, 1], unit="h"),
    "hr": [80.0, 92, 90, NAN],
    "temp": [NAN, 37.5, NAN, NAN],
}
STA = {"stay_id": [20, 30, 10], "age": [70.0, NAN, 50], "sex": ["Female", None, "Male"], "height": [160.0, 170, NAN]}
OUTC = {"stay_id": [10, 20, 30], "label": [1.0, 0, 0]}


def write(folder, dyn=(), sta=(), outc=()):
    for name, table, change in (("dyn", DYN, dyn), ("sta", STA, sta), ("outc", OUTC, outc)):
        pd.DataFrame(table | dict(change)).to_parquet(folder / f"{name}.parquet")
    return folder


@pytest.mark.parametrize(
    "time", [DYN["time"], [0, 2, 0, 1], [0.0, 2.0, 0.0, 1.0]], ids=["durations", "hours", "floats"]
)
def test_a_cohort_by_hand(tmp_path, time):
    found = yaib.read_cohort(write(tmp_path, dyn={"time": time}))
    np.testing.assert_array_equal(found.ids, [10, 20, 30])
    assert found.variables == ("hr", "temp")
    np.testing.assert_array_equal(found.stay, [0, 0, 0, 1])
    np.testing.assert_array_equal(found.hours, [0, 2, 2, 0])
    np.testing.assert_array_equal(found.variable, [0, 0, 1, 0])
    np.testing.assert_array_equal(found.value, [90, 92, 37.5, 80])
    np.testing.assert_array_equal(found.static["age"], np.float32([50, 70, NAN]))
    np.testing.assert_array_equal(found.static["male"], np.float32([1, 0, NAN]))
    np.testing.assert_array_equal(found.static["height"], np.float32([NAN, 160, 170]))
    assert "weight" not in found.static
    np.testing.assert_array_equal(found.outcomes["label"], [1, 0, 0])
    assert found.counts == {"stays_without_measurements": 1}


def test_a_label_an_hour_or_no_task_is_no_outcome_of_a_stay(tmp_path):
    write(tmp_path, outc={"time": [0, 0, 0]})
    assert yaib.read_cohort(tmp_path).outcomes == {}
    (tmp_path / "outc.parquet").unlink()
    assert yaib.read_cohort(tmp_path).outcomes == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sta": {"stay_id": [20, 10, 10]}}, r"sta\.parquet: stay_id 10 is there more than once"),
        ({"dyn": {"stay_id": [20, 10, 10, 40]}}, r"dyn\.parquet: stay_id 40 is not in sta\.parquet"),
        ({"dyn": {"time": [0, 1, 0, 1]}}, "hour 1 of stay_id 10 is there twice"),
        ({"dyn": {"time": [0, 1.5, 0, 1]}}, "time must be whole hours since admission, but row 2 has 1.5"),
        ({"dyn": {"time": [0, 2, -1, 1]}}, "row 3 has -1"),
        ({"dyn": {"hr": ["80", "92", "90", None]}}, "column hr holds '80', which is no number"),
        ({"dyn": {"hr": [80.0, np.inf, 90, NAN]}}, "hr is infinite at hour 2 of stay_id 10"),
        ({"sta": {"sex": ["Female", "woman", "Male"]}}, "sex is 'woman'; expected Male or Female"),
        ({"outc": {"stay_id": [10, 20, 40]}}, r"outc\.parquet: stay_id 40 is not in sta\.parquet"),
        ({"outc": {"stay_id": [10, 20, 20]}}, "stay_id 20 is there more than once"),
        ({"dyn": {"stay_id": [20, NAN, 10, 10]}}, "stay_id of row 2 is missing"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        yaib.read_cohort(write(tmp_path, **change))


def test_missing_and_foreign_files_are_named(tmp_path):
    write(tmp_path)
    (tmp_path / "dyn.parquet").write_bytes(b"\x1f\x8b gzip")
    with pytest.raises(ValueError, match=r"dyn\.parquet is compressed by gzip"):
        yaib.read_cohort(tmp_path)
    (tmp_path / "dyn.parquet").write_bytes(b"PAR1 and nothing")
    with pytest.raises(ValueError, match=r"dyn\.parquet cannot be read as a Parquet table"):
        yaib.read_cohort(tmp_path)
    pd.DataFrame(DYN).drop(columns="time").to_parquet(tmp_path / "dyn.parquet")
    with pytest.raises(ValueError, match="column time is missing; it has stay_id, hr, temp"):
        yaib.read_cohort(tmp_path)
    (tmp_path / "sta.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=r"sta\.parquet is missing; expected a cohort as YAIB exports it"):
        yaib.read_cohort(tmp_path)


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "stays", "hours"), [("eicu_demo", 2267, 124_094), ("mimic_demo", 132, None)])
def test_real_cohorts_hold_what_pandas_reads(data_dir, name, stays, hours):
    folder = pathlib.Path(data_dir) / "yaib-demo" / name
    found, dyn = yaib.read_cohort(folder), pd.read_parquet(folder / "dyn.parquet")
    assert len(found) == stays
    assert len(dyn) == (hours or len(dyn))
    assert len(found.value) == dyn[list(found.variables)].notna().sum().sum()
    ends = dyn.groupby("stay_id")["time"].max().dt.total_seconds().div(3600).add(1)
    stay = int(found.stay[0])
    length = int(ends[found.ids[stay]])
    cut = windows.cut(found, [stay], [length], length)
    rows = dyn[dyn["stay_id"] == found.ids[stay]].sort_values("time")[list(found.variables)]
    np.testing.assert_array_equal(cut.values[0], rows.to_numpy(np.float32))
