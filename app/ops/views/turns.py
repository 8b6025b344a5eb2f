"""Which turns were there? The list, its search and its filters."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.ops.store import OpsStore
from app.ops.turns import SORTS, Turn, TurnFilter, count_turns, read_turns
from app.ops.views.addresses import BASE
from app.ops.views.filters import TurnQuery, query_url, read_query
from app.ops.views.formats import clock_time
from app.ops.views.render import page
from app.ops.views.state import OpsState

PER_PAGE = 50
OUTCOMES = ("answered", "abstained", "chatted", "stopped", "failed", "unfinished")


_NAMES = {"q": "text", "status": "ended", "variant": "arm", "thumbs": "rated"}
_NEUTRAL = asdict(TurnFilter())


@dataclass(frozen=True)
class TurnList:
    """One page of the turns that a query lets through."""

    turns: list[Turn]
    total: int
    first: int
    """Place of the first one shown, from 1."""
    earlier: str | None
    """Addresses of the neighbouring pages; None at the ends."""
    later: str | None


def build_turns(state: OpsState) -> APIRouter:
    """`/turns`."""
    router = APIRouter(prefix=BASE)

    @router.get("/turns", response_class=HTMLResponse)
    def turns(request: Request) -> HTMLResponse:
        query = read_query(request.query_params)
        values = {
            "query": query,
            "list": turn_list(state.store, query),
            "active": active_filters(query),
            "choices": _choices(state.store),
            "outcomes": [(name, name) for name in OUTCOMES],
            "sorts": [(name, name.replace("_", " ")) for name in SORTS],
        }
        return page("turns.html", values)

    return router


def turn_list(store: OpsStore, query: TurnQuery) -> TurnList:
    """The page that `query` asks for, with texts."""
    offset = (query.page - 1) * PER_PAGE
    with store.read() as db:
        total = count_turns(db, query.wanted)
        found = list(read_turns(db, query.wanted, sort=query.sort, limit=PER_PAGE, offset=offset, texts=True))
    return TurnList(
        turns=found,
        total=total,
        first=offset + 1,
        earlier=query_url(query, page=query.page - 1) if query.page > 1 else None,
        later=query_url(query, page=query.page + 1) if offset + len(found) < total and found else None,
    )


def active_filters(query: TurnQuery) -> list[tuple[str, str]]:
    """Each filter that narrows the list: how it reads, and the address of the list without it."""
    set_fields = {field.name: getattr(query.wanted, field.name) for field in fields(query.wanted)}
    return [
        (_label(name, value), query_url(replace(query, wanted=replace(query.wanted, **{name: _NEUTRAL[name]})), page=1))
        for name, value in set_fields.items()
        if value != _NEUTRAL[name]
    ]


def _label(name: str, value: Any) -> str:
    if isinstance(value, datetime):
        return f"{name} {clock_time(value)} UTC"
    return "all traces" if value is True else f"{_NAMES.get(name, name)}: {value}"


def _choices(store: OpsStore) -> dict[str, list[Any]]:
    """What has been seen of each filter, for the browser to suggest."""
    names = ("experiment", "variant", "model")
    with store.read() as db:
        return {name: [row[0] for row in db.execute(_SEEN, [f"$.metadata.{name}"])] for name in names}


_SEEN = """
    SELECT DISTINCT json_extract(extra, ?) AS seen FROM (
        SELECT extra FROM runs WHERE parent_run_id IS NULL ORDER BY start_time DESC LIMIT 5000
    ) WHERE seen IS NOT NULL ORDER BY 1 LIMIT 50
"""
