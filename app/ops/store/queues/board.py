"""An annotation queue as one reviewer sees it: what is mine, what waits for others, what is done."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from pydantic_core import from_json
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Subquery,
    and_,
    case,
    func,
    literal,
    or_,
    select,
)

from app.ops.store.database import Database
from app.ops.store.errors import InvalidQuery, NotFound
from app.ops.store.queues.items import require_queue
from app.ops.store.queues.models import Item, ItemPage, ItemQuery, Placement
from app.ops.store.tables.base import chunks, json_text, microseconds
from app.ops.store.tables.queues import queue_items, queue_reviews

_FARTHEST = 2**62
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class Board:
    """Reads the items of one queue for one reviewer at one moment. Every method raises NotFound for no such queue."""

    def __init__(self, database: Database, queue_id: UUID, reviewer: str, now: datetime) -> None:
        self._database = database
        self._queue_id = queue_id
        self._reviewer = reviewer
        self._now = now

    def find(self, wanted: ItemQuery | None = None, *, limit: int | None = None, offset: int = 0) -> list[Item]:
        """Items in the order of the queue."""
        with self._database.read() as db:
            queue, view = self._open(db)
            listed = select(view).where(*_matching(view, wanted or ItemQuery())).order_by(*_place(view))
            return self._items(db, queue, listed.limit(limit).offset(offset))

    def page(
        self,
        wanted: ItemQuery,
        *,
        cursor: str | None = None,
        direction: Literal["forward", "backward"] = "forward",
        limit: int = 100,
    ) -> ItemPage:
        """The items from the cursor on, or those just before it. Raises InvalidQuery."""
        backward = direction == "backward"
        if backward and not cursor:
            raise InvalidQuery("To page backward, send the cursor of a page.")
        with self._database.read() as db:
            queue, view = self._open(db)
            listed = select(view).where(*_matching(view, wanted))
            if cursor:
                before = _before(view, *_read_cursor(cursor))
                listed = listed.where(before if backward else ~before)
            order = [column.desc() if backward else column.asc() for column in _place(view)]
            found = self._items(db, queue, listed.order_by(*order).limit(limit + 1))
        if backward:
            shown = found[:limit][::-1]
            return ItemPage(items=shown, next_cursor=_cursor(shown[0]) if len(found) > limit else None)
        return ItemPage(items=found[:limit], next_cursor=_cursor(found[limit]) if len(found) > limit else None)

    def count(self, wanted: ItemQuery | None = None) -> int:
        """How many items match."""
        with self._database.read() as db:
            _, view = self._open(db)
            return _count(db, select(view.c.id).where(*_matching(view, wanted or ItemQuery())))

    def get(self, item_or_run_id: UUID) -> Item:
        """One item, by its own id or its run's. Raises NotFound."""
        found = self.many([item_or_run_id])
        if not found:
            raise NotFound(f"There is no item {item_or_run_id} in this annotation queue.")
        return found[0]

    def many(self, ids: Collection[UUID]) -> list[Item]:
        """Those of these items that are in the queue, by their own ids or their runs', in order of addition."""
        with self._database.read() as db:
            queue, view = self._open(db)
            named = [select(view).where(or_(view.c.id.in_(some), view.c.run_id.in_(some))) for some in chunks(ids)]
            found = [item for wanted in named for item in self._items(db, queue, wanted)]
            return sorted(found, key=lambda item: item.num)

    def placement(self, item_id: UUID) -> Placement:
        """Where an item stands. Raises NotFound."""
        item = self.get(item_id)
        with self._database.read() as db:
            _, view = self._open(db)
            before = _before(view, item.effective_added_at, item.num)
            position = _count(db, select(view.c.id).where(view.c.section == item.section, before))
        return Placement(item_type=item.item_type, section=item.section, position=position, cursor=_cursor(item))

    def _open(self, db: Connection) -> tuple[Row[Any], Subquery]:
        queue = require_queue(db, self._queue_id)
        mine = queue_reviews.alias()
        is_mine = and_(mine.c.item_id == queue_items.c.id, mine.c.reviewer == self._reviewer)
        others = and_(self._reserving(queue), queue_reviews.c.reviewer != self._reviewer)
        taken = _reviews(queue_reviews.c.status == "completed") + _reviews(others)
        is_open = and_(mine.c.status.is_distinct_from("completed"), taken < queue.num_reviewers_per_item)
        section = case(
            (queue_items.c.archived_at.is_not(None), "archived"),
            (is_open, "needs_my_review"),
            else_="needs_others_review",
        )
        place = func.coalesce(mine.c.override_added_at, queue_items.c.added_at)
        view = select(queue_items, place.label("effective_added_at"), section.label("section"))
        view = view.select_from(queue_items.outerjoin(mine, is_mine)).where(queue_items.c.queue_id == self._queue_id)
        return queue, view.subquery()

    def _reserving(self, queue: Row[Any]) -> ColumnElement[bool]:
        if not queue.enable_reservations:
            return literal(False)
        since = self._now - timedelta(minutes=queue.reservation_minutes)
        return and_(queue_reviews.c.status == "viewed", queue_reviews.c.reviewed_at > since)

    def _items(self, db: Connection, queue: Row[Any], listed: Select[Any]) -> list[Item]:
        rows = db.execute(listed).all()
        ids = [row.id for row in rows]
        completed = _reviewers(db, ids, queue_reviews.c.status == "completed")
        reserved = _reviewers(db, ids, self._reserving(queue))
        return [
            Item.model_validate(
                row._asdict() | {"completed_by": completed.get(row.id, []), "reserved_by": reserved.get(row.id, [])}
            )
            for row in rows
        ]


def _reviews(condition: ColumnElement[bool]) -> ColumnElement[int]:
    of_item = queue_reviews.c.item_id == queue_items.c.id
    return (
        select(func.count())
        .select_from(queue_reviews)
        .where(of_item, condition)
        .correlate(queue_items)
        .scalar_subquery()
    )


def _reviewers(db: Connection, item_ids: Collection[UUID], condition: ColumnElement[bool]) -> dict[UUID, list[str]]:
    found: dict[UUID, list[str]] = {}
    columns = select(queue_reviews.c.item_id, queue_reviews.c.reviewer).order_by(queue_reviews.c.reviewed_at)
    for some in chunks(item_ids):
        for item_id, reviewer in db.execute(columns.where(queue_reviews.c.item_id.in_(some), condition)):
            found.setdefault(item_id, []).append(reviewer)
    return found


def _matching(view: Subquery, wanted: ItemQuery) -> list[ColumnElement[bool]]:
    terms: list[ColumnElement[bool]] = []
    if wanted.section is not None:
        terms.append(view.c.section == wanted.section)
    if wanted.item_type is not None:
        terms.append(view.c.item_type == wanted.item_type)
    if wanted.archived is not None:
        terms.append(view.c.archived_at.is_not(None) if wanted.archived else view.c.archived_at.is_(None))
    if wanted.started_from is not None:
        terms.append(view.c.start_time >= wanted.started_from)
    if wanted.started_until is not None:
        terms.append(view.c.start_time <= wanted.started_until)
    if wanted.archived_after is not None:
        terms.append(view.c.archived_at > wanted.archived_after)
    if wanted.archived_before is not None:
        terms.append(view.c.archived_at < wanted.archived_before)
    return terms


def _place(view: Subquery) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    return view.c.effective_added_at, view.c.num


def _before(view: Subquery, moment: datetime, num: int) -> ColumnElement[bool]:
    at, number = _place(view)
    return or_(at < moment, and_(at == moment, number < num))


def _count(db: Connection, wanted: Select[Any]) -> int:
    return db.scalar(select(func.count()).select_from(wanted.subquery())) or 0


def _cursor(item: Item) -> str:
    place = [microseconds(item.effective_added_at), item.num]
    return urlsafe_b64encode(json_text(place).encode()).decode()


def _read_cursor(cursor: str) -> tuple[datetime, int]:
    try:
        since_epoch, num = from_json(urlsafe_b64decode(cursor.encode()))
        return _EPOCH + timedelta(microseconds=int(since_epoch)), max(-_FARTHEST, min(int(num), _FARTHEST))
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidQuery("The cursor is not one that an earlier page gave.") from error
