"""Taking runs in: fields merge in whatever order they arrive, then what follows from them is derived."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from app.ops.store import feedback, projects
from app.ops.store.columns import id_list, insert_or_update, json_text, json_value, stamp
from app.ops.store.errors import InvalidRecord
from app.ops.store.models import DEFAULT_PROJECT, Ingest, Moment, RunFields
from app.ops.store.usage import reported_usage, roll_up

Columns = dict[str, Any]
"""One run as its row: names of columns and what stands in them."""

_TEXTS = ("id", "trace_id", "parent_run_id", "dotted_order", "name", "run_type", "error", "reference_example_id")
_TIMES = ("start_time", "end_time")
_STRUCTURES = ("inputs", "outputs", "events", "extra", "serialized", "tags")
_SENT = (*_TEXTS, *_TIMES, *_STRUCTURES, "project_id", "attachments")
_EVERY_RUN_HAS = ("trace_id", "project_id", "dotted_order", "name", "run_type", "start_time", "tags")
_THREAD_KEYS = ("session_id", "conversation_id", "thread_id")
_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


def store_batch(db: sqlite3.Connection, batch: Ingest, now: datetime) -> None:
    """Store a whole request. Raises InvalidRecord, so that the caller's transaction is undone."""
    changes = [*batch.posts, *batch.patches]
    known = _sent_columns(db, [change.id for change in changes])
    for post in batch.posts:
        known[str(post.id)] = _merge(_columns(db, post, now), over=known.get(str(post.id), {}))
    for patch in batch.patches:
        known[str(patch.id)] = _merge(known.get(str(patch.id), {}), over=_columns(db, patch, now))
    touched = {_write(db, columns, now) for columns in known.values()}
    for trace_id in touched:
        roll_up(db, trace_id)
    feedback.put(db, batch.feedback, now)


def _sent_columns(db: sqlite3.Connection, run_ids: list[UUID]) -> dict[str, Columns]:
    """What clients have said so far about these runs, without what the store guessed or derived."""
    rows = db.execute(
        f"SELECT {', '.join(_SENT)}, guessed FROM runs WHERE id IN (SELECT value FROM json_each(?))",  # noqa: S608
        [id_list(run_ids)],
    )
    known = {}
    for row in rows:
        absent = {"guessed", *json_value(row["guessed"])}
        known[row["id"]] = {name: row[name] for name in row.keys() if name not in absent}  # noqa: SIM118
    return known


def _columns(db: sqlite3.Connection, fields: RunFields, now: datetime) -> Columns:
    sent = {name: getattr(fields, name) for name in (*_TEXTS, *_TIMES, *_STRUCTURES)}
    columns = {name: value for name, value in sent.items() if value is not None}
    for name in columns.keys() & set(_TEXTS):
        columns[name] = str(columns[name])
    for name in columns.keys() & set(_TIMES):
        columns[name] = stamp(columns[name])
    for name in columns.keys() & set(_STRUCTURES):
        columns[name] = json_text(columns[name])
    if fields.attachments:
        columns["attachments"] = json_text(fields.attachments)
    if fields.session_id or fields.session_name:
        columns["project_id"] = _project_id(db, fields, now)
    return columns


def _project_id(db: sqlite3.Connection, fields: RunFields, now: datetime) -> str:
    if fields.session_id is None:
        return projects.named(db, fields.session_name or DEFAULT_PROJECT, now)
    if db.execute("SELECT 1 FROM projects WHERE id = ?", [str(fields.session_id)]).fetchone() is None:
        raise InvalidRecord(
            f"Run {fields.id} names the project {fields.session_id}, which does not exist."
            " Send session_name instead to have it made."
        )
    return str(fields.session_id)


def _merge(columns: Columns, *, over: Columns) -> Columns:
    """`columns` with `over` laid on top; `extra` and the objects in it are merged, not replaced."""
    merged = columns | {name: value for name, value in over.items() if value is not None}
    if columns.get("extra") and over.get("extra"):
        low, high = json_value(columns["extra"]), json_value(over["extra"])
        merged["extra"] = json_text(low | {key: _merged_value(low.get(key), high[key]) for key in high})
    return merged


def _merged_value(low: Any, high: Any) -> Any:
    return low | high if isinstance(low, dict) and isinstance(high, dict) else high


def _write(db: sqlite3.Connection, sent: Columns, now: datetime) -> str:
    """Write one run whole, and place the feedback that came before it; gives back its trace's id."""
    guessed = _guesses(db, sent, now)
    row = dict.fromkeys(_SENT) | {"extra": "{}"}
    row |= {name: value for name, value in sent.items() if value is not None} | guessed
    row |= _derived(row)
    row |= {"guessed": json_text(list(guessed)), "received_at": stamp(now)}
    insert_or_update(db, "runs", row)
    db.execute(
        "UPDATE feedback SET project_id = ?, trace_id = ? WHERE run_id = ?",
        [row["project_id"], row["trace_id"], row["id"]],
    )
    return str(row["trace_id"])


def _guesses(db: sqlite3.Connection, sent: Columns, now: datetime) -> Columns:
    """Stand-ins for what every run has, should its sender not have said it yet."""
    missing = {name for name in _EVERY_RUN_HAS if not sent.get(name)}
    guesses = {"name": "unnamed", "run_type": "chain", "start_time": stamp(now), "tags": "[]"}
    if missing & {"trace_id", "project_id", "dotted_order"}:
        guesses |= _place(db, sent, sent.get("start_time") or guesses["start_time"], now)
    return {name: guesses[name] for name in missing}


def _place(db: sqlite3.Connection, sent: Columns, started: str, now: datetime) -> Columns:
    """Where the run belongs: below its parent if that is known, else in a trace of its own."""
    parent = db.execute(
        "SELECT trace_id, dotted_order, project_id FROM runs WHERE id = ?", [sent.get("parent_run_id")]
    ).fetchone()
    step = f"{datetime.fromisoformat(started):%Y%m%dT%H%M%S%f}Z{sent['id']}"
    return {
        "trace_id": parent["trace_id"] if parent else sent["id"],
        "project_id": parent["project_id"] if parent else projects.named(db, DEFAULT_PROJECT, now),
        "dotted_order": f"{parent['dotted_order']}.{step}" if parent else step,
    }


def _derived(row: Columns) -> Columns:
    extra, outputs = json_value(row["extra"]), None
    if row["run_type"] == "llm":
        outputs = json_value(row["outputs"])
    usage = reported_usage(row["run_type"], extra, outputs)
    return {
        "status": "error" if row["error"] else "success" if row["end_time"] else "pending",
        "latency_s": _latency_s(row["start_time"], row["end_time"]),
        "first_token_time": _first_token_time(json_value(row["events"], [])),
        "thread_id": _thread_id(extra.get("metadata")),
        "usage": None if usage is None else usage.model_dump_json(),
    }


def _latency_s(start: str, end: str | None) -> float | None:
    """Never negative: clocks of two machines may disagree."""
    if end is None:
        return None
    return max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())


def _first_token_time(events: Iterable[dict[str, Any]]) -> str | None:
    for event in events:
        if event.get("name") == "new_token":
            return _stamp_or_none(event.get("time"))
    return None


def _stamp_or_none(value: Any) -> str | None:
    try:
        return stamp(_MOMENT.validate_python(value))
    except ValidationError:
        return None


def _thread_id(metadata: Any) -> str | None:
    if not isinstance(metadata, dict):
        return None
    return next((str(metadata[key]) for key in _THREAD_KEYS if metadata.get(key)), None)
