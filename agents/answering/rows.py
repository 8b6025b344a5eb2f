"""Rows of tables that are called what a question asks for: "Inventories | 4,268 | 3,742" for inventory levels."""

from __future__ import annotations

import re

from retrieval.passages import Passage
from retrieval.sentences import is_table_row
from retrieval.words import content_words

_CELL_END = re.compile(r"\||\t")
_SUMS = frozenset(content_words("total"))


def is_named(row: str, question: str) -> bool:
    """Whether the row has a figure, and all telling words of its first cell are in the question."""
    if not is_table_row(row):
        return False
    name, *cells = _CELL_END.split(row.strip().strip("|"))
    telling = set(content_words(name)) - _SUMS
    return bool(telling) and telling.issubset(content_words(question)) and any(map(_has_digit, cells))


def has_named_row(passage: Passage, question: str) -> bool:
    """Whether a line of the passage is such a row."""
    return any(is_named(line, question) for line in passage.text.splitlines())


def column_names(text: str, at: int) -> str:
    """The line that names the columns of the table row which begins at `at`; empty where none above it does.

    It is told by its first cell, which is empty.
    """
    table = text[:at].rsplit("\n\n", 1)[-1]
    is_row = is_table_row(text[at:].partition("\n")[0])
    names = [line for line in table.splitlines() if line.startswith("|")]
    return names[-1] if is_row and names else ""


def _has_digit(cell: str) -> bool:
    return any(sign.isdigit() for sign in cell)
