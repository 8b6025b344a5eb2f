"""One request to the engine, from the line to its last token."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from agents.errors import TurnError
from agents.models.engine.requests import Request, Sampling
from agents.models.text import TextAssembler


@dataclass(frozen=True)
class TokenLogprob:
    """A chosen token, and what else stood to choose."""

    token: bytes
    logprob: float
    """By the model alone, before temperature and grammar."""
    top: tuple[tuple[bytes, float], ...]
    """The likeliest tokens at this place and their log probabilities, likeliest first."""


@dataclass(frozen=True)
class Said:
    """Text that is certain now."""

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()
    """Of the tokens that it consists of, where they were asked for."""


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


Outcome = Said | Completion | TurnError
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
    total_s: float
    """From `submitted` to the last token, at most."""
    submitted: float
    read_tokens: int
    """Tokens of the prompt that are read or, before it has a lane, probably known."""
    reused_tokens: int = 0
    began: float = 0.0
    said: list[int] = field(default_factory=list)
    withheld: list[TokenLogprob] = field(default_factory=list)
    """Of tokens whose text is not certain yet."""
    crashes: int = 0
    """How often the process ended while this was computed."""
    alarm: threading.Timer | None = None
    """Goes off at its next deadline."""

    @property
    def cost(self) -> float:
        """Tokens to read and to say, at most."""
        return len(self.prompt) + self.sampling.max_tokens

    @property
    def unread(self) -> int:
        """Tokens of the prompt that are not read."""
        return len(self.prompt) - self.read_tokens

    @property
    def request(self) -> Request:
        """What is to be computed, from where it is."""
        return Request(id=self.id, prompt=tuple(self.prompt), said=tuple(self.said), sampling=self.sampling)

    def silence(self) -> None:
        """Turn the alarm off."""
        if self.alarm:
            self.alarm.cancel()

    def said_text(self, text: str) -> Said:
        """Text that is certain now, with what is known of its tokens."""
        logprobs = tuple(self.withheld)
        self.withheld.clear()
        return Said(text, logprobs)

    def completion(self, reason: Literal["stop", "length"]) -> Completion:
        """Its end."""
        return Completion(
            finish_reason=reason,
            prompt_tokens=len(self.prompt),
            completion_tokens=len(self.said),
            reused_tokens=self.reused_tokens,
            queued_s=self.began - self.submitted,
        )
