"""A turn that its user stops, that takes too long, that breaks, or that meets another in its thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from langchain_core.outputs import ChatGenerationChunk
from pydantic import Field

from agents.assistant import STOPPED
from agents.errors import DeadlineExceeded, TurnError
from agents.models.scripted import ScriptedChat
from agents.settings import TurnSettings
from agents.turn import Asker, Delta, Evidence, Finished, TurnResult

CARRY_OVER = "How many days of unused leave may be carried over?"
EXPIRY = "When do days of leave that were carried over expire?"
PHRASED = "You may carry over at most five days of leave."
ENDLESS = f"{PHRASED} Then {'and so on ' * 1000}"
DELAY_S = 0.02


class Counting(ScriptedChat):
    """Counts the words that it has made."""

    made: list[str] = Field(default_factory=list)

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        async for chunk in super()._astream(*args, **kwargs):
            self.made.append(chunk.text)
            yield chunk


def endless() -> Counting:
    return Counting(rules={"carried over?": ENDLESS}, delay_s=DELAY_S)


async def assert_model_is_idle(model: Counting) -> None:
    made = len(model.made)
    await asyncio.sleep(10 * DELAY_S)
    assert len(model.made) == made
    assert made < 1000


@pytest.mark.parametrize("kind", [Evidence, Delta])
async def test_a_stopped_turn_stops_the_model_and_is_remembered_as_shown(
    open_assistant, ask, remembered, kind: type
) -> None:
    model, ended = endless(), []
    async with open_assistant(model, on_ended=lambda asker, result: ended.append(result)) as assistant:
        shown = ""
        async with aclosing(assistant.stream(ask(CARRY_OVER))) as events:
            async for event in events:
                shown += event.text
                if isinstance(event, kind):
                    break
        await assert_model_is_idle(model)
        assert await remembered() == [("user", CARRY_OVER), ("assistant", f"{shown}\n\n{STOPPED}")]
        following = await assistant.ask(ask(EXPIRY))
    assert following.status == "answered"
    assert [result.status for result in ended] == ["stopped", "answered"]
    assert ended[0].text == shown
    assert len(await remembered()) == 4


async def test_a_turn_that_is_stopped_at_once_leaves_nothing(open_assistant, ask, remembered) -> None:
    async with open_assistant() as assistant:
        events = assistant.stream(ask(CARRY_OVER))
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await events.aclose()
        assert await remembered() == []
        assert (await assistant.ask(ask(CARRY_OVER))).status == "answered"


async def test_a_caller_that_is_cancelled_stops_its_turn(open_assistant, ask, remembered) -> None:
    model = endless()
    async with open_assistant(model) as assistant:
        asking = asyncio.create_task(assistant.ask(ask(CARRY_OVER)))
        while not model.made:
            await asyncio.sleep(DELAY_S)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await assert_model_is_idle(model)
    assert (await remembered())[1][1].endswith(STOPPED)


async def test_a_caller_that_is_cancelled_again_and_again_does_not_disturb_the_stop(
    open_assistant, ask, remembered
) -> None:
    """As `anyio` cancels, on which the web server runs."""
    model, ended = endless(), []
    async with open_assistant(model, on_ended=lambda asker, result: ended.append(result)) as assistant:
        asking = asyncio.create_task(assistant.ask(ask(CARRY_OVER)))
        while not model.made:
            await asyncio.sleep(DELAY_S)
        while not asking.done():
            asking.cancel()
            await asyncio.sleep(0)
        assert (await assistant.ask(ask(EXPIRY))).status == "answered"
        await assert_model_is_idle(model)
    assert [result.status for result in ended] == ["stopped", "answered"]
    assert (await remembered())[1][1].endswith(STOPPED)


async def test_a_turn_that_takes_too_long_before_its_quotes_is_ended(open_assistant, ask, remembered) -> None:
    def slow(asker: Asker, thread_id: str) -> bool:
        time.sleep(0.6)
        return True

    ended: list[TurnResult] = []
    async with open_assistant() as assistant:
        await assistant.ask(ask(CARRY_OVER))
    turn, parts = TurnSettings(timeout_s=0.4), {"may_recall": slow}
    async with open_assistant(turn=turn, parts=parts, on_ended=lambda asker, result: ended.append(result)) as assistant:
        with pytest.raises(DeadlineExceeded):
            await assistant.ask(ask(EXPIRY))
    assert [(result.status, result.error["code"]) for result in ended] == [("failed", "deadline_exceeded")]
    assert len(await remembered()) == 2


async def test_turns_of_one_thread_follow_one_another(open_assistant, ask, remembered) -> None:
    async with open_assistant(ScriptedChat(delay_s=DELAY_S)) as assistant:
        order: list[tuple[str, type]] = []

        async def run(question: str) -> TurnResult:
            async for event in assistant.stream(ask(question)):
                order.append((question, type(event)))
            return event.result

        first, second = await asyncio.gather(run(CARRY_OVER), run(EXPIRY))
    assert [question for question, _ in order] == [CARRY_OVER] * 2 + [EXPIRY] * 2
    assert [kind for _, kind in order] == [Evidence, Finished] * 2
    assert await remembered() == [
        ("user", CARRY_OVER),
        ("assistant", first.text),
        ("user", EXPIRY),
        ("assistant", second.text),
    ]


async def test_a_turn_that_waits_for_its_thread_can_be_stopped(open_assistant, ask, remembered) -> None:
    model = endless()
    async with open_assistant(model) as assistant, aclosing(assistant.stream(ask(CARRY_OVER))) as running:
        await anext(running)
        waiting = asyncio.create_task(assistant.ask(ask(EXPIRY)))
        await asyncio.sleep(DELAY_S)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await running.aclose()
        assert (await assistant.ask(ask(EXPIRY))).status == "answered"
    assert [content for role, content in await remembered() if role == "user"] == [CARRY_OVER, EXPIRY]


async def test_threads_do_not_wait_for_one_another(open_assistant, ask) -> None:
    async with open_assistant(endless()) as assistant, aclosing(assistant.stream(ask(CARRY_OVER))) as running:
        assert isinstance(await anext(running), Evidence)
        assert (await assistant.ask(ask(EXPIRY, thread="another"))).status == "answered"


async def test_what_nobody_foresaw_is_reported_without_its_inside(open_assistant, ask, remembered, caplog) -> None:
    def assign(user_hash: str) -> Any:
        raise ZeroDivisionError("the inside")

    ended: list[TurnResult] = []
    request = ask(CARRY_OVER)
    async with open_assistant(assign=assign, on_ended=lambda asker, result: ended.append(result)) as assistant:
        with pytest.raises(TurnError) as raised:
            await assistant.ask(request)
    assert type(raised.value) is TurnError
    assert str(request.turn_id) in raised.value.message
    assert "the inside" not in raised.value.message
    assert "ZeroDivisionError" not in raised.value.message
    assert str(request.turn_id) in caplog.text
    assert "the inside" in caplog.text
    assert ended[0].status == "failed"
    assert await remembered() == []


async def test_every_turn_ends_with_finished_or_an_error(open_assistant, ask) -> None:
    async with open_assistant() as assistant:
        for question in ("Hello!", CARRY_OVER, "Who won the football final of 1990?"):
            events = [event async for event in assistant.stream(ask(question, thread=question))]
            assert [isinstance(event, Finished) for event in events] == [False] * (len(events) - 1) + [True]
