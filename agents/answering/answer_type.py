"""What kind of answer a question asks for, and whether a sentence offers one."""

# ruff: noqa: SIM905 -- lists of words read best as text

from __future__ import annotations

import re

from retrieval import facts

_ASKS_NUMBER = re.compile(
    r"\bhow (?:many|much|long|old|often|far|large|big|tall|high|late|early|soon)\b"
    r"|\b(?:what|which) (?:percent(?:age)?|number|amount|fraction|share)\b"
    r"|\bwhen\b|\b(?:what|which) (?:year|date|day|month|century|decade|time)\b",
    re.IGNORECASE,
)
_DATE_WORD = re.compile(
    r"\b(?:jan(?:uary)?|feb(?:ruary)?|march|april|may|june|july|august|sept(?:ember)?|october|november|december"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day|century|daily|weekly|monthly|quarterly|yearly|annually)s?\b",
    re.IGNORECASE,
)
_ASKS_HOW = re.compile(
    r"\bhow (?:do|can|could|may|should|must|would) (?:i|we|you|one)\b|\bhow to\b"
    r"|\b(?:what|which) (?:command|setting|option)\b",
    re.IGNORECASE,
)
_ORDERS = (
    "add answer apply ask attach bring call check choose click close contact copy create delete drag enter fill find "
    "go install keep log mail make move name open pick press print put read remove rename replace restart restore run "
    "save select send set sign start stop submit switch take tap tell turn type unplug use visit wait write"
).split()
_INSTRUCTION = re.compile(
    # an order, alone or after what it is for ("To leave, press Esc"); an option (--now), a blank to fill in (NAME)
    rf"(?:^|[.:;,]\s+|\d[.)]\s+|^[-*•]\s+)(?:please |first |then |just )?(?:{'|'.join(_ORDERS)})\b(?! by\b)"
    r"|(?<!\S)--?[a-z]|(?-i:\b[a-z]{3,} [A-Z]{4,}\b)|\byou (?:can|may|must|should|need to)\b",
    re.IGNORECASE | re.MULTILINE,
)


def asks_number(question: str) -> bool:
    """Whether the answer is a quantity, a date or a time."""
    return bool(_ASKS_NUMBER.search(question))


def offers_number(text: str, question: str) -> bool:
    """Whether a text holds a quantity, date or time that the question does not hold itself."""
    return bool(_values(text) - _values(question))


def asks_how(question: str) -> bool:
    """Whether the answer is what to do."""
    return bool(_ASKS_HOW.search(question))


def instructs(text: str) -> bool:
    """Whether a text says what to do: an order, a command with its options, what one can or must do."""
    return bool(_INSTRUCTION.search(text))


def _values(text: str) -> set[str]:
    dates = {match[0].lower() for match in _DATE_WORD.finditer(text)}
    return {number.value for number in facts.numbers(text)} | dates
