"""Time limits on a stream of answer pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import cast

from langchain_core.outputs import ChatGenerationChunk

from agents.errors import DeadlineExceeded


async def within(
    chunks: AsyncIterator[ChatGenerationChunk], *, first_token_s: float, total_s: float
) -> AsyncGenerator[ChatGenerationChunk, None]:
    """Pass the chunks on; stop their source and raise `DeadlineExceeded` when text, or the end, comes too late.

    Closing this iterator closes `chunks`.
    """
    began = asyncio.get_running_loop().time()
    deadline = began + min(first_token_s, total_s)
    async with aclosing(cast(AsyncGenerator[ChatGenerationChunk, None], chunks)) as source:
        while (chunk := await _next(source, deadline)) is not None:
            if chunk.text:
                deadline = began + total_s
            yield chunk


async def _next(source: AsyncIterator[ChatGenerationChunk], deadline: float) -> ChatGenerationChunk | None:
    try:
        async with asyncio.timeout_at(deadline):
            return await anext(source, None)
    except TimeoutError as error:
        raise DeadlineExceeded() from error
