"""What happened in this step? What went in and out of one run, as a part of its trace's page or alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response
from pydantic import TypeAdapter, ValidationError

from app.ops.store import NotFound, OpsStore, Run
from app.ops.store.models import Moment
from app.ops.views.addresses import BASE
from app.ops.views.figures import WIDTH
from app.ops.views.messages import Message, answered, asked
from app.ops.views.render import not_found, page
from app.ops.views.state import OpsState
from app.ops.views.steps import CHILDREN_AT_ONCE, Step, read_tree, unfold
from app.ops.views.turns import uuid_or_none

MAX_TICKS = 2000
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""Kinds of attachments that a page shows; a browser runs nothing in them."""
_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Stream:
    """When the tokens of an answer came."""

    tokens: int
    first_s: float
    """From the start of the run."""
    per_second: float | None
    path: str
    """The ticks, as the path of a picture."""


@dataclass(frozen=True)
class Detail:
    """What the page says of one step."""

    run: Run
    asked: list[Message]
    """What went in and out as a conversation; empty where it is none."""
    answered: list[Message]
    stream: Stream | None


def build_step(state: OpsState) -> APIRouter:
    """`/turns/{trace_id}/steps`, and below it one step: a page, a part of one, JSON, and attachments."""
    router = APIRouter(prefix=f"{BASE}/turns/{{trace_id}}/steps")

    @router.get("", response_model=None)
    def below(trace_id: str, under: str = "", skip: int = 0) -> Response:
        found = _children(state.store, uuid_or_none(trace_id), uuid_or_none(under), max(0, skip))
        return page("steps_part.html", found) if found else not_found("step with this id")

    @router.get("/{run_id}", response_model=None)
    def step(trace_id: str, run_id: str, part: bool = False) -> Response:
        run = _run(state.store, trace_id, run_id)
        if run is None:
            return not_found("step with this id")
        if part:
            return page("step_part.html", {"detail": detail_of(run)})
        return _step_page(state.store, run)

    @router.get("/{run_id}/json", response_model=None)
    def as_json(trace_id: str, run_id: str) -> Response:
        run = _run(state.store, trace_id, run_id)
        return _json(run) if run else not_found("step with this id")

    @router.get("/{run_id}/files/{name:path}", response_model=None)
    def attachment(trace_id: str, run_id: str, name: str) -> Response:
        run = _run(state.store, trace_id, run_id)
        return _file(state.store, run, name) if run else not_found("step with this id")

    return router


def detail_of(run: Run) -> Detail:
    """The step as it is shown; only model calls are read as conversations."""
    talks = run.run_type == "llm"
    return Detail(
        run=run,
        asked=asked(run.inputs) if talks else [],
        answered=answered(run.outputs) if talks else [],
        stream=stream_of(run),
    )


def stream_of(run: Run) -> Stream | None:
    """The ticks of the run's `new_token` events; None where there are none, or no end to measure by."""
    if run.end_time is None:
        return None
    length_s = (run.end_time - run.start_time) / _SECOND
    moments = [moment for event in run.events if event.get("name") == "new_token" and (moment := _moment(event))]
    times_s = sorted((moment - run.start_time) / _SECOND for moment in moments)
    if not times_s or length_s <= 0:
        return None
    places = {round(min(max(time_s / length_s, 0), 1) * WIDTH, 1) for time_s in times_s[:MAX_TICKS]}
    passed_s = times_s[-1] - times_s[0]
    return Stream(
        tokens=len(times_s),
        first_s=max(times_s[0], 0),
        per_second=(len(times_s) - 1) / passed_s if passed_s > 0 else None,
        path=" ".join(f"M{x} 0V10" for x in sorted(places)),
    )


def _moment(event: Mapping[str, Any]) -> datetime | None:
    try:
        return _MOMENT.validate_python(event.get("time"))
    except ValidationError:
        return None


def _step_page(store: OpsStore, run: Run) -> HTMLResponse:
    with store.read() as db:
        tree = read_tree(db, run.trace_id)
    step = tree.steps.get(run.id) if tree else None
    above = [tree.steps[known] for known in run.ancestors if known in tree.steps] if tree else []
    if step:
        unfold([step])
    return page("step.html", {"detail": detail_of(run), "step": step, "above": above, "trace_id": run.trace_id})


def _children(store: OpsStore, trace_id: UUID | None, under: UUID | None, skip: int) -> dict[str, Any] | None:
    """Some children of a step, as they are drawn below it."""
    with store.read() as db:
        tree = read_tree(db, trace_id) if trace_id else None
    parent = tree.steps.get(under) if tree and under else None
    if parent is None:
        return None
    some: Sequence[Step] = parent.children[skip : skip + CHILDREN_AT_ONCE]
    unfold(some)
    return {"steps": some, "parent": parent, "next": skip + len(some), "trace_id": trace_id}


def _run(store: OpsStore, trace_id: str, run_id: str) -> Run | None:
    known = uuid_or_none(run_id)
    found = store.runs.many([known]) if known else []
    return found[0] if found and found[0].trace_id == uuid_or_none(trace_id) else None


def _json(run: Run) -> Response:
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    return Response(run.model_dump_json(indent=2), media_type="application/json", headers=headers)


def _file(store: OpsStore, run: Run, name: str) -> Response:
    """The bytes of an attachment, to be kept and not to be opened by the browser."""
    attachment = run.attachments.get(name)
    try:
        path = store.blobs.path(attachment.digest) if attachment and attachment.digest else None
    except NotFound:
        path = None
    if attachment is None or path is None:
        return not_found("attachment of this name")
    return FileResponse(
        path,
        media_type=attachment.mime_type if attachment.mime_type in PICTURES else "application/octet-stream",
        filename=name.rpartition("/")[2] or "attachment",
        headers={
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cache-Control": "private, max-age=3600",
        },
    )
