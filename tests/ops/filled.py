"""Rows for every table there is, worked out from the tables themselves, so that a new table is never left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, LargeBinary, Table, Uuid, insert, update

from app.ops.store import OpsStore
from app.ops.store.tables import counters, metadata
from app.ops.store.tables.base import Json, Moment, Usd
from app.ops.transfer.scope import exported_tables

ROWS = 3
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
Rows = dict[str, list[dict[str, Any]]]


def fill(store: OpsStore, word: str) -> Rows:
    """Three rows for each table. Texts, names and structures say `word`; the third row has no optional values."""
    rows: Rows = {}
    digests = [store.blobs.put(f"{word} file {number}".encode()) for number in range(ROWS)]
    with store.database.write() as db:
        for table in sorted(exported_tables(), key=lambda table: table.name not in ("projects", "runs")):
            if table is not counters:
                rows[table.name] = [_row(table, number, word, rows, digests) for number in range(ROWS)]
                db.execute(insert(table), rows[table.name])
        db.execute(update(counters).values(next=100))
    return rows


def _row(table: Table, number: int, word: str, rows: Rows, digests: list[str]) -> dict[str, Any]:
    if number == ROWS - 1:
        columns = [column for column in table.c if not column.nullable]
        left_out = {column.name: None for column in table.c if column.nullable}
    else:
        columns, left_out = list(table.c), {}
    return left_out | {column.name: _value(column, number, word, rows, digests) for column in columns}


def _value(column: Column[Any], number: int, word: str, rows: Rows, digests: list[str]) -> Any:
    for key in column.foreign_keys:
        if key.column.table.name in rows:
            return rows[key.column.table.name][number][key.column.name]
    if column.name == "attachments":
        return {"a": {"mime_type": "text/plain", "size_bytes": 9, "digest": digests[number]}}
    if column.name == "run_id":
        return rows["runs"][number]["id"]
    if column.name == "project_id":
        return rows["projects"][number]["id"]
    if column.name == "num" and column.table.name in ("run_labels", "run_tags"):
        return rows["runs"][number]["num"]
    if column.name == "expected":
        return {"runs": number, "evaluator_keys": [word]}
    return _sample(column, number, word)


def _sample(column: Column[Any], number: int, word: str) -> Any:
    kind = column.type
    if isinstance(kind, Uuid):
        return uuid4()
    if isinstance(kind, Moment):
        return START + timedelta(days=number, microseconds=1)
    if isinstance(kind, Usd):
        return Decimal("0.000000000001") * (number + 1)
    if isinstance(kind, Json):
        return {word: [f"{word} {column.name} {number}", None, "é\n", {"deep": 0.1}]}
    if isinstance(kind, Boolean):
        return number == 0 and column.name != "is_enabled"  # nothing acts on these rows by itself
    if isinstance(kind, Float):
        return 0.1 + number
    if isinstance(kind, Integer | BigInteger):
        return number + 1
    return bytes(8) if isinstance(kind, LargeBinary) else f'"{word} {column.name} {number} é"'


def every_row(store: OpsStore) -> dict[str, list[tuple[Any, ...]]]:
    """All that is in a store, in an order that does not depend on the engine."""
    with store.read() as db:
        return {
            table.name: sorted((tuple(row) for row in db.execute(table.select())), key=repr)
            for table in metadata.tables.values()
        }


def ids_of(rows: Rows) -> set[UUID]:
    """Every id in these rows."""
    return {value for some in rows.values() for row in some for value in row.values() if isinstance(value, UUID)}
