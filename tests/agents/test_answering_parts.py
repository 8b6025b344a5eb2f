from __future__ import annotations

import pytest

from agents.answering.parts import MAX_PARTS, parts


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("How did operating expenses compare to revenue?", ["How did operating expenses", "revenue"]),
        (
            "What legal proceedings were disclosed, and what impact on earnings could they have?",
            ["What legal proceedings were disclosed", "what impact on earnings could they have"],
        ),
        (
            "Describe the relationship between research spending and new software products.",
            ["Describe the", "research spending", "new software products."],
        ),
        ("How does the inventory reflect on supply chains?", ["How does the inventory", "supply chains"]),
    ],
)
def test_a_question_that_asks_of_several_things_has_parts(question: str, told: list[str]) -> None:
    assert parts(question) == [part.rstrip(".") for part in told]


@pytest.mark.parametrize(
    "question",
    [
        "",
        "What was the gross margin?",
        "What was spent on research and development?",
        "Who sells bread, and why?",
        ";,;",
    ],
)
def test_a_question_that_asks_of_one_thing_has_none(question: str) -> None:
    assert parts(question) == []


def test_parts_are_no_more_than_can_be_looked_up() -> None:
    assert len(parts(", ".join(f"topic{n} detail{n} figure{n}" for n in range(1000)))) == MAX_PARTS
