"""The operator pages as one router."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse, HTMLResponse, Response

from app.ops.views.addresses import BASE
from app.ops.views.budgets import build_budgets
from app.ops.views.complaints import build_complaints
from app.ops.views.data import build_data
from app.ops.views.diff import build_diff
from app.ops.views.experiments import build_experiments
from app.ops.views.health import build_health
from app.ops.views.home import build_home
from app.ops.views.prices import build_prices
from app.ops.views.render import not_found, tell_of_chat
from app.ops.views.reuse import build_reuse
from app.ops.views.saved import build_saved
from app.ops.views.stale import build_stale
from app.ops.views.state import OpsState
from app.ops.views.step import build_step
from app.ops.views.threads import build_threads
from app.ops.views.trace import build_trace
from app.ops.views.turns import build_turns

_STATIC = Path(__file__).parent / "static"
_ASSETS = {path.name: path for path in _STATIC.iterdir()}
_PAGES = (
    build_home,
    build_turns,
    build_saved,
    build_step,
    build_trace,
    build_diff,
    build_threads,
    build_experiments,
    build_data,
    build_complaints,
    build_stale,
    build_reuse,
    build_prices,
    build_budgets,
    build_health,
)
"""In this order addresses are looked up."""


def build_ops(state: OpsState) -> APIRouter:
    """Every page below `/ops`, to be included behind whatever decides who may see them."""
    router = APIRouter(include_in_schema=False, dependencies=[Depends(tell_of_chat(state.has_chat))])
    for build in _PAGES:
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
