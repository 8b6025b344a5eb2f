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
        ([CARRY], "how long does it take?", "how long does it take? vacation carry days"),
        ([CARRY], "Why?", "Why? vacation carry days"),
        ([CARRY], "Is that allowed?", "Is that allowed? vacation carry days"),
        (["Who is Anna Berg?"], "When did she join the board?", "When did she join the board? anna berg"),
        (["Tell me about throat cancer."], "What are its symptoms?", "What are its symptoms? throat cancer"),
        (
            ["Who leads the works council?", "Who is Anna Berg?"],
            "Is there another?",
            "Is there another? anna berg council",
        ),
        ([CARRY, "and for part-time staff?"], "Why?", "Why? vacation carry days"),
        (
            ["¿Cuántos días de vacaciones puedo trasladar?"],
            "¿Y para Berlín?",
            "¿Cuántos días de vacaciones puedo trasladar para Berlín?",
        ),
        (
            ["Wie viele Urlaubstage darf ich übertragen?"],
            "Und in Teilzeit?",
            "Wie viele Urlaubstage darf ich übertragen in Teilzeit?",
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
        "How does Berlin pay for its gym?",
        "¿Cuánto cuesta un permiso de aparcamiento?",
        "Wie lange ist das nördliche Tor geöffnet?",
        "停车许可证多少钱？",
    ],
)
def test_a_question_that_stands_alone_is_left_alone(question: str) -> None:
    assert standalone(question, history(CARRY)) == question


def test_a_short_question_about_a_word_of_the_answer_is_a_follow_up() -> None:
    talk = [
        Message(role="user", content=CARRY),
        Message(role="assistant", content="Five; the form is on the intranet."),
    ]
    assert standalone("Where is the form?", talk) == "Where is the form? vacation carry days"
    assert standalone("Where is the canteen?", talk) == "Where is the canteen?"


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
