"""What kind of answer a question asks for, and whether a sentence offers one."""

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


def asks_number(question: str) -> bool:
    """Whether the answer is a quantity, a date or a time."""
    return bool(_ASKS_NUMBER.search(question))


def offers_number(text: str, question: str) -> bool:
    """Whether a text holds a quantity, date or time that the question does not hold itself."""
    return bool(_values(text) - _values(question))


def _values(text: str) -> set[str]:
    dates = {match[0].lower() for match in _DATE_WORD.finditer(text)}
    return {number.value for number in facts.numbers(text)} | dates
