"""Finds an answer that was given before, and has many who ask the same at one moment ask a model once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from agents.cache.basis import Basis
from agents.cache.settings import CacheSettings
from agents.cache.store import Answer, AnswerStore
from agents.cache.wording import normal_form, telling_form


class Reused(NamedTuple):
    """A kept answer, and whether it was asked for in the same words or in others that ask the same."""

    answer: Answer
    kind: Literal["exact", "semantic"]


@dataclass(frozen=True)
class Asking:
    """A turn's leave to ask a model, which must be ended."""

    basis: Basis
    key: str
    """The same where the same is asked on the same basis."""
    wording: str
    """The same where it is asked in the same words too."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class AnswerCache:
    """Keeps answers in the memory of this process and nowhere else. `find` and `end` belong to one event loop."""

    def __init__(self, settings: CacheSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._answers = AnswerStore(settings, clock)
        self._asking: dict[str, Asking] = {}

    def __len__(self) -> int:
        return len(self._answers)

    async def find(self, basis: Basis, question: str, *, wait_s: float) -> Reused | Asking:
        """The answer kept for a question, or else leave to ask a model.

        Where another turn asks the same just now, its answer is waited for, at most so long; those who have waited in
        vain ask by themselves.
        """
        asking = self._asking_for(basis, question)
        if not self._settings.entries:
            return asking
        return self._look_up(asking) or await self._of_another(asking, wait_s) or self._alone(asking)

    def end(self, asking: Asking, answer: Answer | None) -> None:
        """Keep the answer, if one came of it that may be reused, and let those who wait go on."""
        if answer is not None:
            self._answers.put(asking.key, answer, wording=asking.wording, passages=asking.basis.passages)
        if self._asking.get(asking.key) is asking:
            del self._asking[asking.key]
        asking.ended.set()

    def drop(self, passages: Collection[str]) -> int:
        """Forget the answers that rest on any of these passages; gives back how many. Safe from any thread."""
        return self._answers.drop(passages)

    def _asking_for(self, basis: Basis, question: str) -> Asking:
        wording = normal_form(question)
        asked = telling_form(question) if self._settings.rewording else wording
        return Asking(basis, basis.key(asked), basis.key(wording))

    def _look_up(self, asking: Asking) -> Reused | None:
        kept = self._answers.get(asking.key)
        if kept is None:
            return None
        return Reused(kept.answer, "exact" if kept.wording == asking.wording else "semantic")

    async def _of_another(self, asking: Asking, wait_s: float) -> Reused | None:
        """What the turn that asks the same just now comes to."""
        other = self._asking.get(asking.key)
        if other is None:
            return None
        with suppress(TimeoutError):
            await asyncio.wait_for(other.ended.wait(), wait_s)
        return self._look_up(asking)

    def _alone(self, asking: Asking) -> Asking:
        """Let others wait for this one, unless they already wait for another."""
        self._asking.setdefault(asking.key, asking)
        return asking
