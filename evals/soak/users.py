"""What users do to a server: ask, ask on, hang up at any moment, and ask twice at once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence

import httpx

from agents.errors import TurnError
from evals.load.streamed import Heard, ask

HUNG_UP = "hung up"
UNKNOWN = "unknown: "
"""Begins what names an end that no turn may have."""
THINK_S = 3.0
LEAVE_S = 8.0
FOLLOW_UP = "And what else should I know about it?"


def known_errors(of: type[TurnError] = TurnError) -> Iterator[str]:
    """The codes of all errors that say what went wrong; the one that doesn't is not among them."""
    for kind in of.__subclasses__():
        yield kind.code
        yield from known_errors(kind)


def end_of(heard: Heard) -> str:
    """How a turn ended, in words."""
    code = heard.error or (heard.figures.get("error") or {}).get("code", "")
    if code and code not in set(known_errors()):
        return UNKNOWN + code
    return ", ".join(filter(None, [heard.figures.get("status", "refused"), code]))


class User:
    """Somebody who asks again and again in one thread, at random and in a way that a seed repeats."""

    def __init__(
        self, client: httpx.AsyncClient, key: str, thread_id: str, questions: Sequence[str], chance: random.Random
    ) -> None:
        self._client = client
        self._key = key
        self._thread_id = thread_id
        self._questions = questions
        self._chance = chance
        self._acts: dict[Callable[[], Awaitable[list[str]]], int] = {
            self._listens: 4,
            self._asks_on: 2,
            self._hangs_up: 3,
            self._asks_twice: 1,
        }

    async def go_on(self, until: asyncio.Event, ends: Counter[str]) -> None:
        """Do one thing after the other, and count how turns end."""
        acts, weights = zip(*self._acts.items(), strict=True)
        while not until.is_set():
            [act] = self._chance.choices(acts, weights)
            ends.update(await act())
            await asyncio.sleep(self._chance.uniform(0, THINK_S))

    async def _listens(self) -> list[str]:
        return [await self._asked(self._chance.choice(self._questions))]

    async def _asks_on(self) -> list[str]:
        return [await self._asked(FOLLOW_UP)]

    async def _asks_twice(self) -> list[str]:
        """In the same thread, where the second one has to wait for the first."""
        return await asyncio.gather(*(self._asked(self._chance.choice(self._questions)) for _ in range(2)))

    async def _hangs_up(self) -> list[str]:
        """Before the first byte, while the model reads, or in the middle of the answer."""
        try:
            async with asyncio.timeout(LEAVE_S * self._chance.random() ** 2):
                return await self._listens()
        except TimeoutError:
            return [HUNG_UP]

    async def _asked(self, question: str) -> str:
        try:
            return end_of(await ask(self._client, self._key, question, thread_id=self._thread_id))
        except httpx.HTTPError as error:
            return UNKNOWN + type(error).__name__
