from __future__ import annotations

import pytest

from agents.answering.followup import standalone
from agents.answering.smalltalk import small_talk
from agents.turn import Message

CARRY = "How many vacation days may I carry over?"


def history(*questions: str) -> list[Message]:
    return [m for q in questions for m in (Message(role="user", content=q), Message(role="assistant", content="Five."))]


@pytest.mark.parametrize(
    ("earlier", "question", "searched"),
    [
        ([CARRY], "and for part-time staff?", "How many vacation days may I carry over for part-time staff?"),
        ([CARRY], "What about contractors?", "How many vacation days may I carry over contractors?"),
        ([CARRY], "how long does it take?", "how long does it take? vacation days carry"),
        ([CARRY], "Why?", "Why? vacation days carry"),
        ([CARRY], "Is that allowed?", "Is that allowed? vacation days carry"),
        (["Who is Anna Berg?"], "When did she join the board?", "When did she join the board? anna berg"),
        (
            [CARRY, "and for part-time staff?"],
            "how long does it take?",
            "how long does it take? vacation days carry part time staff",
        ),
    ],
)
def test_a_follow_up_takes_its_subject_from_before(earlier: list[str], question: str, searched: str) -> None:
    assert standalone(question, history(*earlier)) == searched


@pytest.mark.parametrize(
    "question",
    [
        "How do I reset my password?",
        "How long does it take to get a parking permit?",
        "Which insurance covers employees while they travel to conferences abroad?",
        "parental leave",
        "Order of precedence in contracts?",
    ],
)
def test_a_question_that_stands_alone_is_left_alone(question: str) -> None:
    assert standalone(question, history(CARRY)) == question


def test_the_first_question_is_left_alone() -> None:
    assert standalone("and for part-time staff?", []) == "and for part-time staff?"


@pytest.mark.parametrize(
    "message",
    [
        "Hi",
        "hello there!",
        "Good morning",
        "Thanks a lot!",
        "thank you",
        "Who are you?",
        "What can you do?",
        "ok",
        "Bye",
        "help",
    ],
)
def test_small_talk_has_a_reply(message: str) -> None:
    assert small_talk(message)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "Hi, how many days may I carry over?",
        "help with the VPN",
        "What can you do with a company card?",
        "thanks giving",
    ],
)
def test_a_question_is_not_small_talk(message: str) -> None:
    assert small_talk(message) is None
