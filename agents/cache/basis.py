"""What an answer rests on beside the question's wording."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from agents.answering.quotes import Quote
from agents.arms import Arm
from agents.models.settings import ModelSettings
from agents.prompts import Prompt


class Piece(NamedTuple):
    """One quote as the model is given it and its sentences are checked against it."""

    number: int
    passage: str
    """Its passage's id."""
    text_hash: str
    """SHA-256 of the quote, with the title and the heading that it stands under."""


@dataclass(frozen=True)
class Basis:
    """All that decides an answer but the question's wording: where one of these differs, another answer is due.

    The evidence is what the asker's own search has just found, so that a kept answer shows nobody what they may not
    read, and nothing of a text that has changed. The groups are not needed for that. They keep a reader from learning,
    by an answer that comes at once, what readers of other documents have asked.
    """

    evidence: tuple[Piece, ...]
    """In the order in which the model reads it, after the rails."""
    prompt: Prompt
    model: ModelSettings
    """The model that is asked first, with its sampling."""
    release: int
    arm: Arm
    groups: frozenset[str]

    def key(self, wording: str) -> str:
        """The hash under which the answer to a question on this basis is kept; no word can be read from it."""
        parts = (self.evidence, self.prompt, self.model, self.release, self.arm, sorted(self.groups), wording)
        return _sha256("\n".join(map(repr, parts)))

    @property
    def passages(self) -> frozenset[str]:
        """The ids of the passages that the answer rests on."""
        return frozenset(piece.passage for piece in self.evidence)


def evidence_of(quotes: Sequence[Quote]) -> tuple[Piece, ...]:
    """The quotes as a basis holds them."""
    return tuple(Piece(quote.number, quote.hit.passage.id, _sha256(_read(quote))) for quote in quotes)


def _read(quote: Quote) -> str:
    passage = quote.hit.passage
    return repr((passage.title, passage.heading, quote.text))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
