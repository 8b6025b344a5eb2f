"""Files to blocks of text: one module per format, chosen by the name's ending, checked against the content."""

from __future__ import annotations

from pathlib import PurePath

from ingest.errors import RefusedFile
from ingest.parsers import docx, html, markdown, pdf, text
from ingest.parsers.base import Block, ParsedDocument
from ingest.settings import IngestSettings

__all__ = ["MEDIA_TYPES", "Block", "ParsedDocument", "media_type", "parse"]

_DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
MEDIA_TYPES = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".txt": "text/plain",
    ".text": "text/plain",
    ".html": "text/html",
    ".htm": "text/html",
    ".xhtml": "text/html",
    ".pdf": "application/pdf",
    ".docx": _DOCX,
}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")


def media_type(name: str) -> str:
    """The media type of a file name. Raises RefusedFile("unsupported")."""
    suffix = PurePath(name).suffix.lower()
    if suffix not in MEDIA_TYPES:
        raise RefusedFile("unsupported")
    return MEDIA_TYPES[suffix]


def parse(name: str, data: bytes, settings: IngestSettings) -> ParsedDocument:
    """Read a file's bytes. Raises RefusedFile; a parser's own failures pass through."""
    kind = media_type(name)
    _check_content(kind, data)
    document = _parse(kind, data, PurePath(name).stem, settings)
    if not document.blocks:
        raise RefusedFile("no_text" if document.pages else "empty")
    return document


def _parse(kind: str, data: bytes, stem: str, settings: IngestSettings) -> ParsedDocument:
    if kind == "application/pdf":
        return pdf.parse(data, stem, settings.max_pages)
    if kind == _DOCX:
        return docx.parse(data, stem, settings.max_unpacked_bytes)
    if kind == "text/html":
        return html.parse(data, stem)
    if kind == "text/markdown":
        return markdown.parse(data, stem)
    return text.parse(data, stem)


def _check_content(kind: str, data: bytes) -> None:
    """Refuse content that contradicts the name's ending."""
    if not data.strip():
        raise RefusedFile("empty")
    if data.startswith(_OLE) and kind == _DOCX and _ENCRYPTED_PACKAGE in data:
        raise RefusedFile("encrypted")
    actual = _sniff(data)
    if actual is not None and actual != kind:
        raise RefusedFile("wrong_extension", f"Its content is {actual}.")
    if actual is None and kind in {"application/pdf", _DOCX}:
        raise RefusedFile("broken", "Its first bytes are not those of its format.")


def _sniff(data: bytes) -> str | None:
    """The format that the first bytes give away, if any."""
    if data[:1024].lstrip().startswith(b"%PDF-"):
        return "application/pdf"
    if data.startswith(b"PK\x03\x04"):
        return _DOCX
    if data.startswith(_OLE):
        return "an older Office format"
    return None
