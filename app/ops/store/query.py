"""Finding runs: a query becomes one SQL condition, pages follow each other by cursor."""

from __future__ import annotations

import sqlite3
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from pydantic_core import from_json

from app.ops.store.columns import id_list, json_text, stamp
from app.ops.store.errors import InvalidQuery
from app.ops.store.filters import Condition, all_of, compile_filter, contains_text
from app.ops.store.models import RunPage, RunQuery
from app.ops.store.runs import run_of


def page(db: sqlite3.Connection, wanted: RunQuery) -> RunPage:
    """One page of the runs that match. Raises InvalidQuery."""
    matching = all_of([condition(wanted), _after_cursor(wanted)])
    direction = "DESC" if wanted.newest_first else "ASC"
    rows = db.execute(
        f"SELECT * FROM runs WHERE {matching.sql}"  # noqa: S608 (conditions hold parameters only)
        f" ORDER BY start_time {direction}, id {direction} LIMIT ?",
        [*matching.parameters, wanted.limit + 1],
    ).fetchall()
    shown = rows[: wanted.limit]
    more = len(rows) > wanted.limit
    return RunPage(runs=[run_of(row) for row in shown], next_cursor=_cursor(shown[-1]) if more else None)


def condition(wanted: RunQuery) -> Condition:
    """What a run must fulfil, whichever page it stands on. Raises InvalidQuery."""
    return all_of([*_exact(wanted), *_sets(wanted), *_flags(wanted), *_expressions(wanted)])


def _exact(wanted: RunQuery) -> list[Condition]:
    bounds = {
        "trace_id = ?": wanted.trace_id and str(wanted.trace_id),
        "parent_run_id = ?": wanted.parent_run_id and str(wanted.parent_run_id),
        "run_type = ?": wanted.run_type,
        "start_time >= ?": wanted.started_from and stamp(wanted.started_from),
        "start_time <= ?": wanted.started_until and stamp(wanted.started_until),
    }
    return [Condition(sql, [value]) for sql, value in bounds.items() if value is not None]


def _sets(wanted: RunQuery) -> list[Condition]:
    sets = {
        "project_id": wanted.project_ids,
        "id": wanted.ids,
        "reference_example_id": wanted.reference_example_ids,
    }
    return [
        Condition(f"{column} IN (SELECT value FROM json_each(?))", [id_list(ids)])  # noqa: S608
        for column, ids in sets.items()
        if ids is not None
    ]


def _flags(wanted: RunQuery) -> list[Condition]:
    flags = [("parent_run_id IS NULL", wanted.is_root), ("status = 'error'", wanted.has_error)]
    return [Condition(sql if flag else f"NOT ({sql})", []) for sql, flag in flags if flag is not None]


def _expressions(wanted: RunQuery) -> list[Condition]:
    found = []
    if wanted.search:
        found.append(contains_text(wanted.search))
    if wanted.filter:
        found.append(compile_filter(wanted.filter))
    if wanted.trace_filter:
        found.append(_in_trace(compile_filter(wanted.trace_filter), "parent_run_id IS NULL AND "))
    if wanted.tree_filter:
        found.append(_in_trace(compile_filter(wanted.tree_filter)))
    return found


def _in_trace(inner: Condition, only: str = "") -> Condition:
    return Condition(f"trace_id IN (SELECT trace_id FROM runs WHERE {only}{inner.sql})", inner.parameters)  # noqa: S608


def _after_cursor(wanted: RunQuery) -> Condition:
    if not wanted.cursor:
        return Condition("TRUE", [])
    comparison = "<" if wanted.newest_first else ">"
    return Condition(f"(start_time, id) {comparison} (?, ?)", _read_cursor(wanted.cursor))


def _cursor(row: sqlite3.Row) -> str:
    return urlsafe_b64encode(json_text([row["start_time"], row["id"]]).encode()).decode()


def _read_cursor(cursor: str) -> list[Any]:
    try:
        start_time, run_id = from_json(urlsafe_b64decode(cursor.encode()))
        return [str(start_time), str(run_id)]
    except (ValueError, TypeError) as error:
        raise InvalidQuery("The cursor is not one that an earlier page gave.") from error
