"""The OpenAI-compatible API: unmodified OpenAI clients talk to Parley."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Literal, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from agents.assistant import Assistant
from agents.errors import Empty, TurnError
from agents.turn import Asker, Delta, Evidence, Finished, Message, Notice, TurnRequest, TurnResult, Waiting
from app.api.openai_errors import OpenAIRoute, turn_error_body
from retrieval.filters import Filters

Answer = TypeVar("Answer")
MODEL = "parley"
CLIENT_CLOSED_REQUEST = 499
DISCONNECT_POLL_S = 0.1
MAX_BODY_BYTES = 8_000_000
UNBUFFERED = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""Proxies pass each chunk on as it comes."""


class TextPart(BaseModel):
    """A piece of a message's content; Parley reads text only."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """One message as OpenAI clients send it."""

    model_config = ConfigDict(extra="ignore")

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]

    @property
    def text(self) -> str:
        """The content as one string."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content)


class ChatRequest(BaseModel):
    """A chat completion request; options that Parley decides itself are accepted and ignored."""

    model_config = ConfigDict(extra="ignore")

    model: str = MODEL
    messages: list[ChatMessage] = Field(min_length=1, max_length=1000)
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    thread_id: str | None = Field(default=None, pattern=r"^[!-~]{1,128}$")
    """Continues a thread that Parley remembers; printable ASCII without spaces."""
    where: Filters | None = None
    """The documents that the question is asked of, by patterns of names and media types; all of them without it."""

    @property
    def wants_usage(self) -> bool:
        """Whether a stream is to end with a chunk of token counts."""
        return bool(self.stream_options and self.stream_options.get("include_usage"))


def openai_router(
    assistant: Callable[[], Assistant], authenticate: Callable[..., Awaitable[Asker]], new_id: Callable[[], UUID]
) -> APIRouter:
    """`POST /v1/chat/completions` and `GET /v1/models` for callers that `authenticate` lets in."""
    router = APIRouter(prefix="/v1", tags=["OpenAI-compatible"], route_class=OpenAIRoute, max_body_size=MAX_BODY_BYTES)

    @router.get("/models")
    async def models(_: Asker = Depends(authenticate)) -> dict[str, Any]:  # noqa: B008
        """List the one model that there is: Parley."""
        return {
            "object": "list",
            "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "parley"}],
        }

    @router.post("/chat/completions")
    async def chat_completions(
        body: ChatRequest,
        request: Request,
        asker: Asker = Depends(authenticate),  # noqa: B008
    ) -> Response:
        """Answer the last user message, with citations and figures under `parley`."""
        turn = _turn(body, asker, new_id())
        if body.stream:
            return await _streamed(assistant(), turn, request, body.wants_usage)
        result = await _unless_disconnected(assistant().ask(turn), request)
        return JSONResponse(_completion(result)) if result else Response(status_code=CLIENT_CLOSED_REQUEST)

    @router.api_route("/{path:path}", methods=["GET", "POST", "DELETE"], include_in_schema=False)
    async def not_served(path: str) -> None:
        """Say so, where the chat's page would otherwise answer."""
        raise HTTPException(404, f"/v1/{path} is not served; there are /v1/models and /v1/chat/completions.")

    return router


def _turn(body: ChatRequest, asker: Asker, turn_id: UUID) -> TurnRequest:
    """The last user message is the question, what stands before it the history."""
    spoken = [message for message in body.messages if message.role in ("user", "assistant")]
    if not spoken or spoken[-1].role != "user":
        raise Empty("The last message must have the role 'user'.")
    history = tuple(Message(role=m.role, content=m.text) for m in spoken[:-1])  # type: ignore[arg-type]
    remembered = body.thread_id is not None and not history
    return TurnRequest(
        turn_id=turn_id,
        thread_id=f"api-{asker.user_hash}-{body.thread_id or turn_id}",
        question=spoken[-1].text,
        asker=asker,
        history=None if remembered else history,
        where=body.where,
    )


async def _unless_disconnected(answer: Awaitable[Answer], request: Request) -> Answer | None:
    """What is awaited, or None when the caller hangs up first, which stops the turn."""
    task = asyncio.ensure_future(answer)
    try:
        while not (await asyncio.wait({task}, timeout=DISCONNECT_POLL_S))[0]:
            if await request.is_disconnected():
                return None
        return task.result()
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _streamed(assistant: Assistant, turn: TurnRequest, request: Request, usage: bool) -> Response:
    """The turn as a stream. Its first event is awaited here, so that a refusal still gets its HTTP status."""
    events = assistant.stream(turn)
    first = await _unless_disconnected(anext(events), request)
    if first is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    return StreamingResponse(_sse(turn, first, events, usage), media_type="text/event-stream", headers=UNBUFFERED)


async def _sse(turn: TurnRequest, first: Any, events: AsyncGenerator[Any, None], usage: bool) -> AsyncIterator[str]:
    """The turn as server-sent chunks, ending with `[DONE]`."""
    created = int(time.time())

    def chunk(delta: dict[str, Any], finish: str | None = None, **extra: Any) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _data({**_head(turn.turn_id, "chat.completion.chunk", created), "choices": [choice], **extra})

    async with aclosing(events) as rest:
        yield chunk({"role": "assistant", "content": ""})
        event = first
        try:
            while not isinstance(event, Finished):
                yield _piece(event, chunk)
                event = await anext(rest)
        except TurnError as error:
            yield _data(turn_error_body(error))
            return
        yield chunk({}, finish="stop", parley=figures(event.result))
        if usage:
            head = _head(turn.turn_id, "chat.completion.chunk", created)
            yield _data({**head, "choices": [], "usage": _usage(event.result)})
        yield "data: [DONE]\n\n"


def _piece(event: Any, chunk: Callable[..., str]) -> str:
    """One event as a chunk; notices, waits and evidence carry themselves under `parley` too."""
    if isinstance(event, Notice):
        return chunk({}, parley={"notice": event.text})
    if isinstance(event, Waiting):
        return chunk({}, parley={"waiting": {"place": event.place, "wait_s": event.wait_s}})
    if isinstance(event, Evidence):
        citations = [citation.model_dump(mode="json") for citation in event.citations]
        return chunk({"content": event.text}, parley={"citations": citations})
    if isinstance(event, Delta):
        return chunk({"content": event.text})
    raise TypeError(f"not a turn event: {type(event).__name__}")


def _data(payload: dict[str, Any]) -> str:
    return f"data: {json.dumps(payload, ensure_ascii=False)}\n\n"


def _head(turn_id: UUID, kind: str, created: int) -> dict[str, Any]:
    return {"id": f"chatcmpl-{turn_id}", "object": kind, "created": created, "model": MODEL}


def _usage(result: TurnResult) -> dict[str, int]:
    used = result.usage
    return {
        "prompt_tokens": used.prompt_tokens,
        "completion_tokens": used.completion_tokens,
        "total_tokens": used.prompt_tokens + used.completion_tokens,
    }


def _completion(result: TurnResult) -> dict[str, Any]:
    message = {"role": "assistant", "content": result.text}
    return {
        **_head(result.turn_id, "chat.completion", int(time.time())),
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": _usage(result),
        "parley": figures(result),
    }


def figures(result: TurnResult) -> dict[str, Any]:
    """A turn's citations and figures, as the API and `parley ask --json` give them; `run_id` finds its trace."""
    return {"run_id": str(result.turn_id), **result.model_dump(mode="json", exclude={"text", "turn_id"})}
