"""Writing many rows, over those with the same key, on either engine.

The statement and the way each column's values are bound are worked out once for a table. Left to itself, SQLAlchemy
looks at every value of every row anew, which costs more than the insert and counts where a run brings a dozen rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Dialect, Table
from sqlalchemy.dialects import postgresql, sqlite

Bind = Callable[[Any], Any]


def upsert(
    db: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, key: str = "id", keep: Collection[str] = ()
) -> None:
    """Insert rows, all with the same columns; where `key` is taken, that row changes, but for the columns in `keep`."""
    if rows:
        columns = tuple(rows[0])
        changed = tuple(name for name in columns if name != key and name not in keep)
        _write(db, _statement(db.dialect, table, columns, key, changed), rows)


def insert(db: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, all with the same columns."""
    if rows:
        _write(db, _statement(db.dialect, table, tuple(rows[0])), rows)


@dataclass(frozen=True)
class _Statement:
    sql: str
    binds: tuple[tuple[str, Bind | None], ...]


def _write(db: Connection, statement: _Statement, rows: Sequence[Mapping[str, Any]]) -> None:
    binds = statement.binds
    values = [tuple([row[name] if bind is None else bind(row[name]) for name, bind in binds]) for row in rows]
    db.exec_driver_sql(statement.sql, values)


@cache
def _statement(
    dialect: Dialect, table: Table, columns: tuple[str, ...], key: str | None = None, changed: tuple[str, ...] = ()
) -> _Statement:
    is_sqlite = dialect.name == "sqlite"
    into = (sqlite if is_sqlite else postgresql).insert(table).values(dict.fromkeys(columns))
    if key:
        into = into.on_conflict_do_update(index_elements=[key], set_={name: into.excluded[name] for name in changed})
    compiled = into.compile(dialect=dialect)
    in_order = [column for column in table.c if column.name in columns]
    binds = tuple((column.name, column.type.dialect_impl(dialect).bind_processor(dialect)) for column in in_order)
    sql = str(compiled) if is_sqlite else str(compiled) % {name: "%s" for name in columns}
    return _Statement(sql, binds)
