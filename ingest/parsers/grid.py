"""Grids of cells, as spreadsheets hold them: cut into tables, each row readable alone, with the place of its cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from ingest.errors import RefusedFile
from ingest.parsers.base import Outline, named, one_line

Row = tuple[int, list[str]]
"""A row's number, counted from 1, and its cells."""
Names = dict[int, str]
"""What columns are called, by their 0-based position."""

_TITLE_LEVEL = 2
_PLACE_LEVEL = 3
_BLOCK_CHARS = 600
_YEAR = re.compile(r"(19|20)\d\d")
_NUMBER = re.compile(r"[-+(]?[$€£¥]?\s?\d[\d.,\s]*[%)]?")


def add_grid(outline: Outline, rows: Iterable[Sequence[str]], max_cells: int) -> None:
    """Append the tables of a sheet below headings such as `A2:C40`. Raises RefusedFile("too_large").

    Tables are what empty rows separate. Column names that stand above such a gap hold for the values below it.
    """
    numbered = enumerate(_bounded(rows, max_cells), start=1)
    names: Names = {}
    for filled, run in groupby(numbered, key=lambda row: any(row[1])):
        if filled:
            names = _add_table(outline, list(run), names)


def _bounded(rows: Iterable[Sequence[str]], max_cells: int) -> Iterator[list[str]]:
    filled = 0
    for row in rows:
        filled += sum(map(bool, row))
        if filled > max_cells:
            raise RefusedFile("too_large", f"It has more than {max_cells:,} cells.")
        yield [one_line(cell) if cell else "" for cell in row]


def _add_table(outline: Outline, rows: list[Row], above: Names) -> Names:
    """Titles, then column names, then values. Returns the names that hold for a table below, if it has none."""
    columns = sorted({column for _, row in rows for column, cell in enumerate(row) if cell})
    rows = [(number, [row[column] if column < len(row) else "" for column in columns]) for number, row in rows]
    titles = _titles(rows) if len(columns) > 1 else 0
    for _, row in rows[:titles]:
        outline.heading("".join(row), _TITLE_LEVEL)
    table = rows[titles:]
    has_names = _names_columns(table)
    names = table[0][1] if has_names else [above.get(column, "") for column in columns]
    values = table[1:] if has_names else table
    for part in _parts([(number, _line(names, row, has_names)) for number, row in values]):
        outline.label(_place(columns, part), _PLACE_LEVEL)
        outline.add("\n".join(line for _, line in part), "table")
    outline.close(_TITLE_LEVEL)
    below = rows[-1][1] if not all(names) and _may_name(rows[-1][1]) else names
    return dict(zip(columns, below, strict=True))


def _may_name(row: list[str]) -> bool:
    """Whether a row could be the names of columns: several words, and no values."""
    return sum(map(bool, row)) > 1 and not any(map(_is_value, row))


def _titles(rows: list[Row]) -> int:
    """How many rows at the top hold a single cell; the last row is none of them."""
    filled = (sum(map(bool, row)) for _, row in rows[:-1])
    return next((count for count, cells in enumerate(filled) if cells > 1), len(rows) - 1)


def _names_columns(table: list[Row]) -> bool:
    """Whether the first row names the columns: all but one filled, all different, and no values itself."""
    names = [name for name in table[0][1] if name]
    complete = len(names) == len(set(names)) and len(names) >= len(table[0][1]) - 1
    return complete and len(table) > 1 and _may_name(names)


def _is_value(cell: str) -> bool:
    return _NUMBER.fullmatch(cell) is not None and not _YEAR.fullmatch(cell)


def _line(names: list[str], row: list[str], own: bool) -> str:
    """A row to read alone; names from further above are for rows with values only."""
    line = named(names if own or any(map(_is_value, row)) else [], row)
    return line if len(line) <= _BLOCK_CHARS else line.replace(" | ", "\n")


def _parts(lines: list[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    """Neighbouring lines, about as many as a passage holds, so that its place is exact."""
    part: list[tuple[int, str]] = []
    size = 0
    for line in lines:
        if part and size + len(line[1]) > _BLOCK_CHARS:
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line[1])
    yield part


def _place(columns: list[int], part: list[tuple[int, str]]) -> str:
    first, last = f"{_letters(columns[0])}{part[0][0]}", f"{_letters(columns[-1])}{part[-1][0]}"
    return first if first == last else f"{first}:{last}"


def _letters(column: int) -> str:
    """The letters of a 0-based column: A to Z, then AA."""
    before, letter = divmod(column, 26)
    return (_letters(before - 1) if before else "") + chr(ord("A") + letter)
