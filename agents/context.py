"""What a model is given to read: as many of the quotes as its context holds beside the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langchain_core.messages import BaseMessage

from agents.answering.quotes import Quote
from agents.errors import TooLong
from agents.models.settings import ModelSettings
from agents.prompts import Prompt

Count = Callable[[list[BaseMessage]], int]
"""Tokens of messages, as the model counts them."""


@dataclass(frozen=True)
class Fitted:
    """A prompt that fits."""

    messages: list[BaseMessage]
    tokens: int
    left_out: int
    """Quotes that did not fit."""


@dataclass(frozen=True)
class Reading:
    """A question and its quotes, the best first, as a prompt puts them to a model."""

    prompt: Prompt
    question: str
    quotes: Sequence[Quote]

    def fitted(self, count: Count, room: int | None) -> Fitted:
        """The prompt with all quotes, or else without the last ones. Raises `TooLong` where not even one fits.

        `room` is in tokens; None sets no limit.
        """
        for kept in range(len(self.quotes), 0, -1):
            messages = self.prompt.render(self.question, self.quotes[:kept])
            tokens = count(messages)
            if room is None or tokens <= room:
                return Fitted(messages, tokens, left_out=len(self.quotes) - kept)
        raise TooLong(
            f"The question and one passage take {tokens} tokens, and the model reads {room} at most. "
            "Ask something shorter."
        )


def room(settings: ModelSettings) -> int | None:
    """Tokens that a model's prompt may have; None where only its provider knows."""
    return None if settings.kind == "hosted" else settings.context_tokens - settings.max_tokens
