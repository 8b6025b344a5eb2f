"""Feedback: judgements of runs and projects."""

from __future__ import annotations

import sqlite3
import statistics
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from app.ops.store.columns import id_list, insert_or_update, json_text, json_value, stamp
from app.ops.store.errors import NotFound
from app.ops.store.models import Feedback, FeedbackChange, FeedbackFields, FeedbackStats

_SAMPLE = 20


def put(db: sqlite3.Connection, batch: Iterable[FeedbackFields], now: datetime) -> None:
    """Store judgements; one with a known id is replaced. Their runs need not be there yet."""
    for fields in batch:
        insert_or_update(db, "feedback", _row(db, fields, now))


def find(
    db: sqlite3.Connection,
    run_ids: Collection[UUID] | None = None,
    keys: Collection[str] | None = None,
    sources: Collection[str] | None = None,
    project_ids: Collection[UUID] | None = None,
    limit: int = -1,
    offset: int = 0,
) -> list[Feedback]:
    """Judgements, newest first; each argument that is not None narrows the answer."""
    wanted = {
        "run_id": id_list(run_ids) if run_ids is not None else None,
        "key": json_text(list(keys)) if keys is not None else None,
        "json_extract(source, '$.type')": json_text(list(sources)) if sources is not None else None,
        "project_id": id_list(project_ids) if project_ids is not None else None,
    }
    terms = {f"{column} IN (SELECT value FROM json_each(?))": ids for column, ids in wanted.items() if ids}  # noqa: S608
    rows = db.execute(
        f"SELECT * FROM feedback WHERE {' AND '.join(['TRUE', *terms])}"  # noqa: S608 (this function's own columns)
        " ORDER BY created_at DESC, id LIMIT ? OFFSET ?",
        [*terms.values(), limit, offset],
    )
    return [feedback_of(row) for row in rows]


def get(db: sqlite3.Connection, feedback_id: UUID) -> Feedback:
    """One judgement. Raises NotFound."""
    row = db.execute("SELECT * FROM feedback WHERE id = ?", [str(feedback_id)]).fetchone()
    if row is None:
        raise NotFound(f"There is no feedback {feedback_id}.")
    return feedback_of(row)


def change(db: sqlite3.Connection, feedback_id: UUID, wanted: FeedbackChange, now: datetime) -> None:
    """Change the fields that `wanted` sets. Raises NotFound."""
    get(db, feedback_id)
    values: dict[str, Any] = wanted.model_dump(exclude_unset=True)
    for name in values.keys() & {"value", "correction"}:
        values[name] = _optional_json(values[name])
    values["modified_at"] = stamp(now)
    assignments = ", ".join(f"{name} = ?" for name in values)
    db.execute(
        f"UPDATE feedback SET {assignments} WHERE id = ?",  # noqa: S608 (the model's own names)
        [*values.values(), str(feedback_id)],
    )


def delete(db: sqlite3.Connection, feedback_id: UUID) -> None:
    """Take a judgement back. Raises NotFound."""
    get(db, feedback_id)
    db.execute("DELETE FROM feedback WHERE id = ?", [str(feedback_id)])


def feedback_of(row: sqlite3.Row) -> Feedback:
    """The judgement that a whole row of the table holds."""
    values: dict[str, Any] = {name: row[name] for name in Feedback.model_fields}
    for name in ("value", "correction", "source", "extra"):
        values[name] = json_value(values[name])
    return Feedback.model_validate(values)


def stats_by_run(db: sqlite3.Connection, run_ids: Collection[UUID]) -> dict[UUID, dict[str, FeedbackStats]]:
    """Judgements of each run that has any, summed up by key."""
    by_run: dict[UUID, list[Feedback]] = defaultdict(list)
    for one in find(db, run_ids=run_ids):
        if one.run_id is not None:
            by_run[one.run_id].append(one)
    return {run_id: stats_by_key(judgements) for run_id, judgements in by_run.items()}


def stats_by_key(judgements: Iterable[Feedback]) -> dict[str, FeedbackStats]:
    """Judgements summed up by key."""
    by_key: dict[str, list[Feedback]] = defaultdict(list)
    for one in judgements:
        by_key[one.key].append(one)
    return {key: _stats(group) for key, group in by_key.items()}


def _stats(group: list[Feedback]) -> FeedbackStats:
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
        sources=sorted({str(one.source.get("type", "api")) for one in group}),
        errors=sum(one.error for one in group),
    )


def _row(db: sqlite3.Connection, fields: FeedbackFields, now: datetime) -> Mapping[str, Any]:
    run_id = fields.run_id or fields.trace_id
    run = db.execute("SELECT trace_id, project_id FROM runs WHERE id = ?", [_text(run_id)]).fetchone()
    created = fields.created_at or now
    return {
        "id": str(fields.id),
        "run_id": _text(run_id),
        "trace_id": run["trace_id"] if run else _text(fields.trace_id),
        "project_id": run["project_id"] if run else _text(fields.session_id),
        "key": fields.key,
        "score": fields.score,
        "value": _optional_json(fields.value),
        "comment": fields.comment,
        "correction": _optional_json(fields.correction),
        "source": json_text(fields.feedback_source or {"type": "api"}),
        "extra": _optional_json(fields.extra),
        "feedback_group_id": _text(fields.feedback_group_id),
        "comparative_experiment_id": _text(fields.comparative_experiment_id),
        "error": bool(fields.error),
        "created_at": stamp(created),
        "modified_at": stamp(fields.modified_at or created),
    }


def _optional_json(value: Any) -> str | None:
    return None if value is None else json_text(value)


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
