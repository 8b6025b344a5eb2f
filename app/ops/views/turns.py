"""Which turns were there? The list, its search, its filters and its live tail."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection, func, select

from app.ops.store import InvalidQuery, OpsStore
from app.ops.store.tables import projects, turns
from app.ops.turns import (
    SORTS,
    Turn,
    TurnFilter,
    arrived_since,
    count_turns,
    end_of_walk,
    find_turns,
    has_chat_turns,
    place_of,
)
from app.ops.views.addresses import BASE, turns_url
from app.ops.views.filters import TurnQuery, first_page, query_params, query_url, read_query
from app.ops.views.formats import clock_time
from app.ops.views.render import page
from app.ops.views.state import OpsState

PER_PAGE = 50
MOST_COUNTED = 10_000
MOST_COUNTED_OF_A_FILTER = 1000
"""Of what a filter expression lets through; each turn must be looked at."""
MAX_AGAIN = 50
OUTCOMES = ("answered", "abstained", "chatted", "stopped", "failed", "unfinished")
RECENT = 5000
"""Turns among which the values that filters suggest are looked for."""

_NAMES = {"q": "text", "status": "ended", "variant": "arm", "thumbs": "rated", "tree_filter": "a step fits"}
_TICKS = {"everything": "all traces", "steps": "steps too"}
_NEUTRAL = asdict(TurnFilter())


@dataclass(frozen=True)
class TurnList:
    """One page of the turns that a query lets through."""

    turns: list[Turn]
    total: int
    is_all: bool
    """Whether `total` is the exact number, not just the most that is counted."""
    earlier: str | None
    """Addresses of the neighbouring pages; None at the ends."""
    later: str | None
    live: str | None
    """Where new turns of this list come from; None where they would not belong at its top."""
    newest: int
    """The number of the newest turn of the store; what is newer is news."""
    problem: str = ""
    """What is wrong with a filter expression, in a sentence."""


def build_turns(state: OpsState) -> APIRouter:
    """`/turns` and its live tail, `/turns/live`."""
    router = APIRouter(prefix=BASE)

    @router.get("/turns", response_class=HTMLResponse)
    def turns_page(request: Request) -> HTMLResponse:
        query = read_query(request.query_params)
        values = {
            "query": query,
            "list": turn_list(state.store, query),
            "active": active_filters(query),
            "choices": _choices(state.store),
            "outcomes": [(name, name) for name in OUTCOMES],
            "sorts": [(name, name.replace("_", " ")) for name in SORTS],
            "saved": state.store.saved_filters.all(),
            "as_saved": turns_url(**query_params(first_page(query))).partition("?")[2],
        }
        return page("turns.html", values)

    @router.get("/turns/live", response_class=HTMLResponse)
    def live(request: Request) -> HTMLResponse:
        params = dict(request.query_params)
        seen, again = params.pop("seen", ""), params.pop("again", "")
        return page("turns_live.html", {"turns": _arrived(state.store, read_query(params), seen, again)})

    return router


def turn_list(store: OpsStore, query: TurnQuery) -> TurnList:
    """The page that `query` asks for."""
    with store.read() as db:
        newest = db.scalar(select(func.max(turns.c.num))) or 0
        wanted = _kind(db, query.wanted)
        try:
            found = find_turns(db, wanted, sort=query.sort, limit=PER_PAGE + 1, after=query.after, before=query.before)
            total, is_all = _total(db, query, wanted, len(found))
        except InvalidQuery as error:
            return TurnList([], 0, True, None, None, None, newest, str(error))
        onwards = (
            None
            if query.before or len(found) > PER_PAGE
            else end_of_walk(db, wanted, sort=query.sort, after=query.after)
        )
    shown = found[-PER_PAGE:] if query.before else found[:PER_PAGE]
    return TurnList(
        turns=shown,
        total=total,
        is_all=is_all and onwards is None,
        earlier=_earlier(query, shown, len(found)),
        later=query_url(replace(query, after=onwards)) if onwards else _later(query, shown, len(found)),
        live=_live_url(query) if query.is_first_page and query.sort == "newest" and not query.wanted.until else None,
        newest=newest,
    )


def _total(db: Connection, query: TurnQuery, wanted: TurnFilter, found: int) -> tuple[int, bool]:
    """How many turns there are in all, and whether that was counted to the end."""
    if query.is_first_page and found <= PER_PAGE:
        return found, True
    if wanted.tree_filter:
        return min(found, PER_PAGE), False
    most = MOST_COUNTED_OF_A_FILTER if wanted.filter else MOST_COUNTED
    total = count_turns(db, wanted, most + 1)
    return min(total, most), total <= most


def active_filters(query: TurnQuery) -> list[tuple[str, str]]:
    """Each filter that narrows the list: how it reads, and the address of the list without it."""
    set_fields = {field.name: getattr(query.wanted, field.name) for field in fields(query.wanted)}
    start = first_page(query)
    return [
        (_label(name, value), query_url(replace(start, wanted=replace(start.wanted, **{name: _NEUTRAL[name]}))))
        for name, value in set_fields.items()
        if value != _NEUTRAL[name]
    ]


def _kind(db: Connection, wanted: TurnFilter) -> TurnFilter:
    """Where nobody has chatted, the list is of all traces."""
    return wanted if wanted.everything or has_chat_turns(db) else replace(wanted, everything=True)


def _earlier(query: TurnQuery, shown: list[Turn], found: int) -> str | None:
    if query.is_first_page or not shown:
        return None
    if query.before and found <= PER_PAGE:
        return None
    return query_url(replace(query, after=None, before=place_of(shown[0], query.sort)))


def _later(query: TurnQuery, shown: list[Turn], found: int) -> str | None:
    if not shown or (not query.before and found <= PER_PAGE):
        return None
    return query_url(replace(query, before=None, after=place_of(shown[-1], query.sort)))


def _live_url(query: TurnQuery) -> str:
    return query_url(query).replace(f"{BASE}/turns", f"{BASE}/turns/live", 1)


def _arrived(store: OpsStore, query: TurnQuery, seen: str, again: str) -> list[Turn]:
    number = int(seen) if seen.isdecimal() and len(seen) < 18 else 2**60
    ids = [found for text in again.split(",")[:MAX_AGAIN] if (found := uuid_or_none(text))]
    with store.read() as db:
        try:
            return arrived_since(db, _kind(db, query.wanted), number, ids, PER_PAGE + len(ids))
        except InvalidQuery:
            return []


def uuid_or_none(text: str) -> UUID | None:
    """The id that the text is, if it is one."""
    try:
        return UUID(text)
    except ValueError:
        return None


def _label(name: str, value: Any) -> str:
    if isinstance(value, datetime):
        return f"{name} {clock_time(value)} UTC"
    return _TICKS.get(name) or f"{_NAMES.get(name, name)}: {value}"


def _choices(store: OpsStore) -> dict[str, list[Any]]:
    """What has been seen of each filter, for the browser to suggest."""
    with store.read() as db:
        seen: dict[str, list[Any]] = {name: _seen(db, name) for name in ("experiment", "variant", "model")}
        rows = db.execute(select(projects.c.id, projects.c.name).order_by(projects.c.created_at.desc()).limit(50))
        return seen | {"project": [(row.id, row.name) for row in rows]}


def _seen(db: Connection, name: str) -> list[str]:
    recent = select(turns.c[name]).order_by(turns.c.started.desc()).limit(RECENT).subquery()
    column = recent.c[name]
    return list(db.scalars(select(column).where(column.is_not(None)).distinct().order_by(column).limit(50)))
