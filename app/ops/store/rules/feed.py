"""Which runs the rules have yet to look at: those that finished, and those that feedback came to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, delete, func, select

from app.ops.store.database import Database
from app.ops.store.tables import counters, feedback, runs
from app.ops.store.tables.base import chunks, microseconds
from app.ops.store.tables.rules import unfinished_runs
from app.ops.store.upsert import upsert

_AT_ONCE = 500
_PATIENCE = timedelta(hours=1)
"""A run that has not finished after that time is given up."""
_OVERLAP = timedelta(minutes=1)
"""Feedback is stored a little after the time that it bears."""
_RUN_MARK, _FEEDBACK_MARK = "rules: runs seen", "rules: feedback seen"


@dataclass(frozen=True)
class Batch:
    """Runs to look at now, and how far the feed has been read with them."""

    run_ids: list[UUID]
    finished: list[int]
    unfinished: list[int]
    last_num: int
    read_at: datetime

    @property
    def is_full(self) -> bool:
        """Whether more may be waiting."""
        return len(self.finished) + len(self.unfinished) >= _AT_ONCE


class RunFeed:
    """Reads on from where it was; what it gave is given again until `done`."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def next(self) -> Batch:
        """The runs that have finished, or were judged, since."""
        now = self._clock()
        with self._database.read() as db:
            mark = _mark(db, _RUN_MARK)
            columns = select(runs.c.num, runs.c.id, runs.c.status)
            fresh = db.execute(columns.where(runs.c.num > mark).order_by(runs.c.num).limit(_AT_ONCE)).all()
            known = columns.join(unfinished_runs, unfinished_runs.c.num == runs.c.num)
            late = db.execute(known.where(runs.c.status != "pending").limit(_AT_ONCE)).all()
            finished = [*late, *(run for run in fresh if run.status != "pending")]
            return Batch(
                run_ids=list(dict.fromkeys([*(run.id for run in finished), *_judged(db)])),
                finished=[run.num for run in finished],
                unfinished=[run.num for run in fresh if run.status == "pending"],
                last_num=fresh[-1].num if fresh else mark,
                read_at=now,
            )

    def done(self, batch: Batch) -> None:
        """Do not give these again."""
        with self._database.write() as db:
            for some in chunks(batch.finished):
                db.execute(delete(unfinished_runs).where(unfinished_runs.c.num.in_(some)))
            db.execute(delete(unfinished_runs).where(unfinished_runs.c.seen_at < batch.read_at - _PATIENCE))
            waiting = [{"num": num, "seen_at": batch.read_at} for num in batch.unfinished]
            upsert(db, unfinished_runs, waiting, key="num")
            _set_marks(db, batch.last_num, batch.read_at)


def begin_feed(db: Connection, now: datetime) -> None:
    """Pass by everything that has arrived so far."""
    db.execute(delete(unfinished_runs))
    _set_marks(db, db.scalar(select(func.max(runs.c.num))) or 0, now)


def _judged(db: Connection) -> list[UUID]:
    """Finished runs with feedback that came since the last look."""
    since = select(counters.c.next - _OVERLAP // timedelta(microseconds=1)).where(counters.c.name == _FEEDBACK_MARK)
    judged = select(feedback.c.run_id).where(feedback.c.modified_at >= since.scalar_subquery())
    found = select(runs.c.id).where(runs.c.id.in_(judged), runs.c.status != "pending")
    return list(db.scalars(found.order_by(runs.c.num.desc()).limit(_AT_ONCE)))


def _mark(db: Connection, name: str) -> int:
    return db.scalar(select(counters.c.next).where(counters.c.name == name)) or 0


def _set_marks(db: Connection, last_num: int, read_at: datetime) -> None:
    marks = [{"name": _RUN_MARK, "next": last_num}, {"name": _FEEDBACK_MARK, "next": microseconds(read_at)}]
    upsert(db, counters, marks, key="name")
