"""HTML pages, without their chrome: scripts, menus, page headers and footers."""

from __future__ import annotations

import re
from typing import Any

from ingest.parsers.base import Outline, ParsedDocument, has_words, one_line, table_lines
from ingest.parsers.text import decode

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_NEVER_SHOWN = {
    "script", "style", "template", "noscript", "svg", "math", "head", "iframe", "object", "canvas",
    "select", "button", "input", "textarea", "datalist", "audio", "video",
}  # fmt: skip
_CHROME = {"nav", "header", "footer", "aside"}
_BLOCKS = {
    "address", "article", "aside", "blockquote", "body", "center", "dd", "details", "dialog", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup", "hr", "html", "li", "main", "nav",
    "ol", "p", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
}  # fmt: skip
_CHARSET = re.compile(rb"""<meta[^>]+charset=["']?\s*([\w-]+)""", re.I)
_MAX_SPAN = 50


def parse(data: bytes, stem: str) -> ParsedDocument:
    """Blocks of the page's content, with its headings."""
    return parse_markup(_decode(data), stem)


def parse_markup(markup: str, stem: str) -> ParsedDocument:
    """The same, of text that is already decoded."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(markup)
    walker = _Walker()
    if tree.body is not None:
        walker.walk(tree.body)
        walker.flush()
    title = tree.css_first("title") or tree.css_first("h1")
    return ParsedDocument(one_line(title.text()) if title else stem, walker.outline.finish())


def _decode(data: bytes) -> str:
    declared = _CHARSET.search(data[:2048])
    if declared and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode(declared.group(1).decode("ascii"))
        except (LookupError, UnicodeDecodeError):
            pass
    return decode(data)


class _Walker:
    """Goes through the tree in document order and turns inline runs into blocks."""

    def __init__(self) -> None:
        self.outline = Outline()
        self._run: list[str] = []
        self._items: list[str] = []
        self._list_depth = 0

    def walk(self, node: Any, *, in_content: bool = False) -> None:
        """Visit the children of a node; inside `main` or `article`, a `header` is content."""
        in_content = in_content or node.tag in {"main", "article"}
        for child in node.iter(include_text=True):
            tag = child.tag
            if tag == "-text":
                self._run.append(re.sub(r"\s+", " ", child.text_content or ""))
            elif not _hidden(child, tag, in_content):
                self._element(child, tag, in_content)

    def _element(self, node: Any, tag: str, in_content: bool) -> None:
        if tag in _HEADINGS:
            self.flush()
            self.outline.heading(node.text(), _HEADINGS[tag])
        elif tag == "pre":
            self.flush()
            self.outline.add(node.text(), "code")
        elif tag == "table" and _holds_data(node):
            self.flush()
            self.outline.add(table_lines(_rows(node)), "table")
        elif tag == "br":
            self._run.append("\n")
        elif tag in {"ul", "ol"}:
            self._list(node, in_content)
        elif tag in _BLOCKS:
            self.flush()
            self.walk(node, in_content=in_content)
            self.flush()
        else:
            self.walk(node, in_content=in_content)

    def _list(self, node: Any, in_content: bool) -> None:
        self.flush()
        self._list_depth += 1
        self.walk(node, in_content=in_content)
        self.flush()
        self._list_depth -= 1
        if not self._list_depth:
            self.outline.add("\n".join(self._items), "list")
            self._items = []

    def flush(self) -> None:
        """End the current run of inline text: it becomes a paragraph, or an item of the open list."""
        text = "".join(self._run)
        self._run = []
        if self._list_depth and has_words(text):
            self._items.append(f"- {one_line(text)}")
        elif text:
            self.outline.add(text)


def _hidden(node: Any, tag: str, in_content: bool) -> bool:
    if tag in _NEVER_SHOWN or tag.startswith(("-", "!", "_")):
        return True
    if tag in _CHROME and not (tag == "header" and in_content):
        return True
    attributes = node.attributes
    style = (attributes.get("style") or "").replace(" ", "").lower()
    return "hidden" in attributes or attributes.get("aria-hidden") == "true" or "display:none" in style


def _holds_data(table: Any) -> bool:
    """Whether a table holds rows of values; one that lays out a page holds headings or further tables."""
    return table.css_first("table table, h1, h2, h3, h4, ul, ol, p + p") is None


def _rows(table: Any) -> list[list[str]]:
    rows = []
    for row in table.css("tr"):
        cells: list[str] = []
        for cell in row.css("td, th"):
            span = cell.attributes.get("colspan") or "1"
            repeat = min(int(span), _MAX_SPAN) if span.isdigit() else 1
            cells += [cell.text(separator=" ")] + [""] * (repeat - 1)
        rows.append(cells)
    return rows
