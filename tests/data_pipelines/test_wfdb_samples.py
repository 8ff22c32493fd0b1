"""Sample formats against the text of signal(5), and against wfdb, which also writes most of them."""

import numpy as np
import pytest
import wfdb

from data_pipelines.ecg import wfdb_samples

FORMATS = sorted(wfdb_samples.BITS)
LENGTH = 7  # Odd, so that format 212 ends within three bytes if the number of signals is odd.


def test_a_sample_of_each_format_by_hand():
    def first(fmt, *data):
        return wfdb_samples.decode(bytes(data), fmt, 1).tolist()

    assert first("16", 0x02, 0x01) == [0x0102]
    assert first("16", 0xFE, 0xFF) == [-2]
    assert first("61", 0x01, 0x02) == [0x0102]
    assert first("160", 0x01, 0x80) == [1]
    assert first("80", 0x7F) == [-1]
    assert first("24", 0x03, 0x02, 0x01) == [0x010203]
    assert first("24", 0xFD, 0xFF, 0xFF) == [-3]
    assert first("32", 0xFC, 0xFF, 0xFF, 0xFF) == [-4]
    assert wfdb_samples.decode(bytes([0x23, 0x41, 0x56]), "212", 2).tolist() == [0x123, 0x456]
    assert wfdb_samples.decode(bytes([0xFF, 0xCF, 0xDE]), "212", 2).tolist() == [-1, 0xCDE - 4096]
    assert first("212", 0xFE, 0x0F) == [-2]


@pytest.mark.parametrize("num_signals", [1, 12])
@pytest.mark.parametrize("fmt", FORMATS)
def test_samples_as_wfdb_reads_them(tmp_path, fmt, num_signals):
    total = LENGTH * num_signals
    data = np.random.default_rng(int(fmt)).bytes(wfdb_samples.num_bytes(fmt, total))
    (tmp_path / "r.dat").write_bytes(data)
    lines = [f"r {num_signals} 100 {LENGTH}", *[f"r.dat {fmt} 1000(0)/mV"] * num_signals]
    (tmp_path / "r.hea").write_text("\n".join(lines) + "\n")
    expected = wfdb.rdrecord(str(tmp_path / "r"), physical=False).d_signal
    found = wfdb_samples.decode(data, fmt, total)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found.reshape(LENGTH, num_signals), expected)


@pytest.mark.parametrize("fmt", FORMATS)
def test_the_invalid_value_is_wfdbs(fmt):
    assert wfdb_samples.invalid_value(fmt) == wfdb.io._signal.INVALID_SAMPLE_VALUE[fmt]
