"""Runs as they lie in the table."""

from __future__ import annotations

import sqlite3
from typing import Any
from uuid import UUID

from app.ops.store.columns import json_value
from app.ops.store.models import Run

_JSON = ("inputs", "outputs", "extra", "events", "serialized", "tags", "attachments", "usage")
_NEVER_NONE: dict[str, Any] = {"inputs": {}, "extra": {}, "events": [], "tags": [], "attachments": {}}


def get(db: sqlite3.Connection, run_id: UUID) -> Run | None:
    """One run, or None."""
    row = db.execute("SELECT * FROM runs WHERE id = ?", [str(run_id)]).fetchone()
    return None if row is None else run_of(row)


def trace(db: sqlite3.Connection, trace_id: UUID) -> list[Run]:
    """All runs of a trace in their order, the root first."""
    rows = db.execute("SELECT * FROM runs WHERE trace_id = ? ORDER BY dotted_order, id", [str(trace_id)])
    return [run_of(row) for row in rows]


def run_of(row: sqlite3.Row) -> Run:
    """The run that a whole row of the table holds."""
    values: dict[str, Any] = dict(row)
    for name in _JSON:
        values[name] = json_value(values[name], _NEVER_NONE.get(name))
    return Run.model_validate(values)
