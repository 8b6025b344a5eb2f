"""PDF, by pypdfium2: pages to lines to headings, paragraphs and tables."""

from __future__ import annotations

import re
from typing import Any

from ingest.errors import RefusedFile
from ingest.parsers.base import ParsedDocument, one_line
from ingest.parsers.layout import blocks
from ingest.parsers.ocr import Recognition
from ingest.parsers.pdf.lines import page_lines
from ingest.parsers.pdf.scans import with_scans_read

_MAX_LABEL_CHARS = 20


def parse(data: bytes, stem: str, recognition: Recognition, max_pages: int) -> ParsedDocument:
    """Every page's headings, paragraphs and tables; running headers and footers are left out."""
    document = _open(data)
    if len(document) > max_pages:
        raise RefusedFile("too_large", f"It has {len(document)} pages; {max_pages} are allowed.")
    pages = with_scans_read(document, [page_lines(page) for page in document], recognition)
    return ParsedDocument(_title(document, stem), blocks(pages), len(document), _labels(document))


def _open(data: bytes) -> Any:
    import pypdfium2
    from pypdfium2 import raw

    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        encrypted = getattr(error, "err_code", None) in {raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY}
        raise RefusedFile("encrypted" if encrypted else "broken") from error


def _labels(document: Any) -> tuple[str, ...]:
    """What each page calls itself, such as "iv"; none where that is the page's number throughout."""
    labels = [one_line(document.get_page_label(index))[:_MAX_LABEL_CHARS] for index in range(len(document))]
    named = any(label not in {"", str(number)} for number, label in enumerate(labels, start=1))
    return tuple(labels) if named else ()


def _title(document: Any, stem: str) -> str:
    """The document's own title where it is a phrase, not a number or a file name; else the file's name."""
    title = one_line(str(document.get_metadata_dict().get("Title") or ""))
    return title if " " in title and not re.search(r"\.\w{2,4}$", title) else stem
