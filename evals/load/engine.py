"""The local engine as those know it who ask: prompts and answers of a given size, refusals that are honoured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count

from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage, SystemMessage

from agents.errors import ModelBusy, TurnError
from agents.models.local import LlamaChat
from evals.load.arrivals import Arrival
from evals.load.replay import Fared
from evals.setup import DOCS

INSTRUCTIONS = "You continue the handbook that you are given. Write on without an end, in whole sentences."
_LOOK_EVERY_S = 0.02
_STEP_CHARS = 211
"""Two prompts begin at different places of the manual."""


class EngineUsers:
    """Ask a chat model for so many tokens about prompts of so many tokens."""

    def __init__(self, chat: LlamaChat) -> None:
        self._chat = chat
        self._manual = "\n".join(path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md")))
        self._chars_per_token = len(self._manual) / len(chat.get_token_ids(self._manual))
        self._head_tokens = chat.count_tokens(_prompt(""))
        self._numbers = count()

    async def ask(self, arrival: Arrival) -> Fared:
        """One request to its end; where the model is busy, again after the time that it names."""
        began, refusals = time.perf_counter(), 0
        while True:
            try:
                fared = await self._once(arrival, began)
                return replace(fared, refusals=refusals)
            except ModelBusy as busy:
                refusals += 1
                await asyncio.sleep(busy.retry_after_s or 1.0)
            except TurnError as error:
                return Fared(arrival.user, refusals=refusals, error=error.code)

    async def _once(self, arrival: Arrival, began: float) -> Fared:
        turn, first_s, about = f"turn-{next(self._numbers)}", 0.0, AIMessageChunk(content="")
        chunks = self._chat.astream(
            self._messages(arrival.prompt_tokens), user=arrival.user, turn=turn, max_tokens=arrival.answer_tokens
        )
        async with self._promise(turn) as promises:
            async for chunk in chunks:
                if chunk.text:
                    first_s = first_s or time.perf_counter() - began
                about += chunk
        return Fared(
            arrival.user,
            first_s=first_s,
            waited_s=about.response_metadata["queued_s"],
            promised_s=next(iter(promises), None),
            answer_tokens=about.usage_metadata["output_tokens"] if about.usage_metadata else 0,
        )

    @asynccontextmanager
    async def _promise(self, turn: str) -> AsyncIterator[list[float]]:
        """Holds the wait that a turn is told as soon as it stands in line."""
        promises: list[float] = []

        async def look() -> None:
            while not promises:
                if outlook := self._chat.outlook(turn):
                    promises.append(outlook.wait_s)
                await asyncio.sleep(_LOOK_EVERY_S)

        looking = asyncio.create_task(look())
        try:
            yield promises
        finally:
            looking.cancel()

    def _messages(self, tokens: int) -> list[BaseMessage]:
        """A prompt of about so many tokens, which nobody had before."""
        chars = round(max(1, tokens - self._head_tokens) * self._chars_per_token)
        start = next(self._numbers) * _STEP_CHARS % max(1, len(self._manual) - chars)
        return _prompt(self._manual[start : start + chars])


def _prompt(text: str) -> list[BaseMessage]:
    return [SystemMessage(INSTRUCTIONS), HumanMessage(text)]
