"""Routes that give runs back, in the API's first version."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from app.ops.langsmith.errors import Unprocessable
from app.ops.langsmith.request import Store, read_json
from app.ops.langsmith.runs.run_wire import beside, messages, run_v1
from app.ops.langsmith.wire import run_stats
from app.ops.store import NotFound, OpsStore, RunQuery
from app.ops.store.models import CleanText, GroupBy, Moment, RunType
from app.ops.store.tables.base import json_text

router = APIRouter()

PAGE = 100
Ids = Annotated[list[UUID], Field(max_length=1000)]


class QueryV1(BaseModel):
    """The body of `/runs/query`; unknown fields, and those that choose how LangSmith finds runs, are left out."""

    model_config = ConfigDict(extra="ignore")

    session: Ids | None = None
    id: Ids | None = None
    trace: UUID | None = None
    parent_run: UUID | None = None
    run_type: RunType | None = None
    is_root: bool | None = None
    execution_order: int | None = None
    error: bool | None = None
    start_time: Moment | None = None
    end_time: Moment | None = None
    reference_example: Ids | None = None
    filter: str | None = None
    search_filter: str | None = None
    trace_filter: str | None = None
    tree_filter: str | None = None
    query: str | None = Field(default=None, max_length=1000)
    order: Literal["asc", "desc"] = "desc"
    limit: int = Field(default=PAGE, ge=1)
    cursor: str | None = None
    select: list[str] | None = None
    skip_pagination: bool = False
    """Whether the cursor of the next page is not needed."""

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
            filter=both(self.filter, self.search_filter),
            trace_filter=self.trace_filter,
            tree_filter=self.tree_filter,
            search=self.query,
            newest_first=self.order == "desc",
            limit=min(self.limit, PAGE),
            cursor=self.cursor,
        )


class StatsV1(QueryV1):
    """The body of `/runs/stats`; `select` names sums here."""

    group_by: GroupBy | None = None


class Deletion(BaseModel):
    """The body of `/runs/delete`: which traces of a project to delete."""

    session_id: UUID
    trace_ids: Ids | None = None
    metadata: dict[CleanText, list[CleanText]] | None = Field(default=None, max_length=100)

    def to_store(self) -> RunQuery:
        """The runs whose traces are meant. Raises Unprocessable if that would be all."""
        if self.trace_ids is not None and not self.metadata:
            return RunQuery(project_ids=[self.session_id], filter=_one_of("trace_id", self.trace_ids))
        if not self.metadata or self.trace_ids is not None:
            raise Unprocessable("Send either trace_ids or metadata, to say which traces to delete.")
        pairs = (
            f"and(eq(metadata_key, {json_text(key)}), {_one_of('metadata_value', values)})"
            for key, values in self.metadata.items()
        )
        return RunQuery(project_ids=[self.session_id], filter=f"and({', '.join(pairs)})")


@router.post("/runs/query")
async def query_runs(request: Request, store: Store) -> dict[str, Any]:
    """A page of runs."""
    body = await read_json(request, QueryV1)
    return await run_in_threadpool(page_v1, request, store, body, body.to_store())


@router.post("/runs/stats")
async def sum_up_runs(request: Request, store: Store) -> Any:
    """Runs summed up, whole or by group."""
    body = await read_json(request, StatsV1)
    if body.group_by is None:
        return _selected(body, run_stats(await run_in_threadpool(store.runs.stats, body.to_store())))
    groups = await run_in_threadpool(store.runs.grouped_stats, body.to_store(), body.group_by)
    return {group: _selected(body, run_stats(stats)) for group, stats in groups.items()}


@router.post("/runs/delete", status_code=202)
async def delete_runs(request: Request, store: Store) -> dict[str, str]:
    """Delete traces, whole."""
    body = await read_json(request, Deletion)
    await run_in_threadpool(store.runs.delete_matching, body.to_store())
    return {"message": "deleted"}


@router.get("/runs/{run_id}")
def read_run(
    request: Request,
    run_id: UUID,
    store: Store,
    session_id: UUID | None = None,
    exclude_serialized: bool = False,
    include_messages: bool = False,
) -> dict[str, Any]:
    """One run."""
    run = store.runs.get(run_id)
    if session_id not in (None, run.project_id):
        raise NotFound(f"There is no run {run_id} in this project.")
    fields = run_v1(store, run, beside(request, store, [run]))
    if include_messages:
        fields["messages"] = messages(run)
    return fields | ({"serialized": None, "manifest": None} if exclude_serialized else {})


def page_v1(request: Request, store: OpsStore, body: QueryV1, wanted: RunQuery) -> dict[str, Any]:
    """A page of the runs that `wanted` asks for, with the fields that `body` selects."""
    page = store.runs.query(wanted)
    known = beside(request, store, page.runs, body.select)
    return {
        "runs": [run_v1(store, run, known, body.select) for run in page.runs],
        "cursors": {"next": None if body.skip_pagination else page.next_cursor, "prev": None},
        "search_cursors": None,
        "parsed_query": None,
    }


def both(*filters: str | None) -> str | None:
    """One filter that says what each of these says."""
    given = [one for one in filters if one]
    return f"and({', '.join(given)})" if len(given) > 1 else next(iter(given), None)


def _selected(body: StatsV1, stats: dict[str, Any]) -> dict[str, Any]:
    return stats if body.select is None else {name: stats[name] for name in stats if name in body.select}


def _one_of(field: str, values: list[Any]) -> str:
    return f"in({field}, {json_text([str(value) for value in values])})"
