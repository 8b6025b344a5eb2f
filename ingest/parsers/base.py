"""What every parser returns: a title and the blocks of a document, in reading order."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from ingest.errors import RefusedFile

Kind = Literal["paragraph", "list", "table", "code"]

_LIGATURES = re.compile("[\ufb00-\ufb06]")
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufffe\uffff]")
_SPACES = re.compile("[^\\S\n]+")
_BLANK_LINES = re.compile("\\s*\n\\s*\n\\s*")


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, list, table or piece of code. Its lines are separated by newlines."""

    text: str
    kind: Kind = "paragraph"
    headings: tuple[str, ...] = ()
    """The headings above it, outermost first."""
    page: int | None = None
    header: str = ""
    """Of a table: the lines that name its columns, for repeating where the table is split."""


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A file's text with its structure."""

    title: str
    blocks: list[Block]
    pages: int | None = None
    page_labels: tuple[str, ...] = ()
    """What each page calls itself; none where the pages are just numbered."""
    left_out: tuple[tuple[str, RefusedFile], ...] = ()
    """Files inside this one that could not be read, by name."""


@dataclass(slots=True)
class _Section:
    """An open heading."""

    level: tuple[float, ...]
    text: str
    page: int | None
    is_empty: bool = True


@dataclass(slots=True)
class Outline:
    """Collects blocks while it keeps track of the headings above them."""

    _blocks: list[Block] = field(default_factory=list)
    _open: list[_Section] = field(default_factory=list)

    def heading(self, text: str, *level: float, page: int | None = None) -> None:
        """Open a section; it closes those of the same or a deeper level (larger is deeper)."""
        if has_words(text := one_line(text)):
            self.close(*level)
            self._open.append(_Section(level, text, page))

    def label(self, text: str, *level: float) -> None:
        """Open a section whose name is a place, such as a sheet or a range of cells: no text where nothing follows."""
        self.close(*level)
        self._open.append(_Section(level, one_line(text), None, is_empty=False))

    def close(self, *level: float) -> None:
        """End the sections of this level and of deeper ones."""
        while self._open and self._open[-1].level >= level:
            self._close()

    def add(self, text: str, kind: Kind = "paragraph", page: int | None = None, header: str = "") -> None:
        """Append a block under the current headings; one without words is dropped."""
        if has_words(text := clean(text, keep_indent=kind == "code")):
            headings = tuple(section.text for section in self._open)
            self._blocks.append(Block(text, kind, headings, page, clean(header)))
            self._fill()

    def extend(self, blocks: Iterable[Block]) -> None:
        """Append the blocks of another document; their headings come below the current ones."""
        above = tuple(section.text for section in self._open)
        for block in blocks:
            self._blocks.append(replace(block, headings=above + block.headings))
            self._fill()

    def finish(self) -> list[Block]:
        """The blocks of the whole document."""
        while self._open:
            self._close()
        return self._blocks

    def _fill(self) -> None:
        """Note that there is text below the open headings."""
        for section in self._open:
            section.is_empty = False

    def _close(self) -> None:
        """Close the innermost section; a heading with nothing below it is text of the section around it."""
        section = self._open.pop()
        if section.is_empty:
            self.add(section.text, page=section.page)


def clean(text: str, *, keep_indent: bool = False) -> str:
    """Plain, composed Unicode without control or invisible characters or runs of blanks; line breaks stay."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _LIGATURES.sub(lambda match: unicodedata.normalize("NFKC", match.group()), text)
    text = _INVISIBLE.sub("", text.encode("utf-8", "replace").decode())
    text = unicodedata.normalize("NFC", text)
    if keep_indent:
        return text.strip("\n").rstrip()
    text = _BLANK_LINES.sub("\n\n", _SPACES.sub(" ", text))
    return "\n".join(line.strip() for line in text.strip().split("\n"))


def one_line(text: str) -> str:
    """The same words on a single line."""
    return " ".join(clean(text).split())


def has_words(text: str) -> bool:
    """Whether there is a letter or digit of any script."""
    return any(char.isalnum() for char in text)


def table_lines(rows: list[list[str]]) -> str:
    """A table as one line per row, each value after its column's name: `Name: Ann | Days: 25`."""
    rows = [[one_line(cell) for cell in row] for row in rows]
    rows = [row for row in rows if any(row)]
    if not rows:
        return ""
    names = rows[0]
    if len(rows) == 1 or len(names) < 2 or not all(names[1:]) or len(set(names)) < len(names):
        return "\n".join(" | ".join(cell for cell in row if cell) for row in rows)
    return "\n".join(named(names, row) for row in rows[1:])


def named(names: list[str], row: list[str]) -> str:
    """One row as `name: value` pairs; a value without a column stands alone."""
    padded = names + [""] * (len(row) - len(names))
    pairs = [(name, cell) for name, cell in zip(padded, row, strict=False) if cell]
    return " | ".join(f"{name}: {cell}" if name else cell for name, cell in pairs)
