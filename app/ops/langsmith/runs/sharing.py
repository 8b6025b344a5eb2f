"""Routes that share traces and threads, and take that back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict

from app.ops.langsmith.request import Store, read_json, workspaces
from app.ops.store import Conflict, NotFound, OpsStore
from app.ops.store.models import CleanText
from app.ops.store.runs.shares import Share

router = APIRouter()


class TokenChoice(BaseModel):
    """The body of `PUT /runs/{id}/share`."""

    model_config = ConfigDict(extra="ignore")

    share_token: UUID | None = None


class OfTrace(BaseModel):
    """The body of `/v2/runs/{id}/share`; a child run shares its whole trace."""

    session_id: UUID
    trace_id: UUID | None = None


class OfThread(BaseModel):
    """The body of `/v2/threads/{id}/share`."""

    project_id: UUID


@router.put("/runs/{run_id}/share")
async def share_run(run_id: UUID, request: Request, store: Store) -> dict[str, str]:
    """Share the trace of a run by the token in the body, or a new one."""
    token = (await read_json(request, TokenChoice)).share_token
    return _of_run(await run_in_threadpool(_share, request, store, run_id, token))


@router.get("/runs/{run_id}/share")
def read_share(run_id: UUID, store: Store) -> dict[str, str] | None:
    """How the trace of a run is shared, or null."""
    share = store.shares.of_trace(store.runs.get(run_id).trace_id)
    return _of_run(share) if share else None


@router.delete("/runs/{run_id}/share")
def unshare_run(run_id: UUID, store: Store) -> dict[str, str]:
    """Share the trace of a run no longer."""
    store.shares.unshare_trace(store.runs.get(run_id).trace_id)
    return {"message": "not shared any more"}


@router.post("/v2/runs/{run_id}/share")
async def share_trace(run_id: UUID, request: Request, store: Store) -> dict[str, str]:
    """Share the trace of a run."""
    body = await read_json(request, OfTrace)
    run = await run_in_threadpool(store.runs.get, run_id)
    if run.project_id != body.session_id or body.trace_id not in (None, run.trace_id):
        raise NotFound(f"There is no run {run_id} in this project and trace.")
    return _token(await run_in_threadpool(store.shares.share_trace, run_id))


@router.delete("/v2/runs/{trace_id}/share", status_code=204)
async def unshare_trace(trace_id: UUID, request: Request, store: Store) -> Response:
    """Share a trace no longer; one that is not shared is passed over."""
    body = await read_json(request, OfTrace)
    share = await run_in_threadpool(store.shares.of_trace, trace_id)
    if share and share.project_id == body.session_id:
        await run_in_threadpool(store.shares.unshare_trace, trace_id)
    return Response(status_code=204)


@router.post("/v2/threads/{thread_id:path}/share")
async def share_thread(thread_id: CleanText, request: Request, store: Store) -> dict[str, str]:
    """Share all traces of a thread, those to come too."""
    body = await read_json(request, OfThread)
    return _token(await run_in_threadpool(store.shares.share_thread, body.project_id, thread_id))


@router.get("/v2/threads/{thread_id:path}/share")
def read_thread_share(thread_id: CleanText, store: Store, project_id: UUID) -> dict[str, Any]:
    """How a thread is shared; the token is null if it is not."""
    share = store.shares.of_thread(project_id, thread_id)
    return _token(share) if share else {"share_token": None}


@router.delete("/v2/threads/{thread_id:path}/share", status_code=204)
def unshare_thread(thread_id: CleanText, store: Store, project_id: UUID) -> Response:
    """Share a thread no longer; one that is not shared is passed over."""
    store.shares.unshare_thread(project_id, thread_id)
    return Response(status_code=204)


def _share(request: Request, store: OpsStore, run_id: UUID, token: UUID | None) -> Share:
    """A token that a client chooses must open nothing of another workspace either: links say no workspace."""
    if token and any(_opens(other, token) for other in workspaces(request) if other is not store):
        raise Conflict("This token opens something else already. Choose another, or none to be given one.")
    return store.shares.share_trace(run_id, token)


def _opens(store: OpsStore, token: UUID) -> bool:
    try:
        store.shares.open(token)
    except NotFound:
        return False
    return True


def _of_run(share: Share) -> dict[str, str]:
    return {"run_id": str(share.trace_id), **_token(share)}


def _token(share: Share) -> dict[str, str]:
    return {"share_token": str(share.token)}
