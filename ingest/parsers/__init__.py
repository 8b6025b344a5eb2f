"""Files to blocks of text: one module per format, chosen by the name's ending, checked against the content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath

from ingest.errors import RefusedFile
from ingest.parsers import (
    content,
    csv,
    docx,
    eml,
    epub,
    html,
    image,
    json,
    markdown,
    msg,
    odt,
    pdf,
    pptx,
    rtf,
    text,
    xls,
    xlsx,
    zipped,
)
from ingest.parsers.archive import Allowance
from ingest.parsers.base import Block, ParsedDocument
from ingest.parsers.ocr import Recognition
from ingest.settings import IngestSettings

__all__ = ["MEDIA_TYPES", "Block", "ParsedDocument", "media_type", "parse"]

MEDIA_TYPES = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".txt": "text/plain",
    ".text": "text/plain",
    ".html": "text/html",
    ".htm": "text/html",
    ".xhtml": "text/html",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".ndjson": "application/jsonl",
    ".eml": "message/rfc822",
    ".msg": content.MSG,
    ".pdf": content.PDF,
    ".docx": content.DOCX,
    ".xlsx": content.XLSX,
    ".xls": content.XLS,
    ".pptx": content.PPTX,
    ".odt": content.ODT,
    ".rtf": content.RTF,
    ".epub": content.EPUB,
    ".zip": content.ZIP,
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".tif": image.TIFF,
    ".tiff": image.TIFF,
    ".webp": "image/webp",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
}


@dataclass(frozen=True, slots=True)
class _Reading:
    """The reading of one file and of those inside it, which share its limits."""

    settings: IngestSettings
    allowance: Allowance
    recognition: Recognition

    def parse(self, name: str, data: bytes) -> ParsedDocument:
        """Read a file by the parser of its format. Raises RefusedFile; running out of memory passes through."""
        kind = media_type(name)
        try:
            content.check_content(kind, data)
            document = _PARSERS[kind](data, PurePath(name).stem, self)
        except (RefusedFile, MemoryError):
            raise
        except Exception as error:  # whatever a parser raises about a hostile file, the file is what is broken
            raise RefusedFile("broken", f"Its parser stopped ({type(error).__name__}).") from error
        if not document.blocks and document.pages and not self.recognition.is_on:
            raise RefusedFile("no_text")
        if not document.blocks:
            raise RefusedFile("empty", "Text recognition finds no words on its pages." if document.pages else "")
        return document

    def parse_inside(self, name: str, data: bytes) -> ParsedDocument:
        """The same, of a file inside the one being read."""
        self.allowance.enter()
        try:
            return self.parse(name, data)
        finally:
            self.allowance.leave()


def _parse_image(kind: str, data: bytes, stem: str, reading: _Reading) -> ParsedDocument:
    return image.parse(data, stem, kind, reading.recognition)


_Parser = Callable[[bytes, str, _Reading], ParsedDocument]
_PARSERS: dict[str, _Parser] = {
    "text/markdown": lambda data, stem, reading: markdown.parse(data, stem),
    "text/plain": lambda data, stem, reading: text.parse(data, stem),
    "text/html": lambda data, stem, reading: html.parse(data, stem),
    "text/csv": lambda data, stem, reading: csv.parse(data, stem, reading.settings.max_cells),
    "text/tab-separated-values": lambda data, stem, reading: csv.parse(data, stem, reading.settings.max_cells),
    "application/json": lambda data, stem, reading: json.parse(data, stem),
    "application/jsonl": lambda data, stem, reading: json.parse_lines(data, stem),
    "message/rfc822": lambda data, stem, reading: eml.parse(data, stem, reading.parse_inside),
    content.MSG: lambda data, stem, reading: msg.parse(data, stem, reading.allowance, reading.parse_inside),
    content.PDF: lambda data, stem, reading: pdf.parse(data, stem, reading.recognition, reading.settings.max_pages),
    content.DOCX: lambda data, stem, reading: docx.parse(data, stem, reading.allowance),
    content.XLSX: lambda data, stem, reading: xlsx.parse(data, stem, reading.allowance, reading.settings.max_cells),
    content.XLS: lambda data, stem, reading: xls.parse(data, stem, reading.settings.max_cells),
    content.PPTX: lambda data, stem, reading: pptx.parse(data, stem, reading.allowance, reading.parse_inside),
    content.ODT: lambda data, stem, reading: odt.parse(data, stem, reading.allowance),
    content.RTF: lambda data, stem, reading: rtf.parse(data, stem),
    content.EPUB: lambda data, stem, reading: epub.parse(data, stem, reading.allowance),
    content.ZIP: lambda data, stem, reading: zipped.parse(data, stem, reading.allowance, reading.parse_inside),
}
_PARSERS |= {kind: partial(_parse_image, kind) for kind in image.FORMATS}


def media_type(name: str) -> str:
    """The media type of a file name. Raises RefusedFile("unsupported")."""
    suffix = PurePath(name).suffix.lower()
    if suffix not in MEDIA_TYPES:
        raise RefusedFile("unsupported")
    return MEDIA_TYPES[suffix]


def parse(
    name: str, data: bytes, settings: IngestSettings, on_page: Callable[[], None] = lambda: None
) -> ParsedDocument:
    """Read a file's bytes; `on_page` is called before each page whose text is to be recognised.

    Raises RefusedFile; running out of memory passes through.
    """
    return _Reading(settings, Allowance.of(settings), Recognition.of(settings, on_page)).parse(name, data)
