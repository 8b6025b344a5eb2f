"""Saved filters: named ones that everybody in the workspace finds above the turn list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import delete, func, select

from app.ops.store.database import Database
from app.ops.store.errors import Conflict, NotFound
from app.ops.store.tables import saved_filters
from app.ops.store.upsert import upsert

MAX_SAVED = 100


@dataclass(frozen=True)
class SavedFilter:
    """A name for what was asked of the turn list."""

    id: UUID
    name: str
    query: str
    """As in an address, such as `status=failed&model=small`."""
    created_at: datetime


class SavedFilters:
    """Save, list, delete."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def all(self) -> list[SavedFilter]:
        """By name."""
        with self._database.read() as db:
            return [SavedFilter(**row._asdict()) for row in db.execute(_BY_NAME)]

    def save(self, name: str, query: str) -> None:
        """Keep a filter; one of the same name is replaced. Raises Conflict where there are too many."""
        row = {"id": uuid4(), "name": name, "query": query, "created_at": self._clock()}
        with self._database.write() as db:
            others = select(func.count()).select_from(saved_filters).where(saved_filters.c.name != name)
            if (db.scalar(others) or 0) >= MAX_SAVED:
                raise Conflict(f"There are {MAX_SAVED} saved filters. Delete one that nobody uses first.")
            upsert(db, saved_filters, [row], key="name", keep=("id", "created_at"))

    def delete(self, filter_id: UUID) -> None:
        """Forget a filter. Raises NotFound."""
        with self._database.write() as db:
            if not db.execute(delete(saved_filters).where(saved_filters.c.id == filter_id)).rowcount:
                raise NotFound(f"There is no saved filter {filter_id}.")


_BY_NAME = select(saved_filters).order_by(saved_filters.c.name)
