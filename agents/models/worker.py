"""One thread that serves a local model's requests in turn.

Two threads on one llama.cpp context abort the whole process, so there is one, with a bounded queue before it. Callers
know `encode`, `submit` and a `Generation` to cancel: an engine that serves several at once keeps these.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Literal

from agents.errors import ModelBusy, ModelUnavailable, TooLong, TurnError
from agents.models.gguf import ChatLine, Gguf, Sampling, StopFlag
from agents.models.text import TextAssembler

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Completion:
    """How a generation ended, and what it took."""

    finish_reason: Literal["stop", "length"]
    prompt_tokens: int
    completion_tokens: int
    queued_s: float


Event = str | Completion | TurnError
"""Pieces of text, then exactly one of the other two; nothing more after a cancel."""


@dataclass(eq=False)
class Generation:
    """A request under way. `emit` is called on the worker's thread."""

    prompt: Sequence[int]
    sampling: Sampling
    emit: Callable[[Event], object]
    submitted: float = field(default_factory=time.monotonic)
    stop: StopFlag = field(default_factory=StopFlag)


class LlamaWorker:
    """Serves one model, one request at a time, first come first served.

    `load` is called on first use, and again on the next use if it failed. `queue_limit` requests may wait.
    """

    def __init__(self, load: Callable[[], Gguf], *, queue_limit: int) -> None:
        self._load = load
        self._queue_limit = queue_limit
        self._model: Gguf | None = None
        self._loading = threading.Lock()
        self._waiting: deque[Generation] = deque()
        self._current: Generation | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._usual_s = 1.0
        self._thread = threading.Thread(target=self._run, name="llama", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Requests in the queue, not counting the one being served."""
        return len(self._waiting)

    def warm(self) -> None:
        """Load the model now; blocks. Raises `ModelUnavailable`."""
        self._loaded()

    def encode(self, lines: Sequence[ChatLine]) -> list[int]:
        """The prompt's tokens by the model's chat template; loads the model if need be."""
        return self._loaded().encode(lines)

    def encode_text(self, text: str) -> list[int]:
        """The tokens of a plain text; loads the model if need be."""
        return self._loaded().encode_text(text)

    def submit(self, prompt: Sequence[int], sampling: Sampling, emit: Callable[[Event], object]) -> Generation:
        """Queue a request. Raises `TooLong` where the context can't hold it, and `ModelBusy` when the queue is full."""
        self._fit(len(prompt), sampling.max_tokens)
        generation = Generation(prompt, sampling, emit)
        with self._changed:
            if self._closed:
                raise ModelUnavailable("Parley is shutting down. Try again in a minute.")
            under_way = len(self._waiting) + (self._current is not None)
            if under_way > self._queue_limit:
                raise ModelBusy(retry_after_s=round(self._usual_s * under_way, 1))
            self._waiting.append(generation)
            self._changed.notify()
        return generation

    def cancel(self, generation: Generation) -> None:
        """Stop it within a token, or within the prefill, or take it out of the queue. Harmless when it is over."""
        generation.stop.set()
        with self._changed:
            if generation in self._waiting:
                self._waiting.remove(generation)

    def close(self) -> None:
        """Stop what runs, refuse what waits, end the thread and let go of the model."""
        with self._changed:
            self._closed = True
            refused = list(self._waiting)
            self._waiting.clear()
            if self._current is not None:
                self._current.stop.set()
                refused.append(self._current)
            self._changed.notify()
        self._thread.join()
        for generation in refused:
            _deliver(generation, ModelUnavailable("Parley is shutting down. Try again in a minute."))
        self._model = None

    def _loaded(self) -> Gguf:
        with self._loading:
            if self._closed:
                raise ModelUnavailable("Parley is shutting down. Try again in a minute.")
            if self._model is None:
                self._model = self._load()
            return self._model

    def _fit(self, prompt_tokens: int, max_tokens: int) -> None:
        room = self._loaded().context_tokens
        if prompt_tokens + max_tokens > room:
            raise TooLong(
                f"The question and its sources take {prompt_tokens} tokens; with {max_tokens} for the answer that is "
                f"more than the model's {room}. Ask something shorter, or start a new conversation."
            )

    def _run(self) -> None:
        while (generation := self._next()) is not None:
            began = time.monotonic()
            self._serve(generation)
            self._usual_s += 0.2 * (time.monotonic() - began - self._usual_s)

    def _next(self) -> Generation | None:
        with self._changed:
            self._current = None
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self._current = self._waiting.popleft() if self._waiting else None
            return self._current

    def _serve(self, generation: Generation) -> None:
        """Run one request to its end; whatever it raises ends this request only."""
        try:
            last: Event = self._generate(generation)
        except TurnError as error:
            last = error
        except Exception:
            log.exception("a request to the local model failed")
            last = ModelUnavailable()
        if not generation.stop.is_set():
            _deliver(generation, last)

    def _generate(self, generation: Generation) -> Completion:
        queued_s = time.monotonic() - generation.submitted
        sampling, text, count = generation.sampling, TextAssembler(generation.sampling.stop), 0
        with closing(self._loaded().pieces(generation.prompt, sampling, generation.stop)) as pieces:
            for piece in pieces:
                count += 1
                _deliver(generation, text.feed(piece))
                if text.stopped or count == sampling.max_tokens:
                    break
        _deliver(generation, text.flush())
        cut = count == sampling.max_tokens and not text.stopped
        return Completion("length" if cut else "stop", len(generation.prompt), count, queued_s)


def _deliver(generation: Generation, event: Event) -> None:
    """Hand over an event; a reader whose event loop is gone cancels its request."""
    if event == "":
        return
    try:
        generation.emit(event)
    except RuntimeError:
        generation.stop.set()
