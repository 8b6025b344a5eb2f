"""Where in a source a claim would be borne out."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import NamedTuple

from retrieval import facts
from retrieval.sentences import Span, split
from retrieval.words import content_words, stem, words

_MAX_CHARS = 50_000
_MAX_SENTENCES = 40
_SECOND_ADDS = 0.2


class Source(NamedTuple):
    """A source, taken apart once for all the claims that are checked against it."""

    spans: tuple[Span, ...]
    """Its first sentences."""
    held: tuple[AbstractSet[str], ...]
    """The words of each sentence, and their stems."""
    words: AbstractSet[str]
    stems: AbstractSet[str]
    names: AbstractSet[str]
    plain: str
    """Its words in order, a space between them."""


@lru_cache(maxsize=256)
def read(text: str) -> Source:
    """Take a source apart, as far as it is read."""
    text = text[:_MAX_CHARS]
    spans = tuple(split(text)[:_MAX_SENTENCES])
    said = words(text)
    return Source(
        spans=spans,
        held=tuple(frozenset([*content_words(span.text), *words(span.text)]) for span in spans),
        words=frozenset(said),
        stems=frozenset(map(stem, said)),
        names=frozenset(facts.names(text)),
        plain=" ".join(said),
    )


def evidence(claim: str, source: Source) -> list[Span]:
    """The sentence of a source that holds most of the claim's words, and a second where it adds enough of them.

    Names and numbers have no say in it: they are what is checked, and would draw in the sentence they were taken from.
    """
    wanted = _plain_stems(claim) or set(words(claim))

    def gain(i: int, found: AbstractSet[str] = frozenset()) -> int:
        return len((source.held[i] & wanted) - found)

    first = max(range(len(source.spans)), key=gain)
    second = max(range(len(source.spans)), key=lambda i: gain(i, source.held[first]))
    enough = gain(second, source.held[first]) >= _SECOND_ADDS * len(wanted)
    return [source.spans[i] for i in sorted({first, second} if enough else {first})]


def joined(spans: Iterable[Span]) -> str:
    """The text of sentences that need not follow each other."""
    return " ".join(span.text for span in spans)


def _plain_stems(claim: str) -> set[str]:
    names = {stem(word) for name in facts.names(claim) for word in words(name)}
    return {word for word in content_words(claim) if word not in names and not word[0].isdigit()}
