"""What differs between two texts, word by word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

MAX_PARTS = 1500
"""Longer texts are compared by lines; with more lines than that, as a whole."""
KEPT_CHARS = 160
"""Of what is the same, so much is shown before and after a difference."""

_WORD = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True)
class Piece:
    """A stretch of text, and on which side it stands."""

    kind: Literal["same", "removed", "added"]
    text: str


def differences(a: str, b: str) -> list[Piece]:
    """The texts in one, in order: what both have, what only `a` has, what only `b` has."""
    if a == b:
        return [Piece("same", _shortened(a))] if a else []
    ours, theirs = _parts(a, b)
    return [piece for piece in _pieces(ours, theirs) if piece.text]


def _parts(a: str, b: str) -> tuple[Sequence[str], Sequence[str]]:
    """Both texts, cut as finely as their lengths allow."""
    for cut in (_WORD.findall, _lines):
        ours, theirs = cut(a), cut(b)
        if max(len(ours), len(theirs)) <= MAX_PARTS:
            return ours, theirs
    return [a], [b]


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _pieces(a: Sequence[str], b: Sequence[str]) -> Iterator[Piece]:
    """Spaces between two changed words count as changed, so that a changed phrase reads as one."""
    removed = added = ""
    for tag, a_from, a_to, b_from, b_to in SequenceMatcher(None, a, b).get_opcodes():
        old, new = "".join(a[a_from:a_to]), "".join(b[b_from:b_to])
        if tag != "equal" or ((removed or added) and new.isspace()):
            removed, added = removed + old, added + new
            continue
        yield from (Piece("removed", removed), Piece("added", added), Piece("same", _shortened(new)))
        removed = added = ""
    yield from (Piece("removed", removed), Piece("added", added))


def _shortened(text: str) -> str:
    if len(text) <= 3 * KEPT_CHARS:
        return text
    return f"{text[:KEPT_CHARS]} … {text[-KEPT_CHARS:]}"
