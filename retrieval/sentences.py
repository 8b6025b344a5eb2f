"""Text into sentences, without losing where each one stands."""

# ruff: noqa: SIM905 -- lists of words read best as text

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_HEADING_CHARS = 60
_MAX_WORD_CHARS = 60

_ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof rev hon gen col capt lt sgt st jr sr vs cf ca al approx est dept inc ltd co corp bros "
    "e.g i.e u.s u.k a.m p.m ph.d jan feb apr jun jul aug sep sept oct nov dec mt ft".split()
)
_BEFORE_NUMBERS = frozenset("no nos vol fig figs eq sec sect ch art para p pp item".split())
_STARTERS = frozenset(
    "the a an it he she they we you i this that these those in on at for if when then after as there "
    "but however".split()
)

_LINE_BLOCK = re.compile(r"\s*(?:[-*+•◦▪–]\s|\d{1,3}[.)]\s|\(?[a-zA-Z][.)]\s|#{1,6}\s|>|\|)")
_HEADING = re.compile(r"\s*#{1,6}\s")
_LIST_MARKER = re.compile(r"[\s>]*(?:[-*+•◦▪–]|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,4})[.)])")
_END = re.compile(
    r"""(?P<cjk>[。！？｡]+[」』”’）]*)                         # needs no space after it
    |   (?P<stop>[.!?…।॥؟۔]+) ["'”’)\]*_]* (?:\[\d+\])* (?=\s+ ["'“‘(\[*_¿¡]* (?P<next>[^\W_]+))""",
    re.VERBOSE,
)
_LAST_WORD = re.compile(r"[^\s(\[\"'“‘]+$")


class Span(NamedTuple):
    """A stretch of a text: `text == whole[start:end]`, offsets in characters."""

    start: int
    end: int
    text: str


def split(text: str) -> list[Span]:
    """The sentences, list items, headings and table rows of `text`, in order, trimmed of outer white space.

    Spans never overlap; between them lies only white space or lines without a letter or digit.
    """
    pieces = (piece for start, end in _blocks(text) for piece in _sentences(text, start, end))
    trimmed = (_trim(text, start, end) for start, end in pieces)
    return [span for span in trimmed if any(map(str.isalnum, span.text))]


def is_table_row(line: str) -> bool:
    """Whether a line holds the cells of one table row."""
    line = line.strip()
    return "\t" in line or line.startswith("|") or " | " in line


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Runs of lines inside which a sentence may continue from line to line."""
    start = offset = 0
    previous = ""
    for line in text.splitlines(keepends=True):
        if offset > start and _breaks(previous, line):
            yield start, offset
            start = offset
        offset += len(line)
        previous = line
    if offset > start:
        yield start, offset


def _breaks(previous: str, line: str) -> bool:
    if not previous.strip() or not line.strip() or _LINE_BLOCK.match(line) or _HEADING.match(previous):
        return True
    if is_table_row(previous) or is_table_row(line):
        return True
    return _is_short_line(previous) and not line.lstrip()[0].islower()


def _is_short_line(line: str) -> bool:
    """A heading, an address line, a cell: ends early, and not because its sentence does."""
    line = line.strip()
    return len(line) <= MAX_HEADING_CHARS and line[-1] not in ",;-(" and not _LINE_BLOCK.match(line)


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    block = text[start:end]
    if is_table_row(block):
        yield start, end
        return
    marker = _LIST_MARKER.match(block)
    begin = 0
    for match in _END.finditer(block, marker.end() if marker else 0):
        if match["cjk"] or _ends(block[begin : match.end("stop")], match["stop"], match["next"]):
            yield start + begin, start + match.end()
            begin = match.end()
    yield start + begin, end


def _ends(sentence: str, stop: str, following: str) -> bool:
    """Whether the full stop that `sentence` ends in closes it, given the word that follows."""
    if following[0].islower():
        return False
    if stop != ".":
        return True
    last = _LAST_WORD.search(sentence[-_MAX_WORD_CHARS:-1])
    word = last[0].lower() if last else ""
    if word in _BEFORE_NUMBERS:
        return not following[0].isdigit()
    is_initial = len(word) == 1 and word.isalpha()
    if not is_initial and word not in _ABBREVIATIONS and not re.fullmatch(r"(?:[a-z]\.)+[a-z]", word):
        return True
    return "." in word and following.lower() in _STARTERS


def _trim(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    trimmed = piece.strip()
    return Span(start, start + len(trimmed), trimmed)
