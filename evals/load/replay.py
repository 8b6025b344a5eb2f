"""Arrivals replayed against whatever answers, and how those fared who asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from evals.load.arrivals import Arrival

_Fate = TypeVar("_Fate")

FLOOR_S = 2.0
"""A promise shorter than this counts as this long: the page shows whole seconds, and half of one is no broken word."""


@dataclass(frozen=True)
class Fared:
    """How one request went."""

    user: str
    first_s: float = 0.0
    """From when it was first asked to the first word, refusals included."""
    waited_s: float = 0.0
    """In line, since it was let in."""
    promised_s: float | None = None
    """The wait that it was told when it was let in; None where it did not have to wait."""
    refusals: int = 0
    """Times that it was told to come back later, and did."""
    answer_tokens: int = 0
    error: str = ""
    """What it got in place of an answer."""

    @property
    def off(self) -> float | None:
        """By what share of the promise the wait was another one; None where nothing was promised."""
        if self.promised_s is None:
            return None
        return abs(self.waited_s - self.promised_s) / max(self.promised_s, FLOOR_S)


async def replay(
    arrivals: Sequence[Arrival], ask: Callable[[Arrival], Awaitable[_Fate]], on_end: Callable[[], object]
) -> list[_Fate]:
    """Each asks when its time has come, whatever became of the others. `on_end` is called as each one ends."""
    began = time.perf_counter()

    async def come(arrival: Arrival) -> _Fate:
        await asyncio.sleep(began + arrival.at_s - time.perf_counter())
        fared = await ask(arrival)
        on_end()
        return fared

    return await asyncio.gather(*map(come, arrivals))


async def saturated_s(arrivals: Sequence[Arrival], ask: Callable[[Arrival], Awaitable[object]], at_once: int) -> float:
    """The seconds that these requests take where somebody always waits."""
    turnstile = asyncio.Semaphore(at_once)

    async def come(arrival: Arrival) -> None:
        async with turnstile:
            await ask(arrival)

    began = time.perf_counter()
    await asyncio.gather(*map(come, arrivals))
    return time.perf_counter() - began
