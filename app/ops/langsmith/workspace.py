"""Routes about the workspace itself: its name, and the secrets that it does not keep."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from app.ops.langsmith.errors import NotServed
from app.ops.langsmith.request import Store
from app.ops.store.models import DEFAULT_PROJECT

router = APIRouter()
open_router = APIRouter()
"""Answered without a key."""


@open_router.get("/ok")
def ok() -> dict[str, bool]:
    """Whether this server answers."""
    return {"ok": True}


@router.get("/workspaces")
def list_workspaces(store: Store) -> list[dict[str, Any]]:
    """The workspace that the key opens."""
    (default,) = store.projects.find(name=DEFAULT_PROJECT)
    return [
        {
            "id": str(store.workspace.id),
            "display_name": store.workspace.name,
            "tenant_handle": store.workspace.name,
            "created_at": default.created_at.isoformat(),
            "is_personal": False,
            "is_deleted": False,
            "organization_id": None,
        }
    ]


@router.get("/workspaces/current/secrets")
def list_secrets() -> list[dict[str, Any]]:
    """Nothing: secrets are not kept here."""
    return []


@router.post("/workspaces/current/secrets")
@router.put("/workspaces/current/secrets/{key}")
@router.delete("/workspaces/current/secrets/{key}")
def keep_secret() -> None:
    """Refuse to keep secrets."""
    raise NotServed("Workspace secrets are not kept: this server calls no model on a client's behalf.")
