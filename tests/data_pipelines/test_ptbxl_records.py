import os
import pathlib

import numpy as np
import pytest
import wfdb

from data_pipelines.ecg.beats import BeatError
from data_pipelines.ptbxl.records import read_signal


@pytest.fixture
def record(tiny_ptbxl):
    return tiny_ptbxl(1)


def refused(record, reason, sentence):
    with pytest.raises(BeatError, match=sentence) as caught:
        read_signal(str(record.path(1)), 100)
    assert caught.value.reason == reason


def edit_header(record, old, new):
    path = record.path(1, ".hea")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_signal_is_the_one_that_wfdb_reads(record):
    expected = wfdb.rdrecord(str(record.path(1))).p_signal
    np.testing.assert_array_equal(read_signal(str(record.path(1)), 100), expected)


def test_gain_and_baseline_are_the_headers(record):
    edit_header(record, "1000.0(0)/mV", "500.0(-20)/mV")
    expected = wfdb.rdrecord(str(record.path(1))).p_signal
    np.testing.assert_allclose(read_signal(str(record.path(1)), 100), expected, rtol=1e-12)


def test_invalid_samples_are_nan_as_in_wfdb(record):
    signal = read_signal(str(record.path(1)), 100)
    signal[40:45, 3] = np.nan
    record.rewrite(1, signal)
    again = read_signal(str(record.path(1)), 100)
    np.testing.assert_array_equal(again, wfdb.rdrecord(str(record.path(1))).p_signal)
    assert np.isnan(again).sum() == 5


def test_a_missing_file_is_named(record):
    record.path(1, ".dat").unlink()
    refused(record, "missing_file", r"00001_lr\.dat does not exist")
    record.path(1, ".hea").unlink()
    refused(record, "missing_file", r"00001_lr\.hea does not exist")


def test_a_short_file_is_refused(record):
    os.truncate(record.path(1, ".dat"), 23_000)
    refused(record, "truncated", r"00001_lr\.dat ends after 11500 of the 12000 samples")


def test_one_changed_bit_is_noticed(record):
    data = bytearray(record.path(1, ".dat").read_bytes())
    data[24 * 500 + 2 * 7] ^= 1  # Lead V2.
    record.path(1, ".dat").write_bytes(data)
    refused(record, "wrong_checksum", r"00001_lr\.dat: lead V2 does not have the checksum")


def test_negative_checksums_are_the_same_numbers(record):
    checksum = wfdb.rdheader(str(record.path(1))).checksum[0]
    edit_header(record, f" {checksum} 0 I\n", f" {checksum - 65536} 0 I\n")  # As older WFDB tools write it.
    assert read_signal(str(record.path(1)), 100).shape == (1000, 12)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("00001_lr 12 100 1000", "00001_lr 12 250 1000", "sampling rate of 100 Hz"),
        ("00001_lr 12 100 1000", "00001_lr 12 100", "must state a length"),
        ("00001_lr 12 100 1000", "?", "not a WFDB header"),
        (" 0 AVL", " 0 AVX", "must list the 12 leads I II III aVR"),
        ("00001_lr.dat 16 ", "00001_lr.dat 212 ", "format 16 in mV"),
        ("/mV", "/uV", "format 16 in mV"),
    ],
)
def test_a_header_that_is_not_ptbxls_is_refused(record, old, new, sentence):
    edit_header(record, old, new)
    refused(record, "unreadable", sentence)


def test_an_empty_header_is_refused(record):
    record.path(1, ".hea").write_text("")
    refused(record, "unreadable", "not a WFDB header")


def test_a_folder_in_place_of_a_file_is_unreadable(record):
    record.path(1, ".dat").unlink()
    record.path(1, ".dat").mkdir()
    refused(record, "unreadable", "cannot be read: Is a directory")


@pytest.mark.real_data
def test_real_records_read_as_wfdb_reads_them(real_ptbxl):
    paths = sorted(pathlib.Path(real_ptbxl).glob("records*/*/*.dat"))
    for path in [*paths[::500], *real_ptbxl.glob("records500/*/*.dat")]:
        fs = 500 if "records500" in str(path) else 100
        record = str(path.with_suffix(""))
        np.testing.assert_array_equal(read_signal(record, fs), wfdb.rdrecord(record).p_signal)
