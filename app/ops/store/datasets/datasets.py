"""Datasets: get, find, make, change, copy, share, delete."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID, uuid4

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Connection, Row, Select, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from app.ops.store.database import Database
from app.ops.store.datasets.example_rows import READ, example_of, put_examples
from app.ops.store.datasets.example_schemas import ExampleCheck, check_schema
from app.ops.store.datasets.examples import change_examples, create_examples
from app.ops.store.datasets.models import (
    Dataset,
    DatasetChange,
    DatasetFields,
    DatasetOrder,
    DataType,
    Example,
    ExampleChange,
    ExampleFields,
)
from app.ops.store.datasets.versions import begin_version, lock_dataset, moment_of, require_dataset, valid_at
from app.ops.store.errors import Conflict, InvalidRecord, NotFound
from app.ops.store.runs.removal import remove_project
from app.ops.store.tables import datasets, example_versions, projects

_SESSIONS = projects.c.reference_dataset_id == datasets.c.id
_COUNTS = {
    "example_count": select(func.count())
    .where(example_versions.c.dataset_id == datasets.c.id, example_versions.c.until.is_(None))
    .scalar_subquery(),
    "session_count": select(func.count()).where(_SESSIONS).scalar_subquery(),
    "last_session_start_time": select(func.max(projects.c.created_at)).where(_SESSIONS).scalar_subquery(),
}
_READ: Select[Any] = select(datasets, *(count.label(name) for name, count in _COUNTS.items()))


class Datasets:
    """What is known about datasets, and who may read them."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def get(self, dataset_id: UUID) -> Dataset:
        """One dataset. Raises NotFound."""
        with self._database.read() as db:
            return _existing(db, dataset_id)

    def find(
        self,
        *,
        ids: Collection[UUID] | None = None,
        name: str | None = None,
        name_contains: str | None = None,
        data_types: Collection[DataType] | None = None,
        metadata: Mapping[str, Any] | None = None,
        order: DatasetOrder = "created_at",
        descending: bool = True,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Dataset]:
        """Datasets; each argument that is not None narrows the answer. Those without a value to sort by come last."""
        terms: list[ColumnElement[bool]] = []
        if ids is not None:
            terms.append(datasets.c.id.in_(ids))
        if name is not None:
            terms.append(datasets.c.name == name)
        if name_contains is not None:
            terms.append(func.lower(datasets.c.name).contains(name_contains.lower(), autoescape=True))
        if data_types is not None:
            terms.append(datasets.c.data_type.in_(data_types))
        wanted = _READ.where(*terms).order_by(*_order(order, descending))
        with self._database.read() as db:
            if metadata:  # few keep so many datasets that reading them all would take long
                matching = (row for row in db.execute(wanted) if metadata.items() <= row.metadata.items())
                return [_dataset(row) for row in islice(matching, offset, None if limit is None else offset + limit)]
            return [_dataset(row) for row in db.execute(wanted.limit(limit).offset(offset))]

    def create(self, fields: DatasetFields, batch: Sequence[ExampleFields] = ()) -> Dataset:
        """Make a dataset, with examples. Raises InvalidRecord, or Conflict if its name or id is taken."""
        check_schema("inputs_schema_definition", fields.inputs_schema_definition)
        check_schema("outputs_schema_definition", fields.outputs_schema_definition)
        with self._database.write() as db:
            taken = or_(datasets.c.name == fields.name, datasets.c.id == fields.id)
            if db.scalar(select(datasets.c.id).where(taken).limit(1)):
                raise Conflict(f"A dataset named {fields.name!r}, or one with this id, already exists.")
            dataset_id = _insert(db, fields, self._clock())
            if batch:
                create_examples(db, dataset_id, batch, begin_version(db, dataset_id, self._clock()))
            return _existing(db, dataset_id)

    def change(self, dataset_id: UUID, wanted: DatasetChange) -> Dataset:
        """Change the fields that are set; all examples must then fit its schemas.

        Raises NotFound, InvalidRecord, or Conflict if the new name is taken.
        """
        check_schema("inputs_schema_definition", wanted.inputs_schema_definition)
        check_schema("outputs_schema_definition", wanted.outputs_schema_definition)
        with self._database.write() as db:
            lock_dataset(db, dataset_id)
            _update(db, dataset_id, _columns(wanted) | {"modified_at": self._clock()})
            if wanted.patch_examples:
                as_of = begin_version(db, dataset_id, self._clock())
                change_examples(db, dataset_id, _example_changes(wanted.patch_examples), as_of)
            if wanted.model_fields_set & {"inputs_schema_definition", "outputs_schema_definition"}:
                _require_fit(db, dataset_id)
            return _existing(db, dataset_id)

    def copy_examples(
        self, source_id: UUID, target_id: UUID, *, as_of: str | None = None, ids: Collection[UUID] | None = None
    ) -> list[Example]:
        """Copy the examples of a version, or some of them, to another dataset. Raises NotFound, InvalidRecord."""
        with self._database.write() as db:
            for dataset_id in (source_id, target_id):
                require_dataset(db, dataset_id)
            moment = moment_of(db, source_id, as_of)
            wanted = READ.where(example_versions.c.dataset_id == source_id, valid_at(moment))
            if ids is not None:
                wanted = wanted.where(example_versions.c.example_id.in_(ids))
            found = [example_of(row) for row in db.execute(wanted.order_by(example_versions.c.num))]
            if not found:
                return []
            made_at = begin_version(db, target_id, self._clock())
            fresh = {"dataset_id": target_id, "created_at": made_at, "modified_at": made_at}
            copies = [one.model_copy(update=fresh | {"id": uuid4()}) for one in found]
            put_examples(db, copies)
            _require_fit(db, target_id)
            return copies

    def delete(self, dataset_id: UUID) -> None:
        """Delete a dataset with its examples, versions, comparisons and experiments. Raises NotFound."""
        with self._database.write() as db:
            lock_dataset(db, dataset_id)
            mine = projects.c.reference_dataset_id == dataset_id
            for project_id in db.scalars(select(projects.c.id).where(mine)).all():
                remove_project(db, project_id)
            db.execute(delete(projects).where(mine))
            db.execute(delete(datasets).where(datasets.c.id == dataset_id))

    def share(self, dataset_id: UUID) -> UUID:
        """Let everybody who knows the token read the dataset. Sharing twice gives the same token. Raises NotFound."""
        with self._database.write() as db:
            token: UUID = lock_dataset(db, dataset_id).share_token or uuid4()
            _update(db, dataset_id, {"share_token": token})
            return token

    def share_token(self, dataset_id: UUID) -> UUID | None:
        """The token of a shared dataset. Raises NotFound."""
        with self._database.read() as db:
            token: UUID | None = require_dataset(db, dataset_id).share_token
            return token

    def unshare(self, dataset_id: UUID) -> None:
        """Make the token useless. Raises NotFound."""
        with self._database.write() as db:
            lock_dataset(db, dataset_id)
            _update(db, dataset_id, {"share_token": None})

    def shared(self, token: UUID) -> Dataset:
        """The dataset that this token opens. Raises NotFound."""
        with self._database.read() as db:
            row = db.execute(_READ.where(datasets.c.share_token == token)).one_or_none()
        if row is None:
            raise NotFound("Nothing is shared by this link, or not any more.")
        return _dataset(row)


def _insert(db: Connection, fields: DatasetFields, now: datetime) -> UUID:
    dataset_id = fields.id or uuid4()
    row = {
        "id": dataset_id,
        "name": fields.name,
        "description": fields.description,
        "data_type": fields.data_type or "kv",
        "created_at": fields.created_at or now,
        "modified_at": now,
        "metadata": fields.all_metadata,
        "inputs_schema": fields.inputs_schema_definition,
        "outputs_schema": fields.outputs_schema_definition,
        "transformations": _plain(fields),
        "externally_managed": bool(fields.externally_managed),
    }
    try:
        db.execute(insert(datasets).values(row))
    except IntegrityError as error:
        raise Conflict(f"A dataset named {fields.name!r} already exists.") from error
    return dataset_id


def _update(db: Connection, dataset_id: UUID, columns: Mapping[str, Any]) -> None:
    try:
        db.execute(update(datasets).where(datasets.c.id == dataset_id).values(columns))
    except IntegrityError as error:
        raise Conflict(f"A dataset named {columns.get('name')!r} already exists.") from error


def _columns(wanted: DatasetChange) -> dict[str, Any]:
    values = {
        "name": wanted.name,
        "description": wanted.description,
        "metadata": wanted.metadata or {},
        "inputs_schema_definition": wanted.inputs_schema_definition,
        "outputs_schema_definition": wanted.outputs_schema_definition,
        "transformations": _plain(wanted),
    }
    kept = {"name"} if wanted.name is None else set()
    changed = wanted.model_fields_set - kept - {"patch_examples"}
    return {name.removesuffix("_definition"): values[name] for name in values if name in changed}


def _plain(fields: DatasetFields | DatasetChange) -> list[dict[str, Any]] | None:
    return None if fields.transformations is None else [one.model_dump() for one in fields.transformations]


def _example_changes(patches: Mapping[UUID, Mapping[str, Any]]) -> list[ExampleChange]:
    try:
        return [ExampleChange.model_validate({**patch, "id": one, "attachments": {}}) for one, patch in patches.items()]
    except ValidationError as error:
        raise InvalidRecord("patch_examples holds changes of examples by their id, such as inputs.") from error


def _require_fit(db: Connection, dataset_id: UUID) -> None:
    dataset = require_dataset(db, dataset_id)
    schemas = ExampleCheck(dataset.inputs_schema, dataset.outputs_schema)
    for row in db.execute(READ.where(example_versions.c.dataset_id == dataset_id, valid_at(None))):
        schemas.check(row.inputs, row.outputs)


def _order(order: DatasetOrder, descending: bool) -> list[Any]:
    column: Any = _COUNTS[order] if order in _COUNTS else datasets.c[order]
    first = column.desc().nulls_last() if descending else column.asc().nulls_last()
    return [first, datasets.c.created_at.desc(), datasets.c.id]


def _existing(db: Connection, dataset_id: UUID) -> Dataset:
    require_dataset(db, dataset_id)
    return _dataset(db.execute(_READ.where(datasets.c.id == dataset_id)).one())


def _dataset(row: Row[Any]) -> Dataset:
    return Dataset.model_validate(row._asdict())
