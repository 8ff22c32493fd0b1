"""What a page is made of: tables, figures, paragraphs and statements, in sections."""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib.figure


class Table(NamedTuple):
    """Rows of strings and `cells.Cell`s; the first `text_columns` are words, the others numbers."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    text_columns: int = 1
    folded: bool = False
    kind: str = "table"


class Figure(NamedTuple):
    """A drawing, saved as figures/`name`.png and embedded in the page."""

    name: str
    caption: str
    drawing: matplotlib.figure.Figure
    kind: str = "figure"


class Text(NamedTuple):
    """A paragraph, or, with `code`, something to be shown letter by letter and folded under its title."""

    text: str
    title: str = ""
    code: bool = False
    kind: str = "text"


class Statements(NamedTuple):
    """Questions and their answers, side by side: (question, answer, [(name, value, remark), ...], note) each."""

    items: Sequence[tuple[str, str, Sequence[tuple[str, str, str]], str]]
    kind: str = "statements"


@dataclasses.dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: Sequence[Table | Figure | Text | Statements]

    @property
    def anchor(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")
