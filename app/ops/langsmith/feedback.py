"""Routes of feedback."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool

from app.ops.langsmith.body import read_json
from app.ops.langsmith.wire import feedback_v1
from app.ops.settings import OpsSettings
from app.ops.store import OpsStore
from app.ops.store.models import FeedbackChange, FeedbackFields


def feedback_routes(store: OpsStore, settings: OpsSettings) -> APIRouter:
    """POST and GET /feedback; GET, PATCH and DELETE /feedback/{id}. The run need not have arrived."""
    router = APIRouter()
    limit_bytes = settings.upload_limit_bytes

    @router.post("/feedback")
    async def create_feedback(request: Request) -> dict[str, Any]:
        fields = await read_json(request, FeedbackFields, limit_bytes)
        return feedback_v1(await run_in_threadpool(store.add_feedback, fields))

    @router.get("/feedback")
    def list_feedback(
        run: Annotated[list[UUID] | None, Query()] = None,
        key: Annotated[list[str] | None, Query()] = None,
        source: Annotated[list[str] | None, Query()] = None,
        session: Annotated[list[UUID] | None, Query()] = None,
        offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
        limit: Annotated[int, Query(ge=1, le=100)] = 100,
    ) -> list[dict[str, Any]]:
        return [feedback_v1(one) for one in store.feedback(run, key, source, session, limit, offset)]

    @router.get("/feedback/{feedback_id}")
    def read_feedback(feedback_id: UUID) -> dict[str, Any]:
        return feedback_v1(store.one_feedback(feedback_id))

    @router.patch("/feedback/{feedback_id}")
    async def update_feedback(feedback_id: UUID, request: Request) -> dict[str, Any]:
        change = await read_json(request, FeedbackChange, limit_bytes)
        return feedback_v1(await run_in_threadpool(store.change_feedback, feedback_id, change))

    @router.delete("/feedback/{feedback_id}")
    def delete_feedback(feedback_id: UUID) -> dict[str, str]:
        store.delete_feedback(feedback_id)
        return {"message": "deleted"}

    return router
