"""The lines of a text file, or what it is if not text."""

import pathlib
import re

from data_pipelines import file_kind

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NAMES = {
    "\x00": "a NUL byte, as a download or copy that was broken off leaves; get the file again",
    "\x1a": "Ctrl-Z, with which DOS ends a text; delete it",
}


def read_lines(path: pathlib.Path) -> list[str]:
    """Reads a text of any kind of line ends, in UTF-8 or an older 8-bit encoding.

    Returns:
      By line, the text without its end.

    Raises:
      ValueError: The file is no such text but something known, or a line has a control character.
    """
    data = path.read_bytes()
    kind = file_kind.foreign_kind(data)
    if kind:
        raise ValueError(f"{path} is {kind}.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:  # Descriptions in headers hold names of people and places in older encodings.
        text = data.decode("latin-1")
    lines = re.split(r"\r\n|\r|\n", text)
    for number, line in enumerate(lines, start=1) if _CONTROL.search(text) else ():
        control = _CONTROL.search(line)
        if control:
            named = _NAMES.get(
                control.group(), f"the control character {control.group()!r}; the file is damaged or binary"
            )
            raise ValueError(f"{path}, line {number}, character {control.start() + 1}: {named}.")
    return lines
