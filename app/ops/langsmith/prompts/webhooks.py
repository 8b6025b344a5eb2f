"""Routes of prompt webhooks. They are kept for clients that manage them; this server never calls out."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from app.ops.langsmith.errors import NotServed
from app.ops.langsmith.request import Store, read_json
from app.ops.store import OpsStore
from app.ops.store.prompts.models import Webhook, WebhookChange, WebhookFields

router = APIRouter()


@router.post("/prompt-webhooks")
async def create_webhook(request: Request, store: Store) -> dict[str, Any]:
    """Remember a webhook."""
    fields = await read_json(request, WebhookFields)
    return _webhook(store, await run_in_threadpool(store.prompts.webhooks.create, fields))


@router.get("/prompt-webhooks")
def list_webhooks(store: Store) -> list[dict[str, Any]]:
    """All webhooks."""
    return [_webhook(store, webhook) for webhook in store.prompts.webhooks.find()]


@router.post("/prompt-webhooks/test")
def test_webhook() -> None:
    """Refuse to send anything."""
    raise NotServed("Webhooks are kept but never delivered: this server makes no calls to other hosts.")


@router.get("/prompt-webhooks/{webhook_id}")
def read_webhook(webhook_id: UUID, store: Store) -> dict[str, Any]:
    """One webhook."""
    return _webhook(store, store.prompts.webhooks.get(webhook_id))


@router.patch("/prompt-webhooks/{webhook_id}")
async def update_webhook(webhook_id: UUID, request: Request, store: Store) -> dict[str, Any]:
    """Change a webhook."""
    change = await read_json(request, WebhookChange)
    return _webhook(store, await run_in_threadpool(store.prompts.webhooks.change, webhook_id, change))


@router.delete("/prompt-webhooks/{webhook_id}", status_code=204)
def delete_webhook(webhook_id: UUID, store: Store) -> None:
    """Forget a webhook."""
    store.prompts.webhooks.delete(webhook_id)


def _webhook(store: OpsStore, webhook: Webhook) -> dict[str, Any]:
    return webhook.model_dump(mode="json") | {"tenant_id": str(store.workspace.id)}
