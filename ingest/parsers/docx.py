"""Word documents (DOCX)."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from ingest.parsers.archive import Allowance
from ingest.parsers.base import Block, Outline, ParsedDocument, one_line, table_lines
from ingest.parsers.safe_xml import refuse_declarations

if TYPE_CHECKING:
    from docx.table import Table, _Cell
    from docx.text.paragraph import Paragraph

_HEADING_STYLE = re.compile(r"heading (\d)", re.I)


def parse(data: bytes, stem: str, allowance: Allowance) -> ParsedDocument:
    """Paragraphs, lists and tables in document order; headings by their styles."""
    from docx import Document
    from docx.table import Table

    refuse_declarations(allowance.unpack(data))
    document = Document(io.BytesIO(data))
    outline = Outline()
    items: list[str] = []
    for part in document.iter_inner_content():
        if not isinstance(part, Table) and _is_item(part):
            items.append(f"- {one_line(part.text)}" if part.text.strip() else "")
            continue
        _end_list(outline, items)
        if isinstance(part, Table):
            outline.add(table_lines(_rows(part)), "table")
        else:
            _paragraph(outline, part)
    _end_list(outline, items)
    blocks = outline.finish()
    return ParsedDocument(_title(document.core_properties.title, blocks, stem), blocks)


def _paragraph(outline: Outline, paragraph: Paragraph) -> None:
    style = _style(paragraph)
    heading = _HEADING_STYLE.match(style)
    if heading or style.lower() == "title":
        outline.heading(paragraph.text, int(heading.group(1)) if heading else 0)
    else:
        outline.add(paragraph.text)


def _is_item(paragraph: Paragraph) -> bool:
    properties = paragraph._p.pPr
    numbered = properties is not None and properties.numPr is not None
    return (numbered or _style(paragraph).startswith("List")) and not _HEADING_STYLE.match(_style(paragraph))


def _style(paragraph: Paragraph) -> str:
    return (paragraph.style.name if paragraph.style is not None else "") or ""


def _end_list(outline: Outline, items: list[str]) -> None:
    outline.add("\n".join(item for item in items if item), "list")
    items.clear()


def _rows(table: Table) -> list[list[str]]:
    """Cell texts; a cell that is merged over several columns counts in the first one."""
    rows = []
    for row in table.rows:
        merged: set[int] = set()
        texts = []
        for cell in row.cells:
            texts.append("" if id(cell._tc) in merged else _cell_text(cell))
            merged.add(id(cell._tc))
        rows.append(texts)
    return rows


def _cell_text(cell: _Cell) -> str:
    """A cell's paragraphs and, flattened, the tables inside it."""
    parts = cell.iter_inner_content()
    return "\n".join(part.text if hasattr(part, "text") else table_lines(_rows(part)) for part in parts)


def _title(property_title: str | None, blocks: list[Block], stem: str) -> str:
    headings = blocks[0].headings if blocks else ()
    return one_line(property_title or "") or (headings[0] if headings else stem)
