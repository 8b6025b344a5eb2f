"""Sentences of the found passages, ordered by how well they fit the question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from agents.answering.answer_type import asks_how, asks_number, instructs, offers_number
from agents.answering.rows import is_named
from agents.answering.settings import AnsweringSettings
from agents.answering.units import Unit, units
from retrieval import facts
from retrieval.passages import Hit, Passage
from retrieval.words import content_words, rarity, stem, words

Encode = Callable[[Sequence[str]], np.ndarray]
"""Texts to vectors of length 1, float32 of shape (n, dimension)."""

# Chosen on XQuAD English, where the answer then stands in the best sentence of 81 % of the questions, and in one of the
# best two of 92 %.
_COVERAGE = 1.0
_RANK = 0.3
_LEAD = 0.3
_NUMBER = 0.25
_INSTRUCTION = 0.2


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
    missing: int = 0
    """How many names and numbers of the question the passage lacks, its titles included."""
    lead: float = 0.0
    """How much higher the passage's cosine is than that of every other passage found; negative where one is higher."""


@dataclass(frozen=True)
class Candidate:
    """One quotable piece of a found passage."""

    hit: Hit
    rank: float
    """1 for the best passage, falling to 0."""
    lead: float
    """As in `Match`."""
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


@dataclass(frozen=True)
class Wanted:
    """The words that a question asks with."""

    weights: Mapping[str, float]
    """By stem, rare ones weighing more."""
    joined: Mapping[str, set[str]]
    """What two words of the question in a row are in one, with both: "rollback" for "roll back"."""

    @classmethod
    def by(cls, question: str, texts: Sequence[set[str]]) -> Wanted:
        """The words of a question, as rare as they are among the stems of these texts."""
        pairs = pairwise(words(question))
        joined = {stem(one + other): {stem(one), stem(other)} for one, other in pairs}
        return cls(rarity(content_words(question), texts), joined)

    def covered(self, stems: set[str]) -> float:
        """The share of the words that are among these, by weight."""
        held = stems.union(*(parts for whole, parts in self.joined.items() if whole in stems))
        total = sum(self.weights.values())
        return sum(weight for word, weight in self.weights.items() if word in held) / total if total else 0.0


class Ranked(NamedTuple):
    """A candidate with its match and the score that it is ordered by."""

    candidate: Candidate
    match: Match
    score: float


def rank(question: str, hits: Sequence[Hit], encode: Encode, settings: AnsweringSettings) -> list[Ranked]:
    """The candidates that share most words with the question, best first by words, meaning and answer type."""
    return _ranked(question, _candidates(hits, settings), encode, settings)


def rank_rows(question: str, hits: Sequence[Hit], encode: Encode, settings: AnsweringSettings) -> list[Ranked]:
    """The same of nothing but the rows that are called what the question asks for."""
    rows = [each for each in _candidates(hits, settings) if is_named(each.unit.text, question)]
    return _ranked(question, rows, encode, settings)


def _ranked(question: str, candidates: list[Candidate], encode: Encode, settings: AnsweringSettings) -> list[Ranked]:
    wanted = Wanted.by(question, [candidate.stems for candidate in candidates])
    candidates.sort(key=lambda each: -(wanted.covered(each.stems) + 0.1 * each.rank))
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


def _candidates(hits: Sequence[Hit], settings: AnsweringSettings) -> list[Candidate]:
    read = hits[: settings.passages]
    passages = [
        (hit, 1 - place / len(read), _lead(hit, hits), units(hit.passage, settings.max_chars))
        for place, hit in enumerate(read)
    ]
    return [Candidate(*passage, i) for passage in passages for i in range(len(passage[-1]))]


def _lead(hit: Hit, hits: Sequence[Hit]) -> float:
    others = (other.dense or 0.0 for other in hits if other is not hit)
    return (hit.dense or 0.0) - max(others, default=0.0)


def _rated(candidate: Candidate, question: str, wanted: Wanted, similarity: float) -> Ranked:
    asked = asks_number(question)
    offered = asked and offers_number(candidate.unit.text, question)
    coverage = wanted.covered(candidate.stems)
    match = Match(
        similarity=similarity,
        coverage=coverage,
        passage_coverage=wanted.covered(candidate.passage_stems),
        lacks_number=asked and not offered,
        missing=_missing(question, candidate.hit.passage),
        lead=candidate.lead,
    )
    place = _RANK * candidate.rank + _LEAD * candidate.lead
    wanted_kind = _NUMBER * offered + _INSTRUCTION * (asks_how(question) and instructs(candidate.unit.text))
    return Ranked(candidate, match, similarity + _COVERAGE * coverage + place + wanted_kind)


def _missing(question: str, passage: Passage) -> int:
    told = f"{passage.document}\n{passage.title}\n{passage.heading}\n{passage.text}"
    named = set(content_words(" ".join(facts.names(question)))) - set(content_words(told))
    counted = {number.value for number in facts.numbers(question)} - {number.value for number in facts.numbers(told)}
    return len(named) + len(counted)
