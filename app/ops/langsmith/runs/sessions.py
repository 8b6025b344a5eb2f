"""Routes of projects, which this API calls sessions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic_core import from_json

from app.ops.langsmith.errors import Unprocessable
from app.ops.langsmith.request import Store, read_json
from app.ops.langsmith.wire import session
from app.ops.store import NotFound, OpsStore, Project, RunQuery
from app.ops.store.models import CleanText, GroupBy, Moment, ProjectFields
from app.ops.store.tables.base import json_text

router = APIRouter()

AddressKind = Literal["AGENT", "EXPERIMENT", "EVALUATOR"]
Environment = Literal["LOCAL", "DEVELOPMENT", "STAGING", "PRODUCTION"]
_EVALUATORS = "evaluators"
"""The project that clients trace their evaluators to."""
_FACETS: tuple[tuple[Literal["name", "run_type", "tag"], str, str], ...] = (
    ("name", "eq", "name"),
    ("run_type", "eq", "run_type"),
    ("tag", "has", "tags"),
)
_MOST_FACETS = 10


@router.post("/sessions")
async def create_session(request: Request, store: Store, upsert: bool = False) -> dict[str, Any]:
    """Make a project."""
    fields = await read_json(request, ProjectFields)
    if not fields.name:
        raise Unprocessable("A project needs a name.")
    return session(store, await run_in_threadpool(store.projects.create, fields, upsert=upsert))


@router.get("/sessions")
def list_sessions(
    store: Store,
    id: Annotated[list[UUID] | None, Query()] = None,
    name: CleanText | None = None,
    name_contains: CleanText | None = None,
    reference_dataset: Annotated[list[UUID] | None, Query()] = None,
    reference_free: bool | None = None,
    metadata: str | None = None,
    include_stats: bool = False,
    stats_start_time: Moment | None = None,
    facets: bool = False,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
) -> list[dict[str, Any]]:
    """Projects, newest first."""
    found = store.projects.find(
        ids=id,
        name=name,
        name_contains=name_contains,
        reference_dataset_ids=reference_dataset,
        reference_free=reference_free,
    )
    some = carrying(found, metadata)[offset : offset + limit]
    return [answer(store, project, include_stats, stats_start_time, facets) for project in some]


@router.get("/sessions/resolutions")
def resolve(
    store: Store, kind: AddressKind, id: CleanText | None = None, environment: Environment | None = None
) -> dict[str, str]:
    """The project that an address names."""
    return {"session_id": str(_addressed(store, kind, id, environment).id)}


@router.get("/sessions/{session_id}")
def read_session(
    session_id: UUID, store: Store, include_stats: bool = False, stats_start_time: Moment | None = None
) -> dict[str, Any]:
    """One project."""
    return answer(store, store.projects.get(session_id), include_stats, stats_start_time)


@router.patch("/sessions/{session_id}")
async def update_session(session_id: UUID, request: Request, store: Store) -> dict[str, Any]:
    """Change what is sent, and only that."""
    fields = await read_json(request, ProjectFields)
    return session(store, await run_in_threadpool(store.projects.change, session_id, fields))


@router.delete("/sessions/{session_id}", status_code=202)
def delete_session(session_id: UUID, store: Store) -> dict[str, str]:
    """Delete a project with its runs and their feedback."""
    store.projects.delete(session_id)
    return {"message": "deleted"}


def answer(
    store: OpsStore, project: Project, include_stats: bool, since: datetime | None = None, facets: bool = False
) -> dict[str, Any]:
    """A project; with its root runs from `since` on summed up, and what they can be narrowed by, if that is wanted."""
    if not include_stats:
        return session(store, project)
    roots = RunQuery(project_ids=[project.id], is_root=True, started_from=since)
    fields = session(store, project, store.runs.stats(roots), store.feedback.stats_of_project(project.id))
    return fields | {"run_facets": run_facets(store, roots) if facets else []}


def run_facets(store: OpsStore, wanted: RunQuery) -> list[dict[str, Any]]:
    """The most frequent names, types and tags of these runs, each with the filter that narrows to it."""
    return [
        {"key": key, "value": value, "query": f"{operator}({field}, {json_text(value)})", "n": stats.run_count}
        for key, operator, field in _FACETS
        for value, stats in store.runs.grouped_stats(wanted, GroupBy(attribute=key, max_groups=_MOST_FACETS)).items()
    ]


def _addressed(store: OpsStore, kind: AddressKind, id: str | None, environment: Environment | None) -> Project:
    if kind == "EXPERIMENT":
        return store.projects.get(_uuid(id))
    if kind == "AGENT" and not (id and environment):
        raise Unprocessable("The address of an agent needs an id and an environment.")
    name = f"{id}/{str(environment).lower()}" if kind == "AGENT" else _EVALUATORS
    found = store.projects.find(name=name)
    if not found:
        raise NotFound(f"Nothing has been traced to {name} yet.")
    return found[0]


def _uuid(text: str | None) -> UUID:
    try:
        return UUID(text)
    except (ValueError, TypeError) as error:
        raise Unprocessable("The address of an experiment needs its id.") from error


def carrying(projects: list[Project], metadata: str | None) -> list[Project]:
    """Those of the projects whose metadata holds what this JSON object does. Raises Unprocessable."""
    wanted = _metadata(metadata)
    return [project for project in projects if _carries(project, wanted)]


def _carries(project: Project, wanted: dict[str, Any]) -> bool:
    held = project.extra.get("metadata")
    return not wanted or (isinstance(held, dict) and wanted.items() <= held.items())


def _metadata(text: str | None) -> dict[str, Any]:
    try:
        value = from_json(text or "{}")
    except ValueError as error:
        raise Unprocessable("metadata: Send a JSON object.") from error
    if not isinstance(value, dict):
        raise Unprocessable("metadata: Send a JSON object.")
    return value
