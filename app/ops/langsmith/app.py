"""The LangSmith API over the store, as an application to mount."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import isawaitable

from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.ops.langsmith.errors import NotServed, answer_errors
from app.ops.langsmith.feedback import feedback_routes
from app.ops.langsmith.info import info_routes, workspace_routes
from app.ops.langsmith.runs import run_routes
from app.ops.langsmith.sessions import session_routes
from app.ops.langsmith.tracing import tracing_routes
from app.ops.settings import OpsSettings
from app.ops.store import OpsStore

Authorize = Callable[[Request], Awaitable[None] | None]
"""Raises `fastapi.HTTPException` for a request that may not pass."""

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def langsmith_app(store: OpsStore, authorize: Authorize, settings: OpsSettings | None = None) -> FastAPI:
    """An ASGI application that an unmodified `langsmith` client can use; everything but /info asks `authorize`."""
    settings = settings or OpsSettings()

    async def check(request: Request) -> None:
        answer = authorize(request)
        if isawaitable(answer):
            await answer

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(info_routes(settings))
    guarded = [
        workspace_routes(store),
        tracing_routes(store, settings),
        run_routes(store, settings),
        session_routes(store, settings),
        feedback_routes(store, settings),
        _everything_else(),
    ]
    for router in guarded:
        app.include_router(router, dependencies=[Depends(check)])
    answer_errors(app)
    app.add_middleware(_OneSpelling)
    return app


def _everything_else() -> APIRouter:
    router = APIRouter()

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
