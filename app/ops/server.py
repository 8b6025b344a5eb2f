"""The ops layer alone, as one small web application: the LangSmith API, the pages, health. It knows nothing of chat."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse, RedirectResponse, Response
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from app.ops.experiments.settings import Experiment
from app.ops.langsmith import authorize_by, by_workspace_key, langsmith_app
from app.ops.retention import Sweeper
from app.ops.settings import OpsSettings
from app.ops.signin import COOKIE, SIGNIN_PATH, Signins, signin_router
from app.ops.store import OpsStore
from app.ops.store.models import utc_now
from app.ops.store.workspaces import Workspaces
from app.ops.views import Check, OpsState, build_deep_links, build_ops, build_public
from app.ops.views.addresses import BASE
from app.security import SameOrigin, SecurityHeaders

_KEY_HINT = "Send an x-api-key made by `parley ops keys create`."


@dataclass(frozen=True)
class OpsParts:
    """What the ops layer is made of when it runs alone."""

    workspaces: Workspaces
    settings: OpsSettings
    signing_key: str
    """What session cookies are signed with."""
    origins: tuple[str, ...] = ()
    """Further addresses of this server, such as the one that a proxy in front of it shows."""
    experiments: Mapping[str, Experiment] | None = None
    clock: Callable[[], datetime] = utc_now


def build_ops_app(parts: OpsParts) -> FastAPI:
    """The LangSmith API at / and at /langsmith, the pages at /ops; `app.state.signins` makes sign-in links."""
    signins = Signins(parts.workspaces, parts.signing_key, parts.clock)
    authorize = authorize_by(by_workspace_key(parts.workspaces), hint=_KEY_HINT)
    api = langsmith_app(authorize, parts.settings, workspaces=parts.workspaces.stores)
    app = FastAPI(title="Parley operations", lifespan=_sweeping(parts), docs_url=None, redoc_url=None)
    app.state.signins = signins
    app.include_router(_health(parts.workspaces))
    app.include_router(signin_router(signins))
    app.include_router(build_public(parts.workspaces.stores))
    app.mount("/langsmith", api)
    app.mount("/", api)
    app.add_middleware(_Pages, parts=parts, signins=signins)
    app.add_middleware(SameOrigin, origins=parts.origins)
    app.add_middleware(SecurityHeaders)
    return app


def _sweeping(parts: OpsParts) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        sweeper = Sweeper(parts.workspaces.stores, parts.settings.keep_days)
        sweeper.start()
        parts.workspaces.work()
        try:
            yield
        finally:
            sweeper.close()

    return lifespan


class _Pages:
    """The pages of the workspace that the browser is signed in to. What carries a key is for the API."""

    def __init__(self, app: ASGIApp, parts: OpsParts, signins: Signins) -> None:
        self._app = app
        self._parts = parts
        self._signins = signins
        self._built: dict[UUID, FastAPI] = {}
        self._public = self._of(parts.workspaces.default)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._is_page(request := Request(scope)):
            await self._app(scope, receive, send)
        elif request.url.path.startswith(f"{BASE}/static/"):
            await self._public(scope, receive, send)
        elif store := await run_in_threadpool(self._signins.store, request.cookies.get(COOKIE, "")):
            await self._of(store)(scope, receive, send)
        else:
            await _sign_in_first(request)(scope, receive, send)

    def _is_page(self, request: Request) -> bool:
        if "x-api-key" in request.headers:
            return False
        return request.url.path == "/" or any(
            route.matches(request.scope)[0] is Match.FULL for route in self._public.routes
        )

    def _of(self, store: OpsStore) -> FastAPI:
        if store.workspace.id not in self._built:
            self._built[store.workspace.id] = _pages(self._parts, store)
        return self._built[store.workspace.id]


def _pages(parts: OpsParts, store: OpsStore) -> FastAPI:
    async def checks() -> list[Check]:
        return [await run_in_threadpool(_store_check, store)]

    state = OpsState(store=store, experiments=parts.experiments or {}, checks=checks, clock=parts.clock, has_chat=False)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(build_ops(state))
    app.include_router(build_deep_links(state))
    app.add_api_route("/", lambda: RedirectResponse(BASE), include_in_schema=False)
    return app


def _store_check(store: OpsStore) -> Check:
    waiting = store.backlog()
    return Check("store", store.answers(), f"{waiting} requests wait to be taken in" if waiting else "")


def _sign_in_first(request: Request) -> Response:
    if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"{SIGNIN_PATH}?next={quote(wanted, safe='')}", status_code=303)
    return JSONResponse({"detail": "Sign in first."}, status_code=401)


def _health(workspaces: Workspaces) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process is alive."""
        return {"status": "alive"}

    @router.get("/readyz")
    def readyz() -> JSONResponse:
        """Whether the store can be read."""
        ready = workspaces.default.answers()
        return JSONResponse({"ready": ready}, status_code=200 if ready else 503)

    @router.get("/metrics")
    def metrics() -> Response:
        """Prometheus exposition."""
        return Response(_exposition(workspaces), media_type="text/plain; version=0.0.4")

    return router


def _exposition(workspaces: Workspaces) -> bytes:
    registry = CollectorRegistry()
    waiting = Gauge("parley_ops_backlog", "Requests not taken in yet.", ["workspace"], registry=registry)
    received = Gauge("parley_ops_runs", "Runs received so far.", ["workspace"], registry=registry)
    for store in workspaces.stores():
        waiting.labels(store.workspace.name).set(store.backlog())
        received.labels(store.workspace.name).set(store.runs_received())
    return generate_latest(registry)
