"""How values lie in the tables: UUIDs and times as text that sorts, structures as JSON."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic_core import from_json, to_json


def stamp(moment: datetime) -> str:
    """A moment in UTC, with microseconds and offset always, so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def json_text(value: Any) -> str:
    """`value` as JSON; numbers that JSON cannot hold become null."""
    return to_json(value, inf_nan_mode="null").decode()


def json_value(text: str | None, default: Any = None) -> Any:
    """What `json_text` wrote; `default` where the column is empty."""
    return default if text is None else from_json(text)


def id_list(ids: Collection[UUID]) -> str:
    """Ids as one parameter, for `IN (SELECT value FROM json_each(?))`."""
    return json_text([str(one) for one in ids])


def insert_or_update(db: sqlite3.Connection, table: str, values: Mapping[str, Any]) -> None:
    """Write one row, over the row of the same id if there is one. `table` and the keys are this package's own."""
    updates = ", ".join(f"{name} = excluded.{name}" for name in values if name != "id")
    db.execute(
        f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})"  # noqa: S608
        f" ON CONFLICT (id) DO UPDATE SET {updates}",
        list(values.values()),
    )
