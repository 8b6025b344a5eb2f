"""Complaints as they are kept: open until a later answer passes, or until they are taken back or dismissed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select, update

from app.ops.store.database import Database
from app.ops.store.errors import NotFound
from app.ops.store.feedback.feedback import THUMB_KEY, feedback_of
from app.ops.store.models import Feedback
from app.ops.store.tables import feedback, turns
from app.ops.store.tables.complaints import complaints
from app.ops.store.upsert import upsert

ComplaintStatus = Literal["open", "fixed", "dismissed", "withdrawn"]

_IS_DOWN = and_(feedback.c.key == THUMB_KEY, feedback.c.score <= 0)


class Complaint(BaseModel):
    """One turn that somebody thumbed down."""

    model_config = ConfigDict(frozen=True)

    run_id: UUID
    feedback_id: UUID
    thread_id: str | None = None
    user_hash: str | None = None
    question: str
    answer: str
    said: str | None = None
    """The reason that the user picked and what they wrote."""
    cause: str
    reason: str
    document: str | None = None
    owner: str | None = None
    status: ComplaintStatus = "open"
    example_id: UUID | None = None
    """In the dataset of regressions."""
    opened_at: AwareDatetime
    checked_with: str | None = None
    """What answered when it was last asked again."""
    fixed_at: AwareDatetime | None = None
    fixed_run_id: UUID | None = None
    fixed_answer: str | None = None
    told_at: AwareDatetime | None = None


class Complaints:
    """Find, open, settle."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def unheard(self, limit: int = 100) -> list[Feedback]:
        """Thumbs-down of turns that have ended and are not complaints yet, oldest first."""
        wanted = (
            select(feedback)
            .join(turns, and_(turns.c.id == feedback.c.run_id, turns.c.outcome != "unfinished"))
            .outerjoin(complaints, complaints.c.run_id == feedback.c.run_id)
            .where(_IS_DOWN, or_(complaints.c.run_id.is_(None), complaints.c.status == "withdrawn"))
            .order_by(feedback.c.modified_at)
            .limit(limit)
        )
        with self._database.read() as db:
            return [feedback_of(row) for row in db.execute(wanted)]

    def open(self, complaint: Complaint) -> None:
        """Keep a new complaint, or one that was taken back and is made again."""
        with self._database.write() as db:
            upsert(db, complaints, [complaint.model_dump()], key="run_id")

    def withdraw(self) -> int:
        """Let go of open complaints whose thumb was taken back or turned up; gives back how many."""
        still_down = select(feedback.c.id).where(feedback.c.id == complaints.c.feedback_id, _IS_DOWN).exists()
        with self._database.write() as db:
            gone = update(complaints).where(complaints.c.status == "open", ~still_down).values(status="withdrawn")
            return db.execute(gone).rowcount

    def get(self, run_id: UUID) -> Complaint:
        """The complaint about a turn. Raises NotFound."""
        with self._database.read() as db:
            return _existing(db, run_id)

    def find(
        self,
        *,
        status: ComplaintStatus | None = None,
        cause: str | None = None,
        owner: str | None = None,
        document: str | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[Complaint]:
        """Complaints, newest first; each argument that is not None narrows the answer."""
        wanted = select(complaints).where(*_narrowed(status=status, cause=cause, owner=owner, document=document))
        newest = wanted.order_by(complaints.c.opened_at.desc(), complaints.c.run_id)
        with self._database.read() as db:
            return [_complaint(row) for row in db.execute(newest.limit(limit).offset(offset))]

    def count(
        self,
        *,
        status: ComplaintStatus | None = None,
        cause: str | None = None,
        owner: str | None = None,
        document: str | None = None,
    ) -> int:
        """How many `find` would find without a limit."""
        narrow = _narrowed(status=status, cause=cause, owner=owner, document=document)
        with self._database.read() as db:
            return db.execute(select(func.count()).select_from(complaints).where(*narrow)).scalar_one()

    def counts(self, by: Literal["status", "cause", "owner", "document"], *, open_only: bool = True) -> dict[str, int]:
        """How many there are of each, the most first."""
        column, number = complaints.c[by], func.count().label("n")
        wanted = select(column, number).where(column.is_not(None)).group_by(column).order_by(number.desc(), column)
        if open_only:
            wanted = wanted.where(complaints.c.status == "open")
        with self._database.read() as db:
            return {value: n for value, n in db.execute(wanted.limit(100))}

    def checked(self, run_id: UUID, with_: str, *, fixed_run_id: UUID | None = None, answer: str = "") -> None:
        """Remember with what it was asked again, and the run whose answer passed, if it did. Raises NotFound."""
        changes: dict[str, Any] = {"checked_with": with_}
        if fixed_run_id is not None:
            changes |= {
                "status": "fixed",
                "fixed_at": self._clock(),
                "fixed_run_id": fixed_run_id,
                "fixed_answer": answer,
            }
        self._change(run_id, changes)

    def dismiss(self, run_id: UUID) -> None:
        """Close it without a new answer. Raises NotFound."""
        self._change(run_id, {"status": "dismissed"})

    def reopen(self, run_id: UUID) -> None:
        """Take a dismissal back, so that it is asked again. Raises NotFound."""
        self._change(run_id, {"status": "open", "checked_with": None})

    def untold(self, user_hash: str) -> list[Complaint]:
        """What has been mended for this user and not been said to them yet."""
        wanted = select(complaints).where(
            complaints.c.user_hash == user_hash, complaints.c.status == "fixed", complaints.c.told_at.is_(None)
        )
        with self._database.read() as db:
            return [_complaint(row) for row in db.execute(wanted.order_by(complaints.c.fixed_at))]

    def told(self, run_ids: Sequence[UUID]) -> None:
        """Remember that their users know."""
        with self._database.write() as db:
            db.execute(update(complaints).where(complaints.c.run_id.in_(run_ids)).values(told_at=self._clock()))

    def _change(self, run_id: UUID, changes: dict[str, Any]) -> None:
        with self._database.write() as db:
            _existing(db, run_id)
            db.execute(update(complaints).where(complaints.c.run_id == run_id).values(changes))


def _narrowed(**values: str | None) -> list[ColumnElement[bool]]:
    """Conditions on the columns whose value is given."""
    return [complaints.c[name] == value for name, value in values.items() if value is not None]


def _existing(db: Connection, run_id: UUID) -> Complaint:
    row = db.execute(select(complaints).where(complaints.c.run_id == run_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no complaint about the turn {run_id}.")
    return _complaint(row)


def _complaint(row: Row[Any]) -> Complaint:
    return Complaint.model_validate(row._asdict())
