"""Runs: read one, read a trace, find, sum up, delete."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic_core import from_json
from sqlalchemy import Row, select

from app.ops.store.database import Database
from app.ops.store.errors import NotFound
from app.ops.store.models import GroupBy, Run, RunPage, RunQuery, RunStats, ancestors
from app.ops.store.runs import query, stats
from app.ops.store.runs.removal import remove_runs
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

    def children(self, parents: Collection[Run]) -> dict[UUID, list[UUID]]:
        """The ids of the runs right below these, in their order."""
        found: dict[UUID, list[UUID]] = defaultdict(list)
        with self._database.read() as db:
            for some in chunks(parents, 500):
                below = select(runs.c.parent_run_id, runs.c.id).where(
                    runs.c.trace_id.in_({run.trace_id for run in some}),
                    runs.c.parent_run_id.in_(run.id for run in some),
                )
                for row in db.execute(below.order_by(runs.c.dotted_order)):
                    found[row.parent_run_id].append(row.id)
        return found

    def first_tokens(self, above: Collection[Run]) -> dict[UUID, datetime]:
        """When the first token of each of these runs, or of one below it, was there, if it streamed."""
        first: dict[UUID, datetime] = {}
        with self._database.read() as db:
            for some in chunks({run.trace_id for run in above}):
                streamed = select(runs.c.id, runs.c.dotted_order, runs.c.first_token_time).where(
                    runs.c.trace_id.in_(some), runs.c.first_token_time.is_not(None)
                )
                for row in db.execute(streamed):
                    for run_id in (row.id, *ancestors(row.dotted_order)):
                        first[run_id] = min(row.first_token_time, first.get(run_id, row.first_token_time))
        return {run.id: first[run.id] for run in above if run.id in first}

    def stats(self, wanted: RunQuery) -> RunStats:
        """The runs that match, summed up; `limit` and `cursor` don't count. Raises InvalidQuery."""
        with self._database.read() as db:
            return stats.overall(db, wanted)

    def grouped_stats(self, wanted: RunQuery, group_by: GroupBy) -> dict[str, RunStats]:
        """The same for each group, the largest first. Raises InvalidQuery."""
        with self._database.read() as db:
            return stats.grouped(db, wanted, group_by)

    def stats_by_project(self, project_ids: Collection[UUID]) -> dict[UUID, RunStats]:
        """The same for the root runs of each of these projects that has any."""
        with self._database.read() as db:
            return stats.by_project(db, project_ids)

    def stats_over_time(self, wanted: RunQuery, start: datetime, stride: timedelta) -> dict[datetime, RunStats]:
        """The same for each span of time, by its beginning, from `start` on. Raises InvalidQuery."""
        with self._database.read() as db:
            return stats.over_time(db, wanted, start, stride)

    def delete(self, run_ids: Collection[UUID]) -> None:
        """Delete runs with their texts and feedback; unknown ids are passed over."""
        for some in chunks(run_ids, 500):
            with self._database.write() as db:
                remove_runs(db, db.scalars(select(runs.c.num).where(runs.c.id.in_(some))).all())

    def delete_matching(self, wanted: RunQuery) -> None:
        """Delete the traces of all runs that match, whole. Raises InvalidQuery."""
        found = runs.alias("run")
        with self._database.read() as db:
            traces = db.scalars(select(found.c.trace_id).where(query.condition(db, wanted, found)).distinct()).all()
        for some in chunks(traces, 500):
            with self._database.read() as db:
                ids = db.scalars(select(runs.c.id).where(runs.c.trace_id.in_(some))).all()
            self.delete(ids)


def run_of(row: Row[Any]) -> Run:
    """The run that a row with its texts holds."""
    values = row._asdict()
    for name, empty in _DOCUMENTS.items():
        text = values[name]
        values[name] = from_json(text) if text is not None else empty and empty()
    latency_us = values["latency_us"]
    values["latency_s"] = None if latency_us is None else latency_us / 1e6
    return Run.model_validate(values | {"attachments": values["attachments"] or {}})
