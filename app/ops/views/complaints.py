"""What displeased, why, whose it is to mend, and is it mended? Complaints, and one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from app.ops.complaints.diagnosis import CAUSES
from app.ops.store import NotFound, OpsStore
from app.ops.store.complaints import Complaint
from app.ops.store.datasets.models import ExampleChange
from app.ops.views.addresses import BASE
from app.ops.views.forms import read_form
from app.ops.views.lists import listed, page_number
from app.ops.views.render import not_found, page
from app.ops.views.state import OpsState

PAGE = f"{BASE}/complaints"
PER_PAGE = 50
STATUSES = ("open", "fixed", "dismissed", "withdrawn")
CAUSE_NAMES = {
    "fault": "A step failed",
    "blocked": "Wrongly blocked",
    "stale": "Source has changed",
    "unsupported": "Source doesn't say it",
    "no_document": "No document",
    "not_retrieved": "Not retrieved",
    "answer": "The answer itself",
}


def build_complaints(state: OpsState) -> APIRouter:
    """`/complaints` and `/complaints/{run_id}`, with what can be done about one."""
    router = APIRouter(prefix=PAGE)

    @router.get("", response_class=HTMLResponse)
    def complaints(request: Request) -> HTMLResponse:
        return _list_page(state.store, request.query_params)

    @router.get("/{run_id}", response_class=HTMLResponse)
    def complaint(run_id: str) -> HTMLResponse:
        found = _existing(state.store, run_id)
        return _one_page(state.store, found) if found else not_found("complaint about this turn")

    @router.post("/{run_id}/answer", response_model=None)
    async def answer(run_id: str, request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(_act, state.store, run_id, lambda one: _want(state.store, one, form))

    @router.post("/{run_id}/recheck", response_model=None)
    def recheck(run_id: str) -> Response:
        return _act(state.store, run_id, lambda one: state.store.complaints.reopen(one.run_id))

    @router.post("/{run_id}/dismiss", response_model=None)
    def dismiss(run_id: str) -> Response:
        return _act(state.store, run_id, lambda one: state.store.complaints.dismiss(one.run_id))

    return router


def _list_page(store: OpsStore, params: Mapping[str, str]) -> HTMLResponse:
    chosen: dict[str, Any] = {
        "status": params.get("status") if params.get("status") in STATUSES else "open",
        "cause": params.get("cause") if params.get("cause") in CAUSES else None,
        "owner": params.get("owner") or None,
        "document": params.get("document") or None,
    }
    number = page_number(params)
    found = store.complaints.find(**chosen, limit=PER_PAGE, offset=(number - 1) * PER_PAGE)
    total = store.complaints.count(**chosen)
    return page(
        "complaints.html",
        {
            "list": listed(found, total, number, PER_PAGE, lambda other: _address(chosen | {"page": other})),
            "chosen": chosen,
            "link": lambda changes: _address(chosen | changes),
            "statuses": store.complaints.counts("status", open_only=False),
            "causes": store.complaints.counts("cause"),
            "owners": store.complaints.counts("owner"),
            "documents": store.complaints.counts("document"),
            "names": CAUSE_NAMES,
            "all_statuses": STATUSES,
        },
    )


def _address(wanted: Mapping[str, Any]) -> str:
    return f"{PAGE}?{urlencode({key: value for key, value in wanted.items() if value is not None}, errors='replace')}"


def _one_page(store: OpsStore, found: Complaint) -> HTMLResponse:
    return page("complaint.html", {"one": found, "names": CAUSE_NAMES, "wanted": _wanted(store, found)})


def _act(store: OpsStore, run_id: str, act: Callable[[Complaint], None]) -> Response:
    found = _existing(store, run_id)
    if found is None:
        return not_found("complaint about this turn")
    act(found)
    return RedirectResponse(f"{PAGE}/{found.run_id}", status_code=303)


def _want(store: OpsStore, complaint: Complaint, form: dict[str, str]) -> None:
    """Keep what the answer should say, and have the question asked again."""
    if complaint.example_id is not None:
        outputs = {"answer": form["answer"]} if "answer" in form else {}
        store.examples.change(None, [ExampleChange(id=complaint.example_id, outputs=outputs)])
        store.complaints.reopen(complaint.run_id)


def _wanted(store: OpsStore, complaint: Complaint) -> str:
    try:
        outputs = store.examples.get(complaint.example_id).outputs if complaint.example_id else None
    except NotFound:
        return ""
    return str((outputs or {}).get("answer") or "")


def _existing(store: OpsStore, run_id: str) -> Complaint | None:
    try:
        return store.complaints.get(UUID(run_id))
    except (ValueError, NotFound):
        return None
