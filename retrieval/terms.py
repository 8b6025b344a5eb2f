"""The terms of a text, in any script, and the languages that they speak for.

A term is a word. Scripts without spaces between words give each two neighbouring signs instead, which finds a word
wherever it stands and needs no dictionary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from functools import cache, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, get_args
from unicodedata import normalize

import regex

if TYPE_CHECKING:
    from qdrant_edge import Bm25

Language = Literal[
    "arabic",
    "danish",
    "dutch",
    "english",
    "finnish",
    "french",
    "german",
    "greek",
    "hungarian",
    "italian",
    "norwegian",
    "portuguese",
    "romanian",
    "russian",
    "spanish",
    "swedish",
    "turkish",
]
LANGUAGES: tuple[Language, ...] = get_args(Language)
"""The languages that Qdrant stems."""

MAX_TERM_CHARS = 64
"""What is longer is no word, and is cut."""
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}々ー"
_RUN = regex.compile(r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*")
_PARTS = regex.compile(rf"(?P<unspaced>[{_UNSPACED}]+)|[^{_UNSPACED}]+")
_VOWEL_SIGNS = regex.compile(r"(?<=..)\p{M}+$")
"""Where Indic scripts inflect. Letters with accents are one sign here and lose nothing."""
_LATIN = "Latin"
_SCRIPTS = {"arabic": "Arabic", "greek": "Greek", "russian": "Cyrillic"}
_LETTER = {name: regex.compile(rf"\p{{{name}}}") for name in (_LATIN, *_SCRIPTS.values())}


def terms(text: str) -> list[str]:
    """The terms of `text` in lower case, in order, repeats kept."""
    runs = _RUN.findall(normalize("NFKC", text).lower())
    return [term for run in runs for term in ([run[:MAX_TERM_CHARS]] if run.isascii() else _split(run))]


def _split(run: str) -> Iterator[str]:
    for part in _PARTS.finditer(run):
        if part["unspaced"] is None:
            yield _VOWEL_SIGNS.sub("", part[0][:MAX_TERM_CHARS])
        elif len(part[0]) == 1:
            yield part[0]
        else:
            yield from map("".join, pairwise(part[0]))


def likely_languages(found: Collection[str], languages: Collection[str]) -> list[str]:
    """Those of the languages that the terms may be in: of their script, and with about the most stop words."""
    distinct = set(found)
    scripts = Counter(map(_script, distinct))
    written = [name for name in languages if 2 * scripts[_SCRIPTS.get(name, _LATIN)] >= len(distinct)]
    counted = votes(distinct, written)
    most = max(counted.values(), default=0)
    return [language for language in written if counted[language] >= most - 1]


def votes(found: Collection[str], languages: Collection[str]) -> Counter[str]:
    """For each of the languages, how many of the terms are stop words in it."""
    counted = Counter(language for term in set(found) for language in stopped_in(term))
    return Counter({language: counted[language] for language in languages})


@lru_cache(maxsize=1 << 16)
def _script(term: str) -> str:
    """The script of the languages above that a term is in; empty for any other one. Numbers count as Latin."""
    if term.isascii():
        return _LATIN
    return next((name for name, letter in _LETTER.items() if letter.match(term)), "")


@lru_cache(maxsize=1 << 16)
def stopped_in(term: str) -> tuple[str, ...]:
    """The languages in which a term is a stop word."""
    return tuple(language for language in LANGUAGES if not _stop_words(language).embed_query(term).indices)


@cache
def _stop_words(language: str) -> Bm25:
    """Leaves nothing of a stop word of the language, and anything else as it is."""
    from qdrant_edge import Bm25, Bm25Config, DisabledStemmer, TokenizerType

    return Bm25(Bm25Config(language=language, stemmer=DisabledStemmer(), tokenizer=TokenizerType.Whitespace))
