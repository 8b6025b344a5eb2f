"""Pages that are pictures, as scanners make them: rendered, and read by text recognition."""

from __future__ import annotations

from typing import Any

from ingest.parsers.layout.lines import Line
from ingest.parsers.ocr import DPI, MAX_SIDE_PX, Recognition

_FEW_LETTERS = 40
"""A scan may carry a stamp or a page number as text; a page with less than this that shows more is read as one."""
_POINTS_PER_INCH = 72


def with_scans_read(document: Any, pages: list[list[Line]], recognition: Recognition) -> list[list[Line]]:
    """The lines of all pages, those of scans as recognised. Raises RefusedFile."""
    if not recognition.is_on:
        return pages
    scans = [number for number, lines in enumerate(pages) if _is_scan(document[number], lines)]
    recognition.reserve(len(scans))
    read = {number: _read(document[number], recognition) for number in scans}
    return [max(lines, read.get(number, []), key=_letters) for number, lines in enumerate(pages)]


def _is_scan(page: Any, lines: list[Line]) -> bool:
    """Whether there is hardly any text, but something else to see."""
    from pypdfium2 import raw

    if _letters(lines) >= _FEW_LETTERS:
        return False
    return any(item.type != raw.FPDF_PAGEOBJ_TEXT for item in page.get_objects(max_depth=1))


def _letters(lines: list[Line]) -> int:
    return sum(char.isalnum() for line in lines for char in line.text)


def _read(page: Any, recognition: Recognition) -> list[Line]:
    scale = min(DPI / _POINTS_PER_INCH, MAX_SIDE_PX / max(page.get_size()))
    return recognition.lines(page.render(scale=scale).to_pil())
