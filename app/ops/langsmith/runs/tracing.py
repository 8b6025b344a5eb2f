"""Routes that take runs in. An answer of 202 means that everything in the request is on the disk."""

from __future__ import annotations

from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from app.ops.langsmith.errors import Unprocessable
from app.ops.langsmith.request import Store, expanded, explain, limits, read_body, read_json
from app.ops.langsmith.runs.multipart import parse_form, read_runs
from app.ops.store.models import Ingest, RunFields, SentRun

router = APIRouter()

_TAKEN = {"message": "stored"}
_OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
_RUN: TypeAdapter[SentRun] = TypeAdapter(SentRun)


class Batch(BaseModel):
    """The body of `/runs/batch`."""

    post: Annotated[list[SentRun], Field(max_length=20_000)] = []
    patch: Annotated[list[SentRun], Field(max_length=20_000)] = []

    def as_ingest(self) -> Ingest:
        """The same to the store."""
        return Ingest(posts=cast(list[RunFields], self.post), patches=cast(list[RunFields], self.patch))


@router.post("/runs/multipart", status_code=202)
async def ingest_form(request: Request, store: Store) -> dict[str, str]:
    """Runs, feedback and files as one form, plain or zstd."""
    body = await read_body(request)
    encoding = request.headers.get("content-encoding", "").lower()
    content_type = request.headers.get("content-type", "")

    def take_in() -> None:
        plain = expanded(body, encoding, limits(request).expanded_limit_bytes)
        store.ingest(read_runs(parse_form(content_type, plain), store.blobs.put))

    await run_in_threadpool(take_in)
    return _TAKEN


@router.post("/runs/batch", status_code=202)
async def ingest_batch(request: Request, store: Store) -> dict[str, str]:
    """Runs as one JSON object."""
    batch = await read_json(request, Batch)
    await run_in_threadpool(store.ingest, batch.as_ingest())
    return _TAKEN


@router.post("/runs", status_code=202)
async def create_run(request: Request, store: Store) -> dict[str, str]:
    """One run."""
    run = await _read_run(request)
    await run_in_threadpool(store.ingest, Ingest(posts=[run]))
    return _TAKEN


@router.patch("/runs/{run_id}", status_code=202)
async def update_run(run_id: UUID, request: Request, store: Store) -> dict[str, str]:
    """What has become known of a run."""
    run = await _read_run(request, id=run_id)
    await run_in_threadpool(store.ingest, Ingest(patches=[run]))
    return _TAKEN


async def _read_run(request: Request, **known: Any) -> RunFields:
    body = await read_body(request)
    try:
        return cast(RunFields, _RUN.validate_python(_OBJECT.validate_json(body) | known))
    except ValidationError as error:
        raise Unprocessable(explain(error)) from error
