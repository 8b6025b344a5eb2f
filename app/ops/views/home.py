"""How is it going? Healthy, used, liked, what it costs, and what changed since yesterday."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from sqlalchemy import BigInteger, ColumnElement, Connection, case, func, or_, select, type_coerce
from starlette.concurrency import run_in_threadpool

from app.ops.experiments.summary import Summary, measure, no_turns
from app.ops.savings import Savings, savings_by
from app.ops.store import OpsStore
from app.ops.store.tables import turns
from app.ops.store.tables.base import microseconds
from app.ops.turns import Turn, listed_kind, turns_numbered
from app.ops.views.addresses import BASE
from app.ops.views.health import health_of
from app.ops.views.render import page
from app.ops.views.state import OpsState

DAYS = 14
ATTENTION = 6
ENOUGH = 20
"""Records on each side from which a change is worth showing."""
MAX_NEWS = 20
"""New values of one kind that are looked for."""
_DAY = timedelta(days=1)
_WATCHED = {"model": "model", "prompt_version": "prompt", "corpus_release": "corpus release", "variant": "variant"}
"""Metadata whose new values are news, and what they are called."""


@dataclass(frozen=True)
class Overview:
    """What the first page shows."""

    today: Summary
    """The last 24 hours."""
    yesterday: Summary
    """The 24 hours before."""
    reuse: Savings
    """Of the last 24 hours: what earlier answers spared."""
    days: list[tuple[date, int]]
    """Turns of each of the last 14 calendar days (UTC), oldest first."""
    news: list[tuple[str, str]]
    """What was first seen in the last 24 hours: kind and value."""
    attention: list[Turn]
    """The newest turns of these 24 hours that were thumbed down or failed."""
    since: datetime
    """When the last 24 hours began."""


def build_home(state: OpsState) -> APIRouter:
    """The first page."""
    router = APIRouter(prefix=BASE)

    @router.get("", response_class=HTMLResponse)
    @router.get("/", response_class=HTMLResponse)
    async def home() -> HTMLResponse:
        now = state.clock()
        seen = await run_in_threadpool(overview, state.store, now)
        return page("home.html", {"health": await health_of(state), "seen": seen, "now": now, "enough": ENOUGH})

    return router


def overview(store: OpsStore, now: datetime) -> Overview:
    """The last 24 hours against the 24 before, and two weeks of use."""
    since = now - _DAY
    with store.read() as db:
        kind = listed_kind(db)
        of_day = case((turns.c.started >= since, "today"), else_="yesterday")
        both = measure(db, of_day, [kind, turns.c.started >= since - _DAY]).groups
        return Overview(
            today=both.get("today") or no_turns(),
            yesterday=both.get("yesterday") or no_turns(),
            reuse=savings_by(db, [], [kind, turns.c.started >= since])[()],
            days=_days(db, kind, now),
            news=_news(db, kind, since),
            attention=_attention(db, kind, since),
            since=since,
        )


def _days(db: Connection, kind: ColumnElement[bool], now: datetime) -> list[tuple[date, int]]:
    today = now.astimezone(UTC).date()
    first = today - _DAY * (DAYS - 1)
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    number = (type_coerce(turns.c.started, BigInteger) - microseconds(start)) // (_DAY // timedelta(microseconds=1))
    counted = select(number.label("day"), func.count().label("n")).where(kind, turns.c.started >= start)
    counts = {row.day: row.n for row in db.execute(counted.group_by("day"))}
    return [(first + _DAY * day, counts.get(day, 0)) for day in range(DAYS)]


def _news(db: Connection, kind: ColumnElement[bool], since: datetime) -> list[tuple[str, str]]:
    """Nothing is news on the first day, when everything is."""
    before = select(turns.c.num).where(kind, turns.c.started < since, turns.c.started >= since - DAYS * _DAY)
    if db.scalar(before.limit(1)) is None:
        return []
    return [
        (called, value)
        for name, called in _WATCHED.items()
        for value in _values(db, kind, name, since)
        if db.scalar(before.where(turns.c[name] == value).limit(1)) is None
    ]


def _values(db: Connection, kind: ColumnElement[bool], name: str, since: datetime) -> Sequence[str]:
    column = turns.c[name]
    today = select(column).where(kind, turns.c.started >= since, column.is_not(None))
    return db.scalars(today.distinct().order_by(column).limit(MAX_NEWS)).all()


def _attention(db: Connection, kind: ColumnElement[bool], since: datetime) -> list[Turn]:
    bad = or_(turns.c.thumb <= 0, turns.c.outcome == "failed")
    newest = select(turns.c.num).where(kind, turns.c.started >= since, bad).order_by(turns.c.started.desc())
    return turns_numbered(db, db.scalars(newest.limit(ATTENTION)).all())
