"""When a model that failed is asked once more."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from agents.errors import ModelBusy, ModelUnreachable, TurnError


@dataclass(frozen=True)
class Backoff:
    """Pauses with full jitter: anything up to a bound that doubles with each try."""

    first_s: float = 0.5
    longest_s: float = 4.0
    random: Callable[[], float] = random.random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def pause_s(self, error: TurnError, tries: int) -> float | None:
        """Seconds until the next try after so many; None where the error will last, or asks for a longer pause."""
        if not isinstance(error, ModelUnreachable | ModelBusy):
            return None
        told_s = error.retry_after_s or 0.0
        jitter_s = self.random() * min(self.longest_s, self.first_s * 2 ** (tries - 1))
        return told_s + jitter_s if told_s <= self.longest_s else None
