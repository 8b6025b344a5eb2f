"""A local model that many people use at once, in a process of its own.

Each request stands in a line that is fair among users until one of the model's lanes is free. A process that dies is
started again, and answers that were under way go on where they were.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count, takewhile
from pathlib import Path
from typing import Literal

from agents.errors import ModelBusy, ModelUnavailable, Refused, TooLong, TurnError
from agents.models.engine.line import Line
from agents.models.engine.pace import Pace, wait_s
from agents.models.engine.process import EngineProcess
from agents.models.engine.requests import (
    Begun,
    Cancel,
    End,
    Event,
    Order,
    Pass,
    Refusal,
    Request,
    Sampling,
    Specification,
    Token,
)
from agents.models.engine.vocabulary import ChatLine, Vocabulary
from agents.models.text import TextAssembler

log = logging.getLogger(__name__)

_CLOSED = "Parley is shutting down. Try again in a minute."


@dataclass(frozen=True)
class Completion:
    """How a generation ended, and what it took."""

    finish_reason: Literal["stop", "length"]
    prompt_tokens: int
    completion_tokens: int
    reused_tokens: int
    """Tokens of the prompt that the model had read before."""
    queued_s: float


@dataclass(frozen=True)
class Outlook:
    """What a request can expect."""

    place: int
    """In line, from 1."""
    wait_s: float
    """Until it has a lane, if nobody else comes."""


Outcome = str | Completion | TurnError
"""Pieces of text, then exactly one of the other two; nothing more after a cancel."""


@dataclass(eq=False)
class Generation:
    """A request under way. `emit` is called on a thread of the engine's."""

    id: int
    prompt: Sequence[int]
    sampling: Sampling
    text: TextAssembler
    emit: Callable[[Outcome], object]
    user: str
    turn: str
    submitted: float
    began: float = 0.0
    said: list[int] = field(default_factory=list)
    reused_tokens: int = 0
    restarted: bool = False

    @property
    def cost(self) -> float:
        """Tokens to read and to say, at most."""
        return len(self.prompt) + self.sampling.max_tokens


class Engine:
    """Serves one model. Safe to use from many threads.

    `find` names the file at the first use, and again at the next one if that failed. `queue_limit` requests may stand
    in line.
    """

    def __init__(
        self,
        find: Callable[[], Path],
        *,
        lanes: int,
        lane_tokens: int,
        threads: int,
        copy_bytes: int,
        queue_limit: int,
    ) -> None:
        self._find = find
        self._lanes = lanes
        self._lane_tokens = lane_tokens
        self._threads = threads
        self._copy_bytes = copy_bytes
        self._queue_limit = queue_limit
        self._ids = count()
        self._lock = threading.RLock()
        self._vocabulary: Vocabulary | None = None
        self._line: Line[Generation] = Line()
        self._running: dict[int, Generation] = {}
        self._process: EngineProcess | None = None
        self._closed = False
        self._pace = Pace()

    @property
    def waiting(self) -> int:
        """Requests in line, not counting those that have a lane."""
        return len(self._line)

    @property
    def under_way(self) -> int:
        """Requests that have a lane."""
        return len(self._running)

    @property
    def pid(self) -> int | None:
        """The process's number; None while it does not run."""
        return self._process.pid if self._process else None

    def warm(self) -> None:
        """Load the model now; blocks. Raises `ModelUnavailable`."""
        with self._lock:
            process = self._started()
        process.await_model()

    def encode(self, lines: Sequence[ChatLine]) -> list[int]:
        """The prompt's tokens by the model's chat template. Raises `ModelUnavailable`, `Refused`."""
        return self._known_vocabulary().encode(lines)

    def encode_text(self, text: str) -> list[int]:
        """The tokens of a plain text. Raises `ModelUnavailable`."""
        return self._known_vocabulary().encode_text(text)

    def submit(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        emit: Callable[[Outcome], object],
        *,
        stop: Sequence[str] = (),
        user: str = "",
        turn: str = "",
    ) -> Generation:
        """Stand in line for a turn. Raises `TooLong` if no lane can hold it, and `ModelBusy` if the line is full."""
        self._fit(len(prompt), sampling.max_tokens)
        generation = Generation(
            next(self._ids), prompt, sampling, TextAssembler(stop), emit, user, turn, submitted=time.monotonic()
        )
        with self._lock:
            self._check_open()
            if len(self._line) >= self._queue_limit and len(self._running) >= self._lanes:
                raise ModelBusy(retry_after_s=round(self._wait_s(self._line), 1))
            self._line.put(generation)
            self._serve_next()
        return generation

    def outlook(self, turn: str) -> Outlook | None:
        """A turn's place in line and its wait, at the model's present pace; None where it stands in no line."""
        with self._lock:
            ahead = list(takewhile(lambda other: other.turn != turn, self._line))
            if len(ahead) == len(self._line):
                return None
            return Outlook(place=len(ahead) + 1, wait_s=self._wait_s(ahead))

    def cancel(self, generation: Generation) -> None:
        """Stop it within a token, or take it out of the line. Harmless when it is over."""
        with self._lock:
            if not self._line.remove(generation) and generation.id in self._running:
                del self._running[generation.id]
                self._send(Cancel(cancel=generation.id))
                self._serve_next()

    def close(self) -> None:
        """End the process; refuse what waits and what runs."""
        with self._lock:
            self._closed = True
            process, self._process = self._process, None
            refused = [*self._running.values(), *self._line]
            self._running.clear()
            self._line = Line()
        if process:
            process.close()
        for generation in refused:
            self._deliver(generation, ModelUnavailable(_CLOSED))

    def _fit(self, prompt_tokens: int, max_tokens: int) -> None:
        if prompt_tokens + max_tokens > self._lane_tokens:
            raise TooLong(
                f"The question and its sources take {prompt_tokens} tokens; with {max_tokens} for the answer that is "
                f"more than the model's {self._lane_tokens}. Ask something shorter, or start a new conversation."
            )

    def _wait_s(self, ahead: Iterable[Generation]) -> float:
        """How long a request waits behind these."""
        return wait_s(map(self._work_s, self._running.values()), map(self._work_s, ahead), self._lanes)

    def _work_s(self, generation: Generation) -> float:
        unread = 0 if generation.said else len(generation.prompt) - generation.reused_tokens
        return self._pace.work_s(unread, len(generation.said), generation.sampling.max_tokens)

    def _check_open(self) -> None:
        if self._closed:
            raise ModelUnavailable(_CLOSED)

    def _known_vocabulary(self) -> Vocabulary:
        with self._lock:
            self._check_open()
            if self._vocabulary is None:
                self._vocabulary = Vocabulary(self._find())
            return self._vocabulary

    def _serve_next(self) -> None:
        while len(self._line) and len(self._running) < self._lanes:
            generation = self._line.pop()
            generation.began = time.monotonic()
            self._running[generation.id] = generation
            self._order(generation)

    def _order(self, generation: Generation) -> None:
        """Have a request computed, from where it is; it fails where there is no model."""
        request = Request(
            id=generation.id,
            prompt=tuple(generation.prompt),
            said=tuple(generation.said),
            sampling=generation.sampling,
        )
        try:
            self._send(request)
        except ModelUnavailable as error:
            self._finish(generation, error)

    def _send(self, order: Order) -> None:
        self._started().send(order)

    def _started(self) -> EngineProcess:
        self._check_open()
        if self._process is None:
            specification = Specification(
                path=self._find(),
                lanes=self._lanes,
                lane_tokens=self._lane_tokens,
                threads=self._threads,
                copy_bytes=self._copy_bytes,
            )
            self._process = EngineProcess(specification, self._on_events, self._on_end)
        return self._process

    def _on_events(self, events: Sequence[Event]) -> None:
        with self._lock:
            for event in events:
                if isinstance(event, Pass):
                    self._pace.note_pass(event.read, event.said, event.seconds)
                elif generation := self._running.get(event.id):
                    self._take(generation, event)

    def _take(self, generation: Generation, event: Begun | Token | End | Refusal) -> None:
        if isinstance(event, Begun):
            generation.reused_tokens = event.reused_tokens
        elif isinstance(event, End):
            self._finish(generation, _completion(generation, event.reason))
        elif isinstance(event, Refusal):
            self._finish(generation, Refused(event.message))
        else:
            self._hear(generation, event)

    def _hear(self, generation: Generation, event: Token) -> None:
        """Pass on what a token makes certain of the text, and end the answer where it holds a stop sequence."""
        generation.said.append(event.token)
        self._deliver(generation, generation.text.feed(self._known_vocabulary().piece(event.token)))
        if generation.text.stopped and generation.id in self._running:
            self._send(Cancel(cancel=generation.id))
            self._finish(generation, _completion(generation, "stop"))

    def _finish(self, generation: Generation, outcome: Completion | TurnError) -> None:
        del self._running[generation.id]
        if isinstance(outcome, Completion):
            self._pace.note_answer(len(generation.said), generation.sampling.max_tokens)
            self._deliver(generation, generation.text.flush())
        self._deliver(generation, outcome)
        self._serve_next()

    def _on_end(self, process: EngineProcess) -> None:
        """Let answers that were under way go on in a new process, once each; where there is no model, they fail."""
        with self._lock:
            if process is not self._process:
                return
            self._process = None
            log.warning("the process of a local model ended: %s", process.problem or "it was killed, or crashed")
            for generation in list(self._running.values()):
                if process.problem or generation.restarted:
                    self._finish(generation, ModelUnavailable(process.problem))
                else:
                    generation.restarted = True
                    self._order(generation)

    def _deliver(self, generation: Generation, outcome: Outcome) -> None:
        """Hand over an outcome; a reader whose event loop is gone cancels its request."""
        if outcome == "":
            return
        try:
            generation.emit(outcome)
        except RuntimeError:
            self.cancel(generation)


def _completion(generation: Generation, reason: Literal["stop", "length"]) -> Completion:
    return Completion(
        finish_reason=reason,
        prompt_tokens=len(generation.prompt),
        completion_tokens=len(generation.said),
        reused_tokens=generation.reused_tokens,
        queued_s=generation.began - generation.submitted,
    )
