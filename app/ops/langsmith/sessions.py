"""Routes of projects, which this API calls sessions."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic_core import from_json

from app.ops.langsmith.errors import Unprocessable
from app.ops.langsmith.request import Store, read_json
from app.ops.langsmith.wire import session
from app.ops.store import OpsStore, Project, RunQuery
from app.ops.store.models import ProjectFields

router = APIRouter()


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
    name: str | None = None,
    name_contains: str | None = None,
    reference_dataset: Annotated[list[UUID] | None, Query()] = None,
    reference_free: bool | None = None,
    metadata: str | None = None,
    include_stats: bool = False,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
) -> list[dict[str, Any]]:
    """Projects, newest first."""
    wanted = _metadata(metadata)
    found = store.projects.find(
        ids=id,
        name=name,
        name_contains=name_contains,
        reference_dataset_ids=reference_dataset,
        reference_free=reference_free,
    )
    carrying = [project for project in found if _carries(project, wanted)]
    return [_answer(store, project, include_stats) for project in carrying[offset : offset + limit]]


@router.get("/sessions/{session_id}")
def read_session(session_id: UUID, store: Store, include_stats: bool = False) -> dict[str, Any]:
    """One project."""
    return _answer(store, store.projects.get(session_id), include_stats)


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


def _answer(store: OpsStore, project: Project, include_stats: bool) -> dict[str, Any]:
    if not include_stats:
        return session(store, project)
    roots = RunQuery(project_ids=[project.id], is_root=True)
    return session(store, project, store.runs.stats(roots), store.feedback.stats_of_project(project.id))


def _carries(project: Project, wanted: dict[str, Any]) -> bool:
    metadata = project.extra.get("metadata")
    return not wanted or (isinstance(metadata, dict) and wanted.items() <= metadata.items())


def _metadata(text: str | None) -> dict[str, Any]:
    try:
        value = from_json(text or "{}")
    except ValueError as error:
        raise Unprocessable("metadata: Send a JSON object.") from error
    if not isinstance(value, dict):
        raise Unprocessable("metadata: Send a JSON object.")
    return value
