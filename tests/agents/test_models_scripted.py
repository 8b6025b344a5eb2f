"""The model without weights behaves like the others where callers can tell."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from agents.errors import ModelUnavailable
from agents.models.scripted import ScriptedChat

SOURCES = "Use the sources.\n[1] Staff may carry over 5.5 days. More needs approval.\n[2] Leave is 25 days.\n"
ASKED = [SystemMessage(SOURCES), HumanMessage("How many days may I carry over?")]


async def test_by_default_it_quotes_the_first_source_with_its_number() -> None:
    answer = await ScriptedChat().ainvoke(ASKED)
    assert answer.text == "Staff may carry over 5.5 days. [1]"
    assert (await ScriptedChat().ainvoke(ASKED)).text == answer.text


def test_without_sources_it_repeats_the_question() -> None:
    assert ScriptedChat().invoke("Good morning, all").text == "Good morning, all"


def test_rules_come_before_replies_and_replies_before_the_prompt() -> None:
    chat = ScriptedChat(rules={"carry": "Five."}, replies=["First.", "Second."])
    answers = [chat.invoke(text).text for text in ("may I carry", "a", "b", "c")]
    assert answers == ["Five.", "First.", "Second.", "c"]


async def test_it_streams_word_by_word_and_loses_nothing() -> None:
    text = "  Two\n\nlines,  and spaces. "
    chunks = [chunk async for chunk in ScriptedChat(replies=[text]).astream("x")]
    assert len(chunks) == 6
    assert "".join(chunk.text for chunk in chunks) == text
    assert chunks[-1].usage_metadata == {"input_tokens": 1, "output_tokens": 5, "total_tokens": 6}
    assert "".join(chunk.text for chunk in ScriptedChat(replies=[text]).stream("x")) == text


async def test_the_delay_is_before_each_word_and_can_be_cancelled() -> None:
    began = time.monotonic()
    async with aclosing(ScriptedChat(delay_s=0.05).astream("one two three four")) as stream:
        assert (await anext(stream)).text == "one"
        assert time.monotonic() - began > 0.04
    task = asyncio.create_task(ScriptedChat(delay_s=60).ainvoke("x"))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_scripted_failure_is_raised() -> None:
    chat = ScriptedChat(rules={"outage": ModelUnavailable()}, replies=[ModelUnavailable("down"), "up"])
    for text in ("an outage", "anything"):
        with pytest.raises(ModelUnavailable):
            await chat.ainvoke(text)
    assert (await chat.ainvoke("anything")).text == "up"


def test_a_stop_sequence_cuts_the_answer() -> None:
    assert ScriptedChat(replies=["one STOP two"]).invoke("x", stop=["STOP"]).text == "one "


def test_an_empty_reply_is_an_answer() -> None:
    assert ScriptedChat(replies=[""]).invoke("x").text == ""
