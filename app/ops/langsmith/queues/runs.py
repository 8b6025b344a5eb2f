"""Routes of the runs in annotation queues, as the API's first version has them."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field, TypeAdapter

from app.ops.langsmith.request import API_CALLER, Store, read_json, read_value
from app.ops.langsmith.runs.run_wire import beside, run_v1
from app.ops.store import NotFound, OpsStore
from app.ops.store.models import Moment
from app.ops.store.queues.models import Item, ItemChange, ItemFields, ItemQuery, Review, Section
from app.ops.store.tables.base import json_text

router = APIRouter()

MAX_AT_ONCE = 10_000
Status = Literal["needs_my_review", "needs_others_review", "completed"]
_SECTIONS: dict[str, Section] = {
    "needs_my_review": "needs_my_review",
    "needs_others_review": "needs_others_review",
    "completed": "archived",
}


class _RunReference(BaseModel):
    run_id: UUID
    source_proposed_example_id: UUID | None = None


_RUNS: TypeAdapter[list[UUID | _RunReference]] = TypeAdapter(
    Annotated[list[UUID | _RunReference], Field(max_length=MAX_AT_ONCE)]
)


class _Removal(BaseModel):
    delete_all: bool = False
    run_ids: Annotated[list[UUID], Field(max_length=MAX_AT_ONCE)] | None = None
    exclude_run_ids: Annotated[list[UUID], Field(max_length=MAX_AT_ONCE)] | None = None


class _Period(BaseModel):
    start_time: Moment | None = None
    end_time: Moment | None = None
    include_annotator_detail: bool = False


@router.post("/annotation-queues/status/{item_id}")
async def set_status(item_id: UUID, request: Request, store: Store) -> dict[str, str]:
    """Reserve an item, complete it, or give it back."""
    review = await read_json(request, Review)
    await run_in_threadpool(store.queues.items.review, item_id, review, reviewer=API_CALLER)
    return {"message": "noted"}


@router.post("/annotation-queues/{queue_id}/runs")
@router.post("/annotation-queues/{queue_id}/runs/by-key")
async def add_runs(queue_id: UUID, request: Request, store: Store) -> list[dict[str, Any]]:
    """Add runs, by their ids or with what else is known of them."""
    wanted = [
        ItemFields(run_id=one) if isinstance(one, UUID) else ItemFields(**one.model_dump())
        for one in await read_value(request, _RUNS)
    ]
    ids = await run_in_threadpool(store.queues.items.add, queue_id, wanted)
    items = await run_in_threadpool(store.queues.board(queue_id, API_CALLER).many, ids)
    return [_entry(item) for item in items]


@router.get("/annotation-queues/{queue_id}/runs")
def list_runs(
    queue_id: UUID,
    request: Request,
    store: Store,
    status: Status | None = None,
    archived: bool | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> list[dict[str, Any]]:
    """The runs in a queue."""
    wanted = ItemQuery(item_type="RUN", section=status and _SECTIONS[status], archived=archived)
    items = store.queues.board(queue_id, API_CALLER).find(wanted, limit=limit, offset=offset)
    return _runs(request, store, items)


@router.get("/annotation-queues/{queue_id}/run/{index}")
def read_run(queue_id: UUID, index: int, request: Request, store: Store) -> dict[str, Any]:
    """The run at a place of the queue, counted from 0."""
    waiting = ItemQuery(item_type="RUN", archived=False)
    if not 0 <= index < 2**31:
        raise NotFound("Places in an annotation queue count from 0.")
    items = store.queues.board(queue_id, API_CALLER).find(waiting, limit=1, offset=index)
    if not items:
        raise NotFound(f"Fewer than {index + 1} runs wait in this annotation queue.")
    return _runs(request, store, items)[0]


@router.patch("/annotation-queues/{queue_id}/runs/{item_id}")
async def update_run(queue_id: UUID, item_id: UUID, request: Request, store: Store) -> dict[str, Any]:
    """Move an item, archive it or bring it back."""
    change = await read_json(request, ItemChange)
    board = store.queues.board(queue_id, API_CALLER)
    item = await run_in_threadpool(board.get, item_id)
    await run_in_threadpool(store.queues.items.change, queue_id, item.id, change)
    return _entry(await run_in_threadpool(board.get, item.id))


@router.delete("/annotation-queues/{queue_id}/runs/{item_id}")
def remove_run(queue_id: UUID, item_id: UUID, store: Store) -> dict[str, str]:
    """Take a run out, by its id or its item's."""
    if not store.queues.items.remove(queue_id, [item_id]):
        raise NotFound(f"There is no item {item_id} in this annotation queue.")
    return {"message": "deleted"}


@router.post("/annotation-queues/{queue_id}/runs/delete")
async def remove_runs(queue_id: UUID, request: Request, store: Store) -> dict[str, str]:
    """Take several runs out, or all but some."""
    wanted = await read_json(request, _Removal)
    ids = None if wanted.delete_all else wanted.run_ids or []
    keep = wanted.exclude_run_ids or []
    removed = await run_in_threadpool(store.queues.items.remove, queue_id, ids, keep_runs=keep)
    return {"message": f"{removed} runs were taken out."}


@router.get("/annotation-queues/{queue_id}/size")
def size(queue_id: UUID, store: Store, status: Status | None = None) -> dict[str, int]:
    """How many items wait, or are in a state."""
    wanted = ItemQuery(section=_SECTIONS[status]) if status else ItemQuery(archived=False)
    return {"size": store.queues.board(queue_id, API_CALLER).count(wanted)}


@router.get("/annotation-queues/{queue_id}/total_size")
def total_size(queue_id: UUID, store: Store) -> dict[str, int]:
    """How many items there are, archived ones too."""
    return {"size": store.queues.board(queue_id, API_CALLER).count()}


@router.get("/annotation-queues/{queue_id}/total_archived")
def total_archived(
    queue_id: UUID, store: Store, start_time: Moment | None = None, end_time: Moment | None = None
) -> dict[str, int]:
    """How many items are archived."""
    return {"size": store.queues.board(queue_id, API_CALLER).count(_archived(start_time, end_time))}


@router.post("/annotation-queues/{queue_id}/export")
async def export(queue_id: UUID, request: Request, store: Store) -> Response:
    """The archived runs with the feedback on them, as CSV."""
    period = await read_json(request, _Period)
    return Response(await run_in_threadpool(_csv, request, store, queue_id, period), media_type="text/csv")


def _archived(after: datetime | None, before: datetime | None) -> ItemQuery:
    return ItemQuery(archived=True, archived_after=after, archived_before=before)


def _csv(request: Request, store: OpsStore, queue_id: UUID, period: _Period) -> str:
    wanted = _archived(period.start_time, period.end_time).model_copy(update={"item_type": "RUN"})
    exported = _runs(request, store, store.queues.board(queue_id, API_CALLER).find(wanted))
    columns = ["id", "name", "start_time", "added_at", "last_reviewed_time", "inputs", "outputs", "error"]
    columns += ["feedback_stats", *(["completed_by"] if period.include_annotator_detail else [])]
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(columns)
    for run in exported:
        writer.writerow([run[name] if isinstance(run[name], str) else json_text(run[name]) for name in columns])
    return written.getvalue()


def _runs(request: Request, store: OpsStore, items: list[Item]) -> list[dict[str, Any]]:
    runs = {run.id: run for run in store.runs.many([item.run_id for item in items if item.run_id])}
    known = beside(request, store, list(runs.values()))
    found = [(item, runs[item.run_id]) for item in items if item.run_id in runs]
    return [run_v1(store, run, known) | _place(item) for item, run in found]


def _place(item: Item) -> dict[str, Any]:
    fields = {"added_at", "effective_added_at", "last_reviewed_time", "completed_by", "reserved_by"}
    return item.model_dump(mode="json", include=fields | {"source_proposed_example_id"}) | {
        "queue_run_id": str(item.id)
    }


def _entry(item: Item) -> dict[str, Any]:
    fields = {"id", "queue_id", "run_id", "added_at", "last_reviewed_time", "source_proposed_example_id"}
    return item.model_dump(mode="json", include=fields)
