"""Values separated by commas, semicolons, tabs or bars (CSV, TSV)."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from ingest.errors import RefusedFile
from ingest.parsers.base import Outline, ParsedDocument
from ingest.parsers.grid import add_grid
from ingest.parsers.text import decode

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_ROWS = 50


def parse(data: bytes, stem: str, max_cells: int) -> ParsedDocument:
    """The rows as `column: value` lines; the delimiter is the one that cuts most rows alike."""
    text = decode(data)
    outline = Outline()
    before = csv.field_size_limit(max(len(text), 1))
    try:
        add_grid(outline, _rows(text, _delimiter(text)), max_cells)
    except csv.Error as error:
        raise RefusedFile("broken", f"Its rows cannot be told apart ({error}).") from error
    finally:
        csv.field_size_limit(before)  # it holds for the whole process
    return ParsedDocument(stem, outline.finish())


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)


def _delimiter(text: str) -> str:
    """The delimiter by which most of the first rows have the same number of cells, above one."""
    return max(_DELIMITERS, key=lambda delimiter: _evenness(text, delimiter))


def _evenness(text: str, delimiter: str) -> tuple[int, int]:
    widths = Counter(len(row) for row in islice(_rows(text, delimiter), _SAMPLE_ROWS) if len(row) > 1)
    return max(((rows, width) for width, rows in widths.items()), default=(0, 0))
