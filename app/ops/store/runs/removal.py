"""Deleting runs with everything that hangs on them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, delete, or_, select

from app.ops.store.runs import search
from app.ops.store.runs.labels import Labels, metadata_in, put_labels
from app.ops.store.tables import feedback, run_bodies, runs, shares, turns
from app.ops.store.tables.base import chunks

BATCH = 500
"""Runs that are deleted by one statement."""


def remove_project(db: Connection, project_id: UUID) -> None:
    """Delete the runs of a project and what was said about it; the project's own row stays."""
    for some in chunks(db.scalars(select(runs.c.num).where(runs.c.project_id == project_id)).all(), BATCH):
        remove_runs(db, some)
    db.execute(delete(feedback).where(feedback.c.project_id == project_id))


def remove_runs(db: Connection, nums: Sequence[int]) -> None:
    """Delete these runs, their texts, their labels, their feedback and the links that share them."""
    joined = select(runs.c.num, runs.c.id, runs.c.tags, run_bodies.c.extra).join_from(runs, run_bodies)
    rows = db.execute(joined.where(runs.c.num.in_(nums))).all()
    put_labels(db, [], [Labels(row.num, metadata_in(row.extra), row.tags) for row in rows])
    search.delete(db, nums)
    ids = [row.id for row in rows]
    db.execute(delete(feedback).where(or_(feedback.c.run_id.in_(ids), feedback.c.trace_id.in_(ids))))
    db.execute(delete(shares).where(shares.c.trace_id.in_(ids)))
    for table in (turns, run_bodies, runs):
        db.execute(delete(table).where(table.c.num.in_(nums)))
