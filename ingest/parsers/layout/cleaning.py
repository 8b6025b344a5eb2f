"""What is no part of a page's text: running headers and footers, and the hyphens of words broken over two lines."""

from __future__ import annotations

import re
from collections import Counter

from ingest.parsers.layout.lines import HYPHEN_MARK, Line

_EDGE_LINES = 3
_BROKEN_WORD = re.compile(rf"(\w+){HYPHEN_MARK}\s*(\w+)")


def without_running_lines(pages: list[list[Line]]) -> list[list[Line]]:
    """Drop lines that stand at the top or bottom of many pages, whatever their numbers."""
    edges = [_edge_lines(page) for page in pages]
    seen = Counter(pattern for lines in edges for pattern in {_pattern(line) for line in lines})
    needed = max(3, len(pages) // 8)
    return [
        [line for line in page if not (line in edge and seen[_pattern(line)] >= needed)]
        for page, edge in zip(pages, edges, strict=True)
    ]


def _edge_lines(page: list[Line]) -> list[Line]:
    from_top = sorted(page, key=lambda line: -line.top)
    return from_top[:_EDGE_LINES] + from_top[-_EDGE_LINES:]


def _pattern(line: Line) -> str:
    return re.sub(r"\d+|\b[ivxlc]+\b", "#", line.text.lower())


def with_whole_words(pages: list[list[Line]]) -> list[list[Line]]:
    """Mend words broken over two lines; the hyphen stays where the document uses both halves as words."""
    text = " ".join(line.text for page in pages for line in page)
    used = Counter(re.findall(r"[^\W\d_]+", _BROKEN_WORD.sub(" ", text).lower()))

    def mend(match: re.Match[str]) -> str:
        before, after = match.groups()
        compound = not used[(before + after).lower()] and used[before.lower()] and used[after.lower()]
        return f"{before}-{after}" if compound else before + after

    return [[line.map(lambda part: _BROKEN_WORD.sub(mend, part)) for line in page] for page in pages]
