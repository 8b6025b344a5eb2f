"""The ops store: the one door to traces, feedback and projects."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from app.ops.store import feedback, ingest, projects, query, runs, stats
from app.ops.store.database import Database
from app.ops.store.models import (
    Feedback,
    FeedbackChange,
    FeedbackFields,
    FeedbackStats,
    GroupBy,
    Ingest,
    Project,
    ProjectFields,
    Run,
    RunPage,
    RunQuery,
    RunStats,
)


def utc_now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


class OpsStore:
    """Runs, feedback and projects in one SQLite file. Every method may be called from any thread.

    A write has reached the disk when its method returns; one that raises has changed nothing.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._clock = clock
        with database.write() as db:
            projects.ensure_default(db, clock())

    @classmethod
    def open(cls, path: Path, clock: Callable[[], datetime] = utc_now) -> OpsStore:
        """Open the store at `path`, making or upgrading it as needed."""
        return cls(Database(path), clock)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def read(self) -> AbstractContextManager[sqlite3.Connection]:
        """A read-only connection for reports; the whole block sees one moment of the store."""
        return self._database.read()

    def ingest(self, batch: Ingest) -> None:
        """Store posts, patches and feedback together. A patch may come before its post, feedback before both."""
        with self._database.write() as db:
            ingest.store_batch(db, batch, self._clock())

    def run(self, run_id: UUID) -> Run | None:
        """One run, or None."""
        with self.read() as db:
            return runs.get(db, run_id)

    def trace(self, trace_id: UUID) -> list[Run]:
        """All runs of a trace in their order, the root first."""
        with self.read() as db:
            return runs.trace(db, trace_id)

    def query_runs(self, wanted: RunQuery) -> RunPage:
        """One page of the runs that match. Raises InvalidQuery for a filter or cursor that cannot be read."""
        with self.read() as db:
            return query.page(db, wanted)

    def stats(self, wanted: RunQuery) -> RunStats:
        """The runs that match, summed up; `limit` and `cursor` don't count. Raises InvalidQuery."""
        with self.read() as db:
            return stats.overall(db, wanted)

    def grouped_stats(self, wanted: RunQuery, group_by: GroupBy) -> dict[str, RunStats]:
        """The same for each group, the largest first. Raises InvalidQuery."""
        with self.read() as db:
            return stats.grouped(db, wanted, group_by)

    def feedback(
        self,
        run_ids: Collection[UUID] | None = None,
        keys: Collection[str] | None = None,
        sources: Collection[str] | None = None,
        project_ids: Collection[UUID] | None = None,
        limit: int = -1,
        offset: int = 0,
    ) -> list[Feedback]:
        """Judgements, newest first; each argument that is not None narrows the answer."""
        with self.read() as db:
            return feedback.find(db, run_ids, keys, sources, project_ids, limit, offset)

    def feedback_stats(self, run_ids: Collection[UUID]) -> dict[UUID, dict[str, FeedbackStats]]:
        """Judgements of each run that has any, summed up by key."""
        with self.read() as db:
            return feedback.stats_by_run(db, run_ids)

    def one_feedback(self, feedback_id: UUID) -> Feedback:
        """One judgement. Raises NotFound."""
        with self.read() as db:
            return feedback.get(db, feedback_id)

    def add_feedback(self, fields: FeedbackFields) -> Feedback:
        """Store a judgement; one with the same id is replaced."""
        with self._database.write() as db:
            feedback.put(db, [fields], self._clock())
            return feedback.get(db, fields.id)

    def change_feedback(self, feedback_id: UUID, change: FeedbackChange) -> Feedback:
        """Change the fields that `change` sets. Raises NotFound."""
        with self._database.write() as db:
            feedback.change(db, feedback_id, change, self._clock())
            return feedback.get(db, feedback_id)

    def delete_feedback(self, feedback_id: UUID) -> None:
        """Take a judgement back. Raises NotFound."""
        with self._database.write() as db:
            feedback.delete(db, feedback_id)

    def projects(self, name: str | None = None, name_contains: str | None = None) -> list[Project]:
        """Projects, newest first."""
        with self.read() as db:
            return projects.find(db, name, name_contains)

    def project(self, project_id: UUID) -> Project:
        """One project. Raises NotFound."""
        with self.read() as db:
            return projects.get(db, project_id)

    def create_project(self, fields: ProjectFields, *, upsert: bool = False) -> Project:
        """Make a project. Raises Conflict if its name is taken, unless `upsert` then changes that project."""
        with self._database.write() as db:
            return projects.create(db, fields, self._clock(), upsert=upsert)

    def change_project(self, project_id: UUID, fields: ProjectFields) -> Project:
        """Change the fields that are not None. Raises NotFound, or Conflict if the new name is taken."""
        with self._database.write() as db:
            return projects.change(db, project_id, fields)

    def delete_project(self, project_id: UUID) -> None:
        """Delete a project with its runs and feedback. Raises NotFound."""
        with self._database.write() as db:
            projects.delete(db, project_id)
            projects.ensure_default(db, self._clock())
