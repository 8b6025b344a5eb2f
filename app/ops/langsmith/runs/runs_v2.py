"""Routes of runs and traces, in the API's second version: named fields, cursors, and the last day unless asked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.ops.langsmith.errors import NotServed
from app.ops.langsmith.request import Store, read_json
from app.ops.langsmith.runs.patch_stream import answer
from app.ops.langsmith.runs.run_wire import app_path, beside, check_selects, origin, run_v2
from app.ops.langsmith.runs.runs import both
from app.ops.store import NotFound, OpsStore, Run, RunQuery
from app.ops.store.models import Moment, RunType

router = APIRouter()

WINDOW = timedelta(days=1)
"""How far back a query looks that does not say from when on."""
_TRACE_RUNS = 1000
_AGGREGATES = {"TOTAL_TOKENS", "TOTAL_COST", "FIRST_TOKEN_TIME"}
"""Of a trace, what is said of all its runs together, not of its root."""
Selects = Annotated[list[str] | None, Query()]
UpperRunType = Annotated[
    RunType | None, BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
]


class SecondVersion(BaseModel):
    """What every query of the second version may say."""

    model_config = ConfigDict(extra="ignore")

    ai_search: str | None = None
    sem_filter: str | None = None
    min_start_time: Moment | None = None
    max_start_time: Moment | None = None
    cursor: str | None = None

    @model_validator(mode="after")
    def _is_served(self) -> SecondVersion:
        if self.ai_search or self.sem_filter:
            raise NotServed("Search by meaning (ai_search, sem_filter) is not served here; send a filter instead.")
        return self

    def since(self) -> datetime:
        """From when on runs are looked at."""
        return self.min_start_time or datetime.now(UTC) - WINDOW


class RunsQuery(SecondVersion):
    """The body of `/v2/runs/query`."""

    project_ids: list[UUID] | None = Field(default=None, min_length=1, max_length=1000)
    reference_dataset_id: UUID | None = None
    ids: list[UUID] | None = Field(default=None, max_length=1000)
    trace_id: UUID | None = None
    run_type: UpperRunType = None
    is_root: bool | None = None
    has_error: bool | None = None
    filter: str | None = None
    trace_filter: str | None = None
    tree_filter: str | None = None
    reference_examples: list[UUID] | None = Field(default=None, max_length=1000)
    min_feedback_modified_at: Moment | None = None
    max_feedback_modified_at: Moment | None = None
    include_subtree_usage: bool = False
    selects: list[str] = []
    page_size: int = Field(default=100, ge=1, le=1000)

    @model_validator(mode="after")
    def _names_projects_once(self) -> RunsQuery:
        if (self.project_ids is None) == (self.reference_dataset_id is None):
            raise ValueError("send either project_ids or reference_dataset_id")
        return self

    def to_store(self, store: OpsStore) -> RunQuery:
        """The same question to the store."""
        projects, since = self.project_ids, self.since()
        if self.reference_dataset_id is not None:
            experiments = store.projects.find(reference_dataset_ids=[self.reference_dataset_id])
            projects = [one.id for one in experiments]
            since = self.min_start_time or min((one.created_at for one in experiments), default=since)
        return RunQuery(
            project_ids=projects,
            ids=self.ids,
            trace_id=self.trace_id,
            run_type=self.run_type,
            is_root=self.is_root,
            has_error=self.has_error,
            started_from=since,
            started_until=self.max_start_time,
            reference_example_ids=self.reference_examples,
            filter=both(self.filter, 'eq(status, "success")' if self.has_error is False else None),
            trace_filter=self.trace_filter,
            tree_filter=self.tree_filter,
            feedback_since=self.min_feedback_modified_at,
            feedback_before=self.max_feedback_modified_at,
            limit=self.page_size,
            cursor=self.cursor,
        )


class TracesQuery(SecondVersion):
    """The body of `/v2/traces/query`."""

    project_id: UUID
    trace_ids: list[UUID] | None = Field(default=None, max_length=1000)
    trace_filter: str | None = None
    tree_filter: str | None = None
    min_feedback_modified_at: Moment | None = None
    max_feedback_modified_at: Moment | None = None
    selects: list[str] = []
    page_size: int = Field(default=20, ge=1, le=100)

    def to_store(self) -> RunQuery:
        """The roots of the traces."""
        return RunQuery(
            project_ids=[self.project_id],
            ids=self.trace_ids,
            is_root=True,
            started_from=self.since(),
            started_before=self.max_start_time,
            filter=self.trace_filter,
            tree_filter=self.tree_filter,
            feedback_since=self.min_feedback_modified_at,
            feedback_before=self.max_feedback_modified_at,
            limit=self.page_size,
            cursor=self.cursor,
        )


@router.post("/v2/runs/query")
async def query_runs(request: Request, store: Store) -> Response:
    """A page of runs, newest first."""
    body = await read_json(request, RunsQuery)
    check_selects(body.selects)

    def page() -> dict[str, Any]:
        found = store.runs.query(body.to_store(store))
        items = runs_v2(request, store, found.runs, body.selects, subtree_usage=body.include_subtree_usage)
        return {"items": items, "next_cursor": found.next_cursor}

    return answer(request, await run_in_threadpool(page))


@router.get("/v2/runs/{run_id}")
def read_run(request: Request, run_id: UUID, store: Store, project_id: UUID, selects: Selects = None) -> dict[str, Any]:
    """One run."""
    check_selects(selects or [])
    run = _in_project(store, run_id, project_id)
    return runs_v2(request, store, [run], selects or [], subtree_usage=True)[0]


@router.get("/v2/runs/{run_id}/url")
def run_url(request: Request, run_id: UUID, store: Store, project_id: UUID) -> dict[str, str]:
    """Where a person can look at the run."""
    return {"url": origin(request) + app_path(store, _in_project(store, run_id, project_id))}


@router.post("/v2/traces/query")
async def query_traces(request: Request, store: Store) -> Response:
    """A page of traces, newest first."""
    body = await read_json(request, TracesQuery)
    check_selects(body.selects)

    def page() -> dict[str, Any]:
        found = store.runs.query(body.to_store())
        return {"items": _traces(request, store, found.runs, body.selects), "next_cursor": found.next_cursor}

    return answer(request, await run_in_threadpool(page))


@router.get("/v2/traces/{trace_id}/runs")
def list_runs_of_trace(
    request: Request,
    trace_id: UUID,
    store: Store,
    project_id: UUID,
    filter: str | None = None,
    min_start_time: Moment | None = None,
    max_start_time: Moment | None = None,
    selects: Selects = None,
) -> dict[str, Any]:
    """The runs of a trace, in the order of their start."""
    check_selects(selects or [])
    wanted = RunQuery(
        project_ids=[project_id],
        trace_id=trace_id,
        filter=filter,
        started_from=min_start_time,
        started_until=max_start_time,
        newest_first=False,
        limit=_TRACE_RUNS,
    )
    return {"items": runs_v2(request, store, all_of(store, wanted), selects or [])}


def runs_v2(
    request: Request, store: OpsStore, runs: Sequence[Run], selects: Collection[str], *, subtree_usage: bool = False
) -> list[dict[str, Any]]:
    """Runs with the fields in `selects`; `subtree_usage` counts what lies below a run as its own."""
    known = beside(request, store, runs, selects)
    first = store.runs.first_tokens(runs) if subtree_usage and "FIRST_TOKEN_TIME" in selects else {}
    return [run_v2(store, run, known, selects, subtree_usage=subtree_usage, first_tokens=first) for run in runs]


def all_of(store: OpsStore, wanted: RunQuery) -> list[Run]:
    """All runs that match, of one trace or thread: page by page."""
    found, page = [], store.runs.query(wanted)
    found += page.runs
    while page.next_cursor:
        page = store.runs.query(wanted.model_copy(update={"cursor": page.next_cursor}))
        found += page.runs
    return found


def _traces(request: Request, store: OpsStore, roots: Sequence[Run], selects: Collection[str]) -> list[dict[str, Any]]:
    whole = {*selects} & _AGGREGATES
    parts = runs_v2(request, store, roots, {*selects} - whole)
    if not whole:
        return [{"root_run": root} for root in parts]
    sums = runs_v2(request, store, roots, whole, subtree_usage=True)
    return [
        {"root_run": root, "trace_aggregates": {name: value for name, value in sum_.items() if name != "id"}}
        for root, sum_ in zip(parts, sums, strict=True)
    ]


def _in_project(store: OpsStore, run_id: UUID, project_id: UUID) -> Run:
    run = store.runs.get(run_id)
    if run.project_id != project_id:
        raise NotFound(f"There is no run {run_id} in this project.")
    return run
