"""Types of columns, chosen so that both engines store, sort and compare values alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, TypeVar

from pydantic_core import from_json, to_json
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Dialect,
    Float,
    Integer,
    MetaData,
    Text,
    TypeDecorator,
    func,
    literal,
    type_coerce,
)

metadata = MetaData()

Serial = BigInteger().with_variant(Integer, "sqlite")
"""A row's number; on SQLite only INTEGER is the row id itself."""

BytewiseText = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that is ordered by its bytes, whatever language the server is set to."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PER_USD = 10**12
_MOST = 2**63 - 1
T = TypeVar("T")


class Moment(TypeDecorator[datetime]):
    """A point in time, as whole microseconds since 1970 (UTC); differences are microseconds too."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else microseconds(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else moment(int(value))


class Json(TypeDecorator[Any]):
    """A structure as JSON text, kept as it was written; numbers that JSON cannot hold become null."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else from_json(value)


class Usd(TypeDecorator[Decimal]):
    """US dollars, exact to 10⁻¹², so that sums of tiny prices neither drift nor depend on their order.

    There are nine million at most: a larger sum, which no honest trace has, is kept as that.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | float | None, dialect: Dialect) -> int | None:
        return None if value is None else min(round(Decimal(str(value)) * _PER_USD), _MOST)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else usd(int(value))


def total_usd(column: ColumnElement[Any]) -> ColumnElement[Decimal | None]:
    """The sum of a column of dollars over many rows, which may exceed what one may hold; good to 15 digits."""
    return type_coerce(func.sum(type_coerce(column, BigInteger) * literal(1.0, Float)), Usd)


def microseconds(moment: datetime) -> int:
    """What a `Moment` column holds for this point in time."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(since_epoch_us: int) -> datetime:
    """The point in time that a `Moment` column holds so."""
    return _EPOCH + timedelta(microseconds=since_epoch_us)


def usd(amount: int) -> Decimal:
    """The dollars that a `Usd` column holds so."""
    return Decimal(amount) / _PER_USD


def json_text(value: Any) -> str:
    """`value` as JSON; numbers that JSON cannot hold become null."""
    return to_json(value, inf_nan_mode="null").decode()


def chunks(items: Iterable[T], size: int = 1000) -> Iterator[list[T]]:
    """The items in lists that fit into one `IN`."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
