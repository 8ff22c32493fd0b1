"""The header of a WFDB record, read strictly: what header(5) does not allow is refused, never guessed.

wfdb's own parser matches what it can and skips the rest of a line: of `1e2` Hz it takes 1, and a field that is missing
gives its place to the next. Where it reads what the standard says, this gives the same.

References:
  https://physionet.org/physiotools/wag/header-5.htm
"""

import codecs
import dataclasses
import datetime
import math
import re

from data_pipelines import file_kind

DEFAULT_FREQUENCY = 250.0  # Hz, where the header states none; this and the next two are header(5)'s.
DEFAULT_GAIN = 200.0  # Units of the converter per physical unit, where the header states none or 0.
DEFAULT_UNITS = "mV"

_NUMBER = r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?"
_INTEGER = r"-?\d{1,10}"
_RECORD = re.compile(
    rf"[\w-]+(?P<segments>/\d+)?[ \t]+(?P<num_signals>\d{{1,6}})"
    rf"(?:[ \t]+(?P<frequency>{_NUMBER})(?:/{_NUMBER}(?:\({_NUMBER}\))?)?"
    r"(?:[ \t]+(?P<length>\d{1,12})(?:[ \t]+(?P<start>\S.*))?)?)?",
    re.ASCII,
)
_FILE_NAME = re.compile(r"(?!\.+$|-$)[\w.-]+", re.ASCII)  # "-" would be the standard input.
_FORMAT = re.compile(
    r"(?P<format>\d{1,6})(?:x(?P<samples_per_frame>\d{1,6}))?(?::(?P<skew>\d{1,9}))?(?:\+(?P<byte_offset>\d{1,12}))?",
    re.ASCII,
)
# header(5) has no baseline or units without a gain before them, but wfdb reads them, and they can mean one thing only.
# A gain of 1E3, which wfdb takes for 1, is refused, so that nobody gets other amplitudes here than from wfdb.
_GAIN = re.compile(
    rf"(?P<gain>{_NUMBER.replace('E', '')})?(?:\((?P<baseline>{_INTEGER})\))?(?:/(?P<units>[^\s()]+))?", re.ASCII
)
_WHOLE = (
    ("resolution", re.compile(r"\d{1,4}", re.ASCII)),
    ("zero", re.compile(_INTEGER, re.ASCII)),
    ("initial value", re.compile(_INTEGER, re.ASCII)),
    ("checksum", re.compile(_INTEGER, re.ASCII)),
    ("block size", re.compile(_INTEGER, re.ASCII)),
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclasses.dataclass(frozen=True)
class Signal:
    """One signal's line.

    Attributes:
      line: Where in the header, from 1.
      file_name: Of the file with the samples, in the header's own folder.
      format: Of the samples, as written, such as `16`.
      samples_per_frame: 1 unless the signal is sampled more often than the record.
      skew: How many samples of the file precede sample 0.
      byte_offset: Where in the file the samples begin.
      gain: Units of the converter per physical unit.
      baseline: Value of the converter at 0 physical units.
      units: Physical.
      checksum: Sum of all samples modulo 65536, in whatever range of 65536 numbers; None if not stated.
      description: The signal's name; empty if not stated.
    """

    line: int
    file_name: str
    format: str
    samples_per_frame: int
    skew: int
    byte_offset: int
    gain: float
    baseline: int
    units: str
    checksum: int | None
    description: str


@dataclasses.dataclass(frozen=True)
class Header:
    """A record of one segment.

    Attributes:
      frequency: Sampling rate in Hz.
      length: Samples per signal; 0 if not stated.
      signals: As many as the record line announces.
    """

    frequency: float
    length: int
    signals: tuple[Signal, ...]


def parse(data: bytes) -> Header:
    """Parses a header.

    Raises:
      ValueError: It is none, or not of a single segment; names the line. The sentence goes on where the file's name
        ends: ", line 3: ..." or " is ...".
    """
    kind = file_kind.foreign_kind(data)
    if kind:
        raise ValueError(f" is not a WFDB header but {kind}.")
    # Comments may hold names in any 8-bit encoding or UTF-8; all else is ASCII, which latin-1 leaves as it is.
    text = data.removeprefix(codecs.BOM_UTF8).decode("latin-1")
    lines = []
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        control = _CONTROL.search(line)
        if control:
            raise ValueError(
                f", line {number}: a text has no control character {control.group()!r}; not a WFDB header."
            )
        line = line.strip(" \t")
        if line and not line.startswith("#"):
            if not line.isascii():
                raise ValueError(f", line {number}: {line[:80]!r} is not in ASCII, as a WFDB header must be.")
            lines.append((number, line))
    if not lines:
        raise ValueError(" is not a WFDB header: it has no record line.")
    header = _record_line(*lines[0])
    if int(header["num_signals"]) != len(lines) - 1:
        raise ValueError(
            f", line {lines[0][0]}: announces {int(header['num_signals'])} signals, but {len(lines) - 1} are listed."
        )
    return Header(
        frequency=float(header["frequency"] or DEFAULT_FREQUENCY),
        length=int(header["length"] or 0),
        signals=tuple(_signal_line(number, line) for number, line in lines[1:]),
    )


def _record_line(number: int, line: str) -> dict[str, str | None]:
    match = _RECORD.fullmatch(line)
    if match is None:
        raise ValueError(
            f", line {number}: {line[:80]!r} is not a WFDB header's record line: name, number of signals, sampling"
            " rate, number of samples."
        )
    if match["segments"]:
        raise ValueError(f", line {number}: the record has several segments, which are not read here.")
    if match["start"] and not _is_start(match["start"]):
        raise ValueError(
            f", line {number}: expected a time HH:MM:SS and a date DD/MM/YYYY, but found {match['start'][:80]!r}."
        )
    return match.groupdict()


def _is_start(text: str) -> bool:
    """Whether text is header(5)'s time, perhaps with a date, or the date and time of the CinC Challenges' headers."""
    text = " ".join(text.split())
    for layout in ("%H:%M:%S", "%H:%M:%S.%f", "%H:%M:%S %d/%m/%Y", "%H:%M:%S.%f %d/%m/%Y", "%d-%b-%Y %H:%M:%S"):
        try:
            datetime.datetime.strptime(text, layout)
        except ValueError:
            continue
        return True
    return False


def _signal_line(number: int, line: str) -> Signal:
    name, *fields = re.split(r"[ \t]+", line, maxsplit=8)
    if not _FILE_NAME.fullmatch(name):
        raise ValueError(
            f", line {number}: the signal file {name[:80]!r} must be in the header's own folder and be named without a"
            " path, by letters, digits, dots, - and _."
        )
    form = _FORMAT.fullmatch(fields[0]) if fields else None
    if form is None:
        raise ValueError(
            f", line {number}: expected a format such as 16 after {name}; not a WFDB header's signal line."
        )
    gain = _GAIN.fullmatch(fields[1]) if len(fields) > 1 else None
    if gain is None and len(fields) > 1:
        raise ValueError(
            f", line {number}: expected a gain, baseline and units such as 1000(0)/mV, but found {fields[1][:80]!r}."
        )
    whole = {}
    for (what, pattern), field in zip(_WHOLE, fields[2:], strict=False):
        if not pattern.fullmatch(field) or abs(int(field)) >= 2**31:
            raise ValueError(f", line {number}: expected a whole number as {what}, but found {field[:80]!r}.")
        whole[what] = int(field)
    scale = float(gain["gain"] or 0.0) if gain else 0.0
    baseline = int(gain["baseline"]) if gain and gain["baseline"] else whole.get("zero", 0)
    if not math.isfinite(scale) or abs(baseline) >= 2**31:
        raise ValueError(f", line {number}: the gain or baseline in {fields[1][:80]!r} is no number of a converter.")
    return Signal(
        line=number,
        file_name=name,
        format=form["format"],
        samples_per_frame=int(form["samples_per_frame"] or 1),
        skew=int(form["skew"] or 0),
        byte_offset=int(form["byte_offset"] or 0),
        gain=scale or DEFAULT_GAIN,
        baseline=baseline,
        units=(gain["units"] if gain else None) or DEFAULT_UNITS,
        checksum=whole.get("checksum"),
        # All to the end of the line; some writers put a comment there, and no signal's name has a #.
        description=re.split(r"(?:^|[ \t])#", fields[7])[0].strip() if len(fields) > 7 else "",
    )
