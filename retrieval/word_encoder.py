"""Text to sparse vectors, which compare words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from retrieval.terms import LANGUAGES, likely_languages, stopped_in, terms, votes

if TYPE_CHECKING:
    from qdrant_edge import Bm25

AUTO = "auto"
_UNTOLD = "english"
"""How a passage is stemmed whose language its words don't tell."""
_MIN_VOTES = 2
_VERSION = 2


class SparseVector(NamedTuple):
    """Weights of the words of a text, by word id."""

    indices: list[int]
    values: list[float]


@dataclass(frozen=True)
class AskedWords:
    """What a question asks for, word by word."""

    ids: Mapping[str, frozenset[int]]
    """Its words in lower case, each with the ids under which passages may hold it; none for a stop word."""
    languages: Collection[str]
    """The languages that it may be in."""

    @property
    def vector(self) -> SparseVector:
        """1 for each of its words."""
        ids = sorted(frozenset().union(*self.ids.values()))
        return SparseVector(ids, [1.0] * len(ids))

    def held(self, words: frozenset[int]) -> tuple[str, ...]:
        """Those of its words that are among a passage's."""
        return tuple(word for word, ids in self.ids.items() if not ids.isdisjoint(words))


class WordEncoder:
    """BM25 weights of stemmed words, each text in its own language or all of them in one.

    A text is in the language most of whose stop words it holds. A question is often too short to tell, so its words
    are looked up as each of the likely languages stems them.
    """

    def __init__(self, language: str = AUTO) -> None:
        self.name = f"bm25-{language}-{_VERSION}"
        self._languages = LANGUAGES if language == AUTO else (language,)
        self._untold = _UNTOLD if language == AUTO else language

    def passage(self, text: str) -> SparseVector:
        """Frequencies of the words that carry meaning, damped and normalised by length."""
        found = terms(text)
        weights: dict[int, float] = {}
        for language in self._languages_of(found):
            carrying = [term for term in found if language not in stopped_in(term)]
            vector = _stemmer(language).embed_document(" ".join(carrying))
            weights.update(zip(vector.indices, vector.values, strict=True))
        return SparseVector(list(weights), list(weights.values()))

    def question(self, text: str) -> SparseVector:
        """1 for each word that carries meaning; empty where there are only stop words."""
        return self.asked(text).vector

    def asked(self, question: str) -> AskedWords:
        """The words of a question, as passages may hold them."""
        found = terms(question)
        languages = likely_languages(found, self._languages)
        return AskedWords({term: _word_ids(term, languages or [self._untold]) for term in found}, languages)

    def _languages_of(self, found: Sequence[str]) -> list[str]:
        """The language of a passage; more than one where they are equally likely."""
        counted = votes(found, self._languages)
        most = max(counted.values())
        return [name for name, count in counted.items() if count == most] if most >= _MIN_VOTES else [self._untold]


def _word_ids(term: str, languages: Collection[str]) -> frozenset[int]:
    """The ids of a term in the languages in which it carries meaning."""
    return frozenset(_word_id(term, language) for language in languages if language not in stopped_in(term))


@lru_cache(maxsize=1 << 16)
def _word_id(term: str, language: str) -> int:
    """The id of a term's stem, as a Qdrant server computes it too."""
    return _stemmer(language).embed_query(term).indices[0]


@cache
def _stemmer(language: str) -> Bm25:
    from qdrant_edge import Bm25, Bm25Config, StopwordsSet, TokenizerType

    return Bm25(
        Bm25Config(
            language=language,
            tokenizer=TokenizerType.Whitespace,
            ascii_folding=True,
            stopwords=StopwordsSet(custom=set()),
        )
    )
