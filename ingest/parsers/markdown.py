"""Markdown: rendered to HTML, then read as HTML."""

from __future__ import annotations

import re

from ingest.parsers.base import ParsedDocument, one_line
from ingest.parsers.html import parse_markup
from ingest.parsers.text import decode

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.S)
_TITLE = re.compile(r"^title:\s*[\"']?(.+?)[\"']?\s*$", re.M)


def parse(data: bytes, stem: str) -> ParsedDocument:
    """CommonMark with tables; a front matter gives the title and is not text."""
    from markdown_it import MarkdownIt

    text = decode(data).replace("\r\n", "\n")
    front = _FRONT_MATTER.match(text)
    title = _TITLE.search(front.group(1)) if front else None
    markup = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text[front.end() :] if front else text)
    document = parse_markup(markup, stem)
    if title is None:
        return document
    return ParsedDocument(one_line(title.group(1)), document.blocks)
