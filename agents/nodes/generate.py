"""generate: the model phrases the quotes; each of its sentences is checked before a character of it is shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from math import ceil
from typing import cast

from langchain_core.messages import AIMessageChunk, BaseMessage
from langgraph.runtime import Runtime

from agents.answering.claims import ClaimFilter
from agents.errors import RailsUnavailable, TurnError
from agents.prompts import load_prompt
from agents.state import Turn, TurnState
from agents.turn import Delta, Usage, Waiting
from rails import RailFailed, SentenceGate

_LOOK_EVERY_S = 0.3


async def generate(state: TurnState, runtime: Runtime[Turn]) -> None:
    """Stream the model's sentences through the citation check and the output rails.

    A model or a rail that fails leaves the quotes standing as the answer, and its error in the record.
    """
    turn = runtime.context
    prompt = load_prompt(turn.arm.prompt or turn.parts.settings.prompt)
    turn.result.prompt_version = prompt.version
    claims = ClaimFilter(state["quotes"])
    try:
        messages = prompt.render(state["search_question"], state["quotes"])
        async with told_of_waiting(runtime), aclosing(model_text(turn, messages)) as text:
            async for sentence in whole_sentences(text):
                await show(sentence, claims, runtime)
    except TurnError as error:
        turn.result.error = {"code": error.code, "message": error.message}


async def show(sentence: str, claims: ClaimFilter, runtime: Runtime[Turn]) -> None:
    """Show what the citation check and the output rails leave of a sentence."""
    turn = runtime.context
    supported = claims.feed(sentence)
    turn.result.sentences, turn.result.unsupported = claims.sentences, claims.unsupported
    if supported is None:
        return
    try:
        checked = await asyncio.to_thread(turn.parts.rails.check_output, supported)
    except RailFailed as error:
        raise RailsUnavailable() from error
    turn.note(checked.verdicts)
    if not checked.blocked:
        runtime.stream_writer(Delta(text=checked.text))


async def whole_sentences(text: AsyncIterator[str]) -> AsyncGenerator[str, None]:
    """The stream's sentences, each as soon as it is complete."""
    gate = SentenceGate()
    async for piece in text:
        for sentence in gate.feed(piece):
            yield sentence
    for sentence in gate.flush():
        yield sentence


@asynccontextmanager
async def told_of_waiting(runtime: Runtime[Turn]) -> AsyncIterator[None]:
    """Say, for as long as the turn stands in line before a local model, at which place and how long."""
    telling = asyncio.create_task(tell_of_waiting(runtime.context, runtime.stream_writer))
    try:
        yield
    finally:
        telling.cancel()


async def tell_of_waiting(turn: Turn, write: Callable[[Waiting], None]) -> None:
    """Write the place and the wait whenever the place has changed."""
    told = 0
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        outlook = turn.parts.models.outlook(str(turn.request.turn_id), turn.arm.model)
        if outlook and outlook.place != told:
            told = outlook.place
            write(Waiting(place=told, wait_s=ceil(outlook.wait_s)))


async def model_text(turn: Turn, messages: Sequence[BaseMessage]) -> AsyncGenerator[str, None]:
    """The model's text as it comes, with its times and tokens written into the record."""
    result, began = turn.result, turn.parts.clock()
    result.model = turn.parts.models.name_of(turn.arm.model)
    try:
        request = turn.request
        model = turn.parts.models.working_for(request.asker.user_hash, str(request.turn_id), turn.arm.model)
        stream = model.astream(list(messages))
        async with aclosing(cast("AsyncGenerator[AIMessageChunk, None]", stream)) as chunks:
            async for chunk in chunks:
                result.usage = added(result.usage, chunk)
                if chunk.text and result.first_token_s is None:
                    result.first_token_s = round(turn.elapsed_s(), 4)
                yield chunk.text
    finally:
        turn.model_s = turn.parts.clock() - began


def added(usage: Usage, chunk: AIMessageChunk) -> Usage:
    """The usage so far and what this chunk reports."""
    reported = chunk.usage_metadata
    if not reported:
        return usage
    return Usage(
        prompt_tokens=usage.prompt_tokens + reported["input_tokens"],
        completion_tokens=usage.completion_tokens + reported["output_tokens"],
    )
