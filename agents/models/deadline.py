"""Time limits on a stream of answer pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Protocol, TypeVar, cast

from agents.errors import DeadlineExceeded


class Piece(Protocol):
    """A part of an answer."""

    @property
    def text(self) -> str:
        """Its words; empty where it carries something else."""


_Piece = TypeVar("_Piece", bound=Piece)


async def within(
    pieces: AsyncIterator[_Piece], *, first_token_s: float, total_s: float
) -> AsyncGenerator[_Piece, None]:
    """Pass the pieces on; stop their source and raise `DeadlineExceeded` when text, or the end, comes too late.

    Closing this iterator closes `pieces`.
    """
    began = asyncio.get_running_loop().time()
    deadline = began + min(first_token_s, total_s)
    async with aclosing(cast("AsyncGenerator[_Piece, None]", pieces)) as source:
        while (piece := await _next(source, deadline)) is not None:
            if piece.text:
                deadline = began + total_s
            yield piece


async def _next(source: AsyncIterator[_Piece], deadline: float) -> _Piece | None:
    try:
        async with asyncio.timeout_at(deadline):
            return await anext(source, None)
    except TimeoutError as error:
        raise DeadlineExceeded() from error
