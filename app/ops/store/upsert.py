"""Writing rows over those with the same key, on either engine."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def upsert(
    db: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, key: str = "id", keep: Collection[str] = ()
) -> None:
    """Insert rows, all with the same columns; where `key` is taken, that row changes, but for the columns in `keep`."""
    if not rows:
        return
    insert = (sqlite if db.dialect.name == "sqlite" else postgresql).insert(table)
    changed = {name: insert.excluded[name] for name in rows[0] if name != key and name not in keep}
    db.execute(insert.on_conflict_do_update(index_elements=[key], set_=changed), list(rows))
