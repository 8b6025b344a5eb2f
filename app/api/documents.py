"""The originals that citations open."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Depends, HTTPException
from fastapi.responses import FileResponse

from app.auth.sessions import Sessions
from app.auth.users import Account
from retrieval.corpus import Corpus

# Shown in the browser as they are; everything else is shown as plain text or downloaded, so that it cannot act.
INLINE = {"application/pdf": "application/pdf"}
AS_TEXT = ("text/",)
SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
PRIVATE = {"Cache-Control": "private, no-cache"}
"""No cache shows it without asking anew: its reader may have changed, or been changed."""

ReleaseOf = Callable[[Account], int | None]


def documents_router(corpus: Corpus, sessions: Sessions, release_of: ReleaseOf) -> APIRouter:
    """`GET /documents/{id}`: an ingested file, for readers of its groups only.

    A reader whose arm is answered from a release of its own gets the file of that release, where it is in there.
    """
    router = APIRouter(prefix="/documents", tags=["documents"])

    @router.get("/{document_id}")
    def original(document_id: str, account: Account = Depends(sessions.require_account)) -> FileResponse:  # noqa: B008
        """The file as it was ingested; 404 too where the reader may not see it."""
        release, now = release_of(account), corpus.document(document_id)
        then = corpus.document(document_id, release) if release else None
        document, path = then or now, corpus.original(document_id, release if then else None)
        readable = all(set(one.groups) & set(account.groups) for one in (then, now) if one)
        if document is None or path is None or not readable:
            raise HTTPException(404, "There is no such document, or it is not yours to read.")
        inline = document.media_type in INLINE or document.media_type.startswith(AS_TEXT)
        return FileResponse(
            path,
            media_type=_served_type(document.media_type),
            filename=document.name.rsplit("/", 1)[-1],
            content_disposition_type="inline" if inline else "attachment",
            headers=PRIVATE if document.media_type in INLINE else {**PRIVATE, "Content-Security-Policy": SANDBOX},
        )

    return router


def _served_type(media_type: str) -> str:
    if media_type in INLINE:
        return INLINE[media_type]
    return "text/plain; charset=utf-8" if media_type.startswith(AS_TEXT) else "application/octet-stream"
