"""Annotation queues: make, find, change, delete. `items` are what waits in them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.ops.store.database import Database
from app.ops.store.errors import Conflict, NotFound
from app.ops.store.queues.board import Board
from app.ops.store.queues.items import QueueItems, populate
from app.ops.store.queues.models import RESERVATION_MINUTES, Queue, QueueChange, QueueFields, RubricItem
from app.ops.store.tables.queues import annotation_queues, queue_items

_waiting = (
    select(func.count())
    .where(queue_items.c.queue_id == annotation_queues.c.id, queue_items.c.archived_at.is_(None))
    .scalar_subquery()
)
_CLEARABLE = ("description", "rubric_instructions", "default_dataset", "metadata")
_queue = select(annotation_queues, _waiting.label("total_runs"))


class Queues:
    """The annotation queues of a workspace."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self.items = QueueItems(database, clock)

    def create(self, fields: QueueFields) -> Queue:
        """Make a queue. Raises Conflict if its id is taken; InvalidRecord for a session that is no experiment."""
        now = self._clock()
        row = fields.model_dump(exclude={"session_ids", "rubric_items"}) | {
            "id": fields.id or uuid4(),
            "rubric_items": _stored(fields.rubric_items or []),
            "num_reviewers_per_item": fields.num_reviewers_per_item or 1,
            "enable_reservations": fields.enable_reservations is not False,
            "reservation_minutes": fields.reservation_minutes or RESERVATION_MINUTES,
            "created_at": now,
            "updated_at": now,
        }
        with self._database.write() as db:
            try:
                db.execute(insert(annotation_queues).values(row))
            except IntegrityError as error:
                raise Conflict(f"There already is an annotation queue {row['id']}.") from error
            if fields.session_ids:
                populate(db, row["id"], fields.session_ids, now)
            return _existing(db, row["id"])

    def get(self, queue_id: UUID) -> Queue:
        """One queue. Raises NotFound."""
        with self._database.read() as db:
            return _existing(db, queue_id)

    def find(
        self,
        *,
        ids: Collection[UUID] | None = None,
        name: str | None = None,
        name_contains: str | None = None,
        dataset_id: UUID | None = None,
        sort_by: Literal["created_at", "updated_at", "name"] = "created_at",
        descending: bool = True,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Queue]:
        """Queues, newest first unless said otherwise; each argument that is not None narrows the answer."""
        terms: list[ColumnElement[bool]] = []
        if ids is not None:
            terms.append(annotation_queues.c.id.in_(ids))
        if name is not None:
            terms.append(annotation_queues.c.name == name)
        if name_contains is not None:
            lower = func.lower(annotation_queues.c.name)
            terms.append(lower.contains(name_contains.lower(), autoescape=True))
        if dataset_id is not None:
            terms.append(annotation_queues.c.default_dataset == dataset_id)
        column = annotation_queues.c[sort_by]
        order = column.desc() if descending else column.asc()
        return self._all(_queue.where(*terms).order_by(order, annotation_queues.c.id).limit(limit).offset(offset))

    def board(self, queue_id: UUID, reviewer: str) -> Board:
        """The items of a queue as a reviewer sees them now."""
        return Board(self._database, queue_id, reviewer, self._clock())

    def holding(self, run_id: UUID) -> list[Queue]:
        """The queues that a run is in."""
        inside = select(queue_items.c.queue_id).where(queue_items.c.run_id == run_id)
        return self._all(_queue.where(annotation_queues.c.id.in_(inside)).order_by(annotation_queues.c.name))

    def change(self, queue_id: UUID, wanted: QueueChange) -> Queue:
        """Change the fields that `wanted` sets. Raises NotFound."""
        sent = {name: getattr(wanted, name) for name in wanted.model_fields_set}
        changes = {name: value for name, value in sent.items() if value is not None or name in _CLEARABLE}
        with self._database.write() as db:
            before = _existing(db, queue_id)
            if wanted.rubric_items is not None:
                changes["rubric_items"] = _merged(before.rubric_items, wanted.rubric_items)
            changed = update(annotation_queues).where(annotation_queues.c.id == queue_id)
            db.execute(changed.values(changes | {"updated_at": self._clock()}))
            return _existing(db, queue_id)

    def delete(self, queue_id: UUID) -> None:
        """Delete a queue with its items; their runs stay. Raises NotFound."""
        with self._database.write() as db:
            _existing(db, queue_id)
            db.execute(delete(annotation_queues).where(annotation_queues.c.id == queue_id))

    def _all(self, wanted: Select[Any]) -> list[Queue]:
        with self._database.read() as db:
            return [_queue_of(row) for row in db.execute(wanted)]


def _stored(items: Collection[RubricItem]) -> list[dict[str, Any]]:
    return [item.model_dump(mode="json", exclude_none=True) for item in items]


def _merged(before: Collection[RubricItem], after: Collection[RubricItem]) -> list[dict[str, Any]]:
    """The new rubric; conditions that are left out stay as they were."""
    old = {item.feedback_key: item for item in before}
    kept = ("required_if", "visible_if")
    return _stored(
        [
            item.model_copy(
                update={
                    name: getattr(old[item.feedback_key], name)
                    for name in kept
                    if name not in item.model_fields_set and item.feedback_key in old
                }
            )
            for item in after
        ]
    )


def _existing(db: Connection, queue_id: UUID) -> Queue:
    row = db.execute(_queue.where(annotation_queues.c.id == queue_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no annotation queue {queue_id}.")
    return _queue_of(row)


def _queue_of(row: Row[Any]) -> Queue:
    return Queue.model_validate(row._asdict())
