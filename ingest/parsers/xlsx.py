"""Workbooks (XLSX)."""

from __future__ import annotations

import io
import re
from datetime import date, datetime, time
from typing import Any

from ingest.parsers.archive import Allowance
from ingest.parsers.base import Outline, ParsedDocument, one_line
from ingest.parsers.grid import add_grid
from ingest.parsers.safe_xml import refuse_declarations

_PERCENT = re.compile(r"0(?:\.(0+))?%")


def parse(data: bytes, stem: str, allowance: Allowance, max_cells: int) -> ParsedDocument:
    """Every visible sheet below its name, with the values that were last worked out for its formulas."""
    from openpyxl import load_workbook

    refuse_declarations(allowance.unpack(data))
    workbook = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
    outline = Outline()
    for sheet in workbook.worksheets:
        if sheet.sheet_state == "visible":
            sheet.reset_dimensions()  # what the file claims about its size may be wrong
            outline.label(sheet.title, 1)
            add_grid(outline, (list(map(_text, row)) for row in sheet.iter_rows()), max_cells)
            outline.close(1)
    return ParsedDocument(one_line(workbook.properties.title or "") or stem, outline.finish())


def _text(cell: Any) -> str:
    return text_of(cell.value, cell.number_format or "")


def text_of(value: Any, number_format: str = "") -> str:
    """A cell's value as its reader sees it."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, datetime):
        return str(value.date() if value.time() == time() else value)
    if isinstance(value, bool | date | time | int):
        return str(value)
    if isinstance(value, float):
        return _number(value, number_format)
    return str(value)


def _number(value: float, number_format: str) -> str:
    percent = _PERCENT.search(number_format)
    if percent:
        return f"{value:.{len(percent.group(1) or '')}%}"
    return f"{value:.15g}"
