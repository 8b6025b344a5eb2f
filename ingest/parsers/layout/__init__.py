"""Lines of pages into headings, paragraphs and tables, by place and style.

These are rules of thumb: a heading is a short line that is larger or bolder than the body, a paragraph ends where the
leading grows, a bullet stands or a first line is indented. Nothing is dropped: a line that is misjudged
lands in another kind of block.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from ingest.parsers.base import Block, Outline
from ingest.parsers.layout.cleaning import with_whole_words, without_running_lines
from ingest.parsers.layout.lines import Line
from ingest.parsers.layout.tables import render, table_end

_MAX_HEADING_CHARS = 140
_PROSE_CHARS = 80
_MAX_PITCH_PT = 40.0
_LARGER = 1.12
_PARAGRAPH_GAP = 1.55
_BULLET = re.compile(r"([-–—•▪■◦●*·]|\(?(\d{1,2}|[a-z])[.)])\s")
_OUTER = (re.compile(r"part\s+[ivx\d]+\b", re.I), re.compile(r"(chapter|item)\s+\d+\w?\b", re.I))


@dataclass(frozen=True, slots=True)
class _Body:
    """What ordinary text looks like in this document."""

    size: float
    bold: bool
    pitch: float
    """From one line's top to the next one's, in points."""


def blocks(pages: list[list[Line]]) -> list[Block]:
    """The blocks of all pages, each with its 1-based page; running headers and footers are left out."""
    pages = with_whole_words(without_running_lines(pages))
    body = _body(pages)
    result = Outline()
    for number, lines in enumerate(pages, start=1):
        headings = _headings(lines, body)
        for start, end in _runs(lines, headings, body):
            _add(result, lines[start:end], start in headings, number)
    return result.finish()


def _body(pages: list[list[Line]]) -> _Body:
    styles: Counter[tuple[float, bool]] = Counter()
    pitches = []
    for page in pages:
        for line in page:
            styles[line.size, line.bold] += len(line.text)
        drops = (line.top - following.top for line, following in pairwise(page))
        pitches += [drop for drop in drops if 0 < drop < _MAX_PITCH_PT]
    (size, bold), _ = styles.most_common(1)[0] if styles else ((0.0, False), 0)
    return _Body(size, bold, statistics.median(pitches) if pitches else 12.0)


def _headings(lines: list[Line], body: _Body) -> set[int]:
    """Indexes of the lines that look like headings and are not lines of a paragraph set in the same style."""
    found = {index for index, line in enumerate(lines) if _looks_like_heading(line, body)}
    prose = [n for n, line in enumerate(lines) if n not in found and not line.is_row and len(line.text) > _PROSE_CHARS]
    while prose:
        index = prose.pop()
        for other in {index - 1, index + 1} & found:
            line, following = lines[min(index, other)], lines[max(index, other)]
            if _style(line) == _style(following) and _is_next_line(line, following, body):
                found.remove(other)
                prose.append(other)
    return found


def _runs(lines: list[Line], headings: set[int], body: _Body) -> Iterator[tuple[int, int]]:
    """First and last-but-one index of the lines of each table, heading or paragraph."""
    start = 0
    while start < len(lines):
        end = table_end(lines, start)
        if end == start:
            end = _text_end(lines, start, headings, body)
        yield start, end
        start = end


def _text_end(lines: list[Line], start: int, headings: set[int], body: _Body) -> int:
    """Index after the heading or paragraph that starts at a line."""
    end = start + 1
    while (
        end < len(lines)
        and (end in headings) == (start in headings)
        and _goes_on(lines[end - 1], lines[end], start in headings, body)
        and table_end(lines, end) == end
    ):
        end += 1
    return end


def _goes_on(line: Line, following: Line, in_heading: bool, body: _Body) -> bool:
    """Whether the next line belongs to the same heading or paragraph."""
    if not _is_next_line(line, following, body):
        return False
    if in_heading:
        return _style(line) == _style(following) and _outer_level(following) == len(_OUTER)
    indented = following.left > line.left + body.pitch and line.text.endswith((".", ":", "!", "?"))
    return not (indented or following.is_row or _BULLET.match(following.text))


def _is_next_line(line: Line, following: Line, body: _Body) -> bool:
    if not line.height or not following.height:
        return True
    return 0 < line.top - following.top <= _PARAGRAPH_GAP * max(body.pitch, line.height)


def _looks_like_heading(line: Line, body: _Body) -> bool:
    if line.is_row or not 2 < len(line.text) <= _MAX_HEADING_CHARS:
        return False
    if line.text.startswith("(") or line.text.endswith((".", ",", ";", ":")):
        return False
    larger = body.size > 0 and line.size >= _LARGER * body.size
    stronger = (line.bold and not body.bold) or line.text.isupper()
    letters = sum(map(str.isalpha, line.text))
    return (larger or (stronger and line.size >= 0.85 * body.size)) and letters >= max(4, 0.4 * len(line.text))


def _style(line: Line) -> tuple[float, bool, bool]:
    return line.size, line.bold, line.text.isupper()


def _outer_level(line: Line) -> int:
    """0 for parts, 1 for chapters and items, 2 for all other headings."""
    return next((level for level, pattern in enumerate(_OUTER) if pattern.match(line.text)), len(_OUTER))


def _add(result: Outline, run: list[Line], is_heading: bool, page: int) -> None:
    text = " ".join(line.text for line in run)
    if any(line.is_row for line in run):
        table, header = render(run)
        result.add(table, "table", page, header)
    elif is_heading and len(text) <= 2 * _MAX_HEADING_CHARS:
        size, bold, upper = _style(run[0])
        result.heading(text, _outer_level(run[0]), -size, not upper, not bold, page=page)
    else:
        result.add(text, "list" if _BULLET.match(text) else "paragraph", page)
