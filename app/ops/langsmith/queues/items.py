"""Routes of the items of annotation queues, as the API's second version has them."""

from __future__ import annotations

from datetime import MINYEAR
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from app.ops.langsmith.queues.runs import MAX_AT_ONCE
from app.ops.langsmith.request import API_CALLER, Store, read_json
from app.ops.store.models import Moment
from app.ops.store.queues.models import Item, ItemChange, ItemFields, ItemQuery, ItemType, Review, Section

router = APIRouter()

_ALWAYS = {"id", "queue_id", "item_type", "run_id", "thread_id", "project_id", "start_time", "added_at"}
_ALWAYS |= {"last_reviewed_time", "source_proposed_example_id"}


class _NewItems(BaseModel):
    items: Annotated[list[ItemFields], Field(max_length=MAX_AT_ONCE)]


class _OldItems(BaseModel):
    item_ids: Annotated[list[UUID], Field(max_length=MAX_AT_ONCE)]


@router.post("/annotation-queues/{queue_id}/items")
async def add_items(queue_id: UUID, request: Request, store: Store) -> dict[str, Any]:
    """Add runs and threads."""
    wanted = (await read_json(request, _NewItems)).items
    ids = await run_in_threadpool(store.queues.items.add, queue_id, wanted)
    items = await run_in_threadpool(store.queues.board(queue_id, API_CALLER).many, ids)
    return {"items": [_item(item) for item in items]}


@router.get("/annotation-queues/{queue_id}/items")
def list_items(
    queue_id: UUID,
    store: Store,
    status: Section,
    item_type: ItemType | None = None,
    min_start_time: Moment | None = None,
    max_start_time: Moment | None = None,
    cursor: str | None = None,
    direction: Literal["forward", "backward"] = "forward",
    page_size: Annotated[int, Query(ge=1, le=100)] = 100,
) -> dict[str, Any]:
    """Items, each with who reviewed and who reserved it."""
    wanted = ItemQuery(
        section=status,
        item_type=item_type,
        started_from=_bound(min_start_time),
        started_until=_bound(max_start_time),
    )
    board = store.queues.board(queue_id, API_CALLER)
    page = board.page(wanted, cursor=cursor, direction=direction, limit=page_size)
    return {"items": [_item(item) | _reviewers(item) for item in page.items], "next_cursor": page.next_cursor}


@router.get("/annotation-queues/{queue_id}/items/count")
def count_items(
    queue_id: UUID,
    store: Store,
    status: Literal["all", "needs_my_review", "needs_others_review", "archived"],
    min_start_time: Moment | None = None,
    max_start_time: Moment | None = None,
    start_time: Moment | None = None,
    end_time: Moment | None = None,
) -> dict[str, int]:
    """How many items there are; `start_time` and `end_time` bound when they were archived."""
    is_archived = status == "archived"
    wanted = ItemQuery(
        section=None if status == "all" else status,
        started_from=_bound(min_start_time),
        started_until=_bound(max_start_time),
        archived_after=start_time if is_archived else None,
        archived_before=end_time if is_archived else None,
    )
    return {"count": store.queues.board(queue_id, API_CALLER).count(wanted)}


@router.get("/annotation-queues/{queue_id}/items/{item_id}/placement")
def placement(queue_id: UUID, item_id: UUID, store: Store) -> dict[str, Any]:
    """Where an item stands in its section."""
    return store.queues.board(queue_id, API_CALLER).placement(item_id).model_dump()


@router.patch("/annotation-queues/{queue_id}/items/{item_id}")
async def update_item(queue_id: UUID, item_id: UUID, request: Request, store: Store) -> dict[str, Any]:
    """Move an item, archive it or bring it back."""
    change = await read_json(request, ItemChange)
    await run_in_threadpool(store.queues.items.change, queue_id, item_id, change)
    return _item(await run_in_threadpool(store.queues.board(queue_id, API_CALLER).get, item_id))


@router.post("/annotation-queues/items/{item_id}/status")
async def set_item_status(item_id: UUID, request: Request, store: Store) -> dict[str, Any]:
    """Reserve an item, complete it, or give it back."""
    review = await read_json(request, Review)
    queue_id = await run_in_threadpool(store.queues.items.review, item_id, review, reviewer=API_CALLER)
    item = await run_in_threadpool(store.queues.board(queue_id, API_CALLER).get, item_id)
    return {
        "queue_item_id": str(item_id),
        "status": review.status,
        "override_added_at": review.override_added_at and review.override_added_at.isoformat(),
        "is_archived": item.archived_at is not None,
    }


@router.post("/annotation-queues/{queue_id}/items/delete")
async def remove_items(queue_id: UUID, request: Request, store: Store) -> dict[str, str]:
    """Take items out."""
    wanted = await read_json(request, _OldItems)
    removed = await run_in_threadpool(store.queues.items.remove, queue_id, wanted.item_ids)
    return {"message": f"{removed} items were taken out."}


def _bound(moment: Moment | None) -> Moment | None:
    """Clients whose times are never empty send the first year for no bound."""
    return None if moment is None or moment.year == MINYEAR else moment


def _item(item: Item) -> dict[str, Any]:
    return item.model_dump(mode="json", include=_ALWAYS)


def _reviewers(item: Item) -> dict[str, Any]:
    fields = item.model_dump(mode="json", include={"effective_added_at", "completed_by", "reserved_by"})
    return fields | {"assigned_to": []}
