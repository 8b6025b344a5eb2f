"""Which model a question begins with, by rules that look at what is known before any model is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import regex
from pydantic import BaseModel, ConfigDict, Field, model_validator

from retrieval.terms import LANGUAGES, Language, likely_languages, terms

PATTERN_TIMEOUT_S = 0.1
"""A pattern that searches for longer counts as not found."""


@dataclass(frozen=True)
class Asked:
    """What a rule may look at."""

    question: str
    quotes: Sequence[str]
    answerability: float
    groups: Sequence[str]


class RoutingRule(BaseModel):
    """Begin with this model where all the conditions hold that are set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=64)
    """How traces call it."""
    model: str
    """A name below `[models]`, or `default` for `[model]`; its own fallbacks follow it."""
    max_question_chars: int | None = Field(default=None, ge=1)
    """The question is no longer."""
    max_quotes: int | None = Field(default=None, ge=1)
    """No more sentences are quoted."""
    max_evidence_chars: int | None = Field(default=None, ge=1)
    """They have no more characters together."""
    min_answerability: float | None = Field(default=None, ge=0, le=1)
    """The quotes answer the question at least as likely."""
    groups: tuple[str, ...] = ()
    """The asker is in one of these reader groups."""
    languages: tuple[Language, ...] = ()
    """The question can be in no other language."""
    pattern: str | None = None
    """A regular expression that is found in the question, in small or capital letters."""

    @model_validator(mode="after")
    def _pattern_is_one(self) -> Self:
        try:
            regex.compile(self.pattern or "")
        except regex.error as error:
            raise ValueError(f"the pattern is not a regular expression: {error}") from error
        return self

    def holds(self, asked: Asked) -> bool:
        """Whether all the conditions that are set hold."""
        return (
            _at_most(self.max_question_chars, len(asked.question))
            and _at_most(self.max_quotes, len(asked.quotes))
            and _at_most(self.max_evidence_chars, sum(map(len, asked.quotes)))
            and asked.answerability >= (self.min_answerability or 0.0)
            and (not self.groups or not set(self.groups).isdisjoint(asked.groups))
            and (not self.languages or set(self.languages).issuperset(_languages(asked.question)))
            and _found(self.pattern, asked.question)
        )


def first_that_holds(rules: Sequence[RoutingRule], asked: Asked) -> RoutingRule | None:
    """The rule that decides; None where none does."""
    return next((rule for rule in rules if rule.holds(asked)), None)


def _at_most(limit: int | None, value: int) -> bool:
    return limit is None or value <= limit


def _languages(question: str) -> list[str]:
    return likely_languages(terms(question), LANGUAGES)


def _found(pattern: str | None, question: str) -> bool:
    try:
        return regex.search(pattern or "", question, regex.IGNORECASE, timeout=PATTERN_TIMEOUT_S) is not None
    except TimeoutError:
        return False
