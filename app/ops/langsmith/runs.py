"""Routes that give runs back, in the API's first and second version."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.ops.langsmith.errors import NotServed
from app.ops.langsmith.request import Store, read_json
from app.ops.langsmith.wire import app_path, run_stats, run_v1, run_v2
from app.ops.store import NotFound, OpsStore, Run, RunQuery
from app.ops.store.models import FeedbackStats, GroupBy, Moment, RunType

router = APIRouter()

_V1_PAGE = 100
_V2_WINDOW = timedelta(days=1)
_V2_EXTRAS = {"ai_search", "sem_filter", "reference_dataset_id", "min_feedback_modified_at", "max_feedback_modified_at"}


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


class QueryV1(BaseModel):
    """The body of `/runs/query`; unknown fields are left out."""

    model_config = ConfigDict(extra="ignore")

    session: list[UUID] | None = None
    id: list[UUID] | None = None
    trace: UUID | None = None
    parent_run: UUID | None = None
    run_type: RunType | None = None
    is_root: bool | None = None
    execution_order: int | None = None
    error: bool | None = None
    start_time: Moment | None = None
    end_time: Moment | None = None
    reference_example: list[UUID] | None = None
    filter: str | None = None
    trace_filter: str | None = None
    tree_filter: str | None = None
    query: str | None = Field(default=None, max_length=1000)
    order: Literal["asc", "desc"] = "desc"
    limit: int = Field(default=_V1_PAGE, ge=1)
    cursor: str | None = None
    select: list[str] | None = None

    def to_store(self) -> RunQuery:
        """The same question to the store. Pages are never longer than 100."""
        return RunQuery(
            project_ids=self.session,
            ids=self.id,
            trace_id=self.trace,
            parent_run_id=self.parent_run,
            run_type=self.run_type,
            is_root=True if self.execution_order == 1 else self.is_root,
            has_error=self.error,
            started_from=self.start_time,
            started_until=self.end_time,
            reference_example_ids=self.reference_example,
            filter=self.filter,
            trace_filter=self.trace_filter,
            tree_filter=self.tree_filter,
            search=self.query,
            newest_first=self.order == "desc",
            limit=min(self.limit, _V1_PAGE),
            cursor=self.cursor,
        )


class StatsV1(QueryV1):
    """The body of `/runs/stats`."""

    group_by: GroupBy | None = None


class QueryV2(BaseModel):
    """The body of `/v2/runs/query`; without `min_start_time` it asks for the last day."""

    model_config = ConfigDict(extra="allow")

    project_ids: list[UUID] = Field(min_length=1)
    ids: list[UUID] | None = None
    trace_id: UUID | None = None
    run_type: Annotated[RunType | None, BeforeValidator(_lower)] = None
    is_root: bool | None = None
    has_error: bool | None = None
    filter: str | None = None
    trace_filter: str | None = None
    tree_filter: str | None = None
    reference_examples: list[UUID] | None = None
    min_start_time: Moment | None = None
    max_start_time: Moment | None = None
    include_subtree_usage: bool = False
    selects: list[str] = []
    cursor: str | None = None
    page_size: int = Field(default=100, ge=1, le=1000)

    def to_store(self, now: datetime) -> RunQuery:
        """The same question to the store."""
        return RunQuery(
            project_ids=self.project_ids,
            ids=self.ids,
            trace_id=self.trace_id,
            run_type=self.run_type,
            is_root=self.is_root,
            has_error=self.has_error,
            started_from=self.min_start_time or now - _V2_WINDOW,
            started_until=self.max_start_time,
            reference_example_ids=self.reference_examples,
            filter=self.filter,
            trace_filter=self.trace_filter,
            tree_filter=self.tree_filter,
            limit=self.page_size,
            cursor=self.cursor,
        )


@router.post("/runs/query")
async def query_runs(request: Request, store: Store) -> dict[str, Any]:
    """A page of runs."""
    body = await read_json(request, QueryV1)
    return await run_in_threadpool(_page_v1, store, body)


@router.post("/runs/stats")
async def sum_up_runs(request: Request, store: Store) -> Any:
    """Runs summed up, whole or by group."""
    body = await read_json(request, StatsV1)
    if body.group_by is None:
        return run_stats(await run_in_threadpool(store.runs.stats, body.to_store()))
    groups = await run_in_threadpool(store.runs.grouped_stats, body.to_store(), body.group_by)
    return {group: run_stats(stats) for group, stats in groups.items()}


@router.get("/runs/{run_id}")
def read_run(run_id: UUID, store: Store) -> dict[str, Any]:
    """One run."""
    run = store.runs.get(run_id)
    return run_v1(store, run, _feedback_stats(store, [run]).get(run.id, {}))


@router.post("/v2/runs/query")
async def query_runs_v2(request: Request, store: Store) -> dict[str, Any]:
    """A page of runs, as the second version of the API asks for it."""
    if "text/event-stream" in request.headers.get("accept", ""):
        raise NotServed("Streamed run queries are not served here; ask for application/json.")
    body = await read_json(request, QueryV2)
    if extras := _V2_EXTRAS & (body.model_extra or {}).keys():
        raise NotServed(f"Querying runs by {', '.join(sorted(extras))} is not served here.")
    return await run_in_threadpool(_page_v2, store, body)


@router.get("/v2/runs/{run_id}")
def read_run_v2(
    run_id: UUID, store: Store, project_id: UUID, selects: Annotated[list[str] | None, Query()] = None
) -> dict[str, Any]:
    """One run, as the second version of the API asks for it."""
    run = _in_project(store, run_id, project_id)
    return run_v2(store, run, _feedback_stats(store, [run]).get(run.id, {}), selects or [])


@router.get("/v2/runs/{run_id}/url")
def run_url(run_id: UUID, store: Store, project_id: UUID, request: Request) -> dict[str, str]:
    """Where a person can look at the run."""
    host = f"{request.url.scheme}://{request.url.netloc}"
    return {"url": host + app_path(store, _in_project(store, run_id, project_id))}


def _in_project(store: OpsStore, run_id: UUID, project_id: UUID) -> Run:
    run = store.runs.get(run_id)
    if run.project_id != project_id:
        raise NotFound(f"There is no run {run_id} in this project.")
    return run


def _page_v1(store: OpsStore, body: QueryV1) -> dict[str, Any]:
    page = store.runs.query(body.to_store())
    stats = _feedback_stats(store, page.runs)
    return {
        "runs": [run_v1(store, run, stats.get(run.id, {}), body.select) for run in page.runs],
        "cursors": {"next": page.next_cursor, "prev": None},
    }


def _page_v2(store: OpsStore, body: QueryV2) -> dict[str, Any]:
    page = store.runs.query(body.to_store(datetime.now(UTC)))
    stats = _feedback_stats(store, page.runs)
    items = [
        run_v2(store, run, stats.get(run.id, {}), body.selects, subtree_usage=body.include_subtree_usage)
        for run in page.runs
    ]
    return {"items": items, "next_cursor": page.next_cursor}


def _feedback_stats(store: OpsStore, runs: Sequence[Run]) -> dict[UUID, dict[str, FeedbackStats]]:
    return store.feedback.stats_by_run([run.id for run in runs])
