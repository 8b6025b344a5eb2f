"""A passage in pieces that can be quoted alone: sentences, table rows, whole short lists with what leads in to them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from retrieval.passages import Passage
from retrieval.sentences import MAX_HEADING_CHARS, Span, is_table_row, split

MAX_LIST_CHARS = 400

_LIST_ITEM = re.compile(r"(?:[-*+•◦▪–]|\(?(?:\d{1,3}|[a-zA-Z])[.)])\s")
_ENDS_SENTENCE = re.compile(r"[.!?:。！？：][\"'”’)\]]*$")
_DANGLING = re.compile(
    r"(?:it|its|they|their|he|his|she|her|this|these|that|those|such|both|however|otherwise|the (?:former|latter))\b",
    re.IGNORECASE,
)


class Unit(NamedTuple):
    """A quotable piece: `text == passage.text[start:end]`, and the heading that it stands under."""

    start: int
    end: int
    text: str
    heading: str


def units(passage: Passage, max_chars: int) -> list[Unit]:
    """The passage's pieces in order, each at most `max_chars` long."""
    heading = passage.heading.rsplit(" > ", 1)[-1]
    found: list[Unit] = []
    for group in _groups(split(passage.text)):
        if len(group) == 1 and _is_heading(group[0].text):
            heading = group[0].text.lstrip("# ").rstrip(":：")
        else:
            found += _windows(passage.text, group[0].start, group[-1].end, heading, max_chars)
    return found


def is_dangling(text: str) -> bool:
    """Whether a sentence opens with a word that points to the sentence before it."""
    return bool(_DANGLING.match(text))


def _groups(spans: list[Span]) -> Iterator[list[Span]]:
    """Spans that only make sense together: a lead-in ("To apply:") with its list, its code or its next sentence."""
    at = 0
    while at < len(spans):
        size = 1
        if _leads_in(spans[at].text) and at + 1 < len(spans) and not spans[at + 1].text.startswith("#"):
            size += max(1, _list_length(spans, at + 1), _code_length(spans, at + 1))
        elif _LIST_ITEM.match(spans[at].text):
            size = max(1, _list_length(spans, at))
        yield spans[at : at + size]
        at += size


def _list_length(spans: list[Span], first: int) -> int:
    """How many spans from `first` on are one list, if it is short enough to be quoted whole; else 0."""
    last = first
    while last < len(spans) and _LIST_ITEM.match(spans[last].text):
        last += 1
    whole = last > first and spans[last - 1].end - spans[first].start <= MAX_LIST_CHARS
    return last - first if whole else 0


def _code_length(spans: list[Span], first: int) -> int:
    """How many lines from `first` on end unlike a sentence, as those of code do, if they are short enough."""
    last = first
    while last < len(spans) and not _ENDS_SENTENCE.search(spans[last].text) and not is_table_row(spans[last].text):
        last += 1
    whole = last > first and spans[last - 1].end - spans[first].start <= MAX_LIST_CHARS
    return last - first if whole else 0


def _leads_in(text: str) -> bool:
    return text.endswith((":", "?", "：", "？")) and not is_table_row(text)


def _is_heading(text: str) -> bool:
    """Whether a line only says what follows, as a short lead-in to pieces that are quoted by themselves does."""
    if text.startswith("#"):
        return True
    ends_openly = text[-1].isalnum() or text[-1] in ")\"'”’:："
    return len(text) <= MAX_HEADING_CHARS and ends_openly and not is_table_row(text) and not _LIST_ITEM.match(text)


def _windows(text: str, start: int, end: int, heading: str, max_chars: int) -> Iterator[Unit]:
    """The stretch whole, or cut at white space where it is too long."""
    while end - start > max_chars:
        cut = text.rfind(" ", start + 1, start + max_chars)
        cut = cut if cut > start else start + max_chars
        yield Unit(start, cut, text[start:cut], heading)
        start = cut + (text[cut] == " ")
    if start < end:
        yield Unit(start, end, text[start:end], heading)
