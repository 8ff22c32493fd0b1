"""The four forms of the UCR archive's files: that they say the same, and what is refused."""

import re

import numpy as np
import pytest
import scipy.io.arff

from data_pipelines.ucr import files

FORMS = files.EXTENSIONS
NAN = np.nan
EQUAL = [[1.5, -2.0, 3.25, 1e-4], [0.0, 1e6, -7.0, 2.0], [9.0, 8.0, 7.0, 6.0]]
GAPS = [[1.0, NAN, NAN, 4.0], [NAN, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]]
UNEQUAL = [[1.0, 2.0], [1.0, NAN, 3.0, 4.0], [1.0, 2.0, 3.0]]
LABELS = ["b", "a", "b"]


@pytest.fixture
def written(tmp_path, write_series):
    def write(extension, labels=LABELS, series=EQUAL):
        path = tmp_path / f"Tiny_TRAIN{extension}"
        write_series(path, labels, series)
        return path

    return write


@pytest.fixture
def text(tmp_path):
    def write(extension, content):
        path = tmp_path / f"Tiny_TRAIN{extension}"
        path.write_bytes(content.encode("latin-1") if isinstance(content, str) else content)
        return path

    return write


def assert_says(file, labels, series):
    assert file.labels == tuple(labels)
    assert len(file.series) == len(series)
    for found, expected in zip(file.series, series, strict=True):
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("extension", FORMS)
@pytest.mark.parametrize("series", [EQUAL, GAPS, UNEQUAL])
def test_every_form_says_the_same(written, extension, series):
    assert_says(files.read_series(written(extension, series=series)), LABELS, series)


@pytest.mark.parametrize("extension", [".tsv", ".txt"])
def test_plain_text_as_numpy_reads_it(written, extension):
    path = written(extension, labels=["-1", "1", "1"], series=GAPS)
    table = np.loadtxt(path)
    file = files.read_series(path)
    np.testing.assert_array_equal(np.array(file.labels, dtype=float), table[:, 0])
    np.testing.assert_array_equal(file.series, table[:, 1:])
    assert file.lines == (1, 2, 3)


def test_arff_as_scipy_reads_it(written):
    path = written(".arff", series=GAPS)
    table, meta = scipy.io.arff.loadarff(path)
    file = files.read_series(path)
    assert file.labels == tuple(label.decode() for label in table["target"])
    np.testing.assert_array_equal(np.transpose(file.series), [table[name] for name in meta.names()[:-1]])


# As files of these forms are found: comments of either kind, any case, blank lines, line ends and spaces of all sorts,
# a byte-order mark, names in an older encoding.
FOUND = {
    ".tsv": "-1\t0.5\t-1.25\r\n1\t2\t3e-1\r\n",
    ".txt": "  -1.0000000e+00   5.0000000e-01  -1.2500000e+00\n   1.0000000e+00   2.0   3.0e-01\n\n",
    ".ts": (
        b"\xef\xbb\xbf#Beats of Sch\xc3\xa4fer: 2 classes\n%\n\n@problemname Tiny\n@timestamps False\n"
        b"@univariate TRUE\n@equallength true\n@serieslength 2\n@classLabel true -1 1\n\n"
        b"@DATA\n0.5, -1.25:-1\n\n2,0.3: 1\n"
    ),
    ".arff": (
        "%# Beats of Sch\xe4fer\n%\n@Relation Tiny\n@attribute att0 NUMERIC\n@attribute att1 real\n"
        "@attribute  target {-1, 1}\n\n@data\n0.5,-1.25,'-1'\n2, 0.3 ,1\n"
    ),
}


@pytest.mark.parametrize("extension", FORMS)
def test_files_as_they_are_found(text, extension):
    file = files.read_series(text(extension, FOUND[extension]))
    assert [float(label) for label in file.labels] == [-1.0, 1.0]
    np.testing.assert_array_equal(file.series, [[0.5, -1.25], [2.0, 0.3]])
    assert not file.unequal


def test_commas_in_text_files_as_in_the_older_archive(text):
    assert_says(files.read_series(text(".txt", "1,0.5,2\n2,NaN,3\n")), ["1", "2"], [[0.5, 2.0], [NAN, 3.0]])


def test_a_series_of_one_dimension_may_say_so_in_either_way(text):
    content = "@univariate false\n@dimensions 1\n@classLabel true a b\n@data\n1,2:a\n3,4:b\n"
    assert_says(files.read_series(text(".ts", content)), ["a", "b"], [[1.0, 2.0], [3.0, 4.0]])


@pytest.mark.parametrize("extension", FORMS)
def test_missing_at_the_end_is_the_end_unless_lengths_are_known_to_be_equal(written, extension):
    series = [[1.0, 2.0, 3.0], [1.0, 2.0, NAN], [1.0, NAN, NAN]]
    path = written(extension, series=series)
    cut = [[1.0, 2.0, 3.0], [1.0, 2.0], [1.0]]
    # The .ts header says that all have three values.
    assert_says(files.read_series(path), LABELS, series if extension == ".ts" else cut)
    assert_says(files.read_series(path, gaps_at_end=True), LABELS, series)


def refused(path, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        files.read_series(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("extension", FORMS)
@pytest.mark.parametrize("content", ["", "\n\n  \n"])
def test_an_empty_file(text, extension, content):
    refused(text(extension, content), "is empty")


@pytest.mark.parametrize("extension", [".ts", ".arff"])
def test_a_header_without_series(written, extension):
    path = written(extension)
    path.write_text(path.read_text().split("@data")[0] + "@data\n")
    refused(path, "has a header but no series")
    path.write_text(path.read_text().split("@data")[0])
    refused(path, "no line @data")


@pytest.mark.parametrize(("extension", "first"), [(".tsv", 1), (".txt", 1), (".ts", 10), (".arff", 10)])
@pytest.mark.parametrize("row", [0, 1])
def test_a_truncated_row(written, extension, first, row):
    path = written(extension)
    lines = path.read_text().splitlines()
    index = first - 1 + row
    if extension == ".ts":  # A row that was cut short and has its label nonetheless.
        values, label = lines[index].split(":")
        lines[index] = values.rsplit(",", 2)[0] + ":" + label
    else:
        mark = {".tsv": "\t", ".txt": "   ", ".arff": ","}[extension]
        lines[index] = lines[index].rsplit(mark, 2)[0]
    path.write_text("\n".join(lines))
    source = "header" if extension in (".ts", ".arff") else "other lines"
    refused(path, rf"line {index + 1}: expected 4 values, as in its {source}, but found 2; download")


def test_a_row_of_ts_without_its_end(written):
    path = written(".ts", series=UNEQUAL)
    path.write_text(path.read_text()[:-8])
    refused(path, r"line 11: expected one colon, .* found 0 after 3 values; the row is cut short or has several dim")
    path.write_text("@classLabel true a b\n@data\n1,2:3,4:a\n")
    refused(path, r"line 3: .* found 2 after 2 values")


@pytest.mark.parametrize(
    ("extension", "line", "column"), [(".tsv", 2, 4), (".txt", 2, 4), (".ts", 11, 3), (".arff", 11, 3)]
)
@pytest.mark.parametrize(
    ("value", "sentence"),
    [("1.0x", "no number"), ("1e40", "too large for a 32-bit number"), ("-inf", "too large for a 32-bit number")],
)
def test_a_value_that_is_no_number(written, extension, line, column, value, sentence):
    path = written(extension)
    path.write_text(path.read_text().replace("-7.00000000e+00", value))
    refused(path, rf"line {line}, column {column}: '{re.escape(value)}' is {sentence}\.$")


@pytest.mark.parametrize("extension", FORMS)
def test_a_series_without_one_number(written, extension):
    refused(written(extension, series=[EQUAL[0], [NAN] * 4, EQUAL[2]]), "all 4 values of the series are missing")


@pytest.mark.parametrize("extension", FORMS)
def test_a_missing_label(written, extension):
    refused(written(extension, labels=["a", "?", "b"]), r"line \d+: the class label is missing")


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("@timeStamps false", "@timeStamps true", "timestamps"),
        ("@univariate true", "@univariate false", "several dimensions"),
        ("@classLabel true a b", "@classLabel false", "no class labels"),
        ("@classLabel true a b", "@targetLabel true", "numbers to regress on"),
    ],
)
def test_ts_files_that_are_no_problem_of_the_archive(written, old, new, what):
    path = written(".ts")
    path.write_text(path.read_text().replace(old, new))
    refused(path, rf"(?i){new.split()[0]} {new.split()[1]} means {what}")


@pytest.mark.parametrize("extension", FORMS)
def test_another_label_than_the_headers(written, extension):
    path = written(extension, labels=["1", "2", "1"])
    assert files.read_series(path).labels == ("1", "2", "1")
    content = path.read_text()
    path.write_text("1.0".join(content.rsplit("1", 1)) if extension in (".ts", ".arff") else content)
    assert [float(label) for label in files.read_series(path).labels] == [1.0, 2.0, 1.0]  # The same number.
    for other in ("3", "1 x", "1_0", "'1;2'"):
        path = written(extension, labels=["1", "2", "1"])
        lines = path.read_text().splitlines()
        mark = {".ts": ":", ".arff": ","}.get(extension)
        if mark:
            lines[-1] = lines[-1].rsplit(mark, 1)[0] + mark + other
            path.write_text("\n".join(lines))
            bare = re.escape(other.strip("'"))
            refused(
                path, rf"line {len(lines)}: the class label '{bare}' is none of those that the header declares: 1, 2"
            )


def test_ts_headers_that_declare_no_labels(written):
    for header in ("", "@classLabel", "@classLabel true", "@classLabel a b"):
        path = written(".ts")
        path.write_text(path.read_text().replace("@classLabel true a b", header))
        refused(path, "the header must declare the class labels, as in @classLabel true a b")


@pytest.mark.parametrize("length", ["", "four", "4_0", "\u0664", "-4", "4 4", "9" * 5000])
def test_a_series_length_that_is_none(written, length):
    path = written(".ts")
    path.write_text(path.read_text().replace("@seriesLength 4", f"@seriesLength {length}"), encoding="utf-8")
    refused(path, "@seriesLength .{,90} is no number of values")


def test_comments_and_quotes_in_arff(text):
    header = "@attribute a real % of b\n@attribute b real\n@attribute c {'x, y', \"50% z\", w} % classes\n@data % now\n"
    rows = "1,2,'x, y' % a comment\n%3,4,w\n3,4,\"50% z\"%, with more\n  % 5,6,w\n5,6,w\n"
    file = files.read_series(text(".arff", header + rows))
    assert_says(file, ["x, y", "50% z", "w"], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert file.lines == (5, 7, 9)


def test_headers_that_are_none(text):
    refused(
        text(".ts", "@problemName Tiny\n1,2,3:a\n"), "line 2: expected a header line that begins with @, up to @data"
    )
    refused(text(".arff", "@relation x\n@attribute a numeric\n@data\n1\n"), "the last @attribute must list the classes")
