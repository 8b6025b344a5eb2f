"""Routes of projects, which this API calls sessions."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic_core import from_json

from app.ops.langsmith.body import read_json
from app.ops.langsmith.errors import Unprocessable
from app.ops.langsmith.wire import session
from app.ops.settings import OpsSettings
from app.ops.store import OpsStore, Project, RunQuery
from app.ops.store.models import ProjectFields


def session_routes(store: OpsStore, settings: OpsSettings) -> APIRouter:
    """POST and GET /sessions; GET, PATCH and DELETE /sessions/{id}."""
    router = APIRouter()
    limit_bytes = settings.upload_limit_bytes

    def answer(project: Project, include_stats: bool) -> dict[str, Any]:
        roots = RunQuery(project_ids=[project.id], is_root=True)
        return session(project, store.stats(roots) if include_stats else None)

    @router.post("/sessions")
    async def create_session(request: Request, upsert: bool = False) -> dict[str, Any]:
        fields = await read_json(request, ProjectFields, limit_bytes)
        if not fields.name:
            raise Unprocessable("A project needs a name.")
        return session(await run_in_threadpool(store.create_project, fields, upsert=upsert))

    @router.get("/sessions")
    def list_sessions(
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
        wanted = _metadata(metadata)
        found = [
            project
            for project in store.projects(name, name_contains)
            if (id is None or project.id in id)
            and (reference_dataset is None or project.reference_dataset_id in reference_dataset)
            and (not reference_free or project.reference_dataset_id is None)
            and _carries(project, wanted)
        ]
        return [answer(project, include_stats) for project in found[offset : offset + limit]]

    @router.get("/sessions/{session_id}")
    def read_session(session_id: UUID, include_stats: bool = False) -> dict[str, Any]:
        return answer(store.project(session_id), include_stats)

    @router.patch("/sessions/{session_id}")
    async def update_session(session_id: UUID, request: Request) -> dict[str, Any]:
        fields = await read_json(request, ProjectFields, limit_bytes)
        return session(await run_in_threadpool(store.change_project, session_id, fields))

    @router.delete("/sessions/{session_id}", status_code=202)
    def delete_session(session_id: UUID) -> dict[str, str]:
        store.delete_project(session_id)
        return {"message": "deleted"}

    return router


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
