"""A claim laid beside its evidence, word for word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from difflib import SequenceMatcher

from retrieval import facts
from retrieval.words import STOPWORDS, raw_words

_MAX_SWAPPED = 3
_MAX_WORDS = 500


def in_order(claim: Sequence[str], evidence: Sequence[str]) -> float:
    """Share of the claim's words that the evidence holds in the same order, 0 to 1 (1 for no words).

    Only the first 500 words of each are laid side by side, here and in `swaps`.
    """
    claim, evidence = claim[:_MAX_WORDS], evidence[:_MAX_WORDS]
    row = [0] * (len(evidence) + 1)
    for word in claim:
        above = row
        row = [0]
        for at, other in enumerate(evidence):
            row.append(above[at] + 1 if word == other else max(above[at + 1], row[at]))
    return row[-1] / len(claim) if claim else 1.0


def swaps(claim: str, evidence: str, names: AbstractSet[str] = frozenset()) -> list[tuple[str, str]]:
    """Names and numbers of the claim that stand where the evidence has another one, as (claim's, evidence's).

    `names` are names known from elsewhere: the first word of the evidence is one only if it is among them, or if
    another capital follows.
    """
    said, written = raw_words(claim)[:_MAX_WORDS], raw_words(evidence)[:_MAX_WORDS]
    matcher = SequenceMatcher(None, [w.casefold() for w in said], [w.casefold() for w in written], autojunk=False)
    named_from = 0 if _opens_with_name(written, names) else 1
    found: list[tuple[str, str]] = []
    for kind, i, i_end, j, j_end in matcher.get_opcodes():
        if kind == "replace" and max(i_end - i, j_end - j) <= _MAX_SWAPPED:
            found += _other(said[i:i_end], written[max(j, named_from) : j_end])
    return found


def _opens_with_name(written: Sequence[str], names: AbstractSet[str]) -> bool:
    return bool(written) and (written[0].casefold() in names or any(word[0].isupper() for word in written[1:2]))


def _other(said: Sequence[str], written: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The first name against the first name, the first number against the first number, where none agree."""
    for of_kind in (_name, facts.number_value):
        here, there = ({of_kind(word): word for word in side if of_kind(word)} for side in (said, written))
        if here and there and not here.keys() & there.keys():
            yield next(iter(here.values())), next(iter(there.values()))


def _name(word: str) -> str | None:
    is_month = word == "May"
    return word if word[0].isupper() and (is_month or word.casefold() not in STOPWORDS) else None
