"""A citation as the side panel shows it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from agents.answering.markdown import escape, one_line
from agents.turn import Citation
from app.chat.markdown import for_page
from app.chat.reasons import why
from retrieval.passages import Passage

_WHITE_SPACE = re.compile(r"(\s+)")
_LINE_ENDS = re.compile(r"\n+")
_LIST_MARKER = re.compile(r"^(\d*)([-+.)])(?=\s|$)", re.MULTILINE)
_LEFT_BY_ESCAPE = re.compile(r"\||:(?=-)|(?<!\\)_")
_SEPARATOR = "\u2063"  # Invisible, and to Markdown neither a space nor punctuation.


def label(citation: Citation) -> str:
    """The text that links an answer to its source."""
    return f"[{citation.number}]"


def panel_markdown(citation: Citation) -> str:
    """Document, page and heading, the passage with its quotes marked, and the way to the original.

    Strong text stands for a quote; `public/parley.css` paints it. The passage itself is escaped: nothing in a document
    can act as markup here.
    """
    passage = citation.passage
    head = [f"### {one_line(passage.title or passage.document)}", f"*{one_line(passage.document)}*", _place(passage)]
    body = ["---", highlighted(passage.text, citation.quotes), "---", _original(passage), why(citation)]
    return for_page("\n\n".join(filter(None, [*head, *body])))


def highlighted(text: str, quotes: Iterable[str]) -> str:
    """The text as Markdown that shows it as it stands, line by line, with each quote strong."""
    pieces: list[str] = []
    at = 0
    for start, end in _merged(_spans(text, quotes)):
        pieces += [_plain(text[at:start]), _strong(text, start, end)]
        at = end
    lines = "".join([*pieces, _plain(text[at:])]).strip()
    return _LIST_MARKER.sub(r"\1\\\2", lines)


def _spans(text: str, quotes: Iterable[str]) -> list[tuple[int, int]]:
    stripped = [quote.strip() for quote in quotes]
    found = [(text.find(quote), len(quote)) for quote in stripped if quote]
    return [(start, start + length) for start, length in found if start >= 0]


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans in order; those that touch or overlap are one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            start, last = merged.pop()
            end = max(end, last)
        merged.append((start, end))
    return merged


def _strong(text: str, start: int, end: int) -> str:
    """The span as strong text, each line of it by itself.

    Between a letter and a punctuation mark `**` would be taken for two stars, so a separator joins the mark there.
    """
    before = _SEPARATOR if text[start - 1 : start].isalnum() and not text[start].isalnum() else ""
    after = _SEPARATOR if text[end : end + 1].isalnum() and not text[end - 1].isalnum() else ""
    lines = _LINE_ENDS.sub(r"**\g<0>**", _plain(text[start:end]))
    return f"**{before}{lines}{after}**"


def _plain(text: str) -> str:
    """The text escaped word by word; of its white space remain single spaces, line ends and blank lines."""
    parts = _WHITE_SPACE.split(text)
    return "".join(_space(part) if part.isspace() else _LEFT_BY_ESCAPE.sub(r"\\\g<0>", escape(part)) for part in parts)


def _space(run: str) -> str:
    return "\n" * min(run.count("\n"), 2) or " "


def _place(passage: Passage) -> str:
    page = one_line(f"page {passage.page_name}") if passage.page else ""
    heading = one_line(passage.heading) if passage.heading != passage.title else ""
    return " · ".join(filter(None, [page, heading]))


def _original(passage: Passage) -> str:
    page = f"#page={passage.page}" if passage.page else ""
    words = one_line(f"Open the original at page {passage.page_name}") if passage.page else "Open the original"
    return f"[{words}](/documents/{passage.document_id}{page})"
