"""Feedback: judgements of runs and projects."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, bindparam, delete, or_, select, update

from app.ops.store.database import Database
from app.ops.store.errors import NotFound
from app.ops.store.models import Feedback, FeedbackChange, FeedbackFields, FeedbackStats
from app.ops.store.tables import feedback, runs, turns
from app.ops.store.tables.base import chunks, json_text
from app.ops.store.upsert import upsert

THUMB_KEY = "user_score"
"""The key of a user's thumb, which the turn itself remembers too."""
_SAMPLE = 20

_RUNS = select(runs.c.id, runs.c.trace_id, runs.c.project_id).where(runs.c.id.in_(bindparam("ids", expanding=True)))
_UNPLACED = (
    select(feedback.c.run_id)
    .join(runs, runs.c.id == feedback.c.run_id)
    .where(feedback.c.run_id.in_(bindparam("ids", expanding=True)))
    .where(
        or_(
            feedback.c.project_id.is_distinct_from(runs.c.project_id),
            feedback.c.trace_id.is_distinct_from(runs.c.trace_id),
        )
    )
    .distinct()
)
_PLACE = (
    update(feedback)
    .where(feedback.c.run_id == bindparam("run"))
    .values(trace_id=bindparam("trace"), project_id=bindparam("project"))
)
_LATEST_THUMB = (
    select(feedback.c.score)
    .where(feedback.c.run_id == turns.c.id, feedback.c.key == THUMB_KEY)
    .order_by(feedback.c.modified_at.desc(), feedback.c.id)
    .limit(1)
    .scalar_subquery()
)


class Judgements:
    """Add, find, change, take back."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def add(self, fields: FeedbackFields) -> Feedback:
        """Store a judgement; one with the same id is replaced. Its run need not be there yet."""
        with self._database.write() as db:
            put_feedback(db, [fields], self._clock())
            return _existing(db, fields.id)

    def get(self, feedback_id: UUID) -> Feedback:
        """One judgement. Raises NotFound."""
        with self._database.read() as db:
            return _existing(db, feedback_id)

    def find(
        self,
        *,
        run_ids: Collection[UUID] | None = None,
        keys: Collection[str] | None = None,
        sources: Collection[str] | None = None,
        project_ids: Collection[UUID] | None = None,
        comparative_experiment_id: UUID | None = None,
        pairwise: bool | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Feedback]:
        """Judgements, newest first; each argument that is not None narrows the answer."""
        wanted = select(feedback).order_by(feedback.c.created_at.desc(), feedback.c.id).limit(limit).offset(offset)
        sets = {"run_id": run_ids, "key": keys, "source_type": sources, "project_id": project_ids}
        for name, values in sets.items():
            if values is not None:
                wanted = wanted.where(feedback.c[name].in_(values))
        if comparative_experiment_id is not None:
            wanted = wanted.where(feedback.c.comparative_experiment_id == comparative_experiment_id)
        if pairwise is not None:
            wanted = wanted.where(feedback.c.comparative_experiment_id.is_not(None) == pairwise)
        with self._database.read() as db:
            return [feedback_of(row) for row in db.execute(wanted)]

    def change(self, feedback_id: UUID, wanted: FeedbackChange) -> Feedback:
        """Change the fields that `wanted` sets. Raises NotFound."""
        with self._database.write() as db:
            before = _existing(db, feedback_id)
            changes = wanted.model_dump(exclude_unset=True) | {"modified_at": self._clock()}
            db.execute(update(feedback).where(feedback.c.id == feedback_id).values(changes))
            _set_thumbs(db, [before.run_id])
            return _existing(db, feedback_id)

    def delete(self, feedback_id: UUID) -> None:
        """Take a judgement back. Raises NotFound."""
        with self._database.write() as db:
            before = _existing(db, feedback_id)
            db.execute(delete(feedback).where(feedback.c.id == feedback_id))
            _set_thumbs(db, [before.run_id])

    def stats_by_run(self, run_ids: Collection[UUID]) -> dict[UUID, dict[str, FeedbackStats]]:
        """Judgements of each run that has any, summed up by key."""
        by_run: dict[UUID, list[Feedback]] = defaultdict(list)
        for some in chunks(run_ids):
            for one in self.find(run_ids=some, pairwise=False):
                by_run[one.run_id or one.id].append(one)
        return {run_id: stats_by_key(judgements) for run_id, judgements in by_run.items()}

    def stats_of_project(self, project_id: UUID) -> dict[str, FeedbackStats]:
        """Judgements of the project as a whole, not of one of its runs, summed up by key."""
        wanted = select(feedback).where(feedback.c.project_id == project_id, feedback.c.run_id.is_(None))
        with self._database.read() as db:
            return stats_by_key(feedback_of(row) for row in db.execute(wanted))


def put_feedback(db: Connection, batch: Sequence[FeedbackFields], now: datetime) -> None:
    """Store judgements; one with a known id is replaced."""
    if not batch:
        return
    latest = {fields.id: fields for fields in batch}
    judged = [run_id for fields in latest.values() if (run_id := fields.run_id or fields.trace_id)]
    known = {row.id: row for some in chunks(judged) for row in db.execute(_RUNS, {"ids": some})}
    upsert(db, feedback, [_row(fields, known.get(fields.run_id or fields.trace_id), now) for fields in latest.values()])
    _set_thumbs(db, list(known))


def settle_feedback(db: Connection, run_ids: Sequence[UUID]) -> None:
    """Place the judgements that came before these runs, or before it was known where the runs belong."""
    waiting = [run_id for some in chunks(run_ids) for run_id in db.scalars(_UNPLACED, {"ids": some})]
    if waiting:
        placed = [row for some in chunks(waiting) for row in db.execute(_RUNS, {"ids": some})]
        db.execute(_PLACE, [{"run": row.id, "trace": row.trace_id, "project": row.project_id} for row in placed])
        _set_thumbs(db, waiting)


def feedback_of(row: Row[Any]) -> Feedback:
    """The judgement that a whole row of the table holds."""
    return Feedback.model_validate(row._asdict())


def stats_by_key(judgements: Iterable[Feedback]) -> dict[str, FeedbackStats]:
    """Judgements summed up by key."""
    by_key: dict[str, list[Feedback]] = defaultdict(list)
    for one in judgements:
        by_key[one.key].append(one)
    return {key: summed_up(group) for key, group in by_key.items()}


def summed_up(group: Sequence[Any]) -> FeedbackStats:
    """Judgements, or rows of them, of one key."""
    scores = [one.score for one in group if one.score is not None]
    values = [one.value for one in group if one.value is not None]
    labels = [value if isinstance(value, str) else json_text(value) for value in values]
    return FeedbackStats(
        n=len(group),
        avg=statistics.fmean(scores) if scores else None,
        min=min(scores, default=None),
        max=max(scores, default=None),
        stdev=statistics.stdev(scores) if len(scores) > 1 else None,
        values=dict(Counter(labels)),
        comments=[one.comment for one in group if one.comment][:_SAMPLE],
        sources=sorted({one.source_type for one in group}),
        errors=sum(one.error for one in group),
    )


def _set_thumbs(db: Connection, run_ids: Iterable[UUID | None]) -> None:
    """Let turns remember the latest word of their user."""
    for some in chunks(run_id for run_id in run_ids if run_id):
        db.execute(update(turns).where(turns.c.id.in_(some)).values(thumb=_LATEST_THUMB))


def _row(fields: FeedbackFields, run: Any, now: datetime) -> dict[str, Any]:
    created = fields.created_at or now
    source = fields.feedback_source or {"type": "api"}
    return {
        "id": fields.id,
        "run_id": fields.run_id or fields.trace_id,
        "trace_id": run.trace_id if run else fields.trace_id,
        "project_id": run.project_id if run else fields.session_id,
        **{name: getattr(fields, name) for name in ("key", "score", "value", "comment", "correction", "extra")},
        "source": source,
        "source_type": str(source.get("type", "api"))[:200].replace("\x00", "\ufffd"),
        "feedback_group_id": fields.feedback_group_id,
        "comparative_experiment_id": fields.comparative_experiment_id,
        "error": bool(fields.error),
        "created_at": created,
        "modified_at": fields.modified_at or created,
    }


def _existing(db: Connection, feedback_id: UUID) -> Feedback:
    row = db.execute(select(feedback).where(feedback.c.id == feedback_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no feedback {feedback_id}.")
    return feedback_of(row)
