"""What a file really is, by its bytes: an ending that lies is refused."""

from __future__ import annotations

import zipfile

from ingest.errors import RefusedFile
from ingest.parsers import image
from ingest.parsers.archive import open_archive

PDF = "application/pdf"
RTF = "application/rtf"
ZIP = "application/zip"
EPUB = "application/epub+zip"
ODT = "application/vnd.oasis.opendocument.text"
MSG = "application/vnd.ms-outlook"
XLS = "application/vnd.ms-excel"
_OPEN_XML = "application/vnd.openxmlformats-officedocument"
DOCX = f"{_OPEN_XML}.wordprocessingml.document"
XLSX = f"{_OPEN_XML}.spreadsheetml.sheet"
PPTX = f"{_OPEN_XML}.presentationml.presentation"

_WITH_SIGNATURE = {PDF, RTF, ZIP, EPUB, ODT, MSG, XLS, DOCX, XLSX, PPTX, *image.FORMATS}
_SIGNATURES = {
    b"{\\rtf": RTF,
    b"\x89PNG\r\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"II*\x00": image.TIFF,
    b"MM\x00*": image.TIFF,
    b"\x1f\x8b": "a compressed file (gzip)",
    b"7z\xbc\xaf\x27\x1c": "an archive (7z)",
    b"Rar!": "an archive (RAR)",
}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
_MESSAGE_PROPERTIES = "__properties_version1.0".encode("utf-16-le")
_OLDER_WORKBOOKS = [f"{name}\x00".encode("utf-16-le") for name in ("Workbook", "Book")]
_OLDER_OFFICE = [name.encode("utf-16-le") for name in ("WordDocument", "PowerPoint Document")]
_CONTENT_TYPES = "[Content_Types].xml"
_MAIN_PARTS = {b"wordprocessingml.document.main+xml": DOCX, b"spreadsheetml.sheet.main+xml": XLSX}
_MAIN_PARTS |= {b"presentationml.presentation.main+xml": PPTX}
_PEEK_BYTES = 1_000_000


def check_content(kind: str, data: bytes) -> None:
    """Refuse content that contradicts the name's ending."""
    if not data.strip():
        raise RefusedFile("empty")
    actual = _sniff(data)
    if actual is not None and actual != kind:
        raise RefusedFile("wrong_extension", f"Its content is {actual}.")
    if actual is None and kind in _WITH_SIGNATURE:
        raise RefusedFile("broken", "Its first bytes are not those of its format.")


def _sniff(data: bytes) -> str | None:
    """The format that the bytes give away, if any."""
    if data[:1024].lstrip().startswith(b"%PDF-"):
        return PDF
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _archive_type(open_archive(data))
    if data.startswith(_OLE):
        return _ole_type(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    if data.startswith(b"BM") and data[6:10] == bytes(4):
        return "image/bmp"
    return next((kind for signature, kind in _SIGNATURES.items() if data.startswith(signature)), None)


def _archive_type(archive: zipfile.ZipFile) -> str:
    names = set(archive.namelist())
    if "mimetype" in names:
        declared = _peek(archive, "mimetype").decode("ascii", "replace").strip()
        return declared if declared in {EPUB, ODT} else "another kind of archive"
    if _CONTENT_TYPES in names:
        parts = _peek(archive, _CONTENT_TYPES)
        return next((kind for part, kind in _MAIN_PARTS.items() if part in parts), "another Office format")
    return ZIP


def _peek(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        with archive.open(name) as file:
            return file.read(_PEEK_BYTES)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise RefusedFile("broken", "It is no intact archive.") from error


def _ole_type(data: bytes) -> str:
    """What an OLE container holds; a message is looked for first, since a locked file may be attached to it."""
    if _MESSAGE_PROPERTIES in data:
        return MSG
    if _ENCRYPTED_PACKAGE in data:
        raise RefusedFile("encrypted")
    if any(stream in data for stream in _OLDER_OFFICE):
        return "an older Office format"
    if any(stream in data for stream in _OLDER_WORKBOOKS):
        return XLS
    raise RefusedFile("broken", "Its OLE container is damaged.")
