"""Kept answers: bounded in number, bytes and time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass

from agents.cache.settings import CacheSettings

OVERHEAD_BYTES = 1000
"""About what an answer takes beside its sentences."""


@dataclass(frozen=True)
class Answer:
    """What a model has said, and what that took."""

    sentences: tuple[str, ...]
    """As they were shown: what the claim check or a rail withheld is not among them."""
    model: str
    prompt_version: str
    tokens: int
    cost_usd: float
    seconds: float
    """Of the model's work."""


@dataclass(frozen=True)
class Kept:
    """An answer in the store."""

    answer: Answer
    wording: str
    """Hash of the words that it was asked in."""
    passages: frozenset[str]
    """The ids of those that it rests on."""
    since: float
    """By the store's clock."""

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        return OVERHEAD_BYTES + sum(len(sentence.encode()) for sentence in self.answer.sentences)


class AnswerStore:
    """Answers by key; those that were unused for longest make room. Safe to use from many threads."""

    def __init__(self, settings: CacheSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: str) -> Kept | None:
        """What is kept under the key; None where nothing is, or nothing fresh enough."""
        with self._lock:
            kept = self._kept.get(key)
            if kept and kept.since + self._settings.ttl_s <= self._clock():
                self._remove(key)
                return None
            if kept:
                self._kept.move_to_end(key)
            return kept

    def put(self, key: str, answer: Answer, *, wording: str, passages: frozenset[str]) -> None:
        """Keep an answer in place of the one before, as far as there is room."""
        kept = Kept(answer, wording, passages, self._clock())
        with self._lock:
            self._remove(key)
            self._kept[key] = kept
            self._bytes += kept.size_bytes
            while len(self._kept) > self._settings.entries or self._bytes > self._settings.max_bytes:
                self._remove(next(iter(self._kept)))

    def drop(self, passages: Collection[str]) -> int:
        """Forget the answers that rest on any of these passages; gives back how many."""
        with self._lock:
            stale = [key for key, kept in self._kept.items() if not kept.passages.isdisjoint(passages)]
            for key in stale:
                self._remove(key)
            return len(stale)

    def _remove(self, key: str) -> None:
        kept = self._kept.pop(key, None)
        if kept:
            self._bytes -= kept.size_bytes
