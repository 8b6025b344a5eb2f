"""PDF, by pypdfium2: pages to lines to headings, paragraphs and tables."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from ingest.errors import RefusedFile
from ingest.parsers.base import ParsedDocument, one_line
from ingest.parsers.pdf.layout import blocks
from ingest.parsers.pdf.lines import HYPHEN_MARK, Line, page_lines

_EDGE_LINES = 3
_BROKEN_WORD = re.compile(rf"(\w+){HYPHEN_MARK}\s*(\w+)")


def parse(data: bytes, stem: str, max_pages: int) -> ParsedDocument:
    """Every page's headings, paragraphs and tables; running headers and footers are left out."""
    document = _open(data)
    if len(document) > max_pages:
        raise RefusedFile("too_large", f"It has {len(document)} pages; {max_pages} are allowed.")
    pages = _without_running_lines([page_lines(page) for page in document])
    pages = _with_whole_words(pages)
    return ParsedDocument(_title(document, stem), blocks(pages), len(document))


def _open(data: bytes) -> Any:
    import pypdfium2
    from pypdfium2 import raw

    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        encrypted = getattr(error, "err_code", None) in {raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY}
        raise RefusedFile("encrypted" if encrypted else "broken") from error


def _title(document: Any, stem: str) -> str:
    """The document's own title where it is a phrase, not a number or a file name; else the file's name."""
    title = one_line(str(document.get_metadata_dict().get("Title") or ""))
    return title if " " in title and not re.search(r"\.\w{2,4}$", title) else stem


def _without_running_lines(pages: list[list[Line]]) -> list[list[Line]]:
    """Drop lines that stand at the top or bottom of many pages, whatever their numbers."""
    edges = [_edge_lines(page) for page in pages]
    seen = Counter(pattern for lines in edges for pattern in {_pattern(line) for line in lines})
    needed = max(3, len(pages) // 8)
    return [
        [line for line in page if not (line in edge and seen[_pattern(line)] >= needed)]
        for page, edge in zip(pages, edges, strict=True)
    ]


def _edge_lines(page: list[Line]) -> list[Line]:
    from_top = sorted(page, key=lambda line: -line.top)
    return from_top[:_EDGE_LINES] + from_top[-_EDGE_LINES:]


def _pattern(line: Line) -> str:
    return re.sub(r"\d+|\b[ivxlc]+\b", "#", line.text.lower())


def _with_whole_words(pages: list[list[Line]]) -> list[list[Line]]:
    """Mend words broken over two lines; the hyphen stays where the document uses both halves as words."""
    text = " ".join(line.text for page in pages for line in page)
    used = Counter(re.findall(r"[^\W\d_]+", _BROKEN_WORD.sub(" ", text).lower()))

    def mend(match: re.Match[str]) -> str:
        before, after = match.groups()
        compound = not used[(before + after).lower()] and used[before.lower()] and used[after.lower()]
        return f"{before}-{after}" if compound else before + after

    return [[line.map(lambda part: _BROKEN_WORD.sub(mend, part)) for line in page] for page in pages]
