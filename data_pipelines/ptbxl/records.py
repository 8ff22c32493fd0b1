"""One record of PTB-XL, read and checked against what its header promises."""

import itertools
import os
import pathlib

import numpy as np

from data_pipelines import file_kind
from data_pipelines.ecg import beats, wfdb_header, wfdb_samples

DAMAGE = ("missing_file", "unreadable", "truncated", "wrong_checksum", "missing_samples")


def read_signal(path: str, fs: int) -> np.ndarray:
    """Reads a record in mV: PTB-XL's own, or in another of WFDB's forms, such as the CinC Challenges' (`16+24`).

    `wfdb.rdrecord` gives the same signal, but takes as long as the whole average beat does (it looks up each of 180
    header fields in a pandas table), and neither compares checksums nor refuses a header that it understands in part.

    Args:
      path: Of the record, without extension.
      fs: Sampling rate in Hz that the header must state.

    Returns:
      `[time, 12]`, float64, mV, leads in the order of `beats.LEADS`; NaN where the record has no sample.

    Raises:
      BeatError: The record is damaged: a file is missing (`missing_file`), shorter than its header says (`truncated`),
        does not have its header's checksums (`wrong_checksum`), or is not a record of 12 leads that is understood in
        full (`unreadable`): formats, skew and samples per frame that no form of PTB-XL has are refused.
    """
    header_path = pathlib.Path(f"{path}.hea")
    header = _read_header(header_path, fs)
    columns = []
    for name, leads in itertools.groupby(header.signals, key=lambda lead: lead.file_name):
        columns.append(_read_file(header_path.with_name(name), tuple(leads), header.length))
    digital = np.concatenate(columns, axis=1)
    gain = np.array([lead.gain for lead in header.signals])
    baseline = np.array([lead.baseline for lead in header.signals])
    invalid = np.array([wfdb_samples.invalid_value(lead.format) for lead in header.signals])
    with np.errstate(over="ignore"):
        signal = (digital - baseline) / gain
    too_large = ~np.isfinite(signal).all(axis=0)
    if too_large.any():
        lead = header.signals[int(too_large.argmax())]
        raise beats.BeatError(
            "unreadable", f"{header_path}, line {lead.line}: no number of mV comes of a gain of {lead.gain:g}."
        )
    return np.where(digital == invalid, np.nan, signal)


def _read_header(path: pathlib.Path, fs: int) -> wfdb_header.Header:
    try:
        header = wfdb_header.parse(path.read_bytes())
    except FileNotFoundError:
        raise beats.BeatError("missing_file", f"{path} does not exist.") from None
    except OSError as error:
        raise beats.BeatError("unreadable", f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise beats.BeatError("unreadable", f"{path}{error}") from None
    names = [lead.description.upper() for lead in header.signals]
    if names != [name.upper() for name in beats.LEADS]:
        raise beats.BeatError("unreadable", f"{path} must list the 12 leads {' '.join(beats.LEADS)} in this order.")
    if not header.length:
        raise beats.BeatError(
            "unreadable", f"{path} must state a length, without which nobody could tell that samples are missing."
        )
    if header.frequency != fs:
        raise beats.BeatError(
            "unreadable", f"{path} must state a sampling rate of {fs} Hz, but states {header.frequency:g} Hz."
        )
    for lead in header.signals:
        problem = _problem(lead)
        if problem:
            raise beats.BeatError("unreadable", f"{path}, line {lead.line}: lead {lead.description} {problem}.")
    files = [name for name, _ in itertools.groupby(lead.file_name for lead in header.signals)]
    for name in files:
        forms = {(lead.format, lead.byte_offset) for lead in header.signals if lead.file_name == name}
        if files.count(name) > 1 or len(forms) > 1:
            raise beats.BeatError(
                "unreadable", f"{path}: the leads in {name} must follow each other, in one format, from one byte on."
            )
    return header


def _problem(lead: wfdb_header.Signal) -> str | None:
    if lead.format not in wfdb_samples.BITS:
        return f"has its samples in format {lead.format}; of WFDB's formats, {', '.join(wfdb_samples.BITS)} are read"
    if lead.units != "mV":
        return f"is in {lead.units}, but must be in mV"
    if lead.skew:
        return f"is skewed by {lead.skew} samples against the others; only leads sampled at the same times are read"
    if lead.samples_per_frame != 1:
        return f"has {lead.samples_per_frame} samples a frame; only leads of the record's sampling rate are read"
    return None


def _read_file(path: pathlib.Path, leads: tuple[wfdb_header.Signal, ...], length: int) -> np.ndarray:
    """The samples of the leads of one file, `[time, lead]`, with the checksums of their header."""
    fmt, offset, promised = leads[0].format, leads[0].byte_offset, length * len(leads)
    needed = wfdb_samples.num_bytes(fmt, promised)
    try:
        with open(path, "rb") as file:
            available = max(0, os.fstat(file.fileno()).st_size - offset)
            file.seek(offset)
            data = file.read(min(needed, available))  # What a header promises may not fit into memory.
    except FileNotFoundError:
        raise beats.BeatError("missing_file", f"{path} does not exist.") from None
    except OSError as error:
        raise beats.BeatError("unreadable", f"{path} cannot be read: {error.strerror}.") from error
    if len(data) < needed:
        kind = file_kind.foreign_kind(data)
        if kind:
            raise beats.BeatError("unreadable", f"{path} is {kind}.")
        found = len(data) * 8 // wfdb_samples.BITS[fmt]
        raise beats.BeatError(
            "truncated", f"{path} ends after {found} of the {promised} samples that its header promises."
        )
    digital = wfdb_samples.decode(data, fmt, promised).reshape(length, len(leads))
    for lead, total in zip(leads, digital.sum(axis=0), strict=True):
        if lead.checksum is not None and (int(total) - lead.checksum) % 65536 != 0:
            raise beats.BeatError(
                "wrong_checksum", f"{path}: lead {lead.description} does not have the checksum of its header."
            )
    return digital
