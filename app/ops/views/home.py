"""How is it going? Healthy, used, liked, what it costs, and what changed since yesterday."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool

from app.ops.experiments.summary import Summary, summarise
from app.ops.store import OpsStore
from app.ops.turns import Turn, TurnFilter, read_turns
from app.ops.views.addresses import BASE
from app.ops.views.health import health_of
from app.ops.views.render import page
from app.ops.views.state import OpsState

DAYS = 14
ATTENTION = 6
ENOUGH = 20
"""Records on each side from which a change is worth showing."""
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
        turns = list(read_turns(db, TurnFilter(since=now - DAYS * _DAY)))
        bad = [
            turn
            for wanted in (TurnFilter(since=since, thumbs="down"), TurnFilter(since=since, status="failed"))
            for turn in read_turns(db, wanted, limit=ATTENTION, texts=True)
        ]
    today = [turn for turn in turns if turn.started >= since]
    unique = {turn.id: turn for turn in bad}.values()
    return Overview(
        today=summarise(today),
        yesterday=summarise([turn for turn in turns if since - _DAY <= turn.started < since]),
        days=_days(turns, now),
        news=_news(today, [turn for turn in turns if turn.started < since]),
        attention=sorted(unique, key=lambda turn: turn.started, reverse=True)[:ATTENTION],
        since=since,
    )


def _days(turns: Sequence[Turn], now: datetime) -> list[tuple[date, int]]:
    counts = Counter(turn.started.astimezone(UTC).date() for turn in turns)
    today = now.astimezone(UTC).date()
    return [(day, counts[day]) for day in (today - _DAY * back for back in reversed(range(DAYS)))]


def _news(today: Sequence[Turn], before: Sequence[Turn]) -> list[tuple[str, str]]:
    """Nothing is news on the first day, when everything is."""
    if not before:
        return []
    return [
        (kind, value)
        for field, kind in _WATCHED.items()
        for value in sorted(_values(today, field) - _values(before, field))
    ]


def _values(turns: Sequence[Turn], field: str) -> set[str]:
    return {value for turn in turns if (value := getattr(turn, field))}
