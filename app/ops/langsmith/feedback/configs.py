"""Routes of feedback configs."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool

from app.ops.langsmith.errors import BadRequest, Unprocessable
from app.ops.langsmith.request import Store, read_json
from app.ops.store import OpsStore
from app.ops.store.feedback.configs import ConfigChange, ConfigFields, DifferentConfig, KeyConfig
from app.ops.store.models import CleanText

router = APIRouter()


@router.post("/feedback-configs")
async def create_config(request: Request, store: Store) -> dict[str, Any]:
    """Make a config; one that says the same is given back, one that says otherwise is a 400."""
    fields = await read_json(request, ConfigFields)
    try:
        return key_config(store, await run_in_threadpool(store.feedback_configs.create, fields))
    except DifferentConfig as error:
        raise BadRequest(str(error)) from error


@router.get("/feedback-configs")
def list_configs(
    store: Store,
    key: Annotated[list[CleanText] | None, Query()] = None,
    name_contains: CleanText | None = None,
    is_enforced: bool | None = None,
    include_all_configs: bool = False,
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> list[dict[str, Any]]:
    """Configs, by key."""
    found = store.feedback_configs.find(
        keys=key,
        name_contains=name_contains,
        is_enforced=is_enforced,
        with_deleted=include_all_configs,
        limit=limit,
        offset=offset,
    )
    return [key_config(store, one) for one in found]


@router.patch("/feedback-configs")
async def update_config(request: Request, store: Store) -> dict[str, Any]:
    """Change a config."""
    change = await read_json(request, ConfigChange)
    return key_config(store, await run_in_threadpool(store.feedback_configs.change, change))


@router.delete("/feedback-configs", status_code=204)
def delete_config(store: Store, feedback_key: CleanText | None = None, id: UUID | None = None) -> None:
    """Delete a config."""
    if (feedback_key is None) == (id is None):
        raise Unprocessable("Send either feedback_key or id.")
    store.feedback_configs.delete(key=feedback_key, config_id=id)


def key_config(store: OpsStore, config: KeyConfig) -> dict[str, Any]:
    """A config as the API answers it."""
    return config.model_dump(mode="json") | {"tenant_id": str(store.workspace.id), "is_first": True}
