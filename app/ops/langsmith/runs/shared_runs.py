"""Traces and threads that are shared: read without a key by everybody who knows the token, and nothing beside them."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict

from app.ops.langsmith.request import read_json, workspaces
from app.ops.langsmith.runs.run_wire import beside, check_selects, run_v1
from app.ops.langsmith.runs.runs import QueryV1, page_v1
from app.ops.langsmith.runs.runs_v2 import Selects, all_of, runs_v2
from app.ops.langsmith.wire import feedback_v1
from app.ops.store import NotFound, OpsStore, Run, RunQuery
from app.ops.store.models import CleanText
from app.ops.store.runs.shares import Share

router = APIRouter()


class Shared(NamedTuple):
    """What the token in the path opens, and where it lies."""

    store: OpsStore
    share: Share

    def run(self, run_id: UUID) -> Run:
        """One of its runs. Raises NotFound."""
        found = self.store.runs.query(self.share.narrowed(RunQuery(ids=[run_id]))).runs
        if not found:
            raise NotFound(f"There is no run {run_id} in what this link shares.")
        return found[0]

    def root(self) -> Run:
        """The root of the trace, or of the first trace of the thread. Raises NotFound."""
        found = self.store.runs.query(self.share.narrowed(RunQuery(is_root=True, newest_first=False, limit=1))).runs
        if not found:
            raise NotFound("What this link shares has been deleted.")
        return found[0]


def _opened(request: Request, share_token: UUID) -> Shared:
    for store in workspaces(request):
        try:
            return Shared(store, store.shares.open(share_token))
        except NotFound:
            continue
    raise NotFound("Nothing is shared by this link, or not any more.")


Opened = Annotated[Shared, Depends(_opened)]


class PublicQuery(BaseModel):
    """The body of `/v2/public/{token}/runs/query`."""

    model_config = ConfigDict(extra="ignore")

    selects: list[str] = []


@router.get("/public/{share_token}/run")
def read_root(request: Request, shared: Opened) -> dict[str, Any]:
    """The root of the trace."""
    return _run(request, shared, shared.root())


@router.get("/public/{share_token}/run/{run_id}")
def read_run(request: Request, shared: Opened, run_id: UUID) -> dict[str, Any]:
    """One of its runs."""
    return _run(request, shared, shared.run(run_id))


@router.post("/public/{share_token}/runs/query")
async def query_runs(request: Request, shared: Opened) -> dict[str, Any]:
    """A page of its runs."""
    body = await read_json(request, QueryV1)
    wanted = shared.share.narrowed(body.to_store())
    return await run_in_threadpool(page_v1, request, shared.store, body, wanted)


@router.get("/public/{share_token}/feedbacks")
def list_feedback(
    shared: Opened,
    run: Annotated[list[UUID] | None, Query()] = None,
    key: Annotated[list[CleanText] | None, Query()] = None,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
) -> list[dict[str, Any]]:
    """What was judged in it, without who judged."""
    runs = all_of(shared.store, shared.share.narrowed(RunQuery(ids=run, limit=1000)))
    found = shared.store.feedback.find(run_ids=[one.id for one in runs], keys=key, limit=limit, offset=offset)
    return [feedback_v1(one) | {"feedback_source": {"type": one.source_type}} for one in found]


@router.get("/v2/public/{share_token}/run/{run_id}")
def read_run_v2(request: Request, shared: Opened, run_id: UUID, selects: Selects = None) -> dict[str, Any]:
    """One of its runs, as the second version of the API asks for it."""
    check_selects(selects or [])
    return runs_v2(request, shared.store, [shared.run(run_id)], selects or [], subtree_usage=True)[0]


@router.post("/v2/public/{share_token}/runs/query")
async def query_runs_v2(request: Request, shared: Opened) -> dict[str, Any]:
    """All its runs, in the order of their start."""
    selects = (await read_json(request, PublicQuery)).selects
    check_selects(selects)

    def answer() -> dict[str, Any]:
        runs = all_of(shared.store, shared.share.narrowed(RunQuery(newest_first=False, limit=1000)))
        return {"items": runs_v2(request, shared.store, runs, selects)}

    return await run_in_threadpool(answer)


def _run(request: Request, shared: Shared, run: Run) -> dict[str, Any]:
    return run_v1(shared.store, run, beside(request, shared.store, [run]))
