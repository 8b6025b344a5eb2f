"""The lines of a PDF page, each with its place, its style and its columns."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

HYPHEN_MARK = "\ufffe"
"""PDFium's sign for the hyphen of a word that is broken over two lines."""

_COLUMN_GAP = 1.6
"""A gap wider than this many line heights separates two columns."""
_BOLD_NAME = re.compile(r"bold|black|heavy|demi", re.I)
_FORCED_BOLD = 1 << 18
_NUMBER = re.compile(r"[$€£¥]?\s*[(\-–+]?\s*[$€£¥]?\s*(\d[\d,.\s]*|—|–|-)\s*%?\s*\)?\s*%?[$€£¥]?$")
_YEAR = re.compile(r"(19|20)\d\d$")
_NUMBERING = re.compile(r"((item|note|part|section|chapter|article)\s+)?\(?[\divx]{1,5}[a-z]?\s*[.:)–-]*$|\W$", re.I)

Span = tuple[float, float]
_Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a page. Edges are in points from the page's lower left corner."""

    text: str
    size: float = 0.0
    """Nominal font size: comparable within a document only."""
    bold: bool = False
    left: float = 0.0
    bottom: float = 0.0
    right: float = 0.0
    top: float = 0.0
    cells: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    """Left and right edge of each cell."""

    @property
    def height(self) -> float:
        """From the lowest to the highest ink."""
        return self.top - self.bottom

    @property
    def is_row(self) -> bool:
        """Whether wide gaps cut it into columns; the gap after a number such as "Item 1." does not."""
        return len(self.cells) > 2 or (len(self.cells) == 2 and not self._is_numbered)

    @property
    def _is_numbered(self) -> bool:
        return bool(_NUMBERING.match(self.cells[0])) and any(map(str.isalpha, self.cells[1]))

    @property
    def has_values(self) -> bool:
        """Whether it is a row in which a column after the first holds a number that is no year."""
        return self.is_row and any(is_value(cell) for cell in self.cells[1:])

    def map(self, change: Callable[[str], str]) -> Line:
        """The line with its texts changed."""
        return replace(self, text=change(self.text), cells=tuple(map(change, self.cells)))


def is_value(cell: str) -> bool:
    """Whether a cell holds an amount, a share or a dash."""
    return bool(_NUMBER.match(cell)) and not _YEAR.match(cell)


def page_lines(page: Any) -> list[Line]:
    """The lines of a pypdfium2 page, in its reading order."""
    text_page = page.get_textpage()
    text = text_page.get_text_range()
    aligned = len(text) == text_page.count_chars()  # else characters cannot be told their places
    lines, start = [], 0
    for raw_line in text.split("\n"):
        if raw_line.strip():
            lines.append(_placed(text_page, raw_line, start) if aligned else Line(_plain(raw_line)))
        start += len(raw_line) + 1
    return lines


def _plain(text: str) -> str:
    return " ".join(text.split())


def _placed(text_page: Any, raw_line: str, start: int) -> Line:
    """A line with place and style; `start` is the index of its first character in the page."""
    count = text_page.count_rects(start, len(raw_line.rstrip("\r")))
    boxes: list[_Box] = [text_page.get_rect(index) for index in range(count)]
    if not boxes:
        return Line(_plain(raw_line))
    lefts, bottoms, rights, tops = zip(*boxes, strict=True)
    size, bold = _style(text_page, start + len(raw_line) - len(raw_line.lstrip()))
    cells, spans = _cells(text_page, raw_line, start, boxes)
    return Line(_plain(raw_line), size, bold, min(lefts), min(bottoms), max(rights), max(tops), cells, spans)


def _style(text_page: Any, index: int) -> tuple[float, bool]:
    """Font size and boldness of a character."""
    from pypdfium2 import raw

    flags = ctypes.c_int()
    name = ctypes.create_string_buffer(128)
    raw.FPDFText_GetFontInfo(text_page, index, name, len(name), flags)
    bold = bool(_BOLD_NAME.search(name.value.decode("utf-8", "replace"))) or bool(flags.value & _FORCED_BOLD)
    return round(raw.FPDFText_GetFontSize(text_page, index), 1), bold


def _cells(text_page: Any, raw_line: str, start: int, boxes: list[_Box]) -> tuple[tuple[str, ...], tuple[Span, ...]]:
    """The line cut at wide gaps: texts and edges."""
    cuts, spans, left = [0], [], boxes[0][0]
    for box, following in pairwise(boxes):
        cut = _index_at(text_page, following) - start if _is_gap(box, following) else 0
        if cuts[-1] < cut < len(raw_line):
            cuts.append(cut)
            spans.append((left, box[2]))
            left = following[0]
    spans.append((left, boxes[-1][2]))
    ends = [*cuts[1:], len(raw_line)]
    return tuple(_plain(raw_line[begin:end]) for begin, end in zip(cuts, ends, strict=True)), tuple(spans)


def _is_gap(box: _Box, following: _Box) -> bool:
    height = max(box[3] - box[1], following[3] - following[1])
    same_row = box[1] < following[3] and following[1] < box[3]
    return same_row and following[0] - box[2] > _COLUMN_GAP * height


def _index_at(text_page: Any, box: _Box) -> int:
    """Index in the page of the first character in a box; -1 where none is found."""
    from pypdfium2 import raw

    return int(raw.FPDFText_GetCharIndexAtPos(text_page, box[0] + 0.3, (box[1] + box[3]) / 2, 2.0, 4.0))
