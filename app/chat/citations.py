"""A citation as the side panel shows it."""

from __future__ import annotations

import re

from agents.answering.markdown import escape
from agents.turn import Citation
from retrieval.passages import Passage

_BLANK_LINES = re.compile(r"\n\s*\n+")


def label(citation: Citation) -> str:
    """The text that links an answer to its source."""
    return f"[{citation.number}]"


def panel_markdown(citation: Citation) -> str:
    """Document, page and heading, the passage with its quotes marked, and the way to the original.

    Strong text stands for a quote; `public/parley.css` paints it. The passage itself is escaped: nothing in a document
    can act as markup here.
    """
    passage = citation.passage
    where = " · ".join(filter(None, [f"page {passage.page}" if passage.page else "", passage.heading]))
    head = [f"### {escape(passage.title or passage.document)}", f"*{escape(passage.document)}*"]
    if where:
        head.append(escape(where))
    scores = _scores(citation)
    return "\n\n".join([*head, "---", highlighted(passage.text, citation.quotes), "---", _original(passage), *scores])


def highlighted(text: str, quotes: tuple[str, ...]) -> str:
    """The text as escaped Markdown with each quote strong, line breaks kept."""
    spans = sorted(_spans(text, quotes))
    pieces: list[str] = []
    at = 0
    for start, end in spans:
        if start < at:
            continue
        pieces += [_lines(text[at:start]), _strong(text[start:end])]
        at = end
    return "".join([*pieces, _lines(text[at:])]).strip()


def _spans(text: str, quotes: tuple[str, ...]) -> list[tuple[int, int]]:
    found = [(text.find(quote), len(quote)) for quote in quotes if quote]
    return [(start, start + length) for start, length in found if start >= 0]


def _strong(quote: str) -> str:
    """Strong text must not touch white space or span lines."""
    lines = [f"**{escape(line.strip())}**" if line.strip() else "" for line in quote.split("\n")]
    return "  \n".join(lines)


def _lines(text: str) -> str:
    paragraphs = _BLANK_LINES.sub("\n\n", text)
    return escape(paragraphs).replace("\n\n", "\0").replace("\n", "  \n").replace("\0", "\n\n")


def _original(passage: Passage) -> str:
    page = f"#page={passage.page}" if passage.page else ""
    words = f"Open the original at page {passage.page}" if passage.page else "Open the original"
    return f"[{words}](/documents/{passage.document_id}{page})"


def _scores(citation: Citation) -> list[str]:
    parts = [("match", citation.score), ("meaning", citation.dense), ("words", citation.sparse)]
    known = [f"{name} {value:.2f}" for name, value in parts if value is not None]
    return [f"Why this passage: {', '.join(known)}"] if known else []
