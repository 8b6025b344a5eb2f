"""Routes of annotation queues."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from app.ops.langsmith.feedback.configs import key_config
from app.ops.langsmith.request import Store, read_json
from app.ops.store import OpsStore
from app.ops.store.models import CleanText
from app.ops.store.queues.models import Queue, QueueChange, QueueFields, RubricItem

router = APIRouter()


class _Population(BaseModel):
    queue_id: UUID
    session_ids: Annotated[list[UUID], Field(max_length=100)]


@router.post("/annotation-queues")
async def create_queue(request: Request, store: Store) -> dict[str, Any]:
    """Make a queue."""
    fields = await read_json(request, QueueFields)
    queue = await run_in_threadpool(store.queues.create, fields)
    return _queue(store, queue) | {"rubric_instructions": queue.rubric_instructions}


@router.get("/annotation-queues")
def list_queues(
    store: Store,
    ids: Annotated[list[UUID] | None, Query(max_length=1000)] = None,
    name: CleanText | None = None,
    name_contains: CleanText | None = None,
    dataset_id: UUID | None = None,
    queue_type: Literal["single", "pairwise"] | None = None,
    include_rubric_keys: bool = False,
    sort_by: Literal["created_at", "updated_at", "name"] = "created_at",
    sort_by_desc: bool = True,
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> list[dict[str, Any]]:
    """Queues, newest first unless said otherwise."""
    if queue_type == "pairwise":  # nothing in this API makes one
        return []
    found = store.queues.find(
        ids=ids,
        name=name,
        name_contains=name_contains,
        dataset_id=dataset_id,
        sort_by=sort_by,
        descending=sort_by_desc,
        limit=limit,
        offset=offset,
    )
    return [
        _queue(store, queue)
        | {"total_runs": queue.total_runs}
        | ({"rubric_keys": [item.feedback_key for item in queue.rubric_items]} if include_rubric_keys else {})
        for queue in found
    ]


@router.post("/annotation-queues/populate")
async def populate_queue(request: Request, store: Store) -> dict[str, Any]:
    """Add the runs of experiments."""
    wanted = await read_json(request, _Population)
    added = await run_in_threadpool(store.queues.items.populate, wanted.queue_id, wanted.session_ids)
    return {"message": f"{added} runs are in the queue."}


@router.get("/annotation-queues/{queue_id}")
def read_queue(queue_id: UUID, store: Store) -> dict[str, Any]:
    """One queue with its rubric."""
    queue = store.queues.get(queue_id)
    return _queue(store, queue) | {
        "rubric_instructions": queue.rubric_instructions,
        "rubric_items": _rubric(store, queue.rubric_items),
    }


@router.patch("/annotation-queues/{queue_id}")
async def update_queue(queue_id: UUID, request: Request, store: Store) -> dict[str, Any]:
    """Change a queue."""
    change = await read_json(request, QueueChange)
    return _queue(store, await run_in_threadpool(store.queues.change, queue_id, change))


@router.delete("/annotation-queues/{queue_id}")
def delete_queue(queue_id: UUID, store: Store) -> dict[str, str]:
    """Delete a queue; the runs in it stay."""
    store.queues.delete(queue_id)
    return {"message": "deleted"}


@router.get("/annotation-queues/{run_id}/queues")
def queues_of_run(run_id: UUID, store: Store) -> list[dict[str, Any]]:
    """The queues that a run is in."""
    return [_queue(store, queue) for queue in store.queues.holding(run_id)]


def _queue(store: OpsStore, queue: Queue) -> dict[str, Any]:
    fields = queue.model_dump(mode="json", exclude={"rubric_instructions", "rubric_items", "total_runs"})
    return fields | {
        "tenant_id": str(store.workspace.id),
        "queue_type": "single",
        "assigned_reviewers": [],
        "source_rule_id": None,
        "run_rule_id": None,
    }


def _rubric(store: OpsStore, items: list[RubricItem]) -> list[dict[str, Any]]:
    """The rubric, each item with the config of its key."""
    found = store.feedback_configs.find(keys=[item.feedback_key for item in items])
    configs = {config.feedback_key: key_config(store, config) for config in found}
    return [item.model_dump(mode="json") | {"feedback_config": configs.get(item.feedback_key)} for item in items]
