"""Sentences of the found passages, ordered by how well they fit the question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from agents.answering.answer_type import asks_number, offers_number
from agents.answering.settings import AnsweringSettings
from agents.answering.units import Unit, units
from retrieval.passages import Hit
from retrieval.words import content_words, rarity

Encode = Callable[[Sequence[str]], np.ndarray]
"""Texts to vectors of length 1, float32 of shape (n, dimension)."""

# Chosen on XQuAD English, where the answer then stands in the best sentence of 81 % of the questions.
_COVERAGE = 0.8
_RANK = 0.3
_NUMBER = 0.15


class Match(BaseModel):
    """How well one sentence fits the question: what abstention goes by too."""

    model_config = ConfigDict(frozen=True)

    similarity: float
    """Cosine of question and sentence."""
    coverage: float
    """Share of the question's words that the sentence or its heading holds, rare words counting more."""
    passage_coverage: float
    """The same share in the whole passage."""
    lacks_number: bool
    """The question asks for a number or date, and the sentence offers none."""


@dataclass(frozen=True)
class Candidate:
    """One quotable piece of a found passage."""

    hit: Hit
    rank: float
    """1 for the best passage, falling to 0."""
    pieces: Sequence[Unit]
    """All pieces of the passage."""
    index: int

    @property
    def unit(self) -> Unit:
        return self.pieces[self.index]

    @cached_property
    def stems(self) -> set[str]:
        return set(content_words(f"{self.unit.heading} {self.unit.text}"))

    @cached_property
    def passage_stems(self) -> set[str]:
        passage = self.hit.passage
        return self.stems | set(content_words(f"{passage.heading} {passage.text}"))

    @property
    def encoded_text(self) -> str:
        """The piece below its heading, without which "Five days." means nothing."""
        return f"{self.unit.heading}: {self.unit.text}" if self.unit.heading else self.unit.text


class Ranked(NamedTuple):
    """A candidate with its match and the score that it is ordered by."""

    candidate: Candidate
    match: Match
    score: float


def rank(question: str, hits: Sequence[Hit], encode: Encode, settings: AnsweringSettings) -> list[Ranked]:
    """The candidates that share most words with the question, best first by words, meaning and answer type."""
    candidates = _candidates(hits[: settings.passages], settings.max_chars)
    wanted = rarity(content_words(question), [candidate.stems for candidate in candidates])
    candidates.sort(key=lambda each: -(_covered(wanted, each.stems) + 0.1 * each.rank))
    candidates = candidates[: settings.candidates]
    if not candidates:
        return []
    vectors = encode([question, *(each.encoded_text for each in candidates)])
    similarities = vectors[1:] @ vectors[0]
    ranked = [
        _rated(candidate, question, wanted, float(similarity))
        for candidate, similarity in zip(candidates, similarities, strict=True)
    ]
    return sorted(ranked, key=lambda each: -each.score)


def _candidates(hits: Sequence[Hit], max_chars: int) -> list[Candidate]:
    passages = [(hit, 1 - place / len(hits), units(hit.passage, max_chars)) for place, hit in enumerate(hits)]
    return [Candidate(hit, order, pieces, i) for hit, order, pieces in passages for i in range(len(pieces))]


def _rated(candidate: Candidate, question: str, wanted: Mapping[str, float], similarity: float) -> Ranked:
    asked = asks_number(question)
    offered = asked and offers_number(candidate.unit.text, question)
    coverage = _covered(wanted, candidate.stems)
    match = Match(
        similarity=similarity,
        coverage=coverage,
        passage_coverage=_covered(wanted, candidate.passage_stems),
        lacks_number=asked and not offered,
    )
    return Ranked(candidate, match, similarity + _COVERAGE * coverage + _RANK * candidate.rank + _NUMBER * offered)


def _covered(wanted: Mapping[str, float], stems: set[str]) -> float:
    total = sum(wanted.values())
    return sum(weight for stem, weight in wanted.items() if stem in stems) / total if total else 0.0
