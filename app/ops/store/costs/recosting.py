"""Working costs out again, for runs whose costs follow from prices, after a price has changed."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Text, bindparam, func, select, type_coerce, update

from app.ops.store.costs.book import PriceBook, has_derived_costs
from app.ops.store.costs.prices import Prices
from app.ops.store.database import Database, one_at_a_time
from app.ops.store.errors import Conflict
from app.ops.store.models import Usage
from app.ops.store.runs.rollup import roll_up
from app.ops.store.tables import runs
from app.ops.store.tables.base import json_text

log = logging.getLogger(__name__)

_READ_AT_ONCE = 1000
_HOLD_S = 0.03
"""So long one transaction goes on taking traces; other writers wait while it does."""
_PAUSE_S = 0.005
"""So long they are let in before the next."""

_written = type_coerce(runs.c.usage, Text)
_CHANGE = (
    update(runs)
    .where(runs.c.num == bindparam("changed"), _written == bindparam("before"))
    .values(usage=type_coerce(bindparam("after"), Text))
)


@dataclass(frozen=True)
class Scope:
    """Which runs to look at; every field that is set narrows it."""

    model: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def terms(self) -> list[ColumnElement[bool]]:
        """Conditions on runs; the model is not among them."""
        terms: list[ColumnElement[bool]] = [runs.c.usage.is_not(None)]
        if self.since is not None:
            terms.append(runs.c.start_time >= self.since)
        if self.until is not None:
            terms.append(runs.c.start_time < self.until)
        return terms


@dataclass(frozen=True)
class Recosted:
    """How far it is. `before` and `after` sum up the runs whose costs differ, counting unknown costs as 0."""

    scope: Scope
    applied: bool
    """Whether the costs are changed, or only looked at."""
    total: int
    seen: int = 0
    changed: int = 0
    before: Decimal = Decimal(0)
    after: Decimal = Decimal(0)
    finished: bool = False
    failed: bool = False


@dataclass(frozen=True)
class _Change:
    num: int
    trace_id: UUID
    written: str
    before: Usage
    after: Usage


def recost(database: Database, book: PriceBook, scope: Scope, *, apply: bool) -> Iterator[Recosted]:
    """Work costs out again, a thousand runs at a time; says after each how far it is.

    Costs that the sender of a run told stay as they are.
    """
    with database.read() as db:
        total = db.scalar(select(func.count()).select_from(runs).where(*scope.terms())) or 0
    so_far = Recosted(scope, apply, total)
    yield so_far
    last = -1
    while rows := _next(database, scope, last):
        last = rows[-1].num
        changes = [change for row in rows if (change := _change(row, book, scope))]
        if apply:
            _write(database, changes)
        so_far = _and(so_far, len(rows), changes)
        yield so_far
    yield replace(so_far, finished=True)


class Recosting:
    """Does that in the background, one at a time."""

    def __init__(self, database: Database, prices: Prices) -> None:
        self._database = database
        self._prices = prices
        self._closing = False
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self.progress: Recosted | None = None
        """How far the current or the last one is; None before the first."""

    @property
    def is_running(self) -> bool:
        """Whether one is under way."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, scope: Scope, *, apply: bool) -> None:
        """Begin. Raises Conflict while one is under way."""
        with self._starting:
            if self.is_running:
                raise Conflict("Costs are being worked out already. Wait until that is done.")
            self.progress = Recosted(scope, apply, total=0)
            self._thread = threading.Thread(target=self._run, args=(scope, apply), name="ops-recosting", daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Return when nothing is under way."""
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """Stop after the runs in hand; what is changed so far stays changed."""
        self._closing = True
        self.wait()

    def _run(self, scope: Scope, apply: bool) -> None:
        try:
            for so_far in recost(self._database, self._prices.book(), scope, apply=apply):
                self.progress = so_far
                if self._closing:
                    return
        except Exception:  # nobody waits for this thread: the page tells
            log.exception("working costs out again failed")
            self.progress = replace(self.progress, failed=True) if self.progress else None


def _next(database: Database, scope: Scope, after: int) -> Sequence[Row[Any]]:
    columns = (runs.c.num, runs.c.trace_id, runs.c.start_time, _written.label("written"))
    wanted = select(*columns).where(runs.c.num > after, *scope.terms()).order_by(runs.c.num).limit(_READ_AT_ONCE)
    with database.read() as db:
        return db.execute(wanted).all()


def _change(row: Row[Any], book: PriceBook, scope: Scope) -> _Change | None:
    before = Usage.model_validate_json(row.written)
    if not has_derived_costs(before) or scope.model not in (None, before.model):
        return None
    after = book.cost(before, before.provider, before.model, row.start_time)
    return None if after == before else _Change(row.num, row.trace_id, row.written, before, after)


def _write(database: Database, changes: Sequence[_Change]) -> None:
    by_trace: dict[UUID, list[_Change]] = defaultdict(list)
    for change in changes:
        by_trace[change.trace_id].append(change)
    waiting = deque(by_trace.items())
    while waiting:
        with database.write() as db:
            one_at_a_time(db)
            end = time.monotonic() + _HOLD_S
            while waiting and time.monotonic() < end:
                trace_id, of_trace = waiting.popleft()
                db.execute(_CHANGE, [_values(change) for change in of_trace])
                roll_up(db, [trace_id])
        time.sleep(_PAUSE_S)


def _values(change: _Change) -> dict[str, Any]:
    """Only what has not changed meanwhile is written over."""
    after = json_text(change.after.model_dump(mode="json", exclude_defaults=True))
    return {"changed": change.num, "before": change.written, "after": after}


def _and(so_far: Recosted, seen: int, changes: Sequence[_Change]) -> Recosted:
    return replace(
        so_far,
        seen=so_far.seen + seen,
        changed=so_far.changed + len(changes),
        before=so_far.before + sum(change.before.total_cost or 0 for change in changes),
        after=so_far.after + sum(change.after.total_cost or 0 for change in changes),
    )
