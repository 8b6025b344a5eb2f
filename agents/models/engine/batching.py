"""Many requests on one model at once: each pass computes one token of every answer, and a portion of a prompt."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from agents.models.engine.lanes import Lane, Lanes
from agents.models.engine.llama import BATCH_TOKENS, Llama, Sampler, Step, StopFlag
from agents.models.engine.requests import Begun, End, Event, Pass, Refusal, Request, Token

PORTION_TOKENS = 128
"""Tokens of prompts that are read in one pass while answers are under way, which wait for them."""

Emit = Callable[[Event], None]


@dataclass(eq=False)
class _Running:
    """A request that has a lane."""

    request: Request
    lane: Lane
    sampler: Sampler
    tokens: list[int]
    """The prompt and the answer so far; the lane holds the first of them."""
    answered: int

    @property
    def rest(self) -> int:
        """Tokens that are not computed yet."""
        return len(self.tokens) - len(self.lane.tokens)


class Batching:
    """Computes requests in the order in which they came, as many at a time as there are lanes.

    One thread calls `submit`, `cancel` and `work`; `interrupt` may be called by another.
    """

    def __init__(self, llama: Llama, lanes: Lanes, emit: Emit) -> None:
        self._llama = llama
        self._lanes = lanes
        self._emit = emit
        self._waiting: deque[Request] = deque()
        self._running: list[_Running] = []
        self._since = 0.0
        """When the last pass ended or, after idleness, the first request came."""
        self._stop = StopFlag()
        llama.abort_on(self._stop)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self._running and not self._waiting

    def submit(self, request: Request) -> None:
        """Take in a request; its tokens and end are emitted as they come."""
        if self.idle:
            self._since = time.perf_counter()
        self._waiting.append(request)

    def interrupt(self) -> None:
        """Break off the pass that is being computed, and those that follow, until the `cancel` that must come."""
        self._stop.set()

    def cancel(self, number: int) -> None:
        """Forget a request; nothing more is emitted of it. Harmless when it is over."""
        self._stop.clear()
        self._waiting = deque(request for request in self._waiting if request.id != number)
        for running in [running for running in self._running if running.request.id == number]:
            self._leave(running)

    def work(self) -> None:
        """Compute one pass."""
        self._start_next()
        plan = list(self._plan())
        if not plan or not self._computed(plan):
            return
        at = -1
        for running, its_steps in plan:
            at += len(its_steps)
            running.lane.tokens += [step.token for step in its_steps]
            if its_steps[-1].wanted:
                self._answer(running, at)

    def _computed(self, plan: Sequence[tuple[_Running, list[Step]]]) -> bool:
        """Have the model compute a pass; False where it was interrupted, and then nothing of it is kept."""
        steps = [step for _, steps in plan for step in steps]
        said = sum(running.rest == 1 for running, _ in plan)
        if not self._llama.decode(steps):
            for running, _ in plan:
                self._llama.keep(running.lane.number, len(running.lane.tokens))
            return False
        before, self._since = self._since, time.perf_counter()
        self._emit(Pass(read=len(steps) - said, said=said, seconds=self._since - before))
        return True

    def _start_next(self) -> None:
        """Begin requests until one has a prompt to read: the next may begin alike, and need not read that again."""
        while self._waiting and self._lanes.any_idle and all(running.rest == 1 for running in self._running):
            self._start(self._waiting.popleft())

    def _start(self, request: Request) -> None:
        try:
            sampler = self._llama.sampler(request.sampling)
        except ValueError as error:
            self._emit(Refusal(id=request.id, message=str(error)))
            return
        for token in request.said:
            sampler.accept(token)
        tokens = [*request.prompt, *request.said]
        lane = self._lanes.take(tokens)
        self._running.append(_Running(request, lane, sampler, tokens, answered=len(request.said)))
        self._emit(Begun(id=request.id, reused_tokens=len(lane.tokens)))

    def _plan(self) -> Iterator[tuple[_Running, list[Step]]]:
        """What each request has computed in this pass: answers first, then the prompts that came first."""
        answering = [running for running in self._running if running.rest == 1]
        reading = [running for running in self._running if running.rest > 1]
        room = min(PORTION_TOKENS, BATCH_TOKENS - len(answering)) if answering else BATCH_TOKENS
        for running in answering:
            yield running, _steps(running, 1)
        for running in reading:
            if room > 0:
                steps = _steps(running, room)
                room -= len(steps)
                yield running, steps

    def _answer(self, running: _Running, at: int) -> None:
        """Choose the next token of a request whose last step was the `at`-th of the pass."""
        request = running.request
        token = self._llama.choose(running.sampler, at)
        if self._llama.is_end(token):
            self._end(running, "stop")
            return
        running.tokens.append(token)
        running.answered += 1
        self._emit(self._told(request, token, at))
        if running.answered == request.sampling.max_tokens:
            self._end(running, "length")

    def _told(self, request: Request, token: int, at: int) -> Token:
        """What is told of a chosen token."""
        if request.sampling.logprobs is None:
            return Token(id=request.id, token=token)
        logprob, top = self._llama.logprobs(at, token, request.sampling.logprobs)
        return Token(id=request.id, token=token, logprob=logprob, top=tuple(top))

    def _end(self, running: _Running, reason: Literal["stop", "length"]) -> None:
        self._emit(End(id=running.request.id, reason=reason))
        self._leave(running)

    def _leave(self, running: _Running) -> None:
        running.sampler.close()
        self._running.remove(running)
        self._lanes.give_back(running.lane)


def _steps(running: _Running, most: int) -> list[Step]:
    """The next tokens to compute of a request; after the last one there is, the next is wanted."""
    lane, known = running.lane, len(running.lane.tokens)
    chosen = running.tokens[known : known + most]
    last = len(running.tokens) - 1
    return [Step(lane.number, known + i, token, known + i == last) for i, token in enumerate(chosen)]
