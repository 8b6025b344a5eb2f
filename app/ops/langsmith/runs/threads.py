"""Routes of threads: the traces of one conversation."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from app.ops.langsmith.request import Store, read_json
from app.ops.langsmith.runs.patch_stream import answer
from app.ops.langsmith.runs.run_wire import check_selects
from app.ops.langsmith.runs.runs import both
from app.ops.langsmith.runs.runs_v2 import SecondVersion, Selects
from app.ops.langsmith.runs.thread_wire import (
    AGGREGATES,
    DETAIL_FIELDS,
    STATS,
    TRACE_FIELDS,
    aggregates,
    group,
    thread,
    thread_stats,
    thread_trace,
)
from app.ops.langsmith.wire import run_stats
from app.ops.store import RunQuery
from app.ops.store.models import CleanText, Moment
from app.ops.store.runs.thread_models import ThreadQuery

router = APIRouter()


class ThreadsQuery(SecondVersion):
    """The body of `/v2/threads/query`."""

    project_id: UUID
    filter: str | None = None
    trace_filter: str | None = None
    tree_filter: str | None = None
    thread_filter: str | None = None
    page_size: int = Field(default=20, ge=1, le=100)

    def to_store(self) -> ThreadQuery:
        """The same question to the store."""
        return ThreadQuery(
            project_id=self.project_id,
            started_from=self.since(),
            started_before=self.max_start_time,
            filter=self.filter,
            trace_filter=self.trace_filter,
            tree_filter=self.tree_filter,
            thread_filter=self.thread_filter,
            limit=self.page_size,
            cursor=self.cursor,
        )


class StatsQuery(ThreadsQuery):
    """The body of `/v2/threads/stats`."""

    select: list[str] = Field(min_length=1)


class Groups(BaseModel):
    """The body of `/runs/group`, as the API's first version asks for threads."""

    model_config = ConfigDict(extra="ignore")

    session_id: UUID
    group_by: Literal["conversation"] = "conversation"
    filter: str | None = None
    start_time: Moment | None = None
    end_time: Moment | None = None
    offset: int = Field(default=0, ge=0, le=10_000)
    limit: int = Field(default=10, ge=1, le=100)

    def to_store(self) -> ThreadQuery:
        """The same question to the store."""
        return ThreadQuery(
            project_id=self.session_id,
            started_from=self.start_time,
            started_before=self.end_time,
            filter=self.filter,
            limit=self.limit,
            offset=self.offset,
        )


@router.post("/v2/threads/query")
async def query_threads(request: Request, store: Store) -> Response:
    """A page of threads, those with the latest traces first."""
    body = await read_json(request, ThreadsQuery)
    page = await run_in_threadpool(store.threads.query, body.to_store())
    return answer(request, {"items": [thread(one) for one in page.threads], "next_cursor": page.next_cursor})


@router.post("/v2/threads/stats")
async def sum_up_threads(request: Request, store: Store) -> dict[str, Any]:
    """The traces of all threads that match, summed up."""
    body = await read_json(request, StatsQuery)
    check_selects(body.select, AGGREGATES)
    return aggregates(await run_in_threadpool(store.threads.stats, body.to_store()), body.select)


@router.get("/v2/threads/{thread_id:path}/traces")
def list_traces(
    thread_id: CleanText,
    store: Store,
    project_id: UUID,
    filter: str | None = None,
    trace_filter: str | None = None,
    tree_filter: str | None = None,
    selects: Selects = None,
    cursor: str | None = None,
    page_size: Annotated[int, Query(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    """The traces of a thread, in their order."""
    check_selects(selects or [], TRACE_FIELDS)
    wanted = RunQuery(
        project_ids=[project_id],
        thread_id=thread_id,
        is_root=True,
        filter=both(filter, trace_filter),
        tree_filter=tree_filter,
        newest_first=False,
        limit=page_size,
        cursor=cursor,
    )
    page = store.runs.query(wanted)
    turns = store.threads.turn_numbers(project_id, thread_id) if "TURN_NUMBER" in (selects or []) else {}
    asked = not DETAIL_FIELDS.isdisjoint(selects or [])
    kinds = store.threads.details_of([root.id for root in page.runs]) if asked else {}
    items = [
        thread_trace(root, selects or [], turns.get(root.trace_id), kinds.get(root.trace_id, {})) for root in page.runs
    ]
    return {"items": items, "next_cursor": page.next_cursor}


@router.get("/v2/threads/{thread_id:path}/stats")
def sum_up_thread(
    thread_id: CleanText,
    store: Store,
    session_id: UUID,
    selects: Annotated[list[str], Query(min_length=1)],
    filter: str | None = None,
) -> dict[str, Any]:
    """The traces of one thread, summed up."""
    check_selects(selects, STATS)
    wanted = RunQuery(project_ids=[session_id], thread_id=thread_id, is_root=True, filter=filter)
    return thread_stats(store.threads.stats_of(wanted), selects)


@router.post("/runs/group")
async def group_runs(request: Request, store: Store) -> dict[str, Any]:
    """Threads, as the API's first version answers them."""
    wanted = (await read_json(request, Groups)).to_store()
    page = await run_in_threadpool(store.threads.query, wanted)
    total = await run_in_threadpool(store.threads.count, wanted)
    return {"groups": [group(one) for one in page.threads], "total": total}


@router.post("/runs/group/stats")
async def sum_up_groups(request: Request, store: Store) -> dict[str, Any]:
    """All traces of the threads that match, as the API's first version sums them up."""
    wanted = (await read_json(request, Groups)).to_store()
    stats = await run_in_threadpool(store.threads.stats, wanted)
    return run_stats(stats.runs) | {"group_count": stats.thread_count}
