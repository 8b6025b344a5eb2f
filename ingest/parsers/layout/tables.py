"""Tables of pages: runs of lines that wide gaps cut into columns.

A row keeps its label and its values on one line: `Services | 20,766 | 19,516`. The lines above the first row of
values name the columns; where their places allow, they are joined to one line with a name per column.
"""

from __future__ import annotations

import re

from ingest.parsers.layout.lines import Line, Span, is_value

_LOOK_AHEAD = 16
_MAX_TITLES = 8
_MAX_LABEL_CHARS = 80
_OVERHANG_PT = 40.0
_ALIGNED_PT = 5.0
_CURRENCY = re.compile(r"(.*?)\s*([$€£¥])$")
_CLOSING = re.compile(r"[)%]+$")


def table_end(lines: list[Line], start: int) -> int:
    """Index after the table that starts at a line; `start` itself where none does."""
    first = _first_row(lines, start)
    if first is None:
        return start
    end = first + 1
    while end < len(lines) and not _starts_next(lines, first, end):
        if not lines[end].is_row and not _is_inside(lines, first, end):
            break
        end += 1
    return end


def _first_row(lines: list[Line], start: int) -> int | None:
    """Index of the first row, when only names of columns, then labels, stand before it."""
    index, titles, labels = start, 0, 0
    while index < len(lines) and not lines[index].is_row:
        if not labels and _names_column(lines, index):
            titles += 1
        elif titles and labels < 2 and _is_label(lines[index]):
            labels += 1
        else:
            return None
        index += 1
    return index if index < len(lines) else None


def _names_column(lines: list[Line], index: int) -> bool:
    """Whether a line of one cell hangs over the value columns of the rows below."""
    line = lines[index]
    below = [other for other in lines[index + 1 : index + _LOOK_AHEAD] if other.is_row]
    row = next((other for other in below if other.has_values), below[0] if below else None)
    if row is None or not line.spans or not _is_label(line):
        return False
    first_value = row.spans[0 if is_value(row.cells[0]) else 1]
    return line.left > first_value[0] - _OVERHANG_PT and line.right <= row.right + _OVERHANG_PT


def _is_label(line: Line) -> bool:
    return len(line.text) <= _MAX_LABEL_CHARS and not (line.text.endswith(".") and len(line.text) > 40)


def _starts_next(lines: list[Line], first: int, index: int) -> bool:
    """Whether, after rows of values, names of columns begin a new table."""
    had_values = any(line.has_values for line in lines[first:index])
    return had_values and not lines[index].is_row and _names_column(lines, index)


def _is_inside(lines: list[Line], first: int, index: int) -> bool:
    """Whether a line of one cell is a label between rows, or goes on with the cell above it."""
    if _goes_on(lines[index - 1], lines[index]):
        return True
    widest = max(line.right for line in lines[first:index])
    rows_follow = any(line.is_row for line in lines[index + 1 : index + 3])
    return rows_follow and _is_label(lines[index]) and lines[index].right < widest - _ALIGNED_PT


def _goes_on(above: Line, line: Line) -> bool:
    """Whether a line continues the text of the last cell above it."""
    cell = above.spans[-1] if above.spans else None
    return cell is not None and not above.has_values and line.left > 100 and abs(line.left - cell[0]) < _ALIGNED_PT


def render(run: list[Line]) -> tuple[str, str]:
    """The text of a table, and its first lines as far as they name the columns."""
    first = next((index for index, line in enumerate(run) if line.has_values), 0)
    while first and not run[first - 1].is_row and run[first - 1].left <= run[first].left + _ALIGNED_PT:
        first -= 1  # a label such as "Net sales:" belongs to the rows below it
    if first > _MAX_TITLES:
        first = 0  # those are rows of words, not the names of columns
    header = _joined_header(run[:first], run[first:]) or "\n".join(_row(line) for line in run[:first])
    rows: list[str] = []
    for index, line in enumerate(run[first:], start=first):
        if rows and not line.is_row and _goes_on(run[index - 1], line):
            rows[-1] += f" {line.text}"
        else:
            rows.append(_row(line))
    return "\n".join([header, *rows] if header else rows), header


def _row(line: Line) -> str:
    """A row's cells, with currency signs and closing brackets put back to their numbers."""
    if not line.is_row:
        return line.text
    merged: list[str] = []
    sign = ""
    signs_lead = not _CURRENCY.match(line.cells[-1])
    for cell in line.cells:
        if signs_lead and (match := _CURRENCY.match(sign + cell)):
            cell, following_sign = match.group(1), f"{match.group(2)} "
        else:
            cell, following_sign = sign + cell, ""
        if merged and _CLOSING.match(cell):
            merged[-1] += f" {cell}"
        elif cell.strip():
            merged.append(cell)
        sign = following_sign
    return " | ".join(merged)


def _joined_header(titles: list[Line], rows: list[Line]) -> str:
    """One line with a name for each column, or "" where the names' places do not tell."""
    columns = max((_value_columns(line) for line in rows if line.has_values), key=len, default=[])
    if not columns or not titles:
        return ""
    names: list[list[str]] = [[] for _ in columns]
    corner: list[str] = []
    for level in _levels(titles):
        cells = [pair for line in level for pair in zip(line.cells, line.spans, strict=True)]
        over_labels = [text for text, span in cells if span[1] < columns[0][0]]
        over_values = sorted((pair for pair in cells if pair[1][1] >= columns[0][0]), key=lambda pair: pair[1])
        corner += over_labels
        if not _assign(over_values, columns, names, corner):
            return ""
    return " | ".join([" ".join(corner), *(" ".join(parts) for parts in names)]).strip() if all(names) else ""


def _levels(titles: list[Line]) -> list[list[Line]]:
    """Lines grouped by their height on the page, from the top."""
    levels: list[list[Line]] = []
    for line in sorted(titles, key=lambda line: -line.top):
        if levels and levels[-1][0].top - line.top < 0.6 * levels[-1][0].height:
            levels[-1].append(line)
        else:
            levels.append([line])
    return levels


def _value_columns(row: Line) -> list[Span]:
    """Edges of the row's values; a lone currency sign belongs to the value after it."""
    columns: list[Span] = []
    sign_left: float | None = None
    for cell, (left, right) in list(zip(row.cells, row.spans, strict=True))[1:]:
        if cell in {"$", "€", "£", "¥"}:
            sign_left = left
        elif not _CLOSING.fullmatch(cell):
            columns.append((sign_left if sign_left is not None else left, right))
            sign_left = None
    return columns


def _assign(cells: list[tuple[str, Span]], columns: list[Span], names: list[list[str]], corner: list[str]) -> bool:
    """Give each column the name that stands over it, and the corner what stands over all of them.

    False where a name stands over no column.
    """
    centres = [sum(column) / 2 for column in columns]
    spacing = (centres[-1] - centres[0]) / max(1, len(centres) - 1) or 1.0
    shared = _shared(cells, centres, spacing)
    if shared and len(cells) == 1 < len(columns):
        corner.append(cells[0][0])
        return True
    for number, (text, span) in enumerate(cells):
        middle = sum(span) / 2
        nearest = min(range(len(centres)), key=lambda column: abs(centres[column] - middle))
        if not shared and abs(centres[nearest] - middle) > 0.75 * spacing:
            return False
        for column in range(number * shared, (number + 1) * shared) if shared else (nearest,):
            names[column].append(text)
    return True


def _shared(cells: list[tuple[str, Span]], centres: list[float], spacing: float) -> int:
    """How many columns each name spans, where each stands over the middle of as many; otherwise 0."""
    width, rest = divmod(len(centres), len(cells) or 1)
    if rest or not cells:
        return 0
    groups = (centres[start : start + width] for start in range(0, len(centres), width))
    middles = (sum(group) / width for group in groups)
    offsets = (abs(sum(span) / 2 - middle) for (_, span), middle in zip(cells, middles, strict=True))
    return width if all(offset < 0.6 * spacing for offset in offsets) else 0
