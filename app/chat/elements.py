"""The content of stored elements, for threads that are read again later."""

from __future__ import annotations

from typing import Protocol

from fastapi import APIRouter, Depends
from starlette.responses import Response

from app.auth.sessions import Sessions
from app.chat.history import StoredElement
from app.chat.stale import panel_note

SHOWN_AS_THEY_ARE = {"image/png", "image/jpeg", "image/gif", "image/webp", "application/json", "application/pdf"}
HEADERS = {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
}


class ElementSource(Protocol):
    """Where element contents are kept."""

    async def element_content(self, element_id: str) -> StoredElement: ...


def elements_router(source: ElementSource, sessions: Sessions) -> APIRouter:
    """`GET /elements/{id}`: for the author of the element's thread alone."""
    router = APIRouter(tags=["chat"], dependencies=[Depends(sessions.require_account)])

    @router.get("/elements/{element_id}")
    async def content(element_id: str, changed: int | None = None, gone: int | None = None) -> Response:
        """The element's bytes, served so that they cannot act as a page.

        A source that has `changed` in a release, or is `gone` with one, says so.
        """
        element = await source.element_content(element_id)
        note = panel_note(changed, gone).encode() if element.mime.startswith("text/") else b""
        return Response(note + element.content, media_type=_served_type(element.mime), headers=HEADERS)

    return router


def _served_type(mime: str) -> str:
    if mime in SHOWN_AS_THEY_ARE:
        return mime
    return "text/plain; charset=utf-8" if mime.startswith("text/") else "application/octet-stream"
