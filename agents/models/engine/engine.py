"""A local model that many people use at once, in a process of its own.

Each request stands in a line that is fair among users until the model is loaded and one of its lanes is free. A process
that dies is started again, and answers that were under way go on where they were.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count, islice, takewhile
from math import inf
from pathlib import Path

from agents.errors import DeadlineExceeded, ModelBusy, ModelUnavailable, Refused, TooLong, TurnError
from agents.models.engine.child import EngineProcess
from agents.models.engine.file import ModelFile
from agents.models.engine.forecast import Forecast
from agents.models.engine.forms import CallForm
from agents.models.engine.generation import Completion, Generation, Outcome, Outlook, TokenLogprob
from agents.models.engine.line import Line
from agents.models.engine.requests import Begun, Cancel, End, Event, Pass, Refusal, Sampling, Specification, Token
from agents.models.engine.template import ChatLine, ToolSpec
from agents.models.engine.trial import Trial
from agents.models.memory import Memory
from agents.models.text import TextAssembler

log = logging.getLogger(__name__)

_CLOSED = "Parley is shutting down. Try again in a minute."
_LOAD_BYTES_S = 500e6
"""Until a load has been seen."""


class Engine:
    """Serves one model, which is loaded for the first request. Safe to use from many threads.

    `find` names the file at the first use, and again at the next one if that failed. `queue_limit` requests may stand
    in line. Of engines that share a `memory`, idle ones make room for others.
    """

    def __init__(
        self,
        find: Callable[[], Path],
        specification: Specification,
        *,
        queue_limit: int,
        memory: Memory | None = None,
    ) -> None:
        self._specification = specification
        self._lanes = specification.lanes
        self._queue_limit = queue_limit
        self._memory = memory or Memory()
        self._lock = self._memory.lock
        self._file = ModelFile(find, specification, self._memory)
        self._ids = count()
        self._line: Line[Generation] = Line()
        self._running: dict[int, Generation] = {}
        self._trial = Trial()
        self._forecast = Forecast(self._lanes)
        self._process: EngineProcess | None = None
        self._started = 0.0
        self._load_s: float | None = None
        self._closed = False
        self._memory.join(self)

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

    @property
    def idle(self) -> bool:
        """Whether nothing is under way, and nothing may begin before another model has had the memory."""
        return not self._running and (not len(self._line) or self._gives_way())

    @property
    def wants_since(self) -> float:
        """Since when a request waits for the model to be in memory."""
        waiting = [] if self._process else [*self._running.values(), *islice(self._line, 1)]
        return min((generation.submitted for generation in waiting), default=inf)

    def warm(self) -> None:
        """Load the model now, unless others need the memory; blocks. Raises `ModelUnavailable`."""
        self._file.read()
        with self._lock:
            self._check_open()
            self._loaded()
            process = self._process
        if process:
            process.await_model()

    @property
    def call_form(self) -> CallForm:
        """How the model writes calls of tools. Raises `ModelUnavailable`."""
        return self._file.read().vocabulary.call_form

    def encode(self, lines: Sequence[ChatLine], tools: Sequence[ToolSpec] = ()) -> list[int]:
        """The prompt's tokens by the model's chat template. Raises `ModelUnavailable`, `Refused`."""
        return self._file.read().vocabulary.encode(lines, tools)

    def encode_text(self, text: str) -> list[int]:
        """The tokens of a plain text. Raises `ModelUnavailable`."""
        return self._file.read().vocabulary.encode_text(text)

    def submit(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        emit: Callable[[Outcome], object],
        *,
        stop: Sequence[str] = (),
        user: str = "",
        turn: str = "",
        first_token_s: float = inf,
        total_s: float = inf,
    ) -> Generation:
        """Stand in line for a turn, which ends with `DeadlineExceeded` when its first or its last token is late.

        Raises `TooLong` if no lane can hold it, `ModelUnavailable` if the model can't be loaded, and `ModelBusy` if
        the line is full, or takes longer than the first token may.
        """
        self._fit(len(prompt), sampling.max_tokens)
        self._file.read()
        with self._lock:
            self._check_open()
            generation = Generation(
                id=next(self._ids),
                prompt=prompt,
                sampling=sampling,
                text=TextAssembler(stop),
                emit=emit,
                user=user,
                turn=turn,
                total_s=total_s,
                submitted=time.monotonic(),
                read_tokens=self._forecast.known_tokens(prompt, [*self._running.values(), *self._line]),
            )
            self._line.put(generation)
            self.serve()
            if generation.id not in self._running:
                self._refuse_hopeless(generation, first_token_s)
            self._set_alarm(generation, min(first_token_s, total_s))
            return generation

    def outlook(self, turn: str) -> Outlook | None:
        """A turn's place in line and its wait, at the model's present pace; None where it stands in no line."""
        with self._lock:
            found = next((generation for generation in self._line if generation.turn == turn), None)
            if found is None:
                return None
            return Outlook(place=len(self._ahead_of(found)) + 1, wait_s=self._wait_s(found))

    def cancel(self, generation: Generation) -> None:
        """Stop it within a token, or take it out of the line. Harmless when it is over."""
        with self._lock:
            if self._break_off(generation):
                self._memory.used(self)

    def serve(self) -> None:
        """Begin what can begin now: after a crash one by one, else as many as there are lanes."""
        if self._trial:
            self._try_next()
            return
        while len(self._line) and len(self._running) < self._lanes and not self._gives_way():
            process = self._loaded()
            if process is None:
                return
            generation = self._line.pop()
            generation.began = time.monotonic()
            self._running[generation.id] = generation
            process.send(generation.request)

    def unload(self) -> None:
        """End the process and free its memory, until the next request."""
        process, self._process = self._process, None
        if process:
            process.kill()

    def close(self) -> None:
        """End the process; refuse what waits and what runs."""
        with self._lock:
            self._closed = True
            process, self._process = self._process, None
            self._fail_all(ModelUnavailable(_CLOSED))
            self._memory.leave(self)
        if process:
            process.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ModelUnavailable(_CLOSED)

    def _fit(self, prompt_tokens: int, max_tokens: int) -> None:
        most = self._specification.lane_tokens
        if prompt_tokens + max_tokens > most:
            raise TooLong(
                f"The question and its sources take {prompt_tokens} tokens; with {max_tokens} for the answer that is "
                f"more than the model's {most}. Ask something shorter, or start a new conversation."
            )

    def _refuse_hopeless(self, generation: Generation, first_token_s: float) -> None:
        """Let a request stand in line, unless that is too full or takes too long."""
        wait_s = self._wait_s(generation)
        full = len(self._line) + len(self._running) > self._queue_limit + self._lanes
        if full or wait_s > first_token_s:
            self._line.remove(generation)
            raise ModelBusy(retry_after_s=round(wait_s, 1))

    @property
    def _next(self) -> Generation:
        return next(iter(self._line))

    def _ahead_of(self, generation: Generation) -> list[Generation]:
        return list(takewhile(lambda other: other is not generation, self._line))

    def _wait_s(self, generation: Generation) -> float:
        """How long a request in line waits for a lane."""
        return self._loading_s() + self._forecast.wait_s(self._running.values(), self._ahead_of(generation))

    def _loading_s(self) -> float:
        """Seconds until the model is loaded."""
        if self._process and self._process.ready:
            return 0.0
        expected = self._load_s or self._file.read().memory_bytes / _LOAD_BYTES_S
        return max(0.0, expected - (time.monotonic() - self._started if self._process else 0.0))

    def _gives_way(self) -> bool:
        """Whether another model wants the memory for a request that came before the next one here."""
        return self._memory.gives_way(self, self._next.submitted)

    def _loaded(self) -> EngineProcess | None:
        """The process, once it has loaded the model; until then it is being started, if there is memory for it."""
        if self._process is None and self._memory.take(self, self._file.read().memory_bytes):
            self._started = time.monotonic()
            self._process = EngineProcess(
                self._file.read().path,
                self._specification,
                on_ready=self._on_ready,
                on_events=self._on_events,
                on_end=self._on_end,
            )
        return self._process if self._process and self._process.ready else None

    def _try_next(self) -> None:
        """Go on with the next of the requests that a crash interrupted."""
        if (process := self._loaded()) and (generation := self._trial.next()):
            process.send(generation.request)

    def _on_ready(self, process: EngineProcess) -> None:
        with self._lock:
            if process is self._process:
                self._load_s = time.monotonic() - self._started
                self._memory.used(self)

    def _on_events(self, events: Sequence[Event]) -> None:
        with self._lock:
            for event in events:
                if isinstance(event, Pass):
                    self._forecast.note_pass(event, self._running.values())
                elif generation := self._running.get(event.id):
                    self._take(generation, event)

    def _on_end(self, process: EngineProcess) -> None:
        """Let answers that were under way go on in a new process; without a model, everything fails."""
        with self._lock:
            if process is not self._process:
                return
            self._process = None
            if not process.unneeded:
                log.warning("the process of a local model ended: %s", process.problem or "it was killed, or crashed")
                self._give_up(process)
            self._trial.begin(self._running.values())
            self._memory.give_back(self)

    def _give_up(self, process: EngineProcess) -> None:
        """Fail what made a process crash, and all if it never got to serve."""
        if not process.ready:
            self._fail_all(ModelUnavailable(process.problem))
        for generation in self._trial.crashed(self._running.values()):
            self._forget(generation)
            self._deliver(generation, ModelUnavailable())

    def _take(self, generation: Generation, event: Begun | Token | End | Refusal) -> None:
        if isinstance(event, Begun):
            generation.reused_tokens = generation.read_tokens = event.reused_tokens
        elif isinstance(event, End):
            self._forecast.note_answer(generation)
            self._end(generation, generation.completion(event.reason))
        elif isinstance(event, Refusal):
            self._end(generation, Refused(event.message))
        else:
            self._hear(generation, event)

    def _hear(self, generation: Generation, event: Token) -> None:
        """Pass on what a token makes certain of the text, and end the answer where it holds a stop sequence."""
        if not generation.said:
            self._set_alarm(generation, generation.total_s)
        generation.said.append(event.token)
        if event.logprob is not None:
            generation.withheld.append(self._told(event.token, event.logprob, event.top))
        self._deliver_text(generation, generation.text.feed(self._file.read().vocabulary.piece(event.token)))
        if generation.text.stopped and self._break_off(generation):
            self._end(generation, generation.completion("stop"))
        elif self._trial:
            self._trial.clear(generation)
            self.serve()

    def _told(self, token: int, logprob: float, top: Sequence[tuple[int, float]]) -> TokenLogprob:
        piece = partial(self._file.read().vocabulary.piece, special=True)
        return TokenLogprob(piece(token), logprob, tuple((piece(other), its) for other, its in top))

    def _end(self, generation: Generation, outcome: Completion | TurnError) -> None:
        """Hand over how a request ended that is over in the process, or about to be."""
        self._forget(generation)
        if isinstance(outcome, Completion):
            self._deliver_text(generation, generation.text.flush())
        self._deliver(generation, outcome)
        self._memory.used(self)

    def _set_alarm(self, generation: Generation, after_s: float) -> None:
        """Have a request end so long after it was submitted, and not when it was to end before."""
        generation.silence()
        if after_s < inf:
            left_s = generation.submitted + after_s - time.monotonic()
            generation.alarm = threading.Timer(max(0.0, left_s), self._expire, [generation])
            generation.alarm.daemon = True
            generation.alarm.start()

    def _expire(self, generation: Generation) -> None:
        with self._lock:
            if self._break_off(generation):
                self._deliver(generation, DeadlineExceeded())
                self._memory.used(self)

    def _break_off(self, generation: Generation) -> bool:
        """Forget a request here and in the process; whether it was not over."""
        computed = generation.id in self._running
        if not self._forget(generation):
            return False
        if computed:
            self._forecast.note_answer(generation)
            if self._process:
                self._process.send(Cancel(cancel=generation.id))
        return True

    def _forget(self, generation: Generation) -> bool:
        """Take a request out of the line or its lane; whether it was there."""
        generation.silence()
        self._trial.clear(generation)
        return self._line.remove(generation) or self._running.pop(generation.id, None) is not None

    def _fail_all(self, error: TurnError) -> None:
        for generation in [*self._running.values(), *self._line]:
            self._forget(generation)
            self._deliver(generation, error)

    def _deliver_text(self, generation: Generation, text: str) -> None:
        if text:
            self._deliver(generation, generation.said_text(text))

    def _deliver(self, generation: Generation, outcome: Outcome) -> None:
        """Hand over an outcome; a reader whose event loop is gone cancels its request."""
        try:
            generation.emit(outcome)
        except RuntimeError:
            self.cancel(generation)
