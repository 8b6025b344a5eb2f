"""Blocks into passages: by section, then paragraph, then sentence, packed to a size that the encoder reads whole.

A passage never crosses a page or a top heading and always holds words. Tables keep their rows whole, and a table that
is split repeats the names of its columns. A section too short to stand alone joins its neighbour, with its
heading as a line of text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import ceil
from uuid import UUID, uuid5

from ingest.parsers.base import Block, has_words
from ingest.settings import IngestSettings
from retrieval import sentences
from retrieval.passages import Document, Passage

VERSION = 3
"""Raised when parsing or splitting changes what it makes of the same file, so that known files are read anew."""

_PIECE = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"  # scripts written without spaces: one sign each
    r"|\d{1,3}|[^\W\d_]{1,8}|[^\w\s]|_"
)
_HEADER_SHARE = 0.4
_CHARS_PER_TOKEN = 8
"""No passage holds more characters than this for each of its tokens, whatever they are."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The text of a passage and where it stands."""

    text: str
    heading: str
    page: int | None
    page_label: str = ""
    """What the page calls itself, where that is not its number."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What one section gives to a passage."""

    text: str
    headings: tuple[str, ...]
    page: int | None


def token_count(text: str) -> int:
    """About how many word pieces an encoder makes of a text: a little more for words, exact for numbers."""
    return max(sum(1 for _ in _PIECE.finditer(text)), ceil(len(text) / _CHARS_PER_TOKEN))


def fingerprint(settings: IngestSettings) -> str:
    """Stays the same as long as the same file yields the same passages."""
    languages = "+".join(settings.ocr_languages)
    return f"{VERSION}-{settings.passage_tokens}-{settings.passage_min_tokens}-{languages}"


def split(blocks: Iterable[Block], settings: IngestSettings) -> list[Piece]:
    """The passages of a document, in its order."""
    parts = [part for section in _sections(blocks) for part in _packed(section, settings.passage_tokens)]
    return [_piece(group) for group in _joined(parts, settings)]


def passages(document: Document, pieces: Iterable[Piece]) -> list[Passage]:
    """Pieces with their identity: the same document, position and text give the same id."""
    return [
        Passage(
            id=str(uuid5(UUID(document.id), f"{position}\n{piece.text}")),
            document_id=document.id,
            document=document.name,
            title=document.title,
            page=piece.page,
            page_label=piece.page_label,
            heading=piece.heading,
            text=piece.text,
            position=position,
            groups=document.groups,
        )
        for position, piece in enumerate(pieces)
    ]


def _sections(blocks: Iterable[Block]) -> Iterator[list[Block]]:
    for _, section in groupby(blocks, key=lambda block: (block.page, block.headings)):
        yield list(section)


def _packed(section: list[Block], limit: int) -> Iterator[_Part]:
    """A section's blocks, as many to a passage as fit; a block that is too long is cut."""
    texts = [text for block in section for text in _fitting(block, limit)]
    for text in _grouped(texts, "\n\n", limit):
        yield _Part(text, section[0].headings, section[0].page)


def _fitting(block: Block, limit: int) -> list[str]:
    """A block's text in pieces of at most `limit` tokens, cut at lines, at sentences, or at words."""
    if token_count(block.text) <= limit:
        return [block.text]
    if block.kind == "paragraph":
        return _cut(block.text, _sentences, " ", limit)
    header = block.header if token_count(block.header) <= _HEADER_SHARE * limit else ""
    body = block.text.removeprefix(header).lstrip("\n")
    rows = _cut(body, str.splitlines, "\n", limit - token_count(header))
    return [f"{header}\n{text}" if header else text for text in rows]


def _cut(text: str, units: Callable[[str], list[str]], glue: str, limit: int) -> list[str]:
    """Cut into units, a unit that is too long into finer ones, and pack them evenly."""
    fitting: list[str] = []
    for unit in units(text):
        if token_count(unit) <= limit:
            fitting.append(unit)
        elif units is _words:
            fitting += _slices(unit, limit)
        else:
            fitting += _cut(unit, _words if units is _sentences else _sentences, " ", limit)
    even = ceil(token_count(text) / ceil(token_count(text) / limit))
    return list(_grouped(fitting, glue, limit, enough=even))


def _sentences(text: str) -> list[str]:
    starts = [0, *(span.start for span in sentences.split(text)[1:]), len(text)]
    return [text[start:end].strip() for start, end in pairwise(starts)]


def _words(text: str) -> list[str]:
    return text.split()


def _slices(word: str, limit: int) -> list[str]:
    """A word longer than a passage, such as an encoded file or a sentence in a script without spaces."""
    count = ceil(token_count(word) / limit)
    while True:
        length = ceil(len(word) / count)
        slices = [word[start : start + length] for start in range(0, len(word), length)]
        if all(token_count(part) <= limit for part in slices):
            return slices
        count += ceil(count / 10)


def _grouped(texts: Iterable[str], glue: str, limit: int, enough: int | None = None) -> Iterator[str]:
    """Neighbours joined while they stay below `limit` tokens and the group has not yet `enough`."""
    group: list[str] = []
    size = 0
    for text in texts:
        tokens = token_count(text)
        if group and (size + tokens > limit or (enough is not None and size >= enough)):
            yield glue.join(group)
            group, size = [], 0
        group.append(text)
        size += tokens
    if has_words("".join(group)):
        yield glue.join(group)


def _joined(parts: list[_Part], settings: IngestSettings) -> list[list[_Part]]:
    """Groups of parts: one each, except that short ones join a neighbour on the page under the same top heading."""
    groups: list[list[_Part]] = []
    for part in parts:
        if groups and _may_join(groups[-1], part, settings):
            groups[-1].append(part)
        else:
            groups.append([part])
    return groups


def _may_join(group: list[_Part], part: _Part, settings: IngestSettings) -> bool:
    before, size = token_count(_piece(group).text), token_count(part.text)
    is_short = min(before, size) < settings.passage_min_tokens
    same_section = group[-1].headings[:1] in ((), part.headings[:1])
    if not (is_short and same_section and group[-1].page == part.page):
        return False
    together = token_count(_piece([*group, part]).text)
    return together <= settings.passage_tokens + settings.passage_min_tokens


def _piece(group: list[_Part]) -> Piece:
    """One passage; headings that not all of its parts share become lines of its text."""
    shared = _shared([part.headings for part in group])
    lines: list[str] = []
    above: tuple[str, ...] = shared
    for part in group:
        if part.headings != above and part.headings != shared:
            lines.append(" > ".join(part.headings[len(shared) :]))
        above = part.headings
        lines.append(part.text)
    return Piece("\n".join(lines), " > ".join(shared), group[0].page)


def _shared(paths: list[tuple[str, ...]]) -> tuple[str, ...]:
    """The beginning that all heading paths have in common."""
    levels = (set(level) for level in zip(*paths, strict=False))
    shared = []
    for level in levels:
        if len(level) > 1:
            break
        shared.append(level.pop())
    return tuple(shared)
