"""The local engine as those know it who ask: prompts and answers of a given size, refusals that are honoured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from agents.errors import ModelBusy, TurnError
from agents.models.engine import Completion, Generation, Outcome, Sampling
from agents.models.local import LlamaChat
from evals.load.arrivals import Arrival
from evals.load.replay import Fared
from evals.setup import DOCS

_STEP_TOKENS = 53
"""Two prompts begin at different places of the manual."""


class EngineUsers:
    """Have an engine read so many tokens of the manual and write on by so many: after plain text it hardly ever ends.

    `max_tokens` is what every answer may have, and its reader breaks it off in time; without it, each request names the
    length that its answer is to have.
    """

    def __init__(self, chat: LlamaChat, *, max_tokens: int | None = None) -> None:
        self._chat = chat
        self._max_tokens = max_tokens
        self._manual = chat.get_token_ids("\n".join(path.read_text("utf-8") for path in sorted(DOCS.glob("*.md"))))
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
        events: asyncio.Queue[Outcome] = asyncio.Queue()
        generation = self._submit(arrival, events)
        outlook = self._chat.outlook(generation.turn)
        try:
            first_at = await _listen(events, generation, arrival.answer_tokens)
        finally:
            self._chat.engine.cancel(generation)
        return Fared(
            arrival.user,
            first_s=first_at - began,
            waited_s=generation.began - generation.submitted,
            promised_s=outlook.wait_s if outlook else None,
            answer_tokens=len(generation.said),
        )

    def _submit(self, arrival: Arrival, events: asyncio.Queue[Outcome]) -> Generation:
        loop = asyncio.get_running_loop()
        return self._chat.engine.submit(
            self._prompt(arrival.prompt_tokens),
            Sampling(max_tokens=self._max_tokens or arrival.answer_tokens),
            lambda event: loop.call_soon_threadsafe(events.put_nowait, event),
            user=arrival.user,
            turn=f"turn-{next(self._numbers)}",
            first_token_s=self._chat.first_token_timeout_s,
            total_s=self._chat.timeout_s,
        )

    def _prompt(self, tokens: int) -> Sequence[int]:
        """A piece of the manual that nobody had before."""
        start = next(self._numbers) * _STEP_TOKENS % (len(self._manual) - tokens)
        return self._manual[start : start + tokens]


async def _listen(events: asyncio.Queue[Outcome], generation: Generation, tokens: int) -> float:
    """Hear so many tokens, or as many as there are; when the first came. Raises the error that comes in their place."""
    first_at = 0.0
    while True:
        event = await events.get()
        if isinstance(event, TurnError):
            raise event
        first_at = first_at or time.perf_counter()
        if isinstance(event, Completion) or len(generation.said) >= tokens:
            return first_at
