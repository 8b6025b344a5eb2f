"""The LangSmith API over the store, as an application to mount."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.ops.langsmith import info, prices, workspace
from app.ops.langsmith.datasets import datasets, example_forms, examples, experiments
from app.ops.langsmith.datasets import files as dataset_files
from app.ops.langsmith.datasets import shared as shared_datasets
from app.ops.langsmith.errors import NotServed, answer_errors
from app.ops.langsmith.feedback import configs as feedback_configs
from app.ops.langsmith.feedback import feedback
from app.ops.langsmith.feedback import tokens as feedback_tokens
from app.ops.langsmith.otlp import routes as otlp
from app.ops.langsmith.prompts import directories as prompt_directories
from app.ops.langsmith.prompts import prompts
from app.ops.langsmith.prompts import webhooks as prompt_webhooks
from app.ops.langsmith.queues import items as queue_items
from app.ops.langsmith.queues import queues
from app.ops.langsmith.queues import runs as queue_runs
from app.ops.langsmith.rules import evaluators, rules, spend
from app.ops.langsmith.runs import (
    attachments,
    dashboard,
    runs,
    runs_v2,
    sessions,
    sessions_v2,
    shared_runs,
    sharing,
    threads,
    tracing,
)
from app.ops.settings import OpsSettings
from app.ops.store import OpsStore

Authorize = Callable[[Request], Awaitable[OpsStore]]
"""The store of the workspace that the request's key opens; raises `fastapi.HTTPException` where it opens none."""
Workspaces = Callable[[], Iterable[OpsStore]]
"""All stores: what they share, and the files that they signed links to, is read without a key."""

_OPEN = (
    info.router,
    workspace.open_router,
    attachments.router,
    shared_datasets.router,
    shared_runs.router,
    feedback_tokens.public_router,
)
"""Answered without a key."""
_GUARDED = (
    info.workspace_router,
    workspace.router,
    tracing.router,
    otlp.router,
    threads.router,  # before those of /runs/{id}
    rules.router,
    runs.router,
    runs_v2.router,
    sharing.router,
    sessions.router,
    sessions_v2.router,
    dashboard.router,
    feedback_configs.router,
    feedback_tokens.router,  # before those of /feedback/{id}
    feedback.router,
    datasets.router,
    dataset_files.router,
    examples.router,
    example_forms.router,
    experiments.router,
    prices.router,
    prompts.router,
    prompt_directories.router,
    prompt_webhooks.router,
    queues.router,
    queue_runs.router,
    queue_items.router,
    spend.router,
    evaluators.router,
)
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def langsmith_app(
    authorize: Authorize, settings: OpsSettings | None = None, *, workspaces: Workspaces = tuple
) -> FastAPI:
    """An ASGI application that an unmodified `langsmith` client can use."""

    async def enter(request: Request) -> None:
        request.state.store = await authorize(request)

    app = FastAPI(title="Parley's LangSmith API", docs_url=None, redoc_url=None)
    app.state.settings = settings or OpsSettings()
    app.state.workspaces = workspaces
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
