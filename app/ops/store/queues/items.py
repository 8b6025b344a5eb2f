"""Putting runs and threads into annotation queues, reviewing them, taking them out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, or_, select, update

from app.ops.store.database import Database
from app.ops.store.errors import InvalidRecord, NotFound
from app.ops.store.queues.models import ItemChange, ItemFields, Review
from app.ops.store.tables import projects, runs
from app.ops.store.tables.base import chunks
from app.ops.store.tables.queues import annotation_queues, queue_items, queue_reviews

Key = UUID | tuple[UUID, str]
"""What an item stands for: a run, or a thread of a project."""


class QueueItems:
    """Add, change, review, remove."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def add(self, queue_id: UUID, wanted: Sequence[ItemFields]) -> list[UUID]:
        """Add runs and threads; one that was archived comes back, one that waits stays where it is.

        Gives back the ids of their items. Raises NotFound for a queue or a run that is not known.
        """
        with self._database.write() as db:
            require_queue(db, queue_id)
            return _put(db, queue_id, _rows(db, wanted), self._clock())

    def populate(self, queue_id: UUID, project_ids: Collection[UUID]) -> int:
        """Add the root runs of experiments; gives back how many. Raises NotFound, InvalidRecord."""
        with self._database.write() as db:
            require_queue(db, queue_id)
            return populate(db, queue_id, project_ids, self._clock())

    def change(self, queue_id: UUID, item_id: UUID, wanted: ItemChange) -> None:
        """Change the fields that `wanted` sets. Raises NotFound."""
        changes: dict[str, Any] = wanted.model_dump(exclude_unset=True)
        if "last_reviewed_time" in changes:
            changes["archived_at"] = wanted.last_reviewed_time
        if wanted.added_at is None:
            changes.pop("added_at", None)
        with self._database.write() as db:
            _require_item(db, item_id, queue_id)
            if changes:
                db.execute(update(queue_items).where(queue_items.c.id == item_id).values(changes))

    def review(self, item_id: UUID, wanted: Review, *, reviewer: str) -> UUID:
        """Reserve an item, complete it, or give it back; enough completions archive it.

        Gives back the id of its queue. Raises NotFound.
        """
        now = self._clock()
        with self._database.write() as db:
            queue_id = _require_item(db, item_id)
            _put_review(db, item_id, wanted, reviewer, now)
            _archive_when_done(db, queue_id, item_id, wanted, now)
            return queue_id

    def remove(self, queue_id: UUID, ids: Collection[UUID] | None = None, *, keep_runs: Collection[UUID] = ()) -> int:
        """Take items out, by their ids or their runs', or all for None; gives back how many. Raises NotFound."""
        terms: list[ColumnElement[bool]] = [queue_items.c.queue_id == queue_id]
        if ids is not None:
            terms.append(or_(queue_items.c.id.in_(ids), queue_items.c.run_id.in_(ids)))
        if keep_runs:
            terms.append(or_(queue_items.c.run_id.is_(None), queue_items.c.run_id.not_in(keep_runs)))
        with self._database.write() as db:
            require_queue(db, queue_id)
            return db.execute(delete(queue_items).where(*terms)).rowcount


def require_queue(db: Connection, queue_id: UUID) -> Row[Any]:
    """The row of a queue. Raises NotFound."""
    row = db.execute(select(annotation_queues).where(annotation_queues.c.id == queue_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no annotation queue {queue_id}.")
    return row


def populate(db: Connection, queue_id: UUID, project_ids: Collection[UUID], now: datetime) -> int:
    """Add the root runs of experiments; gives back how many. Raises InvalidRecord."""
    experiments = select(projects.c.id).where(projects.c.reference_dataset_id.is_not(None))
    found = set(db.scalars(experiments.where(projects.c.id.in_(project_ids))))
    if missing := set(project_ids) - found:
        raise InvalidRecord(f"The session {min(missing)} is not an experiment on a dataset.")
    roots = select(runs.c.id, runs.c.project_id, runs.c.start_time).where(runs.c.is_root, runs.c.project_id.in_(found))
    rows = [_run_row(run) for run in db.execute(roots.order_by(runs.c.num))]
    return len(_put(db, queue_id, rows, now))


def _rows(db: Connection, wanted: Sequence[ItemFields]) -> list[dict[str, Any]]:
    run_ids = {fields.run_id for fields in wanted if fields.item_type == "RUN"}
    columns = select(runs.c.id, runs.c.project_id, runs.c.start_time)
    known = {run.id: run for some in chunks(run_ids) for run in db.execute(columns.where(runs.c.id.in_(some)))}
    if missing := run_ids - known.keys():
        raise NotFound(f"There is no run {next(iter(missing))}; a run can be queued once it has been ingested.")
    return [
        (_run_row(known[fields.run_id]) if fields.item_type == "RUN" else _thread_row(fields))
        | {"source_proposed_example_id": fields.source_proposed_example_id}
        for fields in wanted
    ]


def _run_row(run: Any) -> dict[str, Any]:
    where = {"run_id": run.id, "thread_id": None, "project_id": run.project_id, "start_time": run.start_time}
    return where | {"item_type": "RUN", "source_proposed_example_id": None}


def _thread_row(fields: ItemFields) -> dict[str, Any]:
    where = {"run_id": None, "thread_id": fields.thread_id, "project_id": fields.project_id, "start_time": None}
    return where | {"item_type": "THREAD"}


def _key(row: Mapping[str, Any]) -> Key:
    return row["run_id"] or (row["project_id"], row["thread_id"])


def _put(db: Connection, queue_id: UUID, rows: Sequence[Mapping[str, Any]], now: datetime) -> list[UUID]:
    wanted = {_key(row): row for row in rows}
    there = {_key(row): row for row in _present(db, queue_id, wanted.values())}
    new = {
        key: {**row, "id": uuid4(), "queue_id": queue_id, "added_at": now}
        for key, row in wanted.items()
        if key not in there
    }
    if new:
        db.execute(insert(queue_items), list(new.values()))
    _bring_back(db, [there[key]["id"] for key in wanted if key in there and there[key]["archived_at"]], now)
    return [(new.get(key) or there[key])["id"] for key in wanted]


def _present(db: Connection, queue_id: UUID, rows: Collection[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    columns = (queue_items.c.id, queue_items.c.run_id, queue_items.c.project_id, queue_items.c.thread_id)
    of_queue = select(*columns, queue_items.c.archived_at).where(queue_items.c.queue_id == queue_id)
    found: list[Mapping[str, Any]] = []
    for name in ("run_id", "thread_id"):
        for some in chunks({row[name] for row in rows} - {None}):
            found += [row._asdict() for row in db.execute(of_queue.where(queue_items.c[name].in_(some)))]
    return found


def _bring_back(db: Connection, item_ids: Sequence[UUID], now: datetime) -> None:
    for some in chunks(item_ids):
        db.execute(delete(queue_reviews).where(queue_reviews.c.item_id.in_(some)))
        again = update(queue_items).where(queue_items.c.id.in_(some))
        db.execute(again.values(added_at=now, archived_at=None))


def _require_item(db: Connection, item_id: UUID, queue_id: UUID | None = None) -> UUID:
    """The queue of an item, which is `queue_id` where that is given. Raises NotFound."""
    found: UUID | None = db.scalar(select(queue_items.c.queue_id).where(queue_items.c.id == item_id))
    if found is None or queue_id not in (None, found):
        raise NotFound(f"There is no item {item_id} in this annotation queue.")
    return found


def _put_review(db: Connection, item_id: UUID, wanted: Review, reviewer: str, now: datetime) -> None:
    mine = and_(queue_reviews.c.item_id == item_id, queue_reviews.c.reviewer == reviewer)
    before = db.execute(select(queue_reviews).where(mine)).one_or_none()
    values: dict[str, Any] = {"status": wanted.status, "reviewed_at": now}
    if "override_added_at" in wanted.model_fields_set:
        values["override_added_at"] = wanted.override_added_at
    if before is None:
        db.execute(insert(queue_reviews).values(values | {"item_id": item_id, "reviewer": reviewer}))
    elif not (before.status == "completed" and wanted.status == "viewed"):  # looking again takes nothing back
        db.execute(update(queue_reviews).where(mine).values(values))


def _archive_when_done(db: Connection, queue_id: UUID, item_id: UUID, wanted: Review, now: datetime) -> None:
    completed = [queue_reviews.c.item_id == item_id, queue_reviews.c.status == "completed"]
    done = db.scalar(select(func.count()).select_from(queue_reviews).where(*completed)) or 0
    item = update(queue_items).where(queue_items.c.id == item_id)
    if wanted.status == "completed":
        db.execute(item.values(last_reviewed_time=now))
    if done >= require_queue(db, queue_id).num_reviewers_per_item:
        db.execute(item.where(queue_items.c.archived_at.is_(None)).values(archived_at=now))
    elif wanted.status is None:
        db.execute(item.values(archived_at=None))
