"""Conversations as pages see them: the turns that share a thread id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, case, exists, func, select, tuple_, type_coerce

from app.ops.store.tables import turns
from app.ops.turns import Place, Turn, turns_numbered

WALKED = 3000
"""Turns that one page of the list looks at, so that an endless thread doesn't hold it up."""
SUMMED = 1000
"""Turns of one thread that are summed up, the newest."""

_started = type_coerce(turns.c.started, BigInteger)


@dataclass(frozen=True)
class Conversation:
    """One thread, summed up."""

    id: str
    title: str
    """Its first question, or what its first trace is called."""
    turns: int
    """`SUMMED` where there are as many or more; all sums are of the newest so many."""
    last: datetime
    cost_usd: float | None
    up: int
    down: int
    failed: int


def conversations(db: Connection, limit: int, after: Place | None = None) -> tuple[list[Conversation], Place | None]:
    """Threads, the latest first, and where the next page begins; None after the last."""
    walked = select(turns.c.num, turns.c.thread_id, _started.label("started")).where(turns.c.thread_id.is_not(None))
    if after:
        walked = walked.where(tuple_(_started, turns.c.num) < tuple_(after.value, after.num))
    window = walked.order_by(turns.c.started.desc(), turns.c.num.desc()).limit(WALKED).subquery()
    later = turns.alias("later")
    newer = tuple_(type_coerce(later.c.started, BigInteger), later.c.num) > tuple_(window.c.started, window.c.num)
    is_last = ~exists().where(later.c.thread_id == window.c.thread_id, newer)
    wanted = select(window).where(is_last).order_by(window.c.started.desc(), window.c.num.desc())
    rows = db.execute(wanted.limit(limit)).all()
    return [_conversation(db, row.thread_id) for row in rows], _next(db, rows, limit, window)


def talk(db: Connection, thread_id: str, limit: int, after: Place | None = None) -> list[Turn]:
    """The turns of a thread, oldest first."""
    wanted = select(turns.c.num).where(turns.c.thread_id == thread_id)
    if after:
        wanted = wanted.where(tuple_(_started, turns.c.num) > tuple_(after.value, after.num))
    return turns_numbered(db, db.scalars(wanted.order_by(turns.c.started, turns.c.num).limit(limit)).all())


def conversation(db: Connection, thread_id: str) -> Conversation | None:
    """One thread, or None where no trace names it."""
    known = db.scalar(select(turns.c.num).where(turns.c.thread_id == thread_id).limit(1))
    return None if known is None else _conversation(db, thread_id)


def _next(db: Connection, rows: Sequence[Row[Any]], limit: int, window: Any) -> Place | None:
    """After a full page, or where the walk ended before the turns did."""
    if len(rows) == limit:
        return Place(rows[-1].started, rows[-1].num)
    if (db.scalar(select(func.count()).select_from(window)) or 0) < WALKED:
        return None
    end = db.execute(select(window).order_by(window.c.started, window.c.num).limit(1)).one()
    return Place(end.started, end.num)


def _conversation(db: Connection, thread_id: str) -> Conversation:
    in_thread = turns.c.thread_id == thread_id
    facts = (turns.c[name] for name in ("started", "cost_usd", "thumb", "outcome"))
    newest = select(*facts).where(in_thread).order_by(turns.c.started.desc()).limit(SUMMED).subquery()
    sums = db.execute(
        select(
            func.count().label("turns"),
            func.max(newest.c.started).label("last"),
            func.sum(newest.c.cost_usd).label("cost_usd"),
            func.sum(case((newest.c.thumb > 0, 1), else_=0)).label("up"),
            func.sum(case((newest.c.thumb <= 0, 1), else_=0)).label("down"),
            func.sum(case((newest.c.outcome == "failed", 1), else_=0)).label("failed"),
        )
    ).one()
    opening = select(turns.c.question, turns.c.name).where(in_thread)
    first = db.execute(opening.order_by(turns.c.started, turns.c.num).limit(1)).one()
    return Conversation(id=thread_id, title=first.question or first.name, **sums._asdict())
