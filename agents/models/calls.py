"""Finds the calls of tools in a model's answer while it streams."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, cast

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

from agents.models.engine import CallForm
from agents.models.text import overlap


def new_id() -> str:
    """An id for a call, of the length that all chat templates take."""
    return uuid.uuid4().hex[:9]


class Piece(NamedTuple):
    """A part of an answer."""

    text: str
    is_call: bool


class CallSplitter:
    """Tells text from calls; what may become a call is held back until that is decided."""

    def __init__(self, openings: Sequence[str], end: str) -> None:
        self._openings = openings
        self._end = end
        self._held = ""
        self._in_call = False

    def feed(self, text: str) -> Iterator[Piece]:
        """Take the next text of the answer; return what is now certain."""
        self._held += text
        while piece := self._next():
            yield piece

    def flush(self) -> Iterator[Piece]:
        """The rest, when no text follows."""
        if self._held:
            yield self._cut(len(self._held))

    def _next(self) -> Piece | None:
        if self._in_call:
            at = self._held.find(self._end) if self._end else -1
            return None if at < 0 else self._cut(at + len(self._end))
        begins = [at for at in map(self._held.find, self._openings) if at >= 0]
        if begins and min(begins) == 0:
            self._in_call = True
            return self._next()
        certain = min(begins) if begins else len(self._held) - self._undecided()
        return self._cut(certain) if certain else None

    def _undecided(self) -> int:
        return max((overlap(self._held, opening) for opening in self._openings), default=0)

    def _cut(self, size: int) -> Piece:
        piece = Piece(self._held[:size], self._in_call)
        self._held, self._in_call = self._held[size:], False
        return piece


class CallReader:
    """Turns the calls in a stream of chunks into LangChain's tool calls, what is malformed into invalid ones."""

    def __init__(self, form: CallForm, names: Sequence[str], make_id: Callable[[], str] = new_id) -> None:
        self._form = form
        self._splitter = CallSplitter(form.openings(names), form.end.strip())
        self._make_id = make_id
        self._calls = 0

    def read(self, chunk: ChatGenerationChunk) -> Iterator[ChatGenerationChunk]:
        """The chunks that are certain with this one; the last chunk says whether there were calls."""
        message = cast(AIMessageChunk, chunk.message)
        about = message.response_metadata
        if message.chunk_position == "last":
            yield from map(self._part, self._splitter.flush())
            if self._calls and about["finish_reason"] == "stop":
                about["finish_reason"] = "tool_calls"
            yield chunk
        else:
            yield from map(self._part, self._splitter.feed(chunk.text))
            if about:
                yield ChatGenerationChunk(message=AIMessageChunk(content="", response_metadata=about))

    def _part(self, piece: Piece) -> ChatGenerationChunk:
        return ChatGenerationChunk(message=self._called(piece.text) if piece.is_call else self._said(piece.text))

    def _said(self, text: str) -> AIMessageChunk:
        """Text, without the blanks that stand around calls."""
        return AIMessageChunk(content="" if self._calls and text.isspace() else text)

    def _called(self, text: str) -> AIMessageChunk:
        parts: list[tuple[str | None, str]]
        try:
            parts = [(use.name, json.dumps(use.arguments, ensure_ascii=False)) for use in self._form.read(text)]
        except (ValueError, RecursionError):
            parts = [(None, _quoted(text))]
        chunks = [
            tool_call_chunk(name=name, args=arguments, id=self._make_id(), index=self._calls + at)
            for at, (name, arguments) in enumerate(parts)
        ]
        self._calls += len(chunks)
        return AIMessageChunk(content="", tool_call_chunks=chunks)


def _quoted(text: str) -> str:
    """As a JSON string: LangChain would complete the broken arguments of a call, and have it executed."""
    return json.dumps(text, ensure_ascii=False)
