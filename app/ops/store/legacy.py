"""Taking over the single SQLite file of Parley 0.1: its projects, runs and feedback.

Everything goes the way that clients' requests go, and taking it over twice changes nothing. So it may be killed at any
moment: the file is renamed at the end, and until then the next start begins again.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from app.ops.store.models import DOCUMENTS, Document, FeedbackFields, Ingest, ProjectFields, RunFields
from app.ops.store.store import OpsStore

log = logging.getLogger(__name__)

TAKEN_SUFFIX = ".migrated"
_BATCH = 200
_PLAIN = (
    *("id", "trace_id", "parent_run_id", "dotted_order", "name", "run_type", "start_time", "end_time", "error"),
    "reference_example_id",
)
_RUN: TypeAdapter[RunFields] = TypeAdapter(RunFields)


def take_over(file: Path, store: OpsStore) -> None:
    """Bring what the old file holds into the store, and rename the file; without such a file there is nothing to do."""
    if not file.is_file():
        return
    with closing(sqlite3.connect(file)) as old:
        old.row_factory = sqlite3.Row
        names = _take_projects(old, store)
        for some in _batches(old, "runs"):
            store.ingest(Ingest(posts=[run for row in some if (run := _run(dict(row), names))]))
        for some in _batches(old, "feedback"):
            store.ingest(Ingest(feedback=[one for row in some if (one := _feedback(dict(row), store, names))]))
        old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with suppress(FileNotFoundError):  # another process that did the same was faster
        file.rename(file.with_name(file.name + TAKEN_SUFFIX))


def _take_projects(old: sqlite3.Connection, store: OpsStore) -> dict[str, str]:
    """Make the projects; gives back their names by their old ids. Those that exist by name keep their new ids."""
    rows = old.execute("SELECT * FROM projects").fetchall()
    for row in rows:
        fields = ProjectFields(
            id=UUID(row["id"]),
            name=row["name"],
            description=row["description"],
            start_time=row["created_at"],
            end_time=dict(row).get("end_time"),
            extra=from_json(row["extra"]),
            reference_dataset_id=row["reference_dataset_id"],
        )
        store.projects.create(fields, upsert=True)
    return {row["id"]: row["name"] for row in rows}


def _batches(old: sqlite3.Connection, table: str) -> Iterator[list[sqlite3.Row]]:
    rows = iter(old.execute(f"SELECT * FROM {table} ORDER BY rowid"))  # noqa: S608 (this module's own names)
    while some := list(islice(rows, _BATCH)):
        yield some


def _run(row: Mapping[str, Any], projects: Mapping[str, str]) -> RunFields | None:
    guessed = {*from_json(row.get("guessed") or "[]")}
    known = {name: value for name, value in row.items() if value is not None and name not in guessed}
    fields: dict[str, Any] = {name: known[name] for name in _PLAIN if name in known}
    fields |= {name: Document.read(known[name]) for name in DOCUMENTS if name in known}
    fields["tags"] = from_json(known.get("tags", "[]"))
    if "project_id" in known:
        fields["session_name"] = projects[known["project_id"]]
    try:
        return _RUN.validate_python(fields)
    except ValidationError as error:
        log.warning("the run %s of the old store cannot be taken over: %s", row["id"], error)
        return None


def _feedback(row: Mapping[str, Any], store: OpsStore, projects: Mapping[str, str]) -> FeedbackFields | None:
    fields = {name: value for name, value in row.items() if value is not None}
    for name in ("value", "correction", "extra"):
        if name in fields:
            fields[name] = from_json(fields[name])
    fields["feedback_source"] = from_json(row["source"])
    if row["run_id"] is None and row["project_id"] in projects:
        (project,) = store.projects.find(name=projects[row["project_id"]])
        fields["session_id"] = project.id
    try:
        return FeedbackFields.model_validate(fields)
    except ValidationError as error:
        log.warning("the feedback %s of the old store cannot be taken over: %s", row["id"], error)
        return None
