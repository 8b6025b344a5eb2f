"""Rich text (RTF)."""

from __future__ import annotations

from itertools import groupby

from ingest.parsers.base import Outline, ParsedDocument, table_lines

_CELL_END = "|"


def parse(data: bytes, stem: str) -> ParsedDocument:
    """Paragraphs and tables; the format knows no headings."""
    lines = to_text(data).split("\n")
    outline = Outline()
    for is_row, group in groupby(lines, key=lambda line: line.rstrip().endswith(_CELL_END)):
        if is_row:
            rows = [line.rstrip().removesuffix(_CELL_END).split(_CELL_END) for line in group]
            outline.add(table_lines(rows), "table")
            continue
        for line in group:
            outline.add(line)
    return ParsedDocument(stem, outline.finish())


def to_text(data: bytes) -> str:
    """What the rich text says, line by line; the cells of a row end with a bar each."""
    from striprtf.striprtf import rtf_to_text

    return rtf_to_text(data.decode("cp1252", "replace"), errors="replace")
