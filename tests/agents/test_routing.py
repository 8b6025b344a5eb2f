"""Rules that choose the first model look at what is known before any is asked."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from agents.routing import Asked, RoutingRule, first_that_holds

ASKED = Asked(
    question="How many days may be carried over?",
    quotes=["At most five days.", "Until March."],
    answerability=0.8,
    groups=("everyone", "board"),
)


def rule(**conditions: Any) -> RoutingRule:
    return RoutingRule(name="r", model="small", **conditions)


@pytest.mark.parametrize(
    ("holding", "failing"),
    [
        ({"max_question_chars": 34}, {"max_question_chars": 33}),
        ({"max_quotes": 2}, {"max_quotes": 1}),
        ({"max_evidence_chars": 30}, {"max_evidence_chars": 29}),
        ({"min_answerability": 0.8}, {"min_answerability": 0.81}),
        ({"groups": ["board", "staff"]}, {"groups": ["staff"]}),
        ({"languages": ["german", "english"]}, {"languages": ["german"]}),
        ({"pattern": "^HOW (many|much)"}, {"pattern": "^many"}),
    ],
)
def test_a_condition_holds_or_not(holding: dict[str, Any], failing: dict[str, Any]) -> None:
    assert rule(**holding).holds(ASKED)
    assert not rule(**failing).holds(ASKED)
    assert not rule(**(holding | {"max_quotes": 1})).holds(ASKED), "all must hold"


def test_a_rule_without_conditions_always_holds_and_the_first_decides() -> None:
    short, rest = rule(max_question_chars=5), rule()
    assert first_that_holds([short, rest], ASKED) is rest
    assert first_that_holds([short], ASKED) is None
    assert first_that_holds([], ASKED) is None


def test_a_language_that_is_not_certain_does_not_hold() -> None:
    unsure = Asked(question="Budget 2024?", quotes=[], answerability=0.0, groups=())
    assert not rule(languages=["english"]).holds(unsure)


def test_a_pattern_that_searches_for_ever_is_not_found() -> None:
    endless = Asked(question="a" * 4000, quotes=[], answerability=0.0, groups=())
    assert not rule(pattern="(a|aa)+$!").holds(endless)
    assert not rule(pattern="(a+)+b").holds(endless)


@pytest.mark.parametrize(
    "wrong",
    [{"pattern": "("}, {"languages": ["klingon"]}, {"max_quotes": 0}, {"min_answerability": 2}, {"colour": "blue"}],
)
def test_a_rule_that_cannot_be_meant_is_refused_at_start(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        rule(**wrong)
