"""Routes of feedback."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool

from app.ops.langsmith.errors import NotServed
from app.ops.langsmith.request import Store, read_json
from app.ops.langsmith.wire import feedback_v1
from app.ops.store import Feedback, OpsStore
from app.ops.store.feedback.configs import FeedbackConfig
from app.ops.store.models import CleanText, FeedbackChange, FeedbackFields

router = APIRouter()


class ConfiguredFeedback(FeedbackFields):
    """A judgement, and what scores its key may have should nobody have said so yet."""

    feedback_config: FeedbackConfig | None = None


@router.post("/feedback")
async def create_feedback(request: Request, store: Store) -> dict[str, Any]:
    """Judge a run, which need not have arrived, or a project."""
    fields = await read_json(request, ConfiguredFeedback)
    return feedback_v1(await run_in_threadpool(_add, store, fields))


@router.get("/feedback")
def list_feedback(
    store: Store,
    run: Annotated[list[UUID] | None, Query()] = None,
    key: Annotated[list[CleanText] | None, Query()] = None,
    source: Annotated[list[CleanText] | None, Query()] = None,
    session: Annotated[list[UUID] | None, Query()] = None,
    comparative_experiment_id: UUID | None = None,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
) -> list[dict[str, Any]]:
    """Judgements, newest first."""
    found = store.feedback.find(
        run_ids=run,
        keys=key,
        sources=source,
        project_ids=session,
        comparative_experiment_id=comparative_experiment_id,
        limit=limit,
        offset=offset,
    )
    return [feedback_v1(one) for one in found]


@router.get("/feedback/formulas", include_in_schema=False)
def list_formulas() -> None:
    """Scores that are made of other scores; without this route the word would be taken for an id."""
    raise NotServed("Composite feedback (formulas) is not served here.")


@router.get("/feedback/{feedback_id}")
def read_feedback(feedback_id: UUID, store: Store) -> dict[str, Any]:
    """One judgement."""
    return feedback_v1(store.feedback.get(feedback_id))


@router.patch("/feedback/{feedback_id}")
async def update_feedback(feedback_id: UUID, request: Request, store: Store) -> dict[str, Any]:
    """Change what is sent, and only that."""
    change = await read_json(request, FeedbackChange)
    return feedback_v1(await run_in_threadpool(store.feedback.change, feedback_id, change))


@router.delete("/feedback/{feedback_id}")
def delete_feedback(feedback_id: UUID, store: Store) -> dict[str, str]:
    """Take a judgement back."""
    store.feedback.delete(feedback_id)
    return {"message": "deleted"}


def _add(store: OpsStore, fields: ConfiguredFeedback) -> Feedback:
    if fields.feedback_config is not None:
        store.feedback_configs.ensure(fields.key, fields.feedback_config)
    store.feedback_configs.check(fields.key, fields.score)
    return store.feedback.add(fields)
