"""Prices that the workspace sets, and what model calls cost by them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Row, delete, insert, select, update

from app.ops.store.costs.book import PriceBook
from app.ops.store.costs.models import Price, PriceFields
from app.ops.store.database import Database
from app.ops.store.errors import Conflict, NotFound
from app.ops.store.tables import counters, prices

# By this count every process on the database knows that there was a change.
_CHANGES = select(counters.c.next).where(counters.c.name == "prices")
_COUNT_CHANGE = update(counters).where(counters.c.name == "prices").values(next=counters.c.next + 1)
_DETAILS = ("prompt_cost_details", "completion_cost_details")
_SAME = ("name", "match_pattern", "match_path", "provider", "effective_from", "prompt_tokens_above")


class Prices:
    """Set, change, end and delete prices. A change counts at once, for calls that come in from then on."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._book = PriceBook()
        self._changes = 0

    def own(self) -> list[Price]:
        """The workspace's prices, the first to be applied first."""
        with self._database.read() as db:
            return sorted(_all(db), key=lambda price: price.rank, reverse=True)

    def get(self, price_id: UUID) -> Price:
        """One of the workspace's prices. Raises NotFound."""
        with self._database.read() as db:
            return _existing(db, price_id)

    def create(self, fields: PriceFields) -> Price:
        """Set a price. Raises Conflict if there is one for the very same calls."""
        price_id = uuid4()
        with self._database.write() as db:
            _refuse_twin(db, fields)
            db.execute(insert(prices).values(_row(fields) | {"id": price_id, "created_at": self._clock()}))
            db.execute(_COUNT_CHANGE)
        return self.get(price_id)

    def replace(self, price_id: UUID, fields: PriceFields) -> Price:
        """Change every field of a price. Raises NotFound, or Conflict as `create` does."""
        with self._database.write() as db:
            _existing(db, price_id)
            _refuse_twin(db, fields, but=price_id)
            db.execute(update(prices).where(prices.c.id == price_id).values(_row(fields)))
            db.execute(_COUNT_CHANGE)
        return self.get(price_id)

    def end(self, price_id: UUID, at: datetime) -> Price:
        """Let a price hold no longer than until then. Raises NotFound."""
        with self._database.write() as db:
            _existing(db, price_id)
            db.execute(update(prices).where(prices.c.id == price_id).values(effective_until=at))
            db.execute(_COUNT_CHANGE)
        return self.get(price_id)

    def delete(self, price_id: UUID) -> None:
        """Forget a price, as if it had never been set; nothing happens if there is none."""
        with self._database.write() as db:
            db.execute(delete(prices).where(prices.c.id == price_id))
            db.execute(_COUNT_CHANGE)

    def book(self) -> PriceBook:
        """All prices as they are now, whichever process set them."""
        with self._database.peek() as db:
            changes = db.scalar(_CHANGES) or 0
            if changes != self._changes:
                self._book, self._changes = PriceBook(_all(db)), changes
        return self._book


def _all(db: Connection) -> list[Price]:
    return [_price(row) for row in db.execute(select(prices))]


def _existing(db: Connection, price_id: UUID) -> Price:
    row = db.execute(select(prices).where(prices.c.id == price_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no price {price_id} that this workspace has set.")
    return _price(row)


def _refuse_twin(db: Connection, fields: PriceFields, but: UUID | None = None) -> None:
    for other in _all(db):
        if other.id != but and all(getattr(other, name) == getattr(fields, name) for name in _SAME):
            raise Conflict(f"There already is a price {other.name!r} for the same calls from the same time on.")


def _row(fields: PriceFields) -> dict[str, Any]:
    row = fields.model_dump(include=set(PriceFields.model_fields))
    return row | {name: _texts(row[name]) for name in _DETAILS}


def _texts(details: Mapping[str, Decimal]) -> dict[str, str]:
    return {kind: str(price) for kind, price in details.items()}


def _price(row: Row[Any]) -> Price:
    return Price.model_validate(row._asdict())
