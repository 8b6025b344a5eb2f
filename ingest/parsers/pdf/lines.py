"""The lines of a PDF page, as its text layer gives them."""

from __future__ import annotations

import ctypes
import re
from itertools import pairwise
from typing import Any

from ingest.parsers.layout.lines import COLUMN_GAP, Line, Span

_BOLD_NAME = re.compile(r"bold|black|heavy|demi", re.I)
_FORCED_BOLD = 1 << 18

_Box = tuple[float, float, float, float]


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
    return same_row and following[0] - box[2] > COLUMN_GAP * height


def _index_at(text_page: Any, box: _Box) -> int:
    """Index in the page of the first character in a box; -1 where none is found."""
    from pypdfium2 import raw

    return int(raw.FPDFText_GetCharIndexAtPos(text_page, box[0] + 0.3, (box[1] + box[3]) / 2, 2.0, 4.0))
