"""One record of PTB-XL, read and checked against what its header promises."""

import pathlib

import numpy as np
from wfdb.io import header as wfdb_header

from data_pipelines.ecg import beats

DAMAGE = ("missing_file", "unreadable", "truncated", "wrong_checksum", "missing_samples")
INVALID_SAMPLE = -32768  # WFDB format 16's way to write that there is no sample.


def read_signal(path: str, fs: int) -> np.ndarray:
    """Reads a record in mV.

    The header goes through wfdb's parser; the samples, plain 16-bit integers in every PTB-XL record, through NumPy.
    `wfdb.rdrecord` gives the same signal, but takes as long as the whole average beat does (it looks up each of 180
    header fields in a pandas table), and it neither compares checksums nor leaves the header's own to be compared.

    Args:
      path: Of the record, without extension.
      fs: Sampling rate in Hz that the header must state.

    Returns:
      `[time, 12]`, float64, mV, leads in the order of `beats.LEADS`; NaN where the record has no sample.

    Raises:
      BeatError: The record is damaged: a file is missing (`missing_file`), shorter than its header says (`truncated`),
        does not have its header's checksums (`wrong_checksum`), or is not a PTB-XL record (`unreadable`).
    """
    record, leads = _read_header(pathlib.Path(f"{path}.hea"), fs)
    data = pathlib.Path(path).with_name(leads[0]["file_name"])
    length = int(record["sig_len"])
    try:
        digital = np.fromfile(data, dtype="<i2", count=length * len(leads))
    except FileNotFoundError:
        raise beats.BeatError("missing_file", f"{data} does not exist.") from None
    except OSError as error:
        raise beats.BeatError("unreadable", f"{data} cannot be read: {error.strerror}.") from error
    if len(digital) < length * len(leads):
        raise beats.BeatError(
            "truncated",
            f"{data} ends after {len(digital)} of the {length * len(leads)} samples that its header promises.",
        )
    digital = digital.reshape(length, len(leads))
    sums = digital.sum(axis=0, dtype=np.int64)
    for lead, total in zip(leads, sums, strict=True):
        if lead["checksum"] and (total - int(lead["checksum"])) % 65536 != 0:
            raise beats.BeatError(
                "wrong_checksum", f"{data}: lead {lead['sig_name']} does not have the checksum of its header."
            )
    # The defaults are WFDB's: a gain of 0 means 200, a missing baseline is the converter's zero.
    gain = np.array([float(lead["adc_gain"] or 0) or 200.0 for lead in leads])
    baseline = np.array([int(lead["baseline"] or lead["adc_zero"] or 0) for lead in leads])
    return np.where(digital == INVALID_SAMPLE, np.nan, (digital - baseline) / gain)


def _read_header(path: pathlib.Path, fs: int) -> tuple[dict[str, str], list[dict[str, str]]]:
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        raise beats.BeatError("missing_file", f"{path} does not exist.") from None
    except OSError as error:
        raise beats.BeatError("unreadable", f"{path} cannot be read: {error.strerror}.") from error
    lines, _ = wfdb_header.parse_header_content(text)
    record = wfdb_header.rx_record.match(lines[0]) if lines else None
    leads = [wfdb_header.rx_signal.match(line) for line in lines[1:]]
    if record is None or not all(leads):
        raise beats.BeatError("unreadable", f"{path} is not a WFDB header.")
    record = record.groupdict()
    leads = [lead.groupdict() for lead in leads]
    names = [lead["sig_name"].upper() for lead in leads]
    if names != [name.upper() for name in beats.LEADS]:
        raise beats.BeatError("unreadable", f"{path} must list the 12 leads {' '.join(beats.LEADS)} in this order.")
    if any(
        lead["fmt"] != "16" or lead["units"] != "mV" or lead["file_name"] != leads[0]["file_name"] for lead in leads
    ):
        raise beats.BeatError("unreadable", f"{path} must describe one file of format 16 in mV, as PTB-XL's are.")
    if not record["sig_len"] or float(record["fs"] or 0) != fs:
        raise beats.BeatError("unreadable", f"{path} must state a length and a sampling rate of {fs} Hz.")
    return record, leads
