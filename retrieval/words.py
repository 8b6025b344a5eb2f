"""Words that carry meaning, in a form that compares: lower case, without endings."""

# ruff: noqa: SIM905 -- lists of words read best as text

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

STOPWORDS = frozenset(
    """a about above after again against all also am an and any are as at be because been before being below
    between both but by can could did do does doing done down during each either else ever few for from further
    get give had has have having he her here hers him his how i if in into is it its itself just let many may me
    might mine more most much must my name need no nor not of off often on once one only onto or other our ours
    out over own per please same shall she should since so some such tell than that the their theirs them then
    there these they this those though through thus to too under until up upon us use used using very was we
    were what whatever when where whether which while who whom whose why will with within without would yet you
    your yours s t don didn doesn isn aren wasn weren won ll ve re d m""".split()
)

_WORD = re.compile(
    r"\d+(?:[.,:]\d+)*"  # numbers and times
    r"|[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]"  # scripts written without spaces: one sign is a word
    r"|[^\W\d_]+(?:['’][^\W\d_]+)?"
)
_ENDINGS = (
    "ization isation ities ity ments ment ions ion edly ings ing ies ied ers ors er or es ed ly s ee e ory ery y"
).split()
MIN_STEM_CHARS = 3
_POSSESSIVES = ("'s", "’s", "'S", "’S")


def words(text: str) -> list[str]:
    """Every word and number of `text`, in order, lower-cased, endings kept but for the possessive 's."""
    return [word.casefold() for word in raw_words(text)]


def raw_words(text: str) -> list[str]:
    """Every word and number of `text`, in order, as it is written but for the possessive 's."""
    found = (match[0] for match in _WORD.finditer(text))
    return [word[:-2] if word.endswith(_POSSESSIVES) else word for word in found]


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """A word without its common English endings; the result need not be a word."""
    if not word.isascii() or not word[0].isalpha():
        return word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= MIN_STEM_CHARS:
            word = word.removesuffix(ending)
    doubled = len(word) > MIN_STEM_CHARS and word[-1] == word[-2]
    return word[:-1] if doubled else word


def content_words(text: str) -> list[str]:
    """The stems of the words of `text` that carry meaning, in order, repeats kept."""
    return [stem(word) for word in words(text) if word not in STOPWORDS]


def rarity(wanted: Iterable[str], texts: Sequence[Collection[str]]) -> dict[str, float]:
    """How telling each wanted stem is among `texts` (their stems): high where few of them hold it."""
    return {word: math.log(1 + len(texts) / (0.5 + sum(word in text for text in texts))) for word in set(wanted)}
