import os
import pathlib

import numpy as np
import pytest
import wfdb

from data_pipelines.ecg.beats import LEADS, BeatError
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


def as_wfdb(record):
    """The signal, after wfdb has read the same."""
    signal = read_signal(str(record.path(1)), 100)
    np.testing.assert_array_equal(signal, wfdb.rdrecord(str(record.path(1))).p_signal)
    return signal


# What header(5) allows, with the factor by which it changes the amplitudes of PTB-XL's own header.
@pytest.mark.parametrize(
    ("old", "new", "factor"),
    [
        (" 1000.0(0)/mV", " 1000.0(0)", 1),  # mV is the default.
        (" 1000.0(0)/mV", " 1000", 1),
        (" 1000.0(0)/mV", " 1e3/mV", 1),
        (" 1000.0(0)/mV", " 0(0)/mV", 5),  # A gain of 0 or none is 200.
        (" 1000.0(0)/mV", " (0)/mV", 5),
        (" 1000.0(0)/mV", " -500", -2),
        (" 16 1000.0(0)/mV", " 16x1:0+0\t1000.0(0)/mV", 1),
        ("100 1000", "1e2 1000", 1),
        ("100 1000", "100/50(0) 1000", 1),
        ("100 1000", "100.0/50 1000 10:20:30 1/2/1990", 1),
        ("100 1000", "100 1000 05-Feb-2020 11:39:16", 1),
        (" 0 II\n", " 0 II # the second\n # A comment.\n\n", 1),
        ("\n", "\r\n", 1),
    ],
)
def test_other_valid_headers_read_as_in_wfdb(record, old, new, factor):
    expected = as_wfdb(record)
    edit_header(record, old, new)
    np.testing.assert_allclose(as_wfdb(record), factor * expected, rtol=1e-12)


def test_a_baseline_that_is_not_stated_is_the_zero_of_the_converter(record):
    expected = as_wfdb(record)
    edit_header(record, " 1000.0(0)/mV 16 0 ", " 1000/mV 16 250 ")
    np.testing.assert_allclose(as_wfdb(record), expected - 0.25, atol=1e-12)


def test_the_form_of_the_cinc_challenges(record):
    expected = as_wfdb(record)
    path = record.path(1, ".dat")
    record.path(1, ".mat").write_bytes(b"A preamble of 24 bytes.\n" + path.read_bytes())
    path.unlink()
    edit_header(record, "00001_lr.dat 16 1000.0(0)", "00001_lr.mat 16+24 1000")
    np.testing.assert_array_equal(as_wfdb(record), expected)
    os.truncate(record.path(1, ".mat"), 24 + 23_000)
    refused(record, "truncated", r"00001_lr\.mat ends after 11500 of the 12000 samples")
    os.truncate(record.path(1, ".mat"), 10)
    refused(record, "truncated", r"00001_lr\.mat ends after 0 of the 12000 samples")


def test_leads_in_two_files(record):
    expected = as_wfdb(record)
    digital = np.fromfile(record.path(1, ".dat"), "<i2").reshape(1000, 12)
    digital[:, :8].tofile(record.path(1, ".dat"))
    digital[:, 8:].astype(">i2").tofile(record.path(1).with_name("rest.dat"))
    lines = record.path(1, ".hea").read_text().splitlines()
    lines[9:] = [line.replace("00001_lr.dat 16 ", "rest.dat 61 ") for line in lines[9:]]
    record.path(1, ".hea").write_text("\n".join(lines))
    np.testing.assert_array_equal(as_wfdb(record), expected)
    record.path(1).with_name("rest.dat").unlink()
    refused(record, "missing_file", r"rest\.dat does not exist")


@pytest.mark.parametrize("fmt", ["80", "212", "16", "24", "32"])
def test_formats_that_wfdb_writes(record, fmt):
    signal = np.round(read_signal(str(record.path(1)), 100), 2)
    signal[5:7, 2] = np.nan
    wfdb.wrsamp(
        *("00001_lr", 100, ["mV"] * 12, list(LEADS), signal),
        fmt=[fmt] * 12,
        adc_gain=[20.0] * 12,
        baseline=[0] * 12,
        write_dir=str(record.path(1).parent),
    )
    again = as_wfdb(record)
    assert np.isnan(again).sum() == 2
    np.testing.assert_allclose(again, signal, atol=0.026)


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
        (
            "00001_lr.dat 16 ",
            "00001_lr.dat 8 ",
            "line 2: lead I has its samples in format 8; of WFDB's formats, 16, 24",
        ),
        ("00001_lr.dat 16 ", "00001_lr.dat 310 ", "line 2: lead I has its samples in format 310;"),
        ("00001_lr.dat 16 ", "00001_lr.dat 016 ", "line 2: lead I has its samples in format 016;"),
        ("/mV", "/uV", "line 2: lead I is in uV, but must be in mV"),
        ("00001_lr.dat 16 ", "00001_lr.dat 16:3 ", "line 2: lead I is skewed by 3 samples against the others"),
        ("00001_lr.dat 16 ", "00001_lr.dat 16x2 ", "line 2: lead I has 2 samples a frame"),
        ("00001_lr.dat 16 ", "00001_lr.dat 16x0 ", "line 2: lead I has 0 samples a frame"),
        ("00001_lr.dat 16 ", "../00000/00001_lr.dat 16 ", "line 2: the signal file '../00000/00001_lr.dat' must be in"),
        ("00001_lr 12 ", "00001_lr 11 ", "line 1: announces 11 signals, but 12 are listed"),
        ("00001_lr 12 ", "00001_lr 13 ", "line 1: announces 13 signals, but 12 are listed"),
        ("00001_lr 12 ", "00001_lr/2 12 ", "line 1: the record has several segments"),
        ("00001_lr 12 100 1000", "00001_lr 12 100 0", "must state a length"),
        (" 1000.0(0)/mV", " 1e-310(0)/mV", "line 2: no number of mV comes of a gain of 1e-310"),
        (" 0 V3\n", " 0 V3\n\x00", "line 11: a text has no control character"),
    ],
)
def test_a_header_that_is_not_ptbxls_is_refused(record, old, new, sentence):
    edit_header(record, old, new)
    refused(record, "unreadable", sentence)


def test_the_samples_of_two_files_in_turn_are_refused(record):
    lines = record.path(1, ".hea").read_text().splitlines()
    lines[5] = lines[5].replace("00001_lr.dat", "other.dat")
    record.path(1, ".hea").write_text("\n".join(lines))
    refused(record, "unreadable", r"the leads in 00001_lr\.dat must follow each other, in one format, from one byte on")


@pytest.mark.parametrize("form", ["24", "16+2"])
def test_two_forms_in_one_file_are_refused(record, form):
    edit_header(record, record.path(1, ".hea").read_text().splitlines()[3].split(" 1000")[0], f"00001_lr.dat {form}")
    lines = record.path(1, ".hea").read_text().splitlines()
    lines[5] = lines[5].replace(f" {form} ", " 16 ")
    record.path(1, ".hea").write_text("\n".join(lines))
    refused(record, "unreadable", r"in one format, from one byte on")


def test_a_length_beyond_all_memory_is_truncation(record):
    edit_header(record, "100 1000", "100 100000000000")
    refused(record, "truncated", r"ends after 12000 of the 1200000000000 samples")


@pytest.mark.parametrize("name", ["00001_lr.hea", "00001_lr.dat"])
def test_a_pointer_in_place_of_a_file_is_named(record, name):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 24000\n"
    record.path(1).with_name(name).write_text(pointer)
    refused(record, "unreadable", rf"{name} is (not a WFDB header but )?a Git LFS pointer.* with git lfs pull\.$")


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
