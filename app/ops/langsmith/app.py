"""The LangSmith API over the store, as an application to mount."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.ops.langsmith import (
    feedback,
    info,
    prompt_directories,
    prompt_webhooks,
    prompts,
    runs,
    sessions,
    tracing,
)
from app.ops.langsmith.errors import NotServed, answer_errors
from app.ops.settings import OpsSettings
from app.ops.store import OpsStore

Authorize = Callable[[Request], Awaitable[OpsStore]]
"""The store of the workspace that the request's key opens; raises `fastapi.HTTPException` where it opens none."""

_OPEN = (info.router,)
"""Answered without a key."""
_GUARDED = (
    info.workspace_router,
    tracing.router,
    runs.router,
    sessions.router,
    feedback.router,
    prompts.router,
    prompt_directories.router,
    prompt_webhooks.router,
)
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def langsmith_app(authorize: Authorize, settings: OpsSettings | None = None) -> FastAPI:
    """An ASGI application that an unmodified `langsmith` client can use."""

    async def enter(request: Request) -> None:
        request.state.store = await authorize(request)

    app = FastAPI(title="Parley's LangSmith API", docs_url=None, redoc_url=None)
    app.state.settings = settings or OpsSettings()
    for router in _OPEN:
        app.include_router(router)
    for router in (*_GUARDED, _everything_else()):
        app.include_router(router, dependencies=[Depends(enter)])
    answer_errors(app)
    app.add_middleware(_OneSpelling)
    return app


def _everything_else() -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.api_route("/{path:path}", methods=_METHODS)
    def not_served(path: str, request: Request) -> None:
        raise NotServed(f"{request.method} /{path} is part of LangSmith that this store does not serve.")

    return router


class _OneSpelling:
    """Clients put /api, /v1 and /platform before a path, or not, depending on how their endpoint is written."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            root = scope.get("root_path", "")
            scope = {**scope, "path": root + _without_prefixes(scope["path"].removeprefix(root))}
        await self._app(scope, receive, send)


def _without_prefixes(path: str) -> str:
    for prefix in ("/api", "/v1", "/platform"):
        if path.startswith(prefix + "/"):
            path = path.removeprefix(prefix)
    return path
