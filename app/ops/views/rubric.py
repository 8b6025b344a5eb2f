"""What reviewers are asked about a run, and what they answered."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from app.ops.store import OpsStore
from app.ops.store.feedback.configs import FeedbackConfig
from app.ops.store.queues.models import Conditions, Queue, RubricItem, Rule

MOST_KEYS = 9
"""So many choices have a number key each."""
NOTE = "note"
"""The key of a comment on the whole run."""
YES_NO = {0.0: "no", 1.0: "yes"}
PASS_FAIL = {0.0: "fail", 1.0: "pass"}


@dataclass(frozen=True)
class Choice:
    """One of the answers to choose from."""

    label: str
    score: float | None
    value: str | None


@dataclass(frozen=True)
class Question:
    """One item of the rubric, as the page asks it."""

    key: str
    description: str
    kind: Literal["choice", "number", "text"]
    choices: list[Choice]
    low: float | None
    high: float | None
    item: RubricItem

    def answer(self, text: str) -> Answer:
        """What was written or chosen. Raises ValueError with a sentence."""
        if self.kind == "choice":
            chosen = self.choices[int(text)] if text.isdecimal() and int(text) < len(self.choices) else None
            if chosen is None:
                raise ValueError(f"Choose one of the answers for “{self.key}”.")
            return Answer(self.key, chosen.score, chosen.value)
        if self.kind == "number":
            return Answer(self.key, self._number(text), None)
        return Answer(self.key, None, self._text(text))

    def _number(self, text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        low, high = -math.inf if self.low is None else self.low, math.inf if self.high is None else self.high
        if not math.isfinite(number) or not low <= number <= high:
            raise ValueError(f"“{self.key}” takes a number from {low:g} to {high:g}.")
        return number

    def _text(self, text: str) -> str:
        pattern = self.item.regex_validator
        if pattern and not _fits(pattern, text):
            raise ValueError(f"“{self.key}” must fit the pattern {pattern[:100]}.")
        return text


@dataclass(frozen=True)
class Answer:
    """What a reviewer says about one key."""

    key: str
    score: float | None
    value: str | None


def questions(store: OpsStore, queue: Queue) -> list[Question]:
    """What this queue asks, in its order; whether it is good, where it asks nothing."""
    rubric = queue.rubric_items or [RubricItem(feedback_key="good")]
    found = store.feedback_configs.find(keys=[item.feedback_key for item in rubric])
    configs = {one.feedback_key: one.feedback_config for one in found}
    return [_question(item, configs.get(item.feedback_key)) for item in rubric]


def read_answers(asked: Sequence[Question], form: Mapping[str, str]) -> list[Answer]:
    """The answers in a form, of the fields a0, a1, …. Raises ValueError with a sentence."""
    answers: dict[str, Answer] = {}
    for number, question in enumerate(asked):
        item, text = question.item, form.get(f"a{number}", "")
        if item.visible_if and not _hold(item.visible_if, answers):
            continue
        if text:
            answers[question.key] = question.answer(text)
        elif item.is_required or (item.required_if and _hold(item.required_if, answers)):
            raise ValueError(f"“{question.key}” needs an answer.")
    return list(answers.values())


def _question(item: RubricItem, config: FeedbackConfig | None) -> Question:
    low, high = (config.min, config.max) if config else (None, None)
    choices = _choices(item, config)
    if choices:
        kind: Literal["choice", "number", "text"] = "choice"
    else:
        kind = "number" if config and config.type == "continuous" else "text"
    return Question(item.feedback_key, item.description or "", kind, choices, low, high, item)


def _choices(item: RubricItem, config: FeedbackConfig | None) -> list[Choice]:
    """Empty where a number or a text is asked for."""
    described = {_number(key): text for key, text in (item.score_descriptions or {}).items()}
    if config and config.type == "categorical":
        labels = {one.value: one.label or described.get(one.value) for one in config.categories or []}
        return [Choice(label or f"{value:g}", value, label) for value, label in labels.items()]
    if item.value_descriptions:
        return [Choice(f"{value}: {text}", None, value) for value, text in item.value_descriptions.items()]
    if described and math.nan not in described:
        return [Choice(text, score, None) for score, text in sorted(described.items())]
    if config and config.type == "continuous":
        return _steps(config)
    if item.regex_validator or config:
        return []
    return [Choice(text, score, None) for score, text in (PASS_FAIL if item.is_assertion else YES_NO).items()]


def _steps(config: FeedbackConfig) -> list[Choice]:
    """Whole numbers, where they are few enough to have a key each."""
    if config.min is None or config.max is None or config.max - config.min >= MOST_KEYS or config.max - config.min < 2:
        return []
    return [Choice(f"{score}", float(score), None) for score in range(math.ceil(config.min), int(config.max) + 1)]


def _hold(conditions: Conditions, answers: Mapping[str, Answer]) -> bool:
    join = all if conditions.join == "all" else any
    return join(_holds(rule, answers.get(rule.key)) for rule in conditions.rules)


def _holds(rule: Rule, answer: Answer | None) -> bool:
    if rule.op == "is_empty":
        return answer is None
    if rule.op == "is_not_empty":
        return answer is not None
    return answer is not None and answer.score in (rule.values or [])


def _fits(pattern: str, text: str) -> bool:
    """A pattern that cannot be read asks for nothing."""
    try:
        return re.search(pattern, text[:1000]) is not None
    except re.error:
        return True


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
