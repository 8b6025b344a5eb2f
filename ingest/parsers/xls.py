"""Workbooks of older Office programs (XLS)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from ingest.errors import RefusedFile
from ingest.parsers.base import Outline, ParsedDocument
from ingest.parsers.grid import add_grid
from ingest.parsers.xlsx import text_of

_VISIBLE = 0


def parse(data: bytes, stem: str, max_cells: int) -> ParsedDocument:
    """Every visible sheet below its name, as of an XLSX."""
    import xlrd

    try:
        workbook = xlrd.open_workbook(file_contents=data, logfile=io.StringIO(), formatting_info=True)
    except xlrd.XLRDError as error:
        raise RefusedFile("encrypted" if "encrypted" in str(error) else "broken") from error
    outline = Outline()
    for sheet in workbook.sheets():
        if sheet.visibility == _VISIBLE:
            outline.label(sheet.name, 1)
            add_grid(outline, _rows(sheet, workbook), max_cells)
            outline.close(1)
    return ParsedDocument(stem, outline.finish())


def _rows(sheet: Any, workbook: Any) -> Iterator[list[str]]:
    for number in range(sheet.nrows):
        yield [_text(cell, workbook) for cell in sheet.row(number)]


def _text(cell: Any, workbook: Any) -> str:
    """A cell's value as its reader sees it."""
    import xlrd
    from xlrd.xldate import xldate_as_datetime

    if cell.ctype == xlrd.XL_CELL_DATE:
        return text_of(xldate_as_datetime(cell.value, workbook.datemode))
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return text_of(bool(cell.value))
    if cell.ctype == xlrd.XL_CELL_ERROR:
        return str(xlrd.error_text_from_code.get(cell.value, ""))
    formats = workbook.format_map.get(workbook.xf_list[cell.xf_index].format_key)
    return text_of(cell.value, formats.format_str if formats else "")
