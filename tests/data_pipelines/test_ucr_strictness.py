"""What Python's own parsers would let pass, and files that are not what their names say."""

import bz2
import gzip
import io
import lzma
import zipfile

import numpy as np
import pytest
import scipy.io

from data_pipelines import ucr
from data_pipelines.ucr import files, labels

FORMS = files.EXTENSIONS


@pytest.fixture
def text(tmp_path):
    def write(extension, content):
        path = tmp_path / f"Tiny_TRAIN{extension}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def refused(path, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        files.read_series(path)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).isprintable()
    assert "download the file again" not in str(caught.value)


@pytest.mark.parametrize("extension", FORMS)
@pytest.mark.parametrize(
    "value", ["1_0", "1_000.5", "0x10", "１", "1\u00a0", "1,5", "1d3", "1e", ".", "nan(1)", "None"]
)
def test_values_that_are_no_decimal_numbers(text, write_series, extension, value):
    path = text(extension, "")
    write_series(path, ["1", "2"], [[0.5, 0.5, 0.5], [0.5, 7.0, 0.5]])
    path.write_text(path.read_text().replace("7.00000000e+00", value))
    kind = "is no number" if value != "1,5" or extension == ".tsv" else "expected 3 values"
    with pytest.raises(ValueError, match=rf"line \d+.*{kind}"):
        files.read_series(path)


@pytest.mark.parametrize("extension", FORMS)
@pytest.mark.parametrize("value", ["infinity", "Infinity", "+inf", "1e39"])
def test_infinite_values(text, write_series, extension, value):
    path = text(extension, "")
    write_series(path, ["1", "2"], [[0.5, 0.5, 0.5], [0.5, 7.0, 0.5]])
    path.write_text(path.read_text().replace("7.00000000e+00", value))
    refused(path, r"is too large for a 32-bit number")


def test_ways_to_write_a_number(text):
    file = files.read_series(text(".tsv", "1\t+1.5\t-.5\t2.\t1E1\t-nan\tNaN\t?\t003\n"))
    np.testing.assert_array_equal(file.series, [[1.5, -0.5, 2.0, 10.0, np.nan, np.nan, np.nan, 3.0]])


# Labels as they are written, and the classes that they are.
@pytest.mark.parametrize(
    ("written", "classes"),
    [
        (["1_1", "11", "1_1"], {"1_1", "11"}),
        (["1_0", "10", "10"], {"1_0", "10"}),
        (["１", "1", "1"], {"１", "1"}),
        (["0x1", "1", "1"], {"0x1", "1"}),
        (["inf", "1", "inf"], {"inf", "1"}),
        (["9007199254740993", "9007199254740992", "9007199254740994"], None),
        (["0.1", "0.10000000000000000001", "0.1"], {"0.1", "0.10000000000000000001"}),
        (["1e23", "100000000000000000000000", "1"], {"1", "1" + "0" * 23}),
        (["+1", "1.0", "2"], {"1", "2"}),
        (["-0", "0.0", "1"], {"0", "1"}),
        (["0.5", ".50", "5e-1", "2"], {"0.5", "2"}),
        (["9" * 5000, "1", "2"], None),
    ],
)
def test_labels_fall_together_only_if_they_are_one(write_ucr, written, classes):
    # The first row twice: a single label of another kind than all others would be the head of a column.
    series = np.random.default_rng(0).standard_normal((len(written) + 1, 4))
    file = ([*written, written[0]], series)
    problem = ucr.load(write_ucr(train=file, test=file), "Tiny")
    assert set(problem.labels) == (classes or set(written))


def test_large_whole_numbers_are_in_order():
    assert labels.sorted_labels({"9007199254740993", "9007199254740992", "10", "9"}) == (
        *("9", "10"),
        *("9007199254740992", "9007199254740993"),
    )


@pytest.mark.parametrize("extension", [".txt", ".csv", ".tsv"])
@pytest.mark.parametrize(
    "header",
    [
        *("class, 1, 2", "Class,0,1", "label,t0,t1", "id,x,y", "x,1,2", "'class','t 1','t 2'", "class,0.5,1"),
        *("0,1,2,3", "1,2,3,4"),
    ],
)
def test_a_header_of_columns_is_no_series(text, extension, header):
    num_values = header.count(",")
    rows = "".join(f"{label}," + ",".join(["0.5"] * num_values) + "\n" for label in (3, 4, 3))
    content = f"{header}\n{rows}"
    path = text(extension, content.replace(",", "\t") if extension == ".tsv" else content)
    refused(path, r"line 1: .* reads like a header of columns, .* take the line out")
    path.write_text(path.read_text().split("\n", 1)[1])
    assert files.read_series(path).labels == ("3", "4", "3")


def test_a_header_of_columns_among_labels_that_are_words(text):
    refused(text(".csv", "class,1,2\na,0.5,0.5\nb,0.5,0.5\n"), "line 1: 'class, 1, 2' reads like a header")
    # A class may be called so nonetheless.
    assert files.read_series(text(".csv", "target,1,2\nb,0.5,0.5\ntarget,0.5,0.5\n")).labels[0] == "target"
    assert files.read_series(text(".csv", "target,0.3,0.2\nb,0.5,0.5\n")).labels[0] == "target"


def zipped():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("Tiny_TRAIN.tsv", "1\t2\t3\n")
    return buffer.getvalue()


def matlab():
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"x": np.arange(3.0)})
    return buffer.getvalue()


ROWS = "1\t0.5\t0.25\n2\t0.5\t0.75\n"


@pytest.mark.parametrize("extension", FORMS)
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (ROWS.encode("utf-16"), "is text in UTF-16; save it as UTF-8"),
        (ROWS.encode("utf-16-le"), "is text in UTF-16; save it as UTF-8"),
        (ROWS.encode("utf-16-be"), "is text in UTF-16; save it as UTF-8"),
        (ROWS.encode("utf-32"), "is text in UTF-32; save it as UTF-8"),
        (gzip.compress(ROWS.encode()), "is compressed by gzip"),
        (bz2.compress(ROWS.encode()), "is compressed by bzip2"),
        (lzma.compress(ROWS.encode()), "is compressed by xz"),
        (zipped(), "is a zip archive"),
        (matlab(), "is a MATLAB file"),
        (b"PAR1\x15\x04", "is a Parquet file"),
        (b"<!DOCTYPE html>\n<html><body>404</body></html>\n", "is a web page"),
        (b"\xef\xbb\xbf \n<HTML>Not found</HTML>\n", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "is a Git LFS pointer"),
    ],
    # Compressed content holds the time: as a name of a test it would differ between the workers that share the tests.
    ids=lambda value: value if isinstance(value, str) else "content",
)
def test_files_that_are_no_text_are_named(text, extension, content, sentence):
    refused(text(extension, content), sentence)


@pytest.mark.parametrize("extension", FORMS)
@pytest.mark.parametrize(
    ("control", "sentence"),
    [
        ("\x1a", "Ctrl-Z, with which DOS ends a text; delete it"),
        ("\0\0\0", "a NUL byte"),
        ("\x0c", r"character '\\x0c'"),
    ],
)
def test_control_characters_are_named(text, write_series, extension, control, sentence):
    path = text(extension, "")
    write_series(path, ["1", "2"], [[0.5, 0.5], [0.5, 7.0]])
    content = path.read_text()
    last = content.count("\n")
    for changed, line in ((content + control, last + 1), (content.rstrip("\n") + control, last)):
        path.write_text(changed)
        refused(path, rf"line {line}, character \d+: .*{sentence}")


@pytest.mark.parametrize(
    ("extension", "content"),
    [
        (".txt", "1;0.5;0.25\n2;0.5;0.75\n"),
        (".csv", "1;0,5;0,25\n2;0,5;0,75\n"),
        (".tsv", "1;0,5;0,25\n2;0,5;0,75\n"),
        (".ts", "@classLabel true 1 2\n@data\n0.5;0.25:1\n"),
        (".arff", "@attribute a real\n@attribute b real\n@attribute c {1,2}\n@data\n0.5;0.25;1\n"),
    ],
)
def test_semicolons_are_named(text, extension, content):
    line = 1 + content.split("0")[0].count("\n")
    refused(text(extension, content), rf"line {line}: values are separated by semicolons")


@pytest.mark.parametrize("extension", FORMS)
@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_of_all_systems_after_a_mark_of_utf8(text, write_series, extension, end):
    path = text(extension, "")
    write_series(path, ["1", "2"], [[0.5, 0.25], [0.5, 7.0]])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_text().replace("\n", end).encode())
    file = files.read_series(path)
    assert file.labels == ("1", "2")
    np.testing.assert_array_equal(file.series, [[0.5, 0.25], [0.5, 7.0]])


def test_a_row_without_its_label_is_not_shifted(text):
    refused(text(".tsv", "\t0.5\t0.25\n\t0.5\t0.75\n"), "line 1: the class label is missing")
