"""Which questions are the same, and how long their answer is kept."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.arms import Arm
from agents.cache.basis import Basis, Piece
from agents.cache.cache import AnswerCache, Asking, Reused
from agents.cache.settings import CacheSettings
from agents.cache.store import OVERHEAD_BYTES, Answer
from agents.models.settings import ModelSettings
from agents.prompts import Prompt

QUESTION = "How many days of unused leave may be carried over?"
FIVE = Answer(("Five days [1]. ",), "scripted", "answer@1", tokens=12, cost_usd=0.5, seconds=2.0)
BASIS = Basis(
    evidence=(Piece(1, "leave", "a"), Piece(2, "part-time", "b")),
    prompt=Prompt("answer@1", "Answer.", "$quotes $question"),
    model=ModelSettings(name="scripted"),
    release=7,
    arm=Arm(experiment="tone", variant="a"),
    groups=frozenset({"everyone", "board"}),
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def cache(clock: Any = None, **settings: Any) -> AnswerCache:
    return AnswerCache(CacheSettings(**settings), clock or Clock())


async def find(cache: AnswerCache, question: str = QUESTION, basis: Basis = BASIS) -> Reused | Asking:
    async with asyncio.timeout(10):
        return await cache.find(basis, question, wait_s=3600)


async def keep(cache: AnswerCache, question: str = QUESTION, answer: Answer = FIVE, basis: Basis = BASIS) -> None:
    asking = await find(cache, question, basis)
    assert isinstance(asking, Asking)
    cache.end(asking, answer)


async def kind(asked: str, then: str, **settings: Any) -> str | None:
    """How the second question reuses the answer to the first, if it does."""
    answers = cache(**settings)
    await keep(answers, asked)
    found = await find(answers, then)
    return found.kind if isinstance(found, Reused) else None


# The same question


@pytest.mark.parametrize(
    "again",
    [QUESTION, "how many days of unused LEAVE  may be carried over", f"¿{QUESTION}!", QUESTION.replace("f", "\uff46")],
)
async def test_what_only_writing_varies_is_the_same_question(again: str) -> None:
    assert await kind(QUESTION, again) == "exact"


@pytest.mark.parametrize(
    ("asked", "then"),
    [
        (QUESTION, "Could you please tell me how many days of unused leave may be carried over?"),
        (QUESTION, "Hello, I'd like to know: how many days of the unused leave may be carried over, please?"),
        ("Who won the cup in 1990?", "In 1990, who won the cup?"),
        ("When did the office open?", "Do you know when the office did open?"),
        ("What is the budget for which the board voted?", "Tell me what the budget is for what the board voted."),
        ("Who's the chair?", "Who is the chair?"),
        ("How many hours is it?", "What number of hours is it?"),
    ],
)
async def test_courtesies_articles_and_the_place_of_a_phrase_ask_nothing_else(asked: str, then: str) -> None:
    assert await kind(asked, then) == "semantic"
    assert await kind(asked, then, rewording=False) is None


@pytest.mark.parametrize(
    ("asked", "then"),
    [
        ("Who won the cup in 1990?", "Who won the cup in 1991?"),
        ("Who won the cup in France?", "Who won the cup in Spain?"),
        ("Which staff may carry leave over?", "Which staff may not carry leave over?"),
        ("When did the movement begin?", "Where did the movement begin?"),
        ("When did the movement begin?", "When did the movement end?"),
        ("What is due before March?", "What is due after March?"),
        ("Who is the chair?", "Who was the chair?"),
        ("Who is the chair?", "Who is the vice-chair?"),
        ("What does the board do?", "What is the board?"),
        ("Who beat France?", "Who did France beat?"),
        ("How far is it from Rome to Paris?", "How far is it from Paris to Rome?"),
        ("What is the largest office?", "What is the smallest office?"),
        ("What is one way?", "What is another way?"),
        ("What costs 3 %?", "What costs 3 €?"),
        ("What is C?", "What is C++?"),
        ("¿Quién enseñó a Platón?", "¿Quién enseñó Platón?"),
        ("Is a state part of it?", "Is state part of it?"),
    ],
)
async def test_a_question_that_asks_something_else_is_another(asked: str, then: str) -> None:
    assert await kind(asked, then) is None
    assert await kind(then, asked) is None


async def test_an_endless_question_is_compared_as_it_is_written() -> None:
    endless = f"what {'a ' * 1990}is it"
    assert await kind(endless, endless) == "exact"
    assert await kind(endless, endless.replace(" a ", " the ")) is None


async def test_different_questions_on_one_paragraph_are_never_the_same(shared_data: Path) -> None:
    pairs = merged = 0
    for article in json.loads((shared_data / "xquad" / "xquad.en.json").read_text())["data"]:
        for paragraph in article["paragraphs"]:
            asked = [(qa["question"], {answer["text"] for answer in qa["answers"]}) for qa in paragraph["qas"]]
            for number, (question, answers) in enumerate(asked):
                for other, others in asked[:number]:
                    pairs += 1
                    if not answers & others and question.strip() != other.strip():
                        merged += await kind(question, other) is not None
    assert pairs > 2000
    assert merged == 0


# The same basis


@pytest.mark.parametrize(
    "change",
    [
        {"evidence": BASIS.evidence[::-1]},
        {"evidence": BASIS.evidence[:1]},
        {"evidence": (BASIS.evidence[0], Piece(2, "part-time", "changed"))},
        {"evidence": (BASIS.evidence[0], Piece(2, "elsewhere", "b"))},
        {"evidence": (BASIS.evidence[0], Piece(3, "part-time", "b"))},
        {"prompt": replace(BASIS.prompt, version="answer@2")},
        {"prompt": replace(BASIS.prompt, system="Answer briefly.")},
        {"prompt": replace(BASIS.prompt, user="$question $quotes")},
        {"model": ModelSettings(name="local")},
        {"model": ModelSettings(name="scripted", temperature=0.5)},
        {"model": ModelSettings(name="scripted", max_tokens=1)},
        {"release": 8},
        {"arm": Arm(experiment="tone", variant="b")},
        {"arm": Arm(experiment="length", variant="a")},
        {"arm": Arm()},
        {"groups": frozenset({"everyone"})},
        {"groups": BASIS.groups | {"council"}},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_another_basis_is_another_answer(change: dict[str, Any]) -> None:
    answers = cache()
    await keep(answers)
    assert isinstance(await find(answers, basis=replace(BASIS, **change)), Asking)
    assert isinstance(await find(answers, basis=replace(BASIS)), Reused)


# How long, and how much


async def test_an_answer_is_kept_for_its_time_however_often_it_is_used() -> None:
    clock = Clock()
    answers = cache(clock, ttl_s=10)
    await keep(answers)
    clock.now = 9.9
    assert await find(answers) == Reused(FIVE, "exact")
    clock.now = 10.0
    assert isinstance(await find(answers), Asking)
    assert len(answers) == 0


async def test_what_was_unused_for_longest_makes_room() -> None:
    answers = cache(entries=2)
    for question in ("one", "two"):
        await keep(answers, question)
    await find(answers, "one")
    await keep(answers, "three")
    assert [isinstance(await find(answers, question), Reused) for question in ("one", "two", "three")] == [
        True,
        False,
        True,
    ]


async def test_answers_are_bounded_in_bytes_too() -> None:
    answers = cache(max_bytes=2 * OVERHEAD_BYTES + 30)
    long = replace(FIVE, sentences=("ä" * 10,))
    for question in ("one", "two", "three"):
        await keep(answers, question, long)
    assert len(answers) == 1
    await keep(answers, "four", replace(FIVE, sentences=("x" * 5000,)))
    assert len(answers) == 0
    await keep(answers, "five", replace(FIVE, sentences=("x" * 1000,)))
    assert len(answers) == 1, "the room of what went is free again"


async def test_a_new_answer_takes_the_place_of_the_one_that_it_follows() -> None:
    clock = Clock()
    answers = cache(clock, ttl_s=10, max_bytes=2 * OVERHEAD_BYTES)
    for _ in range(3):
        await keep(answers)
        clock.now += 10
    clock.now -= 1
    assert isinstance(await find(answers), Reused)


async def test_what_rests_on_a_passage_goes_with_it() -> None:
    answers = cache()
    alone = replace(BASIS, evidence=BASIS.evidence[:1])
    await keep(answers)
    await keep(answers, basis=alone)
    assert answers.drop({"part-time", "unheard of"}) == 1
    assert isinstance(await find(answers), Asking)
    assert isinstance(await find(answers, basis=alone), Reused)


async def test_a_cache_without_room_keeps_nothing_and_nobody_waiting() -> None:
    answers = cache(entries=0)
    first, second = await find(answers), await find(answers)
    assert isinstance(first, Asking)
    assert isinstance(second, Asking)
    answers.end(first, FIVE)
    assert len(answers) == 0


# Many at once


async def test_of_those_who_ask_the_same_at_once_one_asks_a_model() -> None:
    answers = cache()
    first = await find(answers)
    others = [asyncio.create_task(find(answers)) for _ in range(7)]
    await asyncio.sleep(0)
    assert isinstance(first, Asking)
    assert not any(other.done() for other in others)
    answers.end(first, FIVE)
    assert await asyncio.gather(*others) == [Reused(FIVE, "exact")] * 7


async def test_those_who_waited_in_vain_ask_by_themselves() -> None:
    answers = cache()
    first = await find(answers)
    others = [asyncio.create_task(find(answers)) for _ in range(2)]
    await asyncio.sleep(0)
    assert isinstance(first, Asking)
    answers.end(first, None)
    second, third = await asyncio.gather(*others)
    assert isinstance(second, Asking)
    assert isinstance(third, Asking)
    late = asyncio.create_task(find(answers))
    await asyncio.sleep(0)
    assert not late.done(), "who comes now waits for one of these"
    for asking in (second, third):
        answers.end(asking, FIVE)
    assert await late == Reused(FIVE, "exact")


async def test_who_asks_beside_another_does_not_end_the_others_leave() -> None:
    answers = cache()
    first, beside = await find(answers), await answers.find(BASIS, QUESTION, wait_s=0)
    assert isinstance(first, Asking)
    assert isinstance(beside, Asking)
    answers.end(beside, None)
    late = asyncio.create_task(find(answers))
    await asyncio.sleep(0)
    assert not late.done()
    answers.end(first, FIVE)
    assert await late == Reused(FIVE, "exact")


async def test_nobody_waits_longer_than_they_may() -> None:
    answers = cache()
    await find(answers)
    assert isinstance(await answers.find(BASIS, QUESTION, wait_s=0.0), Asking)
    assert isinstance(await answers.find(BASIS, QUESTION, wait_s=-1.0), Asking)


async def test_who_waits_and_is_stopped_leaves_the_others_waiting() -> None:
    answers = cache()
    first = await find(answers)
    stopped, other = (asyncio.create_task(find(answers)) for _ in range(2))
    await asyncio.sleep(0)
    stopped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopped
    assert isinstance(first, Asking)
    answers.end(first, FIVE)
    assert await other == Reused(FIVE, "exact")
