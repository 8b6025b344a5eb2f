"""The engines of a turn with a stopwatch on them, to be passed in at the composition root."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import numpy as np
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from pydantic import Field

from agents.models.scripted import ScriptedChat
from app.settings import Settings
from retrieval.corpus import Corpus
from retrieval.embedding import Embedder
from retrieval.passages import Hit


class Stopwatch:
    """Adds up the time in which at least one `with` block of it is open, in any thread."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open = 0
        self._since = 0.0
        self._total_s = 0.0

    def __enter__(self) -> None:
        with self._lock:
            if self._open == 0:
                self._since = self._clock()
            self._open += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._open -= 1
            if self._open == 0:
                self._total_s += self._clock() - self._since

    def take_s(self) -> float:
        """The seconds so far; the count begins anew."""
        with self._lock:
            total_s, self._total_s = self._total_s, 0.0
        return total_s


class TimedChat(ScriptedChat):
    """The model without weights; what its reader does between two words doesn't count."""

    stopwatch: Stopwatch = Field(exclude=True)

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        chunks = super()._astream(messages, *args, **kwargs)
        while True:
            with self.stopwatch:
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            yield chunk


class TimedEmbedder:
    """An encoder whose work counts."""

    def __init__(self, embedder: Embedder, stopwatch: Stopwatch) -> None:
        self.name = embedder.name
        self.dimension = embedder.dimension
        self._embedder = embedder
        self._stopwatch = stopwatch

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        with self._stopwatch:
            return self._embedder.encode(texts)


def timed_corpus(settings: Settings, embedder: Embedder, stopwatch: Stopwatch) -> Corpus:
    """The corpus of the data directory, whose searches count."""

    class TimedCorpus(Corpus):
        def search_now(self, question: str, **options: Any) -> list[Hit]:
            with stopwatch:
                return super().search_now(question, **options)

    return TimedCorpus.open(settings.retrieval, settings.data_dir, embedder)
