"""Routes of rules, which apply evaluators to new runs, queue them and make examples of them."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from app.ops.langsmith.errors import NotServed, Unprocessable
from app.ops.langsmith.request import Store, read_json
from app.ops.store import OpsStore
from app.ops.store.models import CleanText
from app.ops.store.rules.actions import NOT_RUN, split
from app.ops.store.rules.models import Application, Rule, RuleFields

router = APIRouter()
Ids = Annotated[list[UUID] | None, Query(max_length=1000)]
_UPPER = {
    "group_by": None,
    "code_evaluators": ("language", "code_evaluator_input"),
    "alerts": ("severity", "type"),
}
"""Words of the first version that the second writes in capitals."""


class _Triggered(BaseModel):
    rule_ids: Annotated[list[UUID], Field(min_length=1, max_length=100)]


@router.post("/runs/rules")
async def create_rule(request: Request, store: Store) -> dict[str, Any]:
    """Make a rule for the runs that arrive from now on."""
    fields = await read_json(request, RuleFields)
    return await run_in_threadpool(lambda: _rule_v1(store, store.rules.create(fields)))


@router.get("/runs/rules")
def list_rules(
    store: Store,
    id: Ids = None,
    name_contains: CleanText | None = None,
    session_id: UUID | None = None,
    dataset_id: UUID | None = None,
    evaluator_id: UUID | None = None,
    type: Literal["session", "dataset"] | None = None,
) -> list[dict[str, Any]]:
    """Rules, the latest changed first."""
    found = store.rules.find(
        ids=id,
        name_contains=name_contains,
        session_id=session_id,
        dataset_id=dataset_id,
        evaluator_id=evaluator_id,
        of_datasets=None if type is None else type == "dataset",
    )
    return [_rule_v1(store, rule) for rule in found]


@router.get("/v2/runs/rules")
def page_rules(
    store: Store,
    id: Ids = None,
    name_contains: CleanText | None = None,
    project_id: UUID | None = None,
    dataset_id: UUID | None = None,
    evaluator_id: UUID | None = None,
    type: Literal["PROJECT", "DATASET"] | None = None,
    cursor: str | None = None,
    page_size: Annotated[int, Query(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    """The same in pages."""
    offset = _read_cursor(cursor)
    found = store.rules.find(
        ids=id,
        name_contains=name_contains,
        session_id=project_id,
        dataset_id=dataset_id,
        evaluator_id=evaluator_id,
        of_datasets=None if type is None else type == "DATASET",
        limit=page_size + 1,
        offset=offset,
    )
    following = urlsafe_b64encode(str(offset + page_size).encode()).decode() if len(found) > page_size else None
    return {"items": [_rule_v2(store, rule) for rule in found[:page_size]], "next_cursor": following}


@router.post("/runs/rules/decision-models")
def create_decision_model() -> None:
    """Refuse what would call a model."""
    raise NotServed(f"Decision models are not served. {NOT_RUN}")


@router.post("/runs/rules/trigger", status_code=202)
async def trigger_rules(request: Request, store: Store) -> dict[str, str]:
    """Apply rules now to the runs that wait."""
    wanted = (await read_json(request, _Triggered)).rule_ids
    await run_in_threadpool(_trigger, store, wanted)
    return {"message": "applied"}


@router.get("/runs/rules/{rule_id}")
def read_rule(rule_id: UUID, store: Store) -> dict[str, Any]:
    """One rule."""
    return _rule_v1(store, store.rules.get(rule_id))


@router.patch("/runs/rules/{rule_id}")
async def update_rule(rule_id: UUID, request: Request, store: Store) -> dict[str, Any]:
    """Replace a rule."""
    fields = await read_json(request, RuleFields)
    return await run_in_threadpool(lambda: _rule_v1(store, store.rules.change(rule_id, fields)))


@router.delete("/runs/rules/{rule_id}")
def delete_rule(rule_id: UUID, store: Store) -> dict[str, str]:
    """Delete a rule; what it did stays."""
    store.rules.delete(rule_id)
    return {"message": "deleted"}


@router.post("/runs/rules/{rule_id}/trigger", status_code=202)
def trigger_rule(rule_id: UUID, store: Store) -> dict[str, str]:
    """Apply a rule now to the runs that wait."""
    _trigger(store, [rule_id])
    return {"message": "applied"}


@router.get("/runs/rules/{rule_id}/logs")
def read_log(
    rule_id: UUID,
    store: Store,
    limit: Annotated[int, Query(ge=1, le=720)] = 100,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> list[dict[str, Any]]:
    """What a rule did, newest first."""
    return [_applied(one) for one in store.rules.log(rule_id, limit=limit, offset=offset)]


@router.get("/runs/rules/{rule_id}/logs/last_applied")
def last_applied(rule_id: UUID, store: Store) -> dict[str, Any] | None:
    """What a rule did last."""
    found = store.rules.log(rule_id, limit=1)
    return _applied(found[0]) if found else None


def _trigger(store: OpsStore, rule_ids: list[UUID]) -> None:
    for rule in [store.rules.get(rule_id) for rule_id in rule_ids]:
        _, has_others = split(rule, store.evaluators.get(rule.evaluator_id) if rule.evaluator_id else None)
        if has_others:
            raise NotServed(f"The rule {rule.display_name!r} cannot be run. {NOT_RUN}")
    store.rule_worker.work()


def _rule_v1(store: OpsStore, rule: Rule) -> dict[str, Any]:
    fields = rule.model_dump(mode="json", exclude={"version"})
    evaluator = store.evaluators.get(rule.evaluator_id) if rule.evaluator_id else None
    if rule.spend_limit:
        fields["spend_limit"] = {"limit_usd": str(rule.spend_limit.limit_usd), "window": rule.spend_limit.window}
    return fields | {
        "tenant_id": str(store.workspace.id),
        "evaluator_version": rule.version,
        "evaluator_name": evaluator.name if evaluator else None,
        "evaluator_type": evaluator.type if evaluator else None,
        "effective_spend_limit": fields["spend_limit"],
        "is_managed_evaluator": False,
    }


def _rule_v2(store: OpsStore, rule: Rule) -> dict[str, Any]:
    fields = _rule_v1(store, rule)
    fields["project_id"] = fields.pop("session_id")
    for name, words in _UPPER.items():
        fields[name] = _in_capitals(fields[name], words)
    for name in ("spend_limit", "effective_spend_limit"):
        fields[name] = _in_capitals([fields[name]], ("window",))[0] if fields[name] else None
    return fields


def _in_capitals(value: Any, words: tuple[str, ...] | None) -> Any:
    if isinstance(value, str):
        return value.upper()
    if not isinstance(value, list) or words is None:
        return value
    return [
        {name: one.upper() if name in words and isinstance(one, str) else one for name, one in entry.items()}
        for entry in value
    ]


def _applied(one: Application) -> dict[str, Any]:
    fields = one.model_dump(mode="json", exclude={"problem", "spend_usd", "applied_at"})
    outcome = "error" if one.problem else "success"
    return fields | {
        "application_time": one.applied_at.isoformat(),
        "error": one.problem,
        "outcome": outcome,
        "spend_usd": float(one.spend_usd),
    }


def _read_cursor(cursor: str | None) -> int:
    try:
        offset = int(urlsafe_b64decode(cursor.encode())) if cursor else 0
    except ValueError as error:
        raise Unprocessable("The cursor is not one that an earlier page gave.") from error
    if not 0 <= offset < 2**31:
        raise Unprocessable("The cursor is not one that an earlier page gave.")
    return offset
