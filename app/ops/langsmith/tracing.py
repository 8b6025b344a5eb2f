"""Routes that take runs in. An answer of 202 means that everything in the request is on the disk."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from app.ops.langsmith.body import expanded, read_body, read_json
from app.ops.langsmith.multipart import parse_form, read_form
from app.ops.settings import OpsSettings
from app.ops.store import OpsStore
from app.ops.store.models import Ingest, RunFields

_TAKEN = {"message": "stored"}


class _Batch(BaseModel):
    post: Annotated[list[RunFields], Field(max_length=20_000)] = []
    patch: Annotated[list[RunFields], Field(max_length=20_000)] = []


def tracing_routes(store: OpsStore, settings: OpsSettings) -> APIRouter:
    """POST /runs/multipart, /runs/batch, /runs; PATCH /runs/{id}."""
    router = APIRouter()
    limit_bytes = settings.upload_limit_bytes

    @router.post("/runs/multipart", status_code=202)
    async def ingest_form(request: Request) -> dict[str, str]:
        body = await read_body(request, limit_bytes)
        encoding = request.headers.get("content-encoding", "").lower()
        content_type = request.headers.get("content-type", "")

        def take_in() -> None:
            chunks = expanded(body, encoding, settings.expanded_limit_bytes)
            store.ingest(read_form(parse_form(content_type, chunks)))

        await run_in_threadpool(take_in)
        return _TAKEN

    @router.post("/runs/batch", status_code=202)
    async def ingest_batch(request: Request) -> dict[str, str]:
        batch = await read_json(request, _Batch, limit_bytes)
        await run_in_threadpool(store.ingest, Ingest(posts=batch.post, patches=batch.patch))
        return _TAKEN

    @router.post("/runs", status_code=202)
    async def create_run(request: Request) -> dict[str, str]:
        run = await read_json(request, RunFields, limit_bytes)
        await run_in_threadpool(store.ingest, Ingest(posts=[run]))
        return _TAKEN

    @router.patch("/runs/{run_id}", status_code=202)
    async def update_run(run_id: UUID, request: Request) -> dict[str, str]:
        run = await read_json(request, RunFields, limit_bytes, id=run_id)
        await run_in_threadpool(store.ingest, Ingest(patches=[run]))
        return _TAKEN

    return router
