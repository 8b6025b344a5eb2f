"""OpenDocument texts (ODT)."""

from __future__ import annotations

import zipfile
from xml.etree.ElementTree import Element

from ingest.errors import RefusedFile
from ingest.parsers.archive import Allowance
from ingest.parsers.base import Outline, ParsedDocument, one_line, table_lines
from ingest.parsers.safe_xml import local_name, parse_xml

_UNREAD = {"annotation", "tracked-changes", "note-citation", "sequence-decls", "forms"}
_SPACES = {"s": " ", "tab": " ", "line-break": "\n"}
_MAX_SPAN = 50


def parse(data: bytes, stem: str, allowance: Allowance) -> ParsedDocument:
    """Paragraphs, lists and tables in document order below their headings."""
    archive = allowance.unpack(data)
    if b"encryption-data" in _member(archive, "META-INF/manifest.xml"):
        raise RefusedFile("encrypted")
    outline = Outline()
    for body in parse_xml(_member(archive, "content.xml")):
        if local_name(body.tag) == "body":
            _add_children(outline, body)
    return ParsedDocument(_title(archive) or stem, outline.finish())


def _member(archive: zipfile.ZipFile, path: str) -> bytes:
    return archive.read(path) if path in archive.namelist() else b""


def _title(archive: zipfile.ZipFile) -> str:
    meta = _member(archive, "meta.xml")
    elements = parse_xml(meta).iter() if meta else ()
    return next((one_line(element.text or "") for element in elements if local_name(element.tag) == "title"), "")


def _add_children(outline: Outline, parent: Element) -> None:
    for element in parent:
        name = local_name(element.tag)
        if name == "h":
            outline.heading(_text(element), int(_attribute(element, "outline-level") or 1))
        elif name == "p":
            outline.add(_text(element))
        elif name == "list":
            outline.add("\n".join(f"- {item}" for item in _items(element) if item), "list")
        elif name == "table":
            outline.add(table_lines(_rows(element)), "table")
        elif name not in _UNREAD:
            _add_children(outline, element)


def _items(element: Element) -> list[str]:
    """The paragraphs of a list, those of lists inside it among them."""
    return [one_line(_text(child)) for child in element.iter() if local_name(child.tag) in {"p", "h"}]


def _rows(table: Element) -> list[list[str]]:
    rows = []
    for row in (element for element in table.iter() if local_name(element.tag) == "table-row"):
        cells: list[str] = []
        for cell in row:
            repeated = _attribute(cell, "number-columns-repeated")
            count = min(int(repeated), _MAX_SPAN) if repeated.isdigit() else 1
            cells += [" ".join(_items(cell))] * count
        while cells and not cells[-1]:
            cells.pop()
        rows.append(cells)
    return rows


def _text(element: Element) -> str:
    """The words of a paragraph, without comments and footnote marks."""
    name = local_name(element.tag)
    if name in _UNREAD:
        return ""
    inside = "".join(_text(child) + (child.tail or "") for child in element)
    return _SPACES.get(name, "") + (element.text or "") + inside


def _attribute(element: Element, name: str) -> str:
    return next((value for key, value in element.attrib.items() if local_name(key) == name), "")
