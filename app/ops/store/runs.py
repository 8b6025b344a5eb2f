"""Runs: read one, read a trace, find, sum up, delete."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from pydantic_core import from_json
from sqlalchemy import Row, select

from app.ops.store import query, stats
from app.ops.store.database import Database
from app.ops.store.errors import NotFound
from app.ops.store.models import GroupBy, Run, RunPage, RunQuery, RunStats
from app.ops.store.removal import remove_runs
from app.ops.store.tables import runs
from app.ops.store.tables.base import chunks

_DOCUMENTS = {"inputs": dict, "outputs": None, "extra": dict, "events": list, "serialized": None}
"""What a run has where nothing was sent."""


class Runs:
    """The runs of a workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, run_id: UUID) -> Run:
        """One run. Raises NotFound."""
        found = self.many([run_id])
        if not found:
            raise NotFound(f"There is no run {run_id}.")
        return found[0]

    def many(self, run_ids: Collection[UUID]) -> list[Run]:
        """Those of these runs that are known, in order of arrival."""
        with self._database.read() as db:
            nums = [
                num for some in chunks(run_ids) for num in db.scalars(select(runs.c.num).where(runs.c.id.in_(some)))
            ]
            return [run_of(row) for row in query.read_rows(db, sorted(nums))]

    def trace(self, trace_id: UUID, limit: int | None = None) -> list[Run]:
        """The runs of a trace in their order, the root first."""
        wanted = select(runs.c.num).where(runs.c.trace_id == trace_id).order_by(runs.c.dotted_order, runs.c.num)
        with self._database.read() as db:
            return [run_of(row) for row in query.read_rows(db, db.scalars(wanted.limit(limit)).all())]

    def query(self, wanted: RunQuery) -> RunPage:
        """One page of the runs that match. Raises InvalidQuery for a filter or cursor that cannot be read."""
        with self._database.read() as db:
            rows, cursor = query.page(db, wanted)
            return RunPage(runs=[run_of(row) for row in rows], next_cursor=cursor)

    def stats(self, wanted: RunQuery) -> RunStats:
        """The runs that match, summed up; `limit` and `cursor` don't count. Raises InvalidQuery."""
        with self._database.read() as db:
            return stats.overall(db, wanted)

    def grouped_stats(self, wanted: RunQuery, group_by: GroupBy) -> dict[str, RunStats]:
        """The same for each group, the largest first. Raises InvalidQuery."""
        with self._database.read() as db:
            return stats.grouped(db, wanted, group_by)

    def delete(self, run_ids: Collection[UUID]) -> None:
        """Delete runs with their texts and feedback; unknown ids are passed over."""
        for some in chunks(run_ids, 500):
            with self._database.write() as db:
                remove_runs(db, db.scalars(select(runs.c.num).where(runs.c.id.in_(some))).all())


def run_of(row: Row[Any]) -> Run:
    """The run that a row with its texts holds."""
    values = row._asdict()
    for name, empty in _DOCUMENTS.items():
        text = values[name]
        values[name] = from_json(text) if text is not None else empty and empty()
    return Run.model_validate(values | {"attachments": values["attachments"] or {}})
