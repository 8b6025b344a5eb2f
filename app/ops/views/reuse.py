"""What do earlier answers spare us? How often one is shown again, and what that saves, by day and by arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from sqlalchemy import BigInteger, ColumnElement, Connection, type_coerce

from app.ops.savings import Savings, savings_by
from app.ops.store import OpsStore
from app.ops.store.tables import turns
from app.ops.store.tables.base import microseconds
from app.ops.turns import ROOT_NAME
from app.ops.views.addresses import BASE
from app.ops.views.render import page
from app.ops.views.state import OpsState

DAYS = 14
MAX_ARMS = 50
_DAY = timedelta(days=1)
Conditions = Sequence[ColumnElement[bool]]


@dataclass(frozen=True)
class Reuse:
    """What the page shows of the last 14 calendar days (UTC)."""

    total: Savings
    days: list[tuple[date, Savings]]
    """Oldest first."""
    arms: list[tuple[str, str, Savings]]
    """Experiment, arm and its turns."""


def build_reuse(state: OpsState) -> APIRouter:
    """`/reuse`."""
    router = APIRouter(prefix=BASE)

    @router.get("/reuse", response_class=HTMLResponse)
    def reuse() -> HTMLResponse:
        return page("reuse.html", {"reuse": reuse_of(state.store, state.clock())})

    return router


def reuse_of(store: OpsStore, now: datetime) -> Reuse:
    """The last 14 days, in all, by day, and by arm of an experiment."""
    first = now.astimezone(UTC).date() - _DAY * (DAYS - 1)
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    conditions = [turns.c.name == ROOT_NAME, turns.c.started >= start]
    with store.read() as db:
        return Reuse(
            total=savings_by(db, [], conditions)[()],
            days=_days(db, start, conditions),
            arms=_arms(db, conditions),
        )


def _arms(db: Connection, conditions: Conditions) -> list[tuple[str, str, Savings]]:
    arm = [turns.c.experiment, turns.c.variant]
    seen = savings_by(db, arm, [*conditions, *(column.is_not(None) for column in arm)])
    return [(*names, savings) for names, savings in sorted(seen.items(), key=lambda one: one[0])][:MAX_ARMS]


def _days(db: Connection, start: datetime, conditions: Conditions) -> list[tuple[date, Savings]]:
    number = (type_coerce(turns.c.started, BigInteger) - microseconds(start)) // (_DAY // timedelta(microseconds=1))
    seen = savings_by(db, [number], conditions)
    return [(start.date() + _DAY * day, seen.get((day,), Savings())) for day in range(DAYS)]
