"""Attached files, read by links that are signed and expire: clients fetch them without their key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse

from app.ops.langsmith.request import workspaces
from app.ops.store import NotFound, OpsStore
from app.ops.store.models import Attachment

router = APIRouter()
_SHOWN = {"image/png", "image/jpeg", "image/gif", "image/webp", "audio/mpeg", "audio/wav", "video/mp4", "text/plain"}
"""What a browser may show in place; anything else it saves, as it could be a page with scripts."""


@router.get("/attachments/{workspace_id}/{token}")
def read_attachment(request: Request, workspace_id: UUID, token: str) -> FileResponse:
    """The file that a signed link opens."""
    store = next((one for one in workspaces(request) if one.workspace.id == workspace_id), None)
    if store is None:
        raise NotFound("This link opens nothing. Read the example or the run again for a new one.")
    file = store.links.open(token)
    shown = file.mime_type in _SHOWN
    return FileResponse(
        file.path,
        media_type=file.mime_type if shown else "application/octet-stream",
        headers={
            "Content-Disposition": "inline" if shown else "attachment",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, max-age=3600",
        },
    )


def attachment_urls(request: Request, store: OpsStore, files: Mapping[str, Attachment]) -> dict[str, Any]:
    """Where clients read these files, by `attachment.{name}`."""
    here = f"{request.url.scheme}://{request.url.netloc}{request.scope.get('root_path', '')}"
    return {
        f"attachment.{name}": {
            "presigned_url": f"{here}/attachments/{store.workspace.id}/{store.links.token(file)}",
            "mime_type": file.mime_type,
        }
        for name, file in files.items()
    }
