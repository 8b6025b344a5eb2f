"""Does it work? Alive is not enough: parts can all run while the answers fail."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from sqlalchemy import select, text
from starlette.concurrency import run_in_threadpool

from app.ops.store import OpsStore
from app.ops.store.tables import turns
from app.ops.turns import listed_kind
from app.ops.views.addresses import BASE
from app.ops.views.render import page
from app.ops.views.state import Check, OpsState

CHECKS_TIMEOUT_S = 5.0
RECENT_TURNS = 20
FEWEST_TURNS = 5
"""With fewer recent turns than this, failures are not yet called a pattern."""
OUTBOX_ALARM = 1000
"""More records waiting than this, and the way to the store is called blocked."""


@dataclass(frozen=True)
class Health:
    """Whether the product does its work, and the facts behind that."""

    level: Literal["well", "impaired", "useless"]
    checks: list[Check]
    recent: int
    """Turns looked at: the newest of the last 24 hours, 20 at most."""
    recent_failed: int
    last_turn: datetime | None
    store_bytes: int
    outbox: int | None
    """Records that wait on disk; None where it is not known."""

    @property
    def headline(self) -> str:
        """The state in one line."""
        failing = [check.name for check in self.checks if not check.ok]
        if self.level == "useless":
            return f"Alive, but not useful: {self.recent_failed} of the last {self.recent} turns failed"
        return f"Needs attention: {', '.join(failing)}" if failing else "Everything works"


def build_health(state: OpsState) -> APIRouter:
    """`/health`."""
    router = APIRouter(prefix=BASE)

    @router.get("/health", response_class=HTMLResponse)
    async def health() -> HTMLResponse:
        return page("health.html", {"health": await health_of(state), "now": state.clock()})

    return router


async def health_of(state: OpsState) -> Health:
    """Ask every part, and look at how the latest turns ended."""
    checks = [*await _checked(state), *_outbox_check(state)]
    now = state.clock()
    outcomes, last_turn, store_bytes = await run_in_threadpool(_recent, state.store, now)
    failed = outcomes.count("failed")
    useless = len(outcomes) >= FEWEST_TURNS and failed * 2 >= len(outcomes)
    return Health(
        level="useless" if useless else "well" if all(check.ok for check in checks) else "impaired",
        checks=checks,
        recent=len(outcomes),
        recent_failed=failed,
        last_turn=last_turn,
        store_bytes=store_bytes,
        outbox=state.outbox_depth() if state.outbox_depth else None,
    )


async def _checked(state: OpsState) -> list[Check]:
    try:
        async with asyncio.timeout(CHECKS_TIMEOUT_S):
            return await state.checks()
    except Exception as error:  # whatever a part raises, this page must still come up and say so
        return [Check("checks", False, f"The checks themselves failed ({type(error).__name__}); see the server's log.")]


def _outbox_check(state: OpsState) -> list[Check]:
    depth = state.outbox_depth() if state.outbox_depth else 0
    if depth <= OUTBOX_ALARM:
        return []
    return [
        Check("trace outbox", False, f"{depth} records wait to be stored. They are safe on disk; see the log for why.")
    ]


def _recent(store: OpsStore, now: datetime) -> tuple[list[str], datetime | None, int]:
    """How the newest turns ended, when the last one began, and the size of the store in bytes."""
    with store.read() as db:
        newest = select(turns.c.outcome, turns.c.started).where(listed_kind(db))
        rows = db.execute(newest.order_by(turns.c.started.desc()).limit(RECENT_TURNS)).all()
        store_bytes = db.scalar(text(_SIZE[db.dialect.name])) or 0
    outcomes = [row.outcome for row in rows if row.started >= now - timedelta(days=1)]
    return outcomes, rows[0].started if rows else None, store_bytes


_SIZE = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
    "postgresql": (
        "SELECT sum(pg_total_relation_size(oid)) FROM pg_class"
        " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
    ),
}
