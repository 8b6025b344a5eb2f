"""Routes of projects, in the API's second version."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from app.ops.langsmith.errors import Unprocessable
from app.ops.langsmith.request import Store, read_json
from app.ops.langsmith.runs.sessions import answer, carrying
from app.ops.store import OpsStore, Project
from app.ops.store.models import CleanText, Moment, ProjectFields, is_agent_project

router = APIRouter()

Kind = Literal["PROJECT", "AGENT", "EXPERIMENT"]
Order = Literal["NAME", "START_TIME", "LAST_RUN_START_TIME", "ERROR_RATE", "LATENCY_P50", "LATENCY_P99"]


class ProjectOfKind(ProjectFields):
    """The body of `POST /v2/sessions`."""

    type: Kind
    upsert: bool = False


@router.get("/v2/sessions")
def list_sessions(
    store: Store,
    id: Annotated[list[UUID] | None, Query()] = None,
    name: CleanText | None = None,
    name_contains: CleanText | None = None,
    reference_dataset_id: Annotated[list[UUID] | None, Query()] = None,
    type: Annotated[list[Kind] | None, Query()] = None,
    metadata: str | None = None,
    include_stats: bool = False,
    include_facets: bool = False,
    stats_start_time: Moment | None = None,
    sort_by: Order = "START_TIME",
    sort_order: Literal["asc", "desc"] = "desc",
    cursor: str | None = None,
    page_size: Annotated[int, Query(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    """A page of projects."""
    found = store.projects.find(
        ids=id, name=name, name_contains=name_contains, reference_dataset_ids=reference_dataset_id
    )
    kept = [one for one in carrying(found, metadata) if type is None or _kind(one) in type]
    ordered = _ordered(store, kept, sort_by, descending=sort_order == "desc")
    start = _read_cursor(cursor)
    end = start + page_size
    page = [answer(store, one, include_stats, stats_start_time, include_facets) for one in ordered[start:end]]
    kinds = {str(one.id): _kind(one) for one in ordered[start:end]}
    items = [_v2(fields, kinds[fields["id"]]) for fields in page]
    return {"items": items, "next_cursor": _cursor(end) if end < len(ordered) else None}


@router.post("/v2/sessions", status_code=201)
async def create_session(request: Request, store: Store) -> dict[str, Any]:
    """Make a project."""
    fields = await read_json(request, ProjectOfKind)
    if not fields.name:
        raise Unprocessable("A project needs a name.")
    project = await run_in_threadpool(store.projects.create, fields, upsert=fields.upsert)
    return _v2(answer(store, project, include_stats=False), _kind(project))


@router.get("/v2/sessions/{session_id}")
def read_session(
    session_id: UUID, store: Store, include_stats: bool = False, stats_start_time: Moment | None = None
) -> dict[str, Any]:
    """One project."""
    project = store.projects.get(session_id)
    return _v2(answer(store, project, include_stats, stats_start_time), _kind(project))


@router.patch("/v2/sessions/{session_id}")
async def update_session(session_id: UUID, request: Request, store: Store) -> dict[str, Any]:
    """Change what is sent, and only that."""
    fields = await read_json(request, ProjectFields)
    project = await run_in_threadpool(store.projects.change, session_id, fields)
    return _v2(answer(store, project, include_stats=False), _kind(project))


@router.delete("/v2/sessions/{session_id}", status_code=204)
def delete_session(session_id: UUID, store: Store) -> Response:
    """Delete a project with its runs and their feedback."""
    store.projects.delete(session_id)
    return Response(status_code=204)


def _ordered(store: OpsStore, some: list[Project], by: Order, *, descending: bool) -> list[Project]:
    """Projects with nothing to sort them by come last."""
    if by == "NAME":
        return sorted(some, key=lambda one: (one.name, one.id), reverse=descending)
    if by == "START_TIME":
        return sorted(some, key=lambda one: (one.created_at, one.id), reverse=descending)
    stats = store.runs.stats_by_project([one.id for one in some])
    figures = {one.id: getattr(stats[one.id], by.lower()) for one in some if one.id in stats}
    sortable = [one for one in some if figures.get(one.id) is not None]
    rest = [one for one in some if figures.get(one.id) is None]
    return sorted(sortable, key=lambda one: figures[one.id], reverse=descending) + rest


def _kind(project: Project) -> Kind:
    if project.reference_dataset_id is not None:
        return "EXPERIMENT"
    return "AGENT" if is_agent_project(project.name) else "PROJECT"


def _v2(fields: dict[str, Any], kind: Kind) -> dict[str, Any]:
    said = {"type": "PRIMARY", "contains_thread_feedback": False, "median": None}
    for name in ("feedback_stats", "session_feedback_stats"):
        if name in fields:
            fields[name] = {key: one | said for key, one in fields[name].items()}
    return fields | {"type": kind}


def _cursor(place: int) -> str:
    return urlsafe_b64encode(str(place).encode()).decode()


def _read_cursor(cursor: str | None) -> int:
    try:
        place = int(urlsafe_b64decode(cursor)) if cursor else 0
    except ValueError as error:
        raise Unprocessable("The cursor is not one that an earlier page gave.") from error
    return max(0, place)
