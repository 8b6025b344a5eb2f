"""Sharing: whoever knows a token may read one trace, or one thread, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select

from app.ops.store.database import Database
from app.ops.store.errors import Conflict, NotFound
from app.ops.store.models import RunQuery
from app.ops.store.tables import runs, shares
from app.ops.store.tables.base import chunks, json_text


class Share(BaseModel):
    """What a token opens: a trace, or where `trace_id` is None all traces of a thread."""

    model_config = ConfigDict(frozen=True)

    token: UUID
    project_id: UUID
    trace_id: UUID | None = None
    thread_id: str | None = None
    created_at: AwareDatetime

    def narrowed(self, wanted: RunQuery) -> RunQuery:
        """The same question, asked of what is shared alone."""
        if self.trace_id is not None:
            return wanted.model_copy(update={"project_ids": None, "trace_id": self.trace_id})
        of_thread = f"eq(thread_id, {json_text(self.thread_id)})"
        trace_filter = f"and({of_thread}, {wanted.trace_filter})" if wanted.trace_filter else of_thread
        return wanted.model_copy(update={"project_ids": [self.project_id], "trace_filter": trace_filter})


class Shares:
    """Share, look up, take back. Sharing again gives the same token."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def share_trace(self, run_id: UUID, token: UUID | None = None) -> Share:
        """Share the trace that the run belongs to, by this token or a new one.

        Raises NotFound, or Conflict if the token opens something else.
        """
        with self._database.write() as db:
            run = db.execute(select(runs.c.trace_id, runs.c.project_id).where(runs.c.id == run_id)).one_or_none()
            if run is None:
                raise NotFound(f"There is no run {run_id}.")
            return self._share(db, shares.c.trace_id == run.trace_id, token, **run._asdict())

    def share_thread(self, project_id: UUID, thread_id: str) -> Share:
        """Share all traces of a thread, those to come too. Raises NotFound."""
        of_thread = and_(runs.c.thread_id == thread_id, runs.c.project_id == project_id, runs.c.is_root)
        with self._database.write() as db:
            if db.scalar(select(runs.c.id).where(of_thread).limit(1)) is None:
                raise NotFound(f"There is no thread {thread_id!r} in this project.")
            known = _of_thread(project_id, thread_id)
            return self._share(db, known, None, project_id=project_id, thread_id=thread_id)

    def of_trace(self, trace_id: UUID) -> Share | None:
        """How the trace is shared, or None."""
        with self._database.read() as db:
            return _found(db, shares.c.trace_id == trace_id)

    def of_thread(self, project_id: UUID, thread_id: str) -> Share | None:
        """How the thread is shared, or None."""
        with self._database.read() as db:
            return _found(db, _of_thread(project_id, thread_id))

    def tokens(self, trace_ids: Collection[UUID]) -> dict[UUID, UUID]:
        """The tokens of those of these traces that are shared."""
        pairs = select(shares.c.trace_id, shares.c.token)
        with self._database.read() as db:
            found = (db.execute(pairs.where(shares.c.trace_id.in_(some))) for some in chunks(trace_ids))
            return {row.trace_id: row.token for rows in found for row in rows}

    def open(self, token: UUID) -> Share:
        """What the token opens. Raises NotFound."""
        with self._database.read() as db:
            share = _found(db, shares.c.token == token)
        if share is None:
            raise NotFound("Nothing is shared by this link, or not any more.")
        return share

    def unshare_trace(self, trace_id: UUID) -> None:
        """Let the token of a trace open nothing; one that is not shared is passed over."""
        with self._database.write() as db:
            db.execute(delete(shares).where(shares.c.trace_id == trace_id))

    def unshare_thread(self, project_id: UUID, thread_id: str) -> None:
        """Let the token of a thread open nothing; one that is not shared is passed over."""
        with self._database.write() as db:
            db.execute(delete(shares).where(_of_thread(project_id, thread_id)))

    def _share(self, db: Connection, known: ColumnElement[bool], token: UUID | None, **what: Any) -> Share:
        if existing := _found(db, known):
            return existing
        if token and _found(db, shares.c.token == token):
            raise Conflict("This token opens something else already. Choose another, or none to be given one.")
        share = Share(token=token or uuid4(), created_at=self._clock(), **what)
        db.execute(insert(shares).values(share.model_dump()))
        return share


def _of_thread(project_id: UUID, thread_id: str) -> ColumnElement[bool]:
    return and_(shares.c.project_id == project_id, shares.c.thread_id == thread_id)


def _found(db: Connection, which: ColumnElement[bool]) -> Share | None:
    row = db.execute(select(shares).where(which)).one_or_none()
    return None if row is None else Share.model_validate(row._asdict())
