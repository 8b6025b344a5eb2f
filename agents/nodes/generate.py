"""generate: the model phrases the quotes; each of its sentences is checked before a character of it is shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import cast

from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from agents.answering.claims import ClaimFilter
from agents.errors import RailsUnavailable, TurnError
from agents.prompts import load_prompt
from agents.state import Turn, TurnState
from agents.turn import Delta, Usage
from rails import RailFailed, SentenceGate


async def generate(state: TurnState, runtime: Runtime[Turn]) -> None:
    """Stream the model's sentences through the citation check and the output rails.

    A model or a rail that fails leaves the quotes standing as the answer, and its error in the record.
    """
    turn = runtime.context
    prompt = load_prompt(turn.arm.prompt or turn.parts.settings.prompt)
    turn.result.prompt_version = prompt.version
    claims = ClaimFilter(state["quotes"])
    try:
        async with aclosing(model_text(turn, prompt.render(state["search_question"], state["quotes"]))) as text:
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


async def model_text(turn: Turn, messages: Sequence[BaseMessage]) -> AsyncGenerator[str, None]:
    """The model's text as it comes, with its times and tokens written into the record."""
    result, began = turn.result, turn.parts.clock()
    result.model = turn.parts.models.name_of(turn.arm.model)
    try:
        whose: RunnableConfig = {"metadata": {"user_hash": turn.request.asker.user_hash}}
        stream = turn.parts.models.get(turn.arm.model).astream(list(messages), whose)
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
