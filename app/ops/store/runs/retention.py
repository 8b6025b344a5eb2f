"""Deleting old traces, a few at a time, so that nothing that is recorded meanwhile has to wait for it.

A trace is as old as its root. One that waits in an annotation queue stays until it was reviewed, and an experiment on a
dataset stays unless its project says otherwise.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select

from app.ops.store.blobs import Blobs
from app.ops.store.database import Database
from app.ops.store.runs.removal import remove_runs
from app.ops.store.tables import metadata, projects, queue_items, runs

HOLD_S = 0.02
"""So long one transaction goes on deleting; ingestion waits while it does."""
_DELETED_AT_ONCE = 10
_TRACES_READ_AT_ONCE = 200


@dataclass(frozen=True)
class Swept:
    """What was deleted, or would be."""

    traces: int = 0
    runs: int = 0
    freed_bytes: int = 0
    """Of attached files that nothing refers to any more."""


class Retention:
    """How long traces are kept, and the end of those that were."""

    def __init__(self, database: Database, blobs: Blobs, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock

    def expired(self, keep_days: int) -> Swept:
        """What `sweep` would delete now; attached files are not counted."""
        total = Swept()
        with self._database.read() as db:
            for project_id, cutoff in self._cutoffs(db, keep_days):
                is_old_root = _is_old_root(project_id, cutoff)
                traces = _count(db, is_old_root)
                of_traces = _count(db, runs.c.trace_id.in_(select(runs.c.trace_id).where(is_old_root)))
                lost = _count(db, _is_lost(project_id, cutoff))
                total = Swept(total.traces + traces, total.runs + of_traces + lost)
        return total

    def sweep(self, keep_days: int) -> Swept:
        """Delete what is older than its project keeps it; `keep_days` holds where that says nothing, 0 is for ever."""
        with self._database.read() as db:
            cutoffs = list(self._cutoffs(db, keep_days))
        swept_traces, swept_runs = 0, 0
        for project_id, cutoff in cutoffs:
            while some := self._next(project_id, cutoff):
                self._delete(some)
                swept_traces += sum(row.is_root for row in some)
                swept_runs += len(some)
        return Swept(swept_traces, swept_runs, self.sweep_blobs() if swept_runs else 0)

    def sweep_blobs(self) -> int:
        """Delete attached files that nothing refers to; gives back how many bytes that freed."""
        with self._database.read() as db:
            kept = set(_digests(db))
        return self._blobs.sweep(kept, older_than=self._clock() - timedelta(days=1))

    def _cutoffs(self, db: Connection, keep_days: int) -> Iterator[tuple[UUID, datetime]]:
        for project in db.execute(select(projects.c.id, projects.c.keep_days, projects.c.reference_dataset_id)):
            days = keep_days if project.keep_days is None else project.keep_days
            is_spared = project.keep_days is None and project.reference_dataset_id is not None
            if days and not is_spared:
                yield project.id, self._clock() - timedelta(days=days)

    def _next(self, project_id: UUID, cutoff: datetime) -> Sequence[_Old]:
        """Some old traces, each with its root last, so that it is found again if this ends halfway."""
        roots = select(runs.c.trace_id).where(_is_old_root(project_id, cutoff)).limit(_TRACES_READ_AT_ONCE)
        columns = (runs.c.num, runs.c.is_root)
        with self._database.read() as db:
            trace_ids = db.scalars(roots).all()
            found = db.execute(select(*columns).where(runs.c.trace_id.in_(trace_ids)).order_by(runs.c.is_root)).all()
            lost = select(*columns).where(_is_lost(project_id, cutoff)).limit(_TRACES_READ_AT_ONCE)
            return [_Old(*row) for row in found or db.execute(lost)]

    def _delete(self, old: Sequence[_Old]) -> None:
        waiting = deque(row.num for row in old)
        while waiting:
            with self._database.write() as db:
                end = time.monotonic() + HOLD_S
                while waiting and time.monotonic() < end:
                    remove_runs(db, [waiting.popleft() for _ in range(min(_DELETED_AT_ONCE, len(waiting)))])


@dataclass(frozen=True)
class _Old:
    num: int
    is_root: bool


def _count(db: Connection, which: ColumnElement[bool]) -> int:
    return db.scalar(select(func.count()).select_from(runs).where(which)) or 0


def _is_old_root(project_id: UUID, cutoff: datetime) -> ColumnElement[bool]:
    old = and_(runs.c.project_id == project_id, runs.c.is_root, runs.c.start_time < cutoff)
    return and_(old, ~_waits_for_review())


def _waits_for_review() -> ColumnElement[bool]:
    """Whether the trace of a root, a run of it or its thread is in a queue that people still work on."""
    queued = runs.alias()
    of_trace = select(queued.c.id).where(queued.c.trace_id == runs.c.trace_id).correlate(runs)
    of_thread = and_(queue_items.c.project_id == runs.c.project_id, queue_items.c.thread_id == runs.c.thread_id)
    return (
        exists()
        .where(queue_items.c.archived_at.is_(None), or_(queue_items.c.run_id.in_(of_trace), of_thread))
        .correlate(runs)
    )


def _is_lost(project_id: UUID, cutoff: datetime) -> ColumnElement[bool]:
    """Old runs below a root that never came, or is gone."""
    root = runs.alias()
    old = and_(runs.c.project_id == project_id, ~runs.c.is_root, runs.c.start_time < cutoff)
    return and_(old, ~exists().where(root.c.trace_id == runs.c.trace_id, root.c.is_root).correlate(runs))


def _digests(db: Connection) -> Iterator[str]:
    """Of every file that any table refers to."""
    for table in metadata.tables.values():
        if "attachments" in table.c:
            column = table.c.attachments
            for files in db.scalars(select(column).where(column.is_not(None)).execution_options(yield_per=1000)):
                yield from (file["digest"] for file in files.values() if file.get("digest"))
