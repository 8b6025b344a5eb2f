"""How a turn gets a model's words: the models of its chain are asked in their order until one answers.

What fails before a word of it was shown is followed by the next model. What fails later ends the answer there: a second
model would begin anew, and the reader would have pieces of two answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Protocol, cast

from langchain_core.messages import AIMessageChunk, BaseMessage

from agents.budgets import Hold, Payers
from agents.context import Fitted, Reading, room
from agents.costs import cost_usd
from agents.errors import CircuitOpen, DeadlineExceeded, ModelBusy, ModelUnavailable, OverBudget, Refused, TurnError
from agents.models.breaker import CircuitBreaker
from agents.models.deadline import within
from agents.models.translate import contained
from agents.state import Turn
from agents.turn import Attempt, Usage

_TOO_SHORT_S = 0.1
"""With less time than this left, no model is asked."""


class Speech(Protocol):
    """What becomes of a model's words."""

    shown: bool
    """Whether the reader has seen any."""

    async def take(self, text: AsyncIterator[str]) -> None:
        """Show what may be shown of a model's whole text, from its beginning."""


@dataclass
class Call:
    """What one call of a model has taken so far."""

    began: float
    prompt_tokens: int = 0
    """Counted before it."""
    left_out: int = 0
    """Quotes that the model's context had no room for."""
    hold: Hold | None = None
    """What is set aside for it."""
    pieces: int = 0
    reported: Usage | None = None

    def note(self, chunk: AIMessageChunk) -> None:
        """Count a piece of the answer, and add up what it reports."""
        self.pieces += bool(chunk.text)
        if told := chunk.usage_metadata:
            before = self.reported or Usage()
            self.reported = Usage(
                prompt_tokens=before.prompt_tokens + told["input_tokens"],
                completion_tokens=before.completion_tokens + told["output_tokens"],
            )

    @property
    def usage(self) -> Usage:
        """As reported; of an answer that broke off, its prompt and a token for each piece."""
        if self.reported or not self.pieces:
            return self.reported or Usage()
        return Usage(prompt_tokens=self.prompt_tokens, completion_tokens=self.pieces)


class Chain:
    """One turn's way through its models."""

    def __init__(self, turn: Turn, reading: Reading, speech: Speech) -> None:
        self._turn = turn
        self._models = turn.parts.models
        self._reading = reading
        self._speech = speech

    async def ask(self, names: Iterable[str | None]) -> None:
        """Ask one model after the other until one answers.

        Raises the first one's `TurnError` where none did, that of the last one where it broke off after words were
        shown, and what showing them raises.
        """
        errors: list[TurnError] = []
        for name in names:
            try:
                return await self._ask(name)
            except TurnError as error:
                if self._speech.shown:
                    raise
                errors.append(error)
            if self._is_late:
                break
        raise errors[0]

    @property
    def _is_late(self) -> bool:
        """Whether the turn has no time left for a model."""
        return self._turn.left_s() < _TOO_SHORT_S

    async def _ask(self, name: str | None) -> None:
        """Ask one model, and again where that may help and the pause is no longer than a first word may take."""
        backoff, settings = self._turn.parts.backoff, self._models.settings_of(name)
        for tries in count(1):
            try:
                return await self._call(name)
            except TurnError as error:
                pause_s = backoff.pause_s(error, tries)
                if pause_s is None or tries > settings.retries or self._speech.shown:
                    raise
                if pause_s >= min(settings.first_token_timeout_s, self._turn.left_s()):
                    raise
            await backoff.sleep(pause_s)

    async def _call(self, name: str | None) -> None:
        """Ask a model once, on the record however that ends."""
        call = Call(began=self._turn.parts.clock())
        outcome, reason = "stopped", ""
        try:
            with self._watched(self._models.breaker(name)):
                await self._listen(name, call)
            outcome = "answered"
        except TurnError as error:
            outcome, reason = "cut" if self._speech.shown else error.code, error.message
            raise
        finally:
            self._record(name, call, outcome, reason)

    @contextmanager
    def _watched(self, breaker: CircuitBreaker) -> Iterator[None]:
        """Tell the breaker how the call inside ends. Raises `CircuitOpen` instead of entering."""
        if not breaker.let_through():
            raise CircuitOpen(f"The model is left alone for {breaker.trial_in_s:.0f} s: it failed again and again.")
        heard = breaker.gave_up
        try:
            yield
            heard = breaker.succeeded
        except OverBudget:
            raise
        except (ModelBusy, Refused):
            heard = breaker.succeeded
            raise
        except (ModelUnavailable, DeadlineExceeded):
            if not self._is_late:  # else it was the turn that had no more time
                heard = breaker.failed
            raise
        finally:
            heard()

    async def _listen(self, name: str | None, call: Call) -> None:
        """Hand the model's text to the speech."""
        turn = self._turn
        turn.asked, turn.result.model = name, self._models.name_of(name)
        with contained(turn.result.model):
            fitted = await asyncio.to_thread(self._fitted, name)
        call.prompt_tokens, call.left_out = fitted.tokens, fitted.left_out
        call.hold = self._hold(name, fitted.tokens)  # in this thread: a cancelled turn must not lose sight of it
        async with aclosing(self._text(name, call, fitted.messages)) as text:
            await self._speech.take(text)

    def _fitted(self, name: str | None) -> Fitted:
        """What the model is to read. Raises `TooLong`."""
        count_tokens = self._models.get(name).get_num_tokens_from_messages
        return self._reading.fitted(count_tokens, room(self._models.settings_of(name)))

    def _hold(self, name: str | None, prompt_tokens: int) -> Hold:
        """Set aside what a call may cost at most. Raises `OverBudget`."""
        turn, settings = self._turn, self._models.settings_of(name)
        return turn.parts.budgets.hold(
            Payers.of(turn.request.asker, turn.arm.experiment),
            usd=cost_usd(settings, prompt_tokens, settings.max_tokens, settings.timeout_s),
            tokens=prompt_tokens + settings.max_tokens,
        )

    async def _text(self, name: str | None, call: Call, messages: list[BaseMessage]) -> AsyncGenerator[str, None]:
        """The model's text as it comes, within its time and the turn's."""
        turn, settings, left_s = self._turn, self._models.settings_of(name), self._turn.left_s()
        request = turn.request
        model = self._models.working_for(request.asker.user_hash, str(request.turn_id), name, left_s=left_s)
        limited = within(
            cast("AsyncIterator[AIMessageChunk]", model.astream(messages)),
            first_token_s=min(settings.first_token_timeout_s, left_s),
            total_s=min(settings.timeout_s, left_s),
        )
        with contained(turn.result.model):
            async with aclosing(limited) as chunks:
                async for chunk in chunks:
                    call.note(chunk)
                    if call.pieces == 1 and chunk.text:
                        turn.result.first_token_s = round(turn.elapsed_s(), 4)
                    yield chunk.text

    def _record(self, name: str | None, call: Call, outcome: str, reason: str) -> None:
        seconds, used = self._turn.parts.clock() - call.began, call.usage
        settings = self._models.settings_of(name)
        cost = cost_usd(settings, used.prompt_tokens, used.completion_tokens, seconds)
        if call.hold:
            call.hold.settle(usd=cost, tokens=used.prompt_tokens + used.completion_tokens)
        self._turn.result.attempts.append(
            Attempt(
                model=self._models.name_of(name),
                outcome=outcome,
                reason=reason,
                seconds=round(seconds, 4),
                usage=used,
                cost_usd=cost,
                context_tokens=room(settings),
                quotes_left_out=call.left_out,
            )
        )
