"""Plain text in any encoding."""

from __future__ import annotations

import codecs
import re

from ingest.errors import RefusedFile
from ingest.parsers.base import Outline, ParsedDocument, one_line

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WESTERN = "cp1252"
_SAMPLE_BYTES = 1_000_000
_TITLE_CHARS = 100


def decode(data: bytes) -> str:
    """The text of bytes in whatever encoding they are. Raises RefusedFile where they are not text."""
    encoding = next((name for bom, name in _BOMS if data.startswith(bom)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = _guess(data)
    if "\x00" in text:
        text = _guess(data)
    return text.removeprefix("\ufeff")


def _guess(data: bytes) -> str:
    """Text of unmarked bytes that are not UTF-8."""
    encoding = _likely_encoding(data[:_SAMPLE_BYTES])
    text = data.decode(encoding, "replace") if encoding else ""
    if not text or "\x00" in text:
        raise RefusedFile("broken", "Its bytes are not text in any known encoding.")
    return text


def _likely_encoding(sample: bytes) -> str | None:
    """The detected encoding; of several that fit about as well, the one of Western Windows, as browsers decide."""
    from charset_normalizer import from_bytes

    matches = from_bytes(sample)
    best = matches.best()
    if best is None:
        return None
    close = (m for m in matches if m.chaos <= best.chaos + 0.02 and m.coherence >= best.coherence - 0.03)
    return _WESTERN if any(_WESTERN in m.could_be_from_charset for m in close) else best.encoding


def parse(data: bytes, stem: str) -> ParsedDocument:
    """Paragraphs are separated by blank lines; a short first line is the title."""
    return parse_text(decode(data), stem)


def parse_text(text: str, stem: str) -> ParsedDocument:
    """The same, of text that is already decoded."""
    outline = Outline()
    for paragraph in re.split(r"\n\s*\n", text.replace("\r\n", "\n").replace("\r", "\n")):
        outline.add(paragraph)
    blocks = outline.finish()
    first = one_line(blocks[0].text.split("\n")[0]) if blocks else ""
    return ParsedDocument(first if 0 < len(first) <= _TITLE_CHARS else stem, blocks)
