"""What a file is that is not the text it was taken for, so that no sentence about its rows has to be puzzled out."""

import codecs

# A file's first bytes, as published by each format's own specification.
_BEGINNINGS = (
    (b"\x1f\x8b", "compressed by gzip; unpack it (gunzip) and try again"),
    (b"PK\x03\x04", "a zip archive; unpack it and try again"),
    (b"BZh", "compressed by bzip2; unpack it (bunzip2) and try again"),
    (b"\xfd7zXZ\x00", "compressed by xz; unpack it (unxz) and try again"),
    (b"\x28\xb5\x2f\xfd", "compressed by Zstandard; unpack it (unzstd) and try again"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it and try again"),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file, not text; export it as text"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file (such as MATLAB 7.3 writes), not text; export it as text"),
    (b"PAR1", "a Parquet file, not text; export it as text"),
    (b"\x93NUMPY", "a NumPy file, not text; export it as text"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook, not text; export it as text"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself; fetch that with git lfs pull"),
    (b"/annex/objects/", "a git-annex pointer, not the file itself; fetch that with git annex get"),
    # The four-byte marks before the two-byte one that they begin with.
    (codecs.BOM_UTF32_LE, "text in UTF-32; save it as UTF-8"),
    (codecs.BOM_UTF32_BE, "text in UTF-32; save it as UTF-8"),
    (codecs.BOM_UTF16_LE, "text in UTF-16; save it as UTF-8"),
    (codecs.BOM_UTF16_BE, "text in UTF-16; save it as UTF-8"),
)
_WEB_PAGE = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<!--", b"<body")


def foreign_kind(data: bytes) -> str | None:
    """What a file is that should be text in UTF-8 or an older 8-bit encoding, and what to do; None if it may be that.

    Args:
      data: The whole file, or its first kilobyte.

    Returns:
      The rest of a sentence that begins with "The file is"; without its full stop.
    """
    for beginning, kind in _BEGINNINGS:
        if data.startswith(beginning):
            return kind
    start = data[:1024].removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if start.startswith(_WEB_PAGE):
        return "a web page, not the file that it should have led to; download that"
    # ASCII in UTF-16 without a mark: every other byte is zero.
    for zeros, others in ((data[1:1024:2], data[0:1024:2]), (data[0:1024:2], data[1:1024:2])):
        if len(data) >= 8 and not any(zeros) and all(9 <= byte < 127 for byte in others):
            return "text in UTF-16; save it as UTF-8"
    return None
