"""The operator pages as one router, and the deep links that the LangSmith SDK prints."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from app.ops.views.addresses import BASE, turn_url
from app.ops.views.experiments import build_experiments
from app.ops.views.health import build_health
from app.ops.views.home import build_home
from app.ops.views.render import not_found
from app.ops.views.state import OpsState
from app.ops.views.trace import build_trace
from app.ops.views.turns import build_turns

_STATIC = Path(__file__).parent / "static"
_ASSETS = {path.name: path for path in _STATIC.iterdir()}


def build_ops(state: OpsState) -> APIRouter:
    """Every page below `/ops`, to be included behind whatever decides who may see them."""
    router = APIRouter(include_in_schema=False)
    for build in (build_home, build_turns, build_trace, build_experiments, build_health):
        router.include_router(build(state))

    @router.get(f"{BASE}/static/{{name}}", response_model=None)
    def static(name: str) -> Response:
        if name not in _ASSETS:
            return not_found("file of this name")
        return FileResponse(_ASSETS[name], headers={"Cache-Control": "max-age=3600"})

    @router.get(f"{BASE}/{{path:path}}", response_class=HTMLResponse)
    def elsewhere(path: str) -> HTMLResponse:
        return not_found("page at this address")

    return router


def build_deep_links() -> APIRouter:
    """The addresses of traces that the LangSmith SDK prints, led to the page of the trace."""
    router = APIRouter(include_in_schema=False)

    @router.get("/o/{tenant}/projects/p/{session}/r/{run}")
    def run_link(tenant: str, session: str, run: str) -> RedirectResponse:
        return RedirectResponse(turn_url(run))

    return router
