"""WFDB headers as header(5) defines them, against its text and against wfdb where wfdb reads it so."""

import math

import pytest

from data_pipelines.ecg import wfdb_header

LINE = "r.dat 16 1000.0(0)/mV 16 0 -19 62138 0 I"


def parse(record, *lines):
    return wfdb_header.parse("\n".join([record, *lines]).encode("latin-1"))


def signal(line):
    return parse("r 1 100 1000", line).signals[0]


@pytest.mark.parametrize(
    ("record", "frequency", "length"),
    [
        ("r 1", 250.0, 0),  # header(5)'s default.
        ("r 1 360", 360.0, 0),
        ("r 1 360. 1000", 360.0, 1000),
        ("r 1 360.0 1000", 360.0, 1000),
        ("r 1 3.6e2 1000", 360.0, 1000),  # With the three before: all of them 360 in header(5).
        ("r 1 1e2 1000", 100.0, 1000),  # wfdb takes this for 1 Hz.
        ("\t r\t1  100/50 1000 ", 100.0, 1000),
        ("r 1 100/50(0) 1000", 100.0, 1000),
        ("r 1 100/50.5(-1.5e1) 1000", 100.0, 1000),
        ("r 1 100 1000 13:5:0", 100.0, 1000),
        ("r 1 100 1000 13:05:00.250 25/4/1989", 100.0, 1000),
        ("r 1 100 1000 05-Feb-2020 11:39:16", 100.0, 1000),  # As the CinC Challenge of 2020 writes it.
        ("HR00001-b 1 500 5000", 500.0, 5000),
    ],
)
def test_record_lines(record, frequency, length):
    header = parse(record, LINE)
    assert (header.frequency, header.length, len(header.signals)) == (frequency, length, 1)


@pytest.mark.parametrize(
    "record",
    [
        *("r", "r one", "r 1 100 1000 1", "r 1 100 1000 25:00:00", "r 1 100 1000 10:00:00 31/02/2000", "?", "r 1 1_00"),
        *("r 1 inf 10", "r 1 nan 10", "r 1 0x64 10", "r 1 +100 10", "r 1 100 1e3", "r 1 100 -5", "r 1 100/50(0 1000"),
        *("r 1 100 " + "9" * 5000, "r 1 ١٠٠ 10", "r" * 300 + "?"),
    ],
)
def test_record_lines_that_are_none(record):
    with pytest.raises(ValueError, match=r"^, line 1: .{,300}$"):
        wfdb_header.parse(f"{record}\n{LINE}".encode())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("16", {"format": "16", "gain": 200.0, "baseline": 0, "units": "mV", "checksum": None, "description": ""}),
        ("16+24 1000/mV 16 7 28 -1716 0 II", {"byte_offset": 24, "baseline": 7, "description": "II"}),
        ("16x2:3+512 200(-5)/uV", {"samples_per_frame": 2, "skew": 3, "byte_offset": 512, "baseline": -5}),
        ("16:3 200", {"samples_per_frame": 1, "skew": 3, "byte_offset": 0, "units": "mV"}),
        ("212 200 11 1024 995 -22131 0 MLII", {"gain": 200.0, "baseline": 1024, "checksum": -22131}),
        ("16 1e3(-20) 16 9", {"gain": 1000.0, "baseline": -20, "units": "mV"}),
        ("16 1.5e+2/mmHg", {"gain": 150.0, "units": "mmHg"}),
        ("16 .5", {"gain": 0.5}),
        ("16 0(3)/mV", {"gain": 200.0, "baseline": 3}),
        ("16 /mV 16 4", {"gain": 200.0, "baseline": 4}),
        ("16 1000 16 0 5 6 -1 ECG lead I", {"description": "ECG lead I"}),
        ("16 1000 16 0 5 6 0 I # the first", {"description": "I"}),
        ("16 1000 16 0 5 6 0 # unnamed", {"description": ""}),
    ],
)
def test_signal_lines(line, expected):
    found = signal(f"r.dat {line}")
    assert {name: getattr(found, name) for name in expected} == expected
    assert found.file_name == "r.dat"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        *((f"{name} 16", "in the header's own folder") for name in ("a/r.dat", "/r.dat", "../r.dat", "..", "-", "~")),
        (r"..\r.dat 16", "in the header's own folder"),
        ("r.dat", "expected a format"),
        *((f"r.dat {form}", "expected a format") for form in ("I", "16x", "16:-1", "16+1.5", "16x2x2", "1_6", "-16")),
        *(
            (f"r.dat 16 {gain}", "expected a gain")
            for gain in (
                "mV",
                "1_000",
                "inf",
                "nan",
                "1000()",
                "1000(1.5)",
                "1000(0",
                "1000/",
                "1000/mV(0)",
                "+5",
                "-",
                "1E3",
            )
        ),
        ("r.dat 16 1e999", "no number of a converter"),
        ("r.dat 16 1000(9999999999)", "no number of a converter"),
        ("r.dat 16 1000 -16", "as resolution"),
        ("r.dat 16 1000 16 1.5", "as zero"),
        ("r.dat 16 1000 16 0 I", "as initial value"),
        ("r.dat 16 1000 16 0 0 " + "9" * 5000, "as checksum, but found '9{80}'"),
        ("r.dat 16 1000 16 0 0 0 I", "as block size, but found 'I'"),  # A field is missing, which one nobody knows.
        ("r.dat 16 1000 16 0 0 0 0 Sch\xe4fer", "not in ASCII"),
        ("r.dat 16 1000 16 0 0 0 0 I\x0bII", "control character"),
    ],
)
def test_signal_lines_that_are_none(line, sentence):
    with pytest.raises(ValueError, match=rf"^, line 2: .*{sentence}") as caught:
        signal(line)
    assert len(str(caught.value)) < 300


def test_comments_and_line_ends_of_all_sorts():
    lines = ["# Sch\xe4fer", "", f"r 2 100 1000\r\n#r 3\r{LINE}", "\t# II follows", LINE.replace(" I", " II"), "#", ""]
    header = wfdb_header.parse(b"\xef\xbb\xbf" + "\n".join(lines).encode("latin-1"))
    assert [one.description for one in header.signals] == ["I", "II"]
    assert [one.line for one in header.signals] == [5, 7]


@pytest.mark.parametrize(("announced", "listed"), [(1, 0), (2, 1), (1, 2), (11, 12), (13, 12)])
def test_as_many_signals_as_announced(announced, listed):
    with pytest.raises(ValueError, match=rf"line 1: announces {announced} signals, but {listed} are listed"):
        parse(f"r {announced} 100 1000", *[LINE] * listed)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "it has no record line"),
        (b"# r 1 100\n\n", "it has no record line"),
        (b"r/3 1 100 1000\nr_1 10\n", "line 1: the record has several segments"),
        (b"\x1f\x8b\x08", "compressed by gzip"),
        ("r 1 100 1000\n".encode("utf-16"), "text in UTF-16"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"<!DOCTYPE html>\n", "a web page"),
    ],
)
def test_files_that_are_no_header(data, sentence):
    with pytest.raises(ValueError, match=sentence):
        wfdb_header.parse(data)


def test_a_gain_is_never_zero():
    assert all(signal(f"r.dat 16 {gain}").gain == 200.0 for gain in ("0", "-0.0", "0e5", "1e-400"))
    assert math.isclose(signal("r.dat 16 -1e-300").gain, -1e-300)
