"""Whose key opens which store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import HTTPException, Request
from fastapi.concurrency import run_in_threadpool

from app.ops.store import OpsStore
from app.ops.store.workspaces import Workspaces

Opened = Callable[[str], OpsStore | None]
"""The store that a key opens."""


def by_workspace_key(workspaces: Workspaces) -> Opened:
    """Keys of workspaces, from `parley ops keys create`."""

    def opened(secret: str) -> OpsStore | None:
        key = workspaces.key(secret)
        return workspaces.opened_by(key) if key else None

    return opened


def authorize_by(*ways: Opened, hint: str) -> Callable[[Request], Awaitable[OpsStore]]:
    """Authentication of the API: the first way that knows the `x-api-key` decides; `hint` says how to come by one."""

    def find(key: str) -> OpsStore | None:
        return next((store for opened in ways if (store := opened(key))), None)

    async def authorize(request: Request) -> OpsStore:
        key = request.headers.get("x-api-key", "")
        store = await run_in_threadpool(find, key) if key else None
        if store is None:
            raise HTTPException(401, hint)
        _require_workspace(request, store)
        return store

    return authorize


def _require_workspace(request: Request, store: OpsStore) -> None:
    """A client that says which workspace it means must not end up in another."""
    wanted = request.headers.get("x-tenant-id", "")
    if wanted and wanted.lower() != str(store.workspace.id):
        raise HTTPException(
            403, f"This key opens the workspace {store.workspace.id}; send that as X-Tenant-Id, or send no such header."
        )
