"""A line of a page, with its place, its style and its columns."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

HYPHEN_MARK = "\ufffe"
"""Stands for the hyphen of a word that is broken over two lines; both halves are in the first of them."""
COLUMN_GAP = 1.6
"""A gap wider than this many line heights separates two columns."""

_NUMBER = re.compile(r"[$€£¥]?\s*[(\-–+]?\s*[$€£¥]?\s*(\d[\d,.\s]*|—|–|-)\s*%?\s*\)?\s*%?[$€£¥]?$")
_YEAR = re.compile(r"(19|20)\d\d$")
_NUMBERING = re.compile(r"((item|note|part|section|chapter|article)\s+)?\(?[\divx]{1,5}[a-z]?\s*[.:)–-]*$|\W$", re.I)

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a page. Edges are in points from the page's lower left corner."""

    text: str
    size: float = 0.0
    """Nominal font size: comparable within a document only."""
    bold: bool = False
    left: float = 0.0
    bottom: float = 0.0
    right: float = 0.0
    top: float = 0.0
    cells: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    """Left and right edge of each cell."""

    @property
    def height(self) -> float:
        """From the lowest to the highest ink."""
        return self.top - self.bottom

    @property
    def is_row(self) -> bool:
        """Whether wide gaps cut it into columns; the gap after a number such as "Item 1." does not."""
        return len(self.cells) > 2 or (len(self.cells) == 2 and not self._is_numbered)

    @property
    def _is_numbered(self) -> bool:
        return bool(_NUMBERING.match(self.cells[0])) and any(map(str.isalpha, self.cells[1]))

    @property
    def has_values(self) -> bool:
        """Whether it is a row in which a column after the first holds a number that is no year."""
        return self.is_row and any(is_value(cell) for cell in self.cells[1:])

    def map(self, change: Callable[[str], str]) -> Line:
        """The line with its texts changed."""
        return replace(self, text=change(self.text), cells=tuple(map(change, self.cells)))


def is_value(cell: str) -> bool:
    """Whether a cell holds an amount, a share or a dash."""
    return bool(_NUMBER.match(cell)) and not _YEAR.match(cell)
