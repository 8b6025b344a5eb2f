"""The route of what online evaluators cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query

from app.ops.langsmith.errors import Unprocessable
from app.ops.langsmith.request import Store
from app.ops.store import OpsStore
from app.ops.store.models import CleanText
from app.ops.store.rules.models import Rule, SpendDay

router = APIRouter()
_WEEK = timedelta(days=7)
_GROUPS: dict[str, Callable[[Rule], str]] = {
    "evaluator": lambda rule: str(rule.evaluator_id),
    "resource": lambda rule: str(rule.session_id or rule.dataset_id),
    "run_rule": lambda rule: str(rule.id),
}


@router.get("/evaluators/spend")
def spend(
    store: Store,
    period_start: date,
    group_by: Literal["evaluator", "resource", "run_rule"] | None = None,
    evaluator_id: UUID | None = None,
    session_id: UUID | None = None,
    dataset_id: UUID | None = None,
    resource_id: Annotated[list[UUID] | None, Query(max_length=1000)] = None,
    type: CleanText | None = None,
) -> dict[str, Any]:
    """What rules cost in US dollars in a week, day by day, and the week before."""
    if [group_by, evaluator_id, session_id, dataset_id].count(None) != 3:
        raise Unprocessable("Send exactly one of group_by, evaluator_id, session_id and dataset_id.")
    rules = store.rules.find(session_id=session_id, dataset_id=dataset_id, evaluator_id=evaluator_id)
    if resource_id is not None:
        rules = [rule for rule in rules if not {rule.session_id, rule.dataset_id}.isdisjoint(resource_id)]
    names = {one.id: one.name for one in store.evaluators.find(kind=type)}
    if type is not None:
        rules = [rule for rule in rules if rule.evaluator_id in names]
    days = _days(store, period_start)
    key = _GROUPS[group_by or "run_rule"]
    groups = [list(group) for _, group in groupby(sorted(rules, key=key), key)]
    return {
        "period_start": period_start.isoformat(),
        "period_end": (period_start + _WEEK - timedelta(days=1)).isoformat(),
        "groups": [_of_whom(group[0], group_by, names) | _sums(group, days, period_start) for group in groups],
    }


def _days(store: OpsStore, start: date) -> list[SpendDay]:
    """What was spent in the week and in the one before. Raises Unprocessable."""
    try:
        midnight = datetime.combine(start, time(), UTC)
        return store.rules.spend_by_day(midnight - _WEEK, midnight + _WEEK)
    except OverflowError as error:
        raise Unprocessable("period_start: Send a day within the calendar.") from error


def _of_whom(rule: Rule, group_by: str | None, names: dict[UUID, str]) -> dict[str, Any]:
    by_rule = group_by in (None, "run_rule")
    evaluator_id = rule.evaluator_id if by_rule or group_by == "evaluator" else None
    is_resource = by_rule or group_by == "resource"
    return {
        "evaluator_id": _text(evaluator_id),
        "evaluator_name": names.get(evaluator_id) if evaluator_id else None,
        "session_id": _text(rule.session_id) if is_resource else None,
        "dataset_id": _text(rule.dataset_id) if is_resource else None,
        "run_rule_id": _text(rule.id) if by_rule else None,
        "run_rule_name": rule.display_name if by_rule else None,
    }


def _sums(rules: Iterable[Rule], days: list[SpendDay], start: date) -> dict[str, Any]:
    ids = {rule.id for rule in rules}
    spent = [one for one in days if one.rule_id in ids]
    week = [_day(spent, start + timedelta(days=number)) for number in range(7)]
    before = [one for one in spent if one.day < start]
    return {
        "days": week,
        "total_spend_usd": sum(day["spend_usd"] for day in week),
        "total_trace_count": sum(day["trace_count"] for day in week),
        "prev_total_spend_usd": float(sum(one.spend_usd for one in before)),
        "prev_total_trace_count": sum(one.run_count for one in before),
    }


def _day(spent: list[SpendDay], day: date) -> dict[str, Any]:
    found = [one for one in spent if one.day == day]
    return {
        "date": day.isoformat(),
        "spend_usd": float(sum(one.spend_usd for one in found)),
        "trace_count": sum(one.run_count for one in found),
    }


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
