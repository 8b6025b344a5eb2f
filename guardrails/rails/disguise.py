"""Undoing what hides words from a pattern: look-alike letters, invisible ones, digits for letters, spacing, base64."""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterator

LOOKALIKES = str.maketrans(
    "аеорсухіјѕԁһкмтвнɡαεοριυνκτχ’‘´",  # Cyrillic and Greek letters, and typographic quotes
    "aeopcyxijsdhkmtbhgaeopiuvktx'''",
)
DIGITS_FOR_LETTERS = str.maketrans("013457@$!|", "oieastasil")
TAGS = {0xE0000 + code: chr(code) for code in range(0x20, 0x7F)}
"""Invisible copies of ASCII in Unicode's tag block, which models can read and people cannot see."""

MARKUP = re.compile(r"[*~`\"“”\\]+|(?<!\w)_+|_+(?!\w)")
MIXED = re.compile(r"[a-z][013457@$!|]|[013457@$!|][a-z]")
SPELLED_OUT = re.compile(r"(?:\b\w[ .\-_*|]{1,3}){5,}\w\b")
BASE64 = re.compile(r"[A-Za-z0-9+/]{24,4000}={0,2}")


def plain_views(text: str) -> Iterator[str]:
    """The text in lower case without disguise; with digits read as letters; and what is encoded inside it."""
    plain = _fold(text)
    yield plain
    letters = re.sub(r"\S+", _read_digits_as_letters, plain)
    if letters != plain:
        yield letters
    yield from (_fold(decoded) for decoded in _decoded(text))


def compact(text: str) -> str:
    """Only the letters of the words that are spelled out with gaps, such as `i g n o r e`."""
    runs = SPELLED_OUT.findall(_fold(text))
    return "".join(re.sub(r"\W|_", "", run) for run in runs)


def _read_digits_as_letters(word: re.Match[str]) -> str:
    return word.group().translate(DIGITS_FOR_LETTERS) if MIXED.search(word.group()) else word.group()


def _fold(text: str) -> str:
    visible = text.translate(TAGS)
    composed = unicodedata.normalize("NFKC", visible).casefold().translate(LOOKALIKES)
    shown = "".join(char for char in composed if unicodedata.category(char) != "Cf")
    return MARKUP.sub("", shown)


def _decoded(text: str) -> Iterator[str]:
    for match in BASE64.finditer(text):
        try:
            decoded = base64.b64decode(match.group() + "=" * (-len(match.group()) % 4)).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            continue
        if decoded.isprintable() and " " in decoded:
            yield decoded
