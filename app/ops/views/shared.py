"""What may others see? Links that open one trace or one dataset to whoever knows them, and what these show."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from app.ops.store import NotFound, OpsStore, Run, RunQuery
from app.ops.store.datasets.models import Dataset, Example, ExampleQuery
from app.ops.views.addresses import BASE, dataset_url, turn_url
from app.ops.views.answers import PageRoute, see
from app.ops.views.lists import Listed, listed, page_number
from app.ops.views.render import page
from app.ops.views.state import OpsState

T = TypeVar("T")
PER_PAGE = 50
MAX_RUNS = 500
ASSETS = "/public/ops"
"""Where the looks of these pages come from: those of the other pages are for accounts only."""
_STATIC = Path(__file__).parent / "static"
_LOOKS = ("ops.css", "ops-data.css", "icon.svg")
MAX_DEPTH = 12


@dataclass(frozen=True)
class SharedLink:
    """A link that opens something; both are empty where it is not shared."""

    token: UUID | None
    link: str


@dataclass(frozen=True)
class SharedRun:
    """One run of a shared trace, and how deep it lies."""

    run: Run
    depth: int


def shared_link(request: Request, token: UUID | None, kind: str) -> SharedLink:
    """The link for a token; `kind` is r for a run, d for a dataset."""
    return SharedLink(token, f"{request.base_url}public/{token}/{kind}" if token else "")


def build_sharing(state: OpsState) -> APIRouter:
    """The forms that share datasets and traces, and that take it back."""
    router = APIRouter(prefix=BASE, route_class=PageRoute)
    store = state.store

    @router.post("/datasets/{dataset_id}/share")
    def share_dataset(dataset_id: UUID) -> RedirectResponse:
        store.datasets.share(dataset_id)
        return see(f"{dataset_url(dataset_id)}#share-link")

    @router.post("/datasets/{dataset_id}/unshare")
    def unshare_dataset(dataset_id: UUID) -> RedirectResponse:
        store.datasets.unshare(dataset_id)
        return see(dataset_url(dataset_id))

    @router.post("/turns/{run_id}/share")
    def share_trace(run_id: UUID) -> RedirectResponse:
        share = store.shares.share_trace(run_id)
        return see(f"{turn_url(share.trace_id or run_id)}#share-link")

    @router.post("/turns/{run_id}/unshare")
    def unshare_trace(run_id: UUID) -> RedirectResponse:
        store.shares.unshare_trace(run_id)
        return see(turn_url(run_id))

    return router


def build_public(stores: Callable[[], Iterable[OpsStore]]) -> APIRouter:
    """What links show. These pages need no account: a token is all that opens them, and they lead nowhere else."""
    router = APIRouter(include_in_schema=False)

    @router.get(f"{ASSETS}/{{name}}", response_model=None)
    def looks(name: str) -> Response:
        if name not in _LOOKS:
            return _closed()
        return FileResponse(_STATIC / name, headers={"Cache-Control": "max-age=3600"})

    @router.get("/public/{token}/r", response_class=HTMLResponse)
    def trace(token: str) -> HTMLResponse:
        runs = _first(stores(), lambda store: shared_runs(store, UUID(token)))
        if runs is None:
            return _closed()
        return _public("public_trace.html", {"runs": runs[:MAX_RUNS], "more": len(runs) > MAX_RUNS})

    @router.get("/public/{token}/d", response_class=HTMLResponse)
    def dataset(token: str, request: Request) -> HTMLResponse:
        number = page_number(request.query_params)
        shown = _first(stores(), lambda store: shared_dataset(store, UUID(token), number))
        return _closed() if shown is None else _public("public_dataset.html", {"dataset": shown[0], "list": shown[1]})

    return router


def shared_dataset(store: OpsStore, token: UUID, number: int) -> tuple[Dataset, Listed[Example]]:
    """The dataset that the token opens, and a page of its examples. Raises NotFound."""
    shown = store.datasets.shared(token)
    wanted = ExampleQuery(dataset_id=shown.id, limit=PER_PAGE, offset=(number - 1) * PER_PAGE, descending=False)
    found, total = store.examples.find(wanted), store.examples.count(wanted)
    return shown, listed(
        found, total, number, PER_PAGE, lambda to: f"/public/{token}/d" + (f"?page={to}" if to else "")
    )


def shared_runs(store: OpsStore, token: UUID) -> list[SharedRun]:
    """The runs that the token opens, in their order; of a thread all its traces. Raises NotFound."""
    share = store.shares.open(token)
    if share.trace_id is not None:
        runs = store.runs.trace(share.trace_id, limit=MAX_RUNS + 1)
    else:
        runs = _thread_runs(store, share.project_id, share.thread_id or "")
    depths: dict[UUID | None, int] = {}
    for run in runs:
        depths[run.id] = min(depths.get(run.parent_run_id, -1) + 1, MAX_DEPTH)
    return [SharedRun(run, depths[run.id]) for run in runs]


def _first(stores: Iterable[OpsStore], opened: Callable[[OpsStore], T]) -> T | None:
    """What the first store gives that knows the token; None where none does, or where it is no token."""
    for store in stores:
        try:
            return opened(store)
        except (ValueError, NotFound):
            continue
    return None


def _thread_runs(store: OpsStore, project_id: UUID, thread_id: str) -> list[Run]:
    roots = store.runs.query(
        RunQuery(project_ids=[project_id], thread_id=thread_id, is_root=True, newest_first=False, limit=100)
    ).runs
    return [run for root in roots for run in store.runs.trace(root.id, limit=MAX_RUNS)][: MAX_RUNS + 1]


def _public(template: str, values: dict[str, object], status: int = 200) -> HTMLResponse:
    answer = page(template, values | {"assets": ASSETS}, status=status)
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    answer.headers["Referrer-Policy"] = "no-referrer"  # the address is the secret
    return answer


def _closed() -> HTMLResponse:
    return _public("public_closed.html", {}, 404)
