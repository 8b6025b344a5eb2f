"""Projects: get, make, change, delete."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from app.ops.store.columns import json_text, json_value, stamp
from app.ops.store.errors import Conflict, NotFound
from app.ops.store.models import DEFAULT_PROJECT, Project, ProjectFields


def get(db: sqlite3.Connection, project_id: UUID) -> Project:
    """One project. Raises NotFound."""
    row = db.execute("SELECT * FROM projects WHERE id = ?", [str(project_id)]).fetchone()
    if row is None:
        raise NotFound(f"There is no project {project_id}.")
    return _project(row)


def find(db: sqlite3.Connection, name: str | None = None, name_contains: str | None = None) -> list[Project]:
    """Projects, newest first."""
    rows = db.execute(
        "SELECT * FROM projects WHERE (?1 IS NULL OR name = ?1) AND (?2 IS NULL OR instr(lower(name), lower(?2)))"
        " ORDER BY created_at DESC, id",
        [name, name_contains],
    )
    return [_project(row) for row in rows]


def create(db: sqlite3.Connection, fields: ProjectFields, now: datetime, *, upsert: bool = False) -> Project:
    """Make a project. Raises Conflict if its name or id is taken, unless `upsert` then changes that project."""
    name = fields.name or DEFAULT_PROJECT
    taken = db.execute("SELECT id FROM projects WHERE name = ? OR id = ?", [name, _text(fields.id)]).fetchone()
    if taken and not upsert:
        raise Conflict(f"There already is a project named {name!r}, or one with this id.")
    if taken:
        return change(db, UUID(taken["id"]), fields)
    project_id = fields.id or uuid4()
    db.execute(
        "INSERT INTO projects (id, name, description, created_at, end_time, extra, reference_dataset_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            str(project_id),
            name,
            fields.description,
            stamp(fields.start_time or now),
            stamp(fields.end_time) if fields.end_time else None,
            json_text(fields.extra or {}),
            _text(fields.reference_dataset_id),
        ],
    )
    return get(db, project_id)


def change(db: sqlite3.Connection, project_id: UUID, fields: ProjectFields) -> Project:
    """Change the fields that are not None. Raises NotFound, or Conflict if the new name is taken."""
    get(db, project_id)
    try:
        db.execute(
            "UPDATE projects SET name = COALESCE(?, name), description = COALESCE(?, description),"
            " end_time = COALESCE(?, end_time), extra = COALESCE(?, extra) WHERE id = ?",
            [
                fields.name,
                fields.description,
                stamp(fields.end_time) if fields.end_time else None,
                json_text(fields.extra) if fields.extra is not None else None,
                str(project_id),
            ],
        )
    except sqlite3.IntegrityError as error:
        raise Conflict(f"There already is a project named {fields.name!r}.") from error
    return get(db, project_id)


def delete(db: sqlite3.Connection, project_id: UUID) -> None:
    """Delete a project with its runs and their feedback. Raises NotFound."""
    get(db, project_id)
    key = {"project": str(project_id)}
    db.execute(
        "DELETE FROM feedback WHERE project_id = :project"
        " OR run_id IN (SELECT id FROM runs WHERE project_id = :project)",
        key,
    )
    db.execute("DELETE FROM runs WHERE project_id = :project", key)
    db.execute("DELETE FROM projects WHERE id = :project", key)


def named(db: sqlite3.Connection, name: str, now: datetime) -> str:
    """The id of the project of that name, which is made if there is none."""
    row = db.execute("SELECT id FROM projects WHERE name = ?", [name]).fetchone()
    return row["id"] if row else str(create(db, ProjectFields(name=name), now).id)


def ensure_default(db: sqlite3.Connection, now: datetime) -> None:
    """Make the project of the runs that name none: clients learn about the workspace from it."""
    named(db, DEFAULT_PROJECT, now)


def _project(row: sqlite3.Row) -> Project:
    values: dict[str, Any] = dict(row)
    return Project.model_validate(values | {"extra": json_value(values["extra"])})


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
