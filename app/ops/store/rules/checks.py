"""Evaluators in a language that can do no harm: a JSON list of checks, each of one value of a run.

[{"feedback_key": "cites", "path": "outputs.answer", "test": "matches", "value": "\\\\[\\\\d+\\\\]"}]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import regex
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import from_json

from app.ops.store.errors import InvalidRecord
from app.ops.store.models import CleanText, FeedbackStats, Name, Run
from app.ops.store.tables.base import json_text

LANGUAGE = "checks"
"""The `language` of a code evaluator that this store can run."""
_MATCH_TIMEOUT_S = 0.1
_MAX_CHARS = 100_000
_NUMBERS = ("latency_s", "total_tokens", "prompt_tokens", "completion_tokens", "total_cost")
_ROOTS = ("inputs", "outputs", "extra", "error", "name", "status", "tags", "feedback", *_NUMBERS)

Test = Literal["exists", "equals", "contains", "matches", "is_json", "at_least", "at_most", "min_chars", "max_chars"]


class Check(BaseModel):
    """One question about a run, answered 1 or 0 under a feedback key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feedback_key: Name
    path: Annotated[CleanText, Field(max_length=500)] = "outputs"
    """Where to look, step by step: `outputs.answer`, `inputs.messages.0.content`, `latency_s`, `feedback.KEY`."""
    test: Test
    value: Any = None
    negate: bool = False

    @model_validator(mode="after")
    def _can_be_asked(self) -> Check:
        if self.path.split(".")[0] not in _ROOTS:
            raise ValueError(f"path begins with one of {', '.join(_ROOTS)}")
        is_number = isinstance(self.value, int | float) and not isinstance(self.value, bool)
        if self.test in ("at_least", "at_most", "min_chars", "max_chars") and not is_number:
            raise ValueError(f"{self.test} needs a number as value")
        if self.test in ("contains", "matches") and not isinstance(self.value, str):
            raise ValueError(f"{self.test} needs text as value")
        if self.test == "matches":
            _compiled(self.value)
        return self


@dataclass(frozen=True)
class Verdict:
    """What a check found; `score` is None where it could not tell."""

    score: float | None
    comment: str | None = None


_CHECKS: TypeAdapter[list[Check]] = TypeAdapter(Annotated[list[Check], Field(min_length=1, max_length=50)])


def read_checks(code: str) -> list[Check]:
    """The checks in a code evaluator of this language. Raises InvalidRecord that says what cannot be read."""
    try:
        return _CHECKS.validate_json(code)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise InvalidRecord(f"The checks cannot be read: {where or 'they'}: {first['msg']}.") from error


def judge(check: Check, run: Run, feedback: Mapping[str, FeedbackStats]) -> Verdict:
    """Ask a check about a run with the feedback on it."""
    found = _look(run, feedback, check.path)
    try:
        passed = _passes(check, found)
    except TimeoutError:
        return Verdict(None, f"Matching {check.path} took too long.")
    if passed != check.negate:
        return Verdict(1.0)
    wanted = f" {json_text(check.value)}" if check.value is not None else ""
    return Verdict(0.0, f"{check.path}: {'not ' if check.negate else ''}{check.test}{wanted} does not hold."[:1000])


def _look(run: Run, feedback: Mapping[str, FeedbackStats], path: str) -> Any:
    root, *steps = path.split(".")
    if root == "feedback":
        stats = feedback.get(".".join(steps))
        return stats.avg if stats else None
    found: Any = getattr(run, root)
    for step in steps:
        found = _step(found, step)
    return float(found) if root in _NUMBERS and found is not None else found


def _step(value: Any, step: str) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and step.isascii() and step.isdigit() and int(step[:9]) < len(value):
        return value[int(step[:9])]
    return None


def _passes(check: Check, found: Any) -> bool:
    if check.test == "exists":
        return found is not None
    if check.test == "equals":
        return bool(found == check.value) and isinstance(found, bool) == isinstance(check.value, bool)
    if check.test in ("at_least", "at_most"):
        return _compares(check, found)
    text = found if isinstance(found, str) else "" if found is None else json_text(found)
    return _reads(check, found, text)


def _compares(check: Check, found: Any) -> bool:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return False
    return bool(found >= check.value if check.test == "at_least" else found <= check.value)


def _reads(check: Check, found: Any, text: str) -> bool:
    if check.test == "contains":
        return check.value in text
    if check.test == "matches":
        return _compiled(check.value).search(text[:_MAX_CHARS], timeout=_MATCH_TIMEOUT_S) is not None
    if check.test == "is_json":
        return not isinstance(found, str | None) or _is_json(text)
    return len(text) >= check.value if check.test == "min_chars" else len(text) <= check.value


def _compiled(pattern: str) -> Any:
    if len(pattern) > 500:
        raise ValueError("a pattern has at most 500 characters")
    try:
        return regex.compile(pattern)
    except regex.error as error:
        raise ValueError(f"the pattern cannot be read: {error}") from error


def _is_json(text: str) -> bool:
    try:
        from_json(text)
    except ValueError:
        return False
    return True
