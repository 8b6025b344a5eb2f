"""Projects: named places for traces, and the experiments of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from app.ops.store.database import Database
from app.ops.store.errors import Conflict, InvalidRecord, NotFound
from app.ops.store.models import DEFAULT_PROJECT, Project, ProjectFields
from app.ops.store.runs.removal import remove_project
from app.ops.store.tables import projects

_CHANGEABLE = {"name", "description", "end_time", "extra", "keep_days"}


class Projects:
    """Get, make, change, delete. The default project always exists: clients learn about the workspace from it."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._seen: set[UUID] = set()
        with database.write() as db:
            project_named(db, DEFAULT_PROJECT, clock())

    def get(self, project_id: UUID) -> Project:
        """One project. Raises NotFound."""
        with self._database.read() as db:
            return _existing(db, project_id)

    def find(
        self,
        *,
        ids: Collection[UUID] | None = None,
        name: str | None = None,
        name_contains: str | None = None,
        reference_dataset_ids: Collection[UUID] | None = None,
        reference_free: bool | None = None,
    ) -> list[Project]:
        """Projects, newest first; each argument that is not None narrows the answer."""
        terms: list[ColumnElement[bool]] = []
        if ids is not None:
            terms.append(projects.c.id.in_(ids))
        if name is not None:
            terms.append(projects.c.name == name)
        if name_contains is not None:
            terms.append(func.lower(projects.c.name).contains(name_contains.lower(), autoescape=True))
        if reference_dataset_ids is not None:
            terms.append(projects.c.reference_dataset_id.in_(reference_dataset_ids))
        if reference_free:
            terms.append(projects.c.reference_dataset_id.is_(None))
        with self._database.read() as db:
            rows = db.execute(select(projects).where(*terms).order_by(projects.c.created_at.desc(), projects.c.id))
            return [_project(row) for row in rows]

    def create(self, fields: ProjectFields, *, upsert: bool = False) -> Project:
        """Make a project. Raises Conflict if its name or id is taken, unless `upsert` then changes that project."""
        with self._database.write() as db:
            taken = select(projects.c.id).where(or_(projects.c.name == fields.name, projects.c.id == fields.id))
            existing = db.scalar(taken)
            if existing and not upsert:
                raise Conflict(f"There already is a project named {fields.name!r}, or one with this id.")
            if existing:
                return _change(db, existing, fields)
            return _existing(db, _insert(db, fields, self._clock()))

    def change(self, project_id: UUID, fields: ProjectFields) -> Project:
        """Change the fields that are not None. Raises NotFound, or Conflict if the new name is taken."""
        with self._database.write() as db:
            return _change(db, project_id, fields)

    def keep(self, name: str, days: int | None) -> None:
        """Keep a project's traces so many days; 0 is for ever, None is as the settings say. Raises NotFound."""
        with self._database.write() as db:
            if not db.execute(update(projects).where(projects.c.name == name).values(keep_days=days)).rowcount:
                raise NotFound(f"There is no project {name!r}.")

    def delete(self, project_id: UUID) -> None:
        """Delete a project with its runs and their feedback. Raises NotFound."""
        with self._database.write() as db:
            _existing(db, project_id)
            remove_project(db, project_id)
            db.execute(delete(projects).where(projects.c.id == project_id))
            project_named(db, DEFAULT_PROJECT, self._clock())
        self._seen.discard(project_id)

    def require(self, project_ids: Collection[UUID]) -> None:
        """Make sure that these exist. Raises InvalidRecord."""
        for project_id in set(project_ids) - self._seen:
            with self._database.read() as db:
                if db.scalar(select(projects.c.id).where(projects.c.id == project_id)) is None:
                    raise InvalidRecord(
                        f"A run names the project {project_id}, which does not exist."
                        " Send session_name instead to have it made."
                    )
            self._seen.add(project_id)


def project_named(db: Connection, name: str, now: datetime) -> UUID:
    """The id of the project of that name, which is made if there is none."""
    known = select(projects.c.id).where(projects.c.name == name)
    return db.scalar(known) or _made(db, name, now) or db.execute(known).scalar_one()


def _made(db: Connection, name: str, now: datetime) -> UUID | None:
    """Make a project; None where another process has just made one of that name."""
    try:
        with db.begin_nested():
            return _insert(db, ProjectFields(name=name), now)
    except IntegrityError:
        return None


def _insert(db: Connection, fields: ProjectFields, now: datetime) -> UUID:
    project_id = fields.id or uuid4()
    db.execute(
        insert(projects).values(
            id=project_id,
            name=fields.name or DEFAULT_PROJECT,
            description=fields.description,
            created_at=fields.start_time or now,
            end_time=fields.end_time,
            extra=fields.extra or {},
            reference_dataset_id=fields.reference_dataset_id,
            keep_days=fields.keep_days,
            expected=fields.expected(),
        )
    )
    return project_id


def _change(db: Connection, project_id: UUID, fields: ProjectFields) -> Project:
    _existing(db, project_id)
    changes = fields.model_dump(include=_CHANGEABLE, exclude_none=True)
    if changes:
        try:
            db.execute(update(projects).where(projects.c.id == project_id).values(changes))
        except IntegrityError as error:
            raise Conflict(f"There already is a project named {fields.name!r}.") from error
    return _existing(db, project_id)


def _existing(db: Connection, project_id: UUID) -> Project:
    row = db.execute(select(projects).where(projects.c.id == project_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no project {project_id}.")
    return _project(row)


def _project(row: Row[Any]) -> Project:
    return Project.model_validate(row._asdict())
