"""Text recognition: pictures of pages to lines with places and sizes, as if a PDF had held them as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ingest.errors import RefusedFile
from ingest.parsers.layout.lines import Line
from ingest.settings import IngestSettings

if TYPE_CHECKING:
    from PIL.Image import Image

DPI = 300
"""The resolution at which letters of ordinary size are read best."""
MAX_SIDE_PX = 4_000
"""Larger pictures are made smaller first: more pixels cost time and tell no more."""


class Recognizer(Protocol):
    """An engine of text recognition."""

    def lines(self, picture: Image, timeout_s: float) -> list[Line]:
        """The lines of a page's picture, in reading order. Raises RefusedFile."""
        ...


@dataclass(slots=True)
class Recognition:
    """Text recognition for one file and those inside it, which share its limit of pages."""

    recognizer: Recognizer | None
    page_timeout_s: float
    pages_left: int
    """How many may still be recognised."""
    on_page: Callable[[], None]

    @classmethod
    def of(cls, settings: IngestSettings, on_page: Callable[[], None]) -> Recognition:
        """That of a file of which nothing is read yet."""
        return cls(_recognizer(settings), settings.ocr_page_timeout_s, settings.ocr_max_pages, on_page)

    @property
    def is_on(self) -> bool:
        """Whether there is an engine."""
        return self.recognizer is not None

    def reserve(self, pages: int) -> None:
        """Subtract pages that are to be recognised. Raises RefusedFile, before the first of them is."""
        if pages > self.pages_left:
            raise RefusedFile("too_large", "More of its pages need text recognition than ingest.ocr_max_pages.")
        self.pages_left -= pages

    def lines(self, picture: Image) -> list[Line]:
        """The lines of a page that was reserved. Raises RefusedFile."""
        if self.recognizer is None:
            return []
        self.on_page()
        return self.recognizer.lines(picture, self.page_timeout_s)


def _recognizer(settings: IngestSettings) -> Recognizer | None:
    """The engine that the settings choose; None where they turn text recognition off."""
    if not settings.ocr_languages:
        return None
    from ingest.parsers.ocr.tesseract import Tesseract

    return Tesseract(settings.ocr_languages, settings.ocr_models)
