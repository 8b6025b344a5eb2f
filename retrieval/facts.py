"""The parts of a sentence that must match exactly: numbers, names, quoted words, and what is denied."""

# ruff: noqa: SIM905 -- lists of words read best as text

from __future__ import annotations

import re
from typing import NamedTuple

from retrieval.words import STOPWORDS, content_words, stem, words

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty"
).split()
_NUMBER_WORDS = {word: str(value) for value, word in enumerate(_SMALL)} | {
    "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90",
    "hundred": "100", "thousand": "1000", "dozen": "12", "half": "0.5", "once": "1", "twice": "2",
}  # fmt: skip
_ORDINALS = "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()
_NUMBER_WORDS |= {word: str(value) for value, word in enumerate(_ORDINALS)}
_PRONOUNS = ("one", "first", "second", "once", "half")
_FRACTIONS = {"½": ".5", "¼": ".25", "¾": ".75"}

_NUMBER = re.compile(
    rf"(?P<before>[$€£¥]?)\s?(?P<digits>\d+(?:[.,:]\d+)*[½¼¾]?|[½¼¾]|\b(?:{'|'.join(_NUMBER_WORDS)})\b)"
    r"(?:st|nd|rd|th)?(?P<after>\s?%| per ?cent\b|)",
    re.IGNORECASE,
)
_NAME = re.compile(r"\b[A-ZÀ-ÖØ-Þ][\w'’&-]*")
_OPENING = re.compile(r"(?:^|(?<![A-Z])[.!?:•*#|]|\n)[\s\"'“‘(\[]*$")
_QUOTED = re.compile(r"[\"“„]([^\"”“]{3,})[\"”“]")
_NEGATION = re.compile(
    r"\b(?:not|never|no|without|cannot|neither|nor|none|hardly|fails? to|unable to)\b|n['’]t\b", re.IGNORECASE
)
_REFUSAL = re.compile(
    r"\b(?:forb[ia]d|prohibit|ban(?:s|ned)?\b|prevent|avoid|lack|refus|exclud|deni|illegal|unlawful|impossible"
    r"|rather than)",
    re.IGNORECASE,
)
_OPPOSITES = [
    (frozenset(map(stem, left.split())), frozenset(map(stem, right.split())))
    for left, right in [
        ("before prior", "after"), ("more above over exceeding", "less fewer below under"),
        ("least minimum", "most maximum"), ("increase rise grow", "decrease fall decline shrink"),
        ("allow permit", "forbid prohibit ban"), ("must required mandatory", "optional voluntary"),
        ("first", "last"), ("always", "never"), ("earlier", "later"), ("open", "closed"),
    ]
]  # fmt: skip


_PREPOSITION = re.compile(
    r"\b(before|after|during|until|since|over|under|above|below|with|without)\s+(?:the |a |an )?(\w+)"
)


class Number(NamedTuple):
    """A number as it compares, and the word that it counts ("day" of "5 days"; empty where none follows)."""

    value: str
    counted: str


def numbers(text: str) -> list[Number]:
    """Every number of a text in one form: "1,500", "five", "12 %" and "€3" give 1500, 5, 12% and €3."""
    found = ((match, _next_word(text, match.end())) for match in _NUMBER.finditer(text))
    return [
        Number(_value(match), counted)
        for match, counted in found
        if counted or match["digits"].lower() not in _PRONOUNS
    ]


def names(text: str) -> set[str]:
    """Capitalised words, lower-cased, apart from sentence openers that are ordinary words."""
    found = set()
    for match in _NAME.finditer(text):
        word = re.sub(r"['’]s$", "", match[0].casefold())
        opens = _OPENING.search(text[max(0, match.start() - 20) : match.start()])
        if word not in STOPWORDS and word not in _NUMBER_WORDS and not (opens and len(word) > 1):
            found.add(word)
    return found


def number_value(word: str) -> str | None:
    """A word that is a number, in one form; None for others, and for "one" or "first", which may count nothing."""
    match = _NUMBER.fullmatch(word)
    return _value(match) if match and word.casefold() not in _PRONOUNS else None


def quoted(text: str) -> list[str]:
    """What stands between quotation marks."""
    return [match[1].strip() for match in _QUOTED.finditer(text)]


def denied(text: str) -> set[str]:
    """The stem that each negation of a text bears on: "may not be carried over" denies "car(ry)"."""
    following = (content_words(text[match.end() : match.end() + 60]) for match in _NEGATION.finditer(text))
    return {stems[0] for stems in following if stems}


def negates(text: str) -> bool:
    """Whether a text says anywhere what is not so."""
    return bool(_NEGATION.search(text))


def refuses(text: str) -> bool:
    """Whether a text negates, or says the same with a word such as "forbidden"."""
    return negates(text) or bool(_REFUSAL.search(text))


def opposed(claim: str, source: str) -> bool:
    """Whether the claim says "before", "at least", "allowed" where the source says "after", "at most", "forbidden"."""
    left, right = ({stem(word) for word in words(text)} for text in (claim, source))
    pairs = [pair for a, b in _OPPOSITES for pair in ((a, b), (b, a))]
    clash = any(said & left and not said & right and meant & right and not meant & left for said, meant in pairs)
    return clash or _other_preposition(claim, source)


def _other_preposition(claim: str, source: str) -> bool:
    """Whether "before X" of the source became "during X"."""
    meant: dict[str, set[str]] = {}
    for preposition, word in _PREPOSITION.findall(source.casefold()):
        meant.setdefault(word, set()).add(preposition)
    said = _PREPOSITION.findall(claim.casefold())
    return any(word in meant and preposition not in meant[word] for preposition, word in said)


def _value(match: re.Match[str]) -> str:
    digits = match["digits"].lower()
    percent = "%" if match["after"].strip() else ""
    if digits in _NUMBER_WORDS:
        return match["before"] + _NUMBER_WORDS[digits] + percent
    if digits[-1] in _FRACTIONS:
        digits = (digits[:-1] or "0") + _FRACTIONS[digits[-1]]
    digits = re.sub(r",(?=\d{3}(?:\D|$))", "", digits)
    digits = re.sub(r"\.0+$", "", digits)
    return match["before"] + (digits.lstrip("0") or "0") + percent


def _next_word(text: str, end: int) -> str:
    following = None if text[end - 1] == "%" else re.match(r"[\s-]*([^\W\d_]+)", text[end : end + 40])
    if not following or following[1].lower() in STOPWORDS:
        return ""
    return stem(following[1].lower())
