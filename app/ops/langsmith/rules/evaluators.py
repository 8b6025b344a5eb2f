"""Routes of online evaluators.

Code evaluators in the language `checks` are run here; those in Python or JavaScript, and those that call a model, are
kept for clients that manage them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic_core import from_json

from app.ops.langsmith.errors import Unprocessable
from app.ops.langsmith.request import Store, read_json
from app.ops.store import OpsStore, StoreError
from app.ops.store.models import CleanText
from app.ops.store.rules.models import Evaluator, EvaluatorChange, EvaluatorFields, Rule

router = APIRouter()


@router.post("/evaluators")
async def create_evaluator(request: Request, store: Store) -> dict[str, Any]:
    """Make an evaluator."""
    fields = await read_json(request, EvaluatorFields)
    return {"evaluator": _evaluator(store, await run_in_threadpool(store.evaluators.create, fields), [])}


@router.get("/evaluators")
def list_evaluators(
    store: Store,
    name_contains: CleanText | None = None,
    feedback_key: CleanText | None = None,
    type: CleanText | None = None,
    resource_id: Annotated[list[UUID] | None, Query(max_length=1000)] = None,
    metadata: str | None = None,
    sort_by: Literal["created_at", "updated_at", "name"] = "created_at",
    sort_by_desc: bool = True,
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> dict[str, Any]:
    """Evaluators with the rules that apply them."""
    wanted = _object(metadata)
    found = store.evaluators.find(
        name_contains=name_contains,
        kind=type,
        resource_ids=resource_id,
        sort_by=sort_by,
        descending=sort_by_desc,
    )
    matching = [
        one
        for one in found
        if (feedback_key is None or feedback_key in one.feedback_keys)
        and wanted.items() <= (one.metadata or {}).items()
    ]
    rules = _by_evaluator(store.rules.find())
    shown = matching[offset : offset + limit]
    return {
        "evaluators": [_evaluator(store, one, rules.get(one.id, [])) for one in shown],
        "total": len(matching),
    }


@router.delete("/evaluators")
def delete_evaluators(
    store: Store,
    evaluator_ids: Annotated[list[UUID], Query(min_length=1, max_length=1000)],
    delete_run_rules: bool = False,
) -> dict[str, Any]:
    """Delete several evaluators, each for itself."""
    succeeded, failed = [], []
    for evaluator_id in evaluator_ids:
        try:
            store.evaluators.delete(evaluator_id, with_rules=delete_run_rules)
            succeeded.append(str(evaluator_id))
        except StoreError as error:
            failed.append({"id": str(evaluator_id), "error": str(error)})
    return {"succeeded": succeeded, "failed": failed}


@router.get("/evaluators/{evaluator_id}")
def read_evaluator(evaluator_id: UUID, store: Store) -> dict[str, Any]:
    """One evaluator with the rules that apply it."""
    evaluator = store.evaluators.get(evaluator_id)
    return _evaluator(store, evaluator, store.rules.find(evaluator_id=evaluator_id))


@router.patch("/evaluators/{evaluator_id}")
async def update_evaluator(evaluator_id: UUID, request: Request, store: Store) -> dict[str, Any]:
    """Change an evaluator."""
    change = await read_json(request, EvaluatorChange)
    changed = await run_in_threadpool(store.evaluators.change, evaluator_id, change)
    rules = await run_in_threadpool(lambda: store.rules.find(evaluator_id=evaluator_id))
    return {"evaluator": _evaluator(store, changed, rules)}


@router.delete("/evaluators/{evaluator_id}", status_code=204)
def delete_evaluator(evaluator_id: UUID, store: Store, delete_run_rules: bool = False) -> None:
    """Delete an evaluator."""
    store.evaluators.delete(evaluator_id, with_rules=delete_run_rules)


def _by_evaluator(rules: Iterable[Rule]) -> dict[UUID, list[Rule]]:
    grouped: dict[UUID, list[Rule]] = defaultdict(list)
    for rule in rules:
        if rule.evaluator_id:
            grouped[rule.evaluator_id].append(rule)
    return grouped


def _evaluator(store: OpsStore, evaluator: Evaluator, rules: Iterable[Rule]) -> dict[str, Any]:
    fields = evaluator.model_dump(mode="json", exclude={"definition"})
    definition = evaluator.definition | {"evaluator_id": str(evaluator.id)}
    return fields | {
        "tenant_id": str(store.workspace.id),
        "feedback_keys": evaluator.feedback_keys,
        "is_managed": False,
        f"{evaluator.type}_evaluator": definition,
        "run_rules": [_attached(rule) for rule in rules],
    }


def _attached(rule: Rule) -> dict[str, Any]:
    fields = {"id", "session_id", "dataset_id", "group_by", "num_few_shot_examples", "use_corrections_dataset"}
    return rule.model_dump(mode="json", include=fields | {"spend_limit"})


def _object(text: str | None) -> dict[str, Any]:
    try:
        value = from_json(text or "{}")
    except ValueError as error:
        raise Unprocessable("metadata: Send a JSON object.") from error
    if not isinstance(value, dict):
        raise Unprocessable("metadata: Send a JSON object.")
    return value
