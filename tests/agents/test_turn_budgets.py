"""A turn within budgets: each model is paid before it is asked, and the reader is told which one was affordable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agents.errors import ModelUnavailable, OverBudget
from agents.models import ModelPool, ModelSettings
from agents.models.scripted import ScriptedChat
from agents.turn import Delta, Finished, Notice, TurnResult
from app.budgets.book import BudgetBook
from app.budgets.settings import BudgetSettings

QUESTION = "How many days of unused leave may be carried over?"
PHRASED = "You may carry over at most five days of leave."
DEAR = ModelSettings(
    name="scripted", completion_usd_per_million=1_000_000, max_tokens=20, retries=0, fallbacks=("cheap",)
)
CHEAP = ModelSettings(name="scripted", max_tokens=20, retries=0)


@pytest.fixture
def open_book(tmp_path: Path) -> Iterator[Callable[..., BudgetBook]]:
    opened: list[BudgetBook] = []

    def open_one(**settings: Any) -> BudgetBook:
        limits = BudgetSettings.model_validate(settings)
        opened.append(BudgetBook.open(tmp_path / "budgets.db", limits, now=lambda: datetime(2026, 11, 25, tzinfo=UTC)))
        return opened[-1]

    yield open_one
    for book in opened:
        book.close()


def parts(budgets: BudgetBook, dear: ScriptedChat, cheap: ScriptedChat | None = None) -> dict[str, Any]:
    """A model that takes a dollar for each word, with or without one behind it that takes nothing."""
    settings = DEAR if cheap else DEAR.model_copy(update={"fallbacks": ()})
    others = {"cheap": cheap} if cheap else {}
    return {"budgets": budgets, "models": ModelPool(settings, {"cheap": CHEAP}, default=dear, others=others)}


def says(name: str, **settings: Any) -> ScriptedChat:
    return ScriptedChat(model_name=name, rules={"": PHRASED}, **settings)


def outcomes(result: TurnResult) -> list[tuple[str, str]]:
    return [(attempt.model, attempt.outcome) for attempt in result.attempts]


async def test_an_answer_is_paid_with_what_it_took(open_assistant, ask, open_book) -> None:
    book = open_book(user={"usd": 50})
    async with open_assistant(parts=parts(book, says("dear"))) as assistant:
        result = await assistant.ask(ask(QUESTION))
    (spent,) = book.spending()
    assert (spent.usd, spent.tokens) == (result.cost_usd, result.usage.prompt_tokens + result.usage.completion_tokens)
    assert result.cost_usd == len(PHRASED.split())


async def test_a_model_that_cannot_be_paid_is_passed_over_and_the_reader_is_told(
    open_assistant, ask, open_book
) -> None:
    book = open_book(user={"usd": 19, "per": "day"})
    async with open_assistant(parts=parts(book, says("dear"), says("cheap"))) as assistant:
        events = [event async for event in assistant.stream(ask(QUESTION))]
    result = events[-1].result
    assert outcomes(result) == [("dear", "over_budget"), ("cheap", "answered")]
    assert [event.text for event in events if isinstance(event, Notice)] == [
        "Your budget for this day is spent. It renews on 26 November (UTC). Answered by cheap."
    ]
    assert result.error is None
    assert result.cost_usd == 0
    assert book.spending()[0].usd == 0


async def test_where_no_model_can_be_paid_the_quotes_are_the_answer(open_assistant, ask, open_book) -> None:
    async with open_assistant(parts=parts(open_book(user={"usd": 1}), says("dear"))) as assistant:
        events = [event async for event in assistant.stream(ask(QUESTION))]
    result = events[-1].result
    assert result.status == "answered"
    assert PHRASED not in result.text
    assert "At most five days of unused leave" in result.text
    (told,) = [event.text for event in events if isinstance(event, Notice)]
    assert told.endswith("These are the passages themselves.")


async def test_a_model_that_fails_gives_back_what_was_set_aside(open_assistant, ask, open_book) -> None:
    book = open_book(user={"usd": 50})
    failing = ScriptedChat(model_name="dear", replies=[ModelUnavailable()])
    async with open_assistant(parts=parts(book, failing)) as assistant:
        await assistant.ask(ask(QUESTION))
    assert (book.spending()[0].usd, book.spending()[0].tokens) == (0, 0)


async def test_a_stopped_turn_pays_for_what_the_model_had_said(open_assistant, ask, open_book) -> None:
    book = open_book(user={"usd": 50})
    slow = ScriptedChat(model_name="dear", rules={"": f"{PHRASED} {'And so on. ' * 20}"}, delay_s=0.01)
    async with (
        open_assistant(parts=parts(book, slow)) as assistant,
        aclosing(assistant.stream(ask(QUESTION))) as events,
    ):
        async for event in events:
            if isinstance(event, Delta):
                break
    assert 0 < book.spending()[0].usd < 20


async def test_turns_at_once_do_not_overrun_a_budget(open_assistant, ask, open_book) -> None:
    book = open_book(user={"usd": 60})
    async with open_assistant(parts=parts(book, says("dear", delay_s=0.01), says("cheap"))) as assistant:
        results = await asyncio.gather(*(assistant.ask(ask(QUESTION, thread=f"t{n}")) for n in range(8)))
    assert sum(result.cost_usd for result in results) == book.spending()[0].usd <= 60
    assert {result.model for result in results} == {"dear", "cheap"}


async def test_where_spent_budgets_refuse_a_turn_is_not_begun(open_assistant, ask, open_book) -> None:
    book = open_book(user={"usd": 0, "per": "day"}, when_spent="refuse")
    async with open_assistant(parts=parts(book, says("dear"))) as assistant:
        with pytest.raises(OverBudget, match="26 November") as refused:
            await assistant.ask(ask(QUESTION))
    assert refused.value.retry_after_s == 24 * 3600


async def test_quotes_that_do_not_fit_the_model_stay_on_the_screen_and_the_reader_is_told(open_assistant, ask) -> None:
    tight = ModelSettings(name="scripted", context_tokens=256, max_tokens=206)
    pool = ModelPool(tight, default=says("small"))
    async with open_assistant(parts={"models": pool}) as assistant:
        events = [event async for event in assistant.stream(ask("Which days of leave are carried over, and when?"))]
    result = next(event.result for event in events if isinstance(event, Finished))
    (attempt,) = result.attempts
    assert attempt.quotes_left_out > 0
    assert attempt.usage.prompt_tokens <= attempt.context_tokens == 50
    shown = sum(len(citation.quotes) for citation in result.citations)
    (told,) = [event.text for event in events if isinstance(event, Notice)]
    assert told.startswith(f"The model had room for {shown - attempt.quotes_left_out} of the {shown} quotes")


async def test_a_context_that_is_nearly_full_is_told(open_assistant, ask) -> None:
    async def prompt_tokens(max_tokens: int) -> int:
        pool = ModelPool(ModelSettings(name="scripted", context_tokens=1000, max_tokens=max_tokens), default=says("m"))
        async with open_assistant(parts={"models": pool}) as assistant:
            events = [event async for event in assistant.stream(ask(QUESTION))]
        notices.append([event.text for event in events if isinstance(event, Notice)])
        return events[-1].result.attempts[0].usage.prompt_tokens

    notices: list[list[str]] = []
    taken = await prompt_tokens(500)
    await prompt_tokens(1000 - taken)
    assert notices == [
        [],
        ["Question and quotes fill 100% of what the model can read; a longer question costs quotes."],
    ]
