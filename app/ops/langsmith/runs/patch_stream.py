"""Pages as a client asks for them: whole, or as a stream of JSON patches that build the page up item by item."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from app.ops.store.tables.base import json_text

_STREAM = "text/event-stream"


def answer(request: Request, page: dict[str, Any]) -> Response:
    """The page, which has `items` and `next_cursor`, in the form that the request accepts."""
    if _STREAM not in request.headers.get("accept", ""):
        return JSONResponse(page)
    return StreamingResponse(_events(page), media_type=_STREAM, headers={"Cache-Control": "no-cache"})


def _events(page: dict[str, Any]) -> Iterator[str]:
    yield _event("add", "", {"items": [], "next_cursor": page["next_cursor"]})
    for item in page["items"]:
        yield _event("add", "/items/-", item)


def _event(operation: str, path: str, value: Any) -> str:
    return f"data: {json_text([{'op': operation, 'path': path, 'value': value}])}\n\n"
