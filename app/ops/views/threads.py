"""What was talked about? Conversations, and each of them replayed message by message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from app.ops.store import OpsStore
from app.ops.threads import SUMMED, Conversation, conversation, conversations, talk
from app.ops.turns import Turn, place_of
from app.ops.views import recorded
from app.ops.views.addresses import BASE, thread_url
from app.ops.views.filters import clean, read_place, written_place
from app.ops.views.messages import Message, answered, asked
from app.ops.views.render import not_found, page
from app.ops.views.state import OpsState

PER_PAGE = 50
EXCHANGES = 40


@dataclass(frozen=True)
class Exchange:
    """One turn of a conversation: what was said, and what came of it."""

    turn: Turn
    asked: str
    answer: list[tuple[str, int | None]]
    """In pieces: text, and the number where the text is the mark of a citation."""
    citations: list[recorded.Citation]


def build_threads(state: OpsState) -> APIRouter:
    """`/threads` and `/threads/{thread_id}`."""
    router = APIRouter(prefix=f"{BASE}/threads")

    @router.get("", response_class=HTMLResponse)
    def threads(after: str = "") -> HTMLResponse:
        with state.store.read() as db:
            found, more = conversations(db, PER_PAGE, read_place(after))
        later = f"{BASE}/threads?after={written_place(more)}" if more else None
        values = {"threads": found, "later": later, "first": not after, "most": SUMMED, "now": state.clock()}
        return page("threads.html", values)

    @router.get("/{thread_id:path}", response_class=HTMLResponse)
    def thread(thread_id: str, after: str = "") -> HTMLResponse:
        thread_id = clean(thread_id)
        with state.store.read() as db:
            found = conversation(db, thread_id)
            turns = talk(db, thread_id, EXCHANGES + 1, read_place(after)) if found else []
        if found is None:
            return not_found("thread with this id")
        return page("thread.html", _values(state.store, found, turns, state.clock()))

    return router


def _values(store: OpsStore, found: Conversation, turns: Sequence[Turn], now: datetime) -> dict[str, Any]:
    shown = turns[:EXCHANGES]
    more = len(turns) > EXCHANGES
    later = f"{thread_url(found.id)}?after={written_place(place_of(shown[-1], 'oldest'))}" if more else None
    return {"thread": found, "exchanges": exchanges(store, shown), "later": later, "most": SUMMED, "now": now}


def exchanges(store: OpsStore, turns: Sequence[Turn]) -> list[Exchange]:
    """The turns with what their traces recorded of the answer."""
    roots = {run.id: run for run in store.runs.many([turn.id for turn in turns])}
    found = []
    for turn in turns:
        root = roots[turn.id]
        cited = recorded.citations(root)
        answer = turn.answer or _last(answered(root.outputs))
        found.append(Exchange(turn, turn.question or _last(asked(root.inputs)), recorded.pieces(answer, cited), cited))
    return found


def _last(messages: Sequence[Message]) -> str:
    """What the last message says that says something."""
    return next((message.text for message in reversed(messages) if message.text), "")
