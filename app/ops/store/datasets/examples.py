"""Examples of datasets. Each write makes a version of the dataset; what an example said before can still be read."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, func, select

from app.ops.store.database import Database
from app.ops.store.datasets.example_changes import changed, made, operated, require_distinct, source_runs
from app.ops.store.datasets.example_filters import compile_filter, contains, in_splits, metadata_holds
from app.ops.store.datasets.example_rows import (
    READ,
    current,
    end_versions,
    erase,
    example_of,
    owners,
    put_examples,
    read_examples,
)
from app.ops.store.datasets.example_schemas import ExampleCheck
from app.ops.store.datasets.models import (
    Example,
    ExampleChange,
    ExampleFields,
    ExampleQuery,
    ExamplesWritten,
    MetadataOperation,
)
from app.ops.store.datasets.versions import begin_version, moment_of, require_dataset, valid_at
from app.ops.store.errors import Conflict, NotFound
from app.ops.store.tables import example_versions


class Examples:
    """Make, find, change, delete. A write happens whole or not at all."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def create(self, dataset_id: UUID, batch: Sequence[ExampleFields]) -> ExamplesWritten:
        """Make examples. Raises NotFound, InvalidRecord, or Conflict if one exists already."""
        with self._database.write() as db:
            return create_examples(db, dataset_id, batch, begin_version(db, dataset_id, self._clock()))

    def upsert(self, dataset_id: UUID, batch: Sequence[ExampleFields]) -> ExamplesWritten:
        """Make examples, over those with the same ids. Raises NotFound, InvalidRecord, Conflict."""
        with self._database.write() as db:
            as_of = begin_version(db, dataset_id, self._clock())
            return _put(db, dataset_id, _made(db, dataset_id, batch, as_of), as_of)

    def change(self, dataset_id: UUID | None, changes: Sequence[ExampleChange]) -> ExamplesWritten:
        """Change examples of one dataset. Raises NotFound, InvalidRecord, or Conflict if one is of another dataset."""
        with self._database.write() as db:
            dataset_id = dataset_id or _owner(db, changes[0].id)
            as_of = begin_version(db, dataset_id, self._clock())
            return change_examples(db, dataset_id, changes, as_of)

    def change_metadata(
        self,
        dataset_id: UUID,
        example_ids: Collection[UUID],
        operations: Sequence[MetadataOperation],
        *,
        require_all: bool = False,
    ) -> set[UUID]:
        """Change the metadata of those of the examples that are in the dataset, and give back which these are.

        Raises NotFound, also for an example that is not in the dataset where all are required, and InvalidRecord.
        """
        with self._database.write() as db:
            require_dataset(db, dataset_id)
            known = [one for one in current(db, example_ids).values() if one.dataset_id == dataset_id]
            if require_all:
                _require_known({one.id for one in known}, example_ids)
            if known:
                as_of = begin_version(db, dataset_id, self._clock())
                _put(db, dataset_id, [operated(one, operations, as_of) for one in known], as_of)
            return {one.id for one in known}

    def delete(self, example_ids: Collection[UUID], *, dataset_id: UUID | None = None) -> None:
        """Take examples out of the newest version; earlier ones keep them. Raises NotFound, Conflict."""
        with self._database.write() as db:
            known = owners(db, example_ids)
            _require_known(known, example_ids)
            _require_owner(known, dataset_id)
            by_dataset: dict[UUID, list[UUID]] = {}
            for one in current(db, example_ids).values():
                by_dataset.setdefault(one.dataset_id, []).append(one.id)
            for owner, ids in by_dataset.items():
                end_versions(db, ids, begin_version(db, owner, self._clock()))

    def erase(self, example_ids: Collection[UUID]) -> None:
        """Delete examples from every version, for ever. Raises NotFound."""
        with self._database.write() as db:
            known = owners(db, example_ids)
            _require_known(known, example_ids)
            erase(db, known)
            for dataset_id in set(known.values()):
                begin_version(db, dataset_id, self._clock())

    def get(self, example_id: UUID, as_of: str | None = None) -> Example:
        """One example, at a moment or the tag of a version. Raises NotFound."""
        with self._database.read() as db:
            moment = moment_of(db, _owner(db, example_id), as_of)
            wanted = READ.where(example_versions.c.example_id == example_id, valid_at(moment))
            row = db.execute(wanted).one_or_none()
        if row is None:
            raise NotFound(f"There is no example {example_id} in this version of its dataset.")
        return example_of(row)

    def find(self, query: ExampleQuery) -> list[Example]:
        """The examples that a query asks for, in its order. Raises NotFound, InvalidQuery."""
        with self._database.read() as db:
            return read_examples(db, _nums(db, query))

    def count(self, query: ExampleQuery) -> int:
        """How many examples a query finds, not minding its limit. Raises NotFound, InvalidQuery."""
        with self._database.read() as db:
            counted = select(func.count()).select_from(example_versions)
            return db.scalar(counted.where(*_conditions(db, query))) or 0

    def check(self, dataset_id: UUID, fields: ExampleFields) -> Example:
        """The example that would be made of this. Raises NotFound, InvalidRecord."""
        with self._database.read() as db:
            (example,) = _made(db, dataset_id, [fields], self._clock())
            _fit(db, dataset_id, [example])
            return example


def create_examples(
    db: Connection, dataset_id: UUID, batch: Sequence[ExampleFields], as_of: datetime
) -> ExamplesWritten:
    """Make examples in the version that was begun at `as_of`. Raises NotFound, InvalidRecord, Conflict."""
    written = _made(db, dataset_id, batch, as_of)
    if existing := current(db, [one.id for one in written]):
        raise Conflict(f"There already is an example {next(iter(existing))}.")
    return _put(db, dataset_id, written, as_of)


def change_examples(
    db: Connection, dataset_id: UUID, changes: Sequence[ExampleChange], as_of: datetime
) -> ExamplesWritten:
    """Change examples in the version that was begun at `as_of`. Raises NotFound, InvalidRecord, Conflict."""
    ids = [change.id for change in changes]
    require_distinct(ids)
    known = owners(db, ids)
    _require_known(known, ids)
    _require_owner(known, dataset_id)
    before = current(db, ids)
    _require_known(before, ids)
    return _put(db, dataset_id, [changed(before[change.id], change, as_of) for change in changes], as_of)


def _made(db: Connection, dataset_id: UUID, batch: Sequence[ExampleFields], as_of: datetime) -> list[Example]:
    sources = source_runs(db, batch)
    written = [made(dataset_id, fields, sources, as_of) for fields in batch]
    require_distinct([one.id for one in written])
    return written


def _put(db: Connection, dataset_id: UUID, written: Sequence[Example], as_of: datetime) -> ExamplesWritten:
    ids = [one.id for one in written]
    _require_owner(owners(db, ids), dataset_id)
    _fit(db, dataset_id, written)
    put_examples(db, written)
    return ExamplesWritten(count=len(ids), example_ids=ids, as_of=as_of)


def _fit(db: Connection, dataset_id: UUID, written: Sequence[Example]) -> None:
    dataset = require_dataset(db, dataset_id)
    schemas = ExampleCheck(dataset.inputs_schema, dataset.outputs_schema)
    for one in written:
        schemas.check(one.inputs, one.outputs)


def _require_known(known: Collection[UUID], example_ids: Collection[UUID]) -> None:
    if missing := [one for one in example_ids if one not in known]:
        raise NotFound(f"There is no example {missing[0]}.")


def _require_owner(known: dict[UUID, UUID], dataset_id: UUID | None) -> None:
    if dataset_id and (others := [one for one, owner in known.items() if owner != dataset_id]):
        raise Conflict(f"Dataset ID mismatch: the example {others[0]} belongs to another dataset.")


def _owner(db: Connection, example_id: UUID) -> UUID:
    known = owners(db, [example_id])
    _require_known(known, [example_id])
    return known[example_id]


def _conditions(db: Connection, query: ExampleQuery) -> list[ColumnElement[bool]]:
    if query.dataset_id:
        require_dataset(db, query.dataset_id)
    terms = [valid_at(moment_of(db, query.dataset_id, query.as_of))]
    if query.dataset_id:
        terms.append(example_versions.c.dataset_id == query.dataset_id)
    if query.ids is not None:
        terms.append(example_versions.c.example_id.in_(query.ids))
    if query.splits is not None:
        terms.append(in_splits(query.splits))
    if query.filter:
        terms.append(compile_filter(query.filter))
    return [*terms, metadata_holds(query.metadata or {}), *(contains(text) for text in query.contains or [])]


def _nums(db: Connection, query: ExampleQuery) -> Sequence[int]:
    """One page of the versions that a query finds; sorted without their texts, which are long."""
    columns = example_versions.c
    found = select(columns.num).where(*_conditions(db, query))
    end = None if query.limit is None else query.offset + query.limit
    if query.order == "random":
        ids = {row.num: row.example_id for row in db.execute(found.add_columns(columns.example_id))}
        return sorted(ids, key=_shuffled(query.random_seed, ids))[query.offset : end]
    sort = {"recent": columns.as_of, "recently_created": columns.created_at, "id": columns.example_id}[query.order]
    descending = query.order != "id" if query.descending is None else query.descending
    ordered = found.order_by(sort.desc() if descending else sort, columns.num)
    return db.scalars(ordered.limit(query.limit).offset(query.offset)).all()


def _shuffled(seed: float | None, ids: Mapping[int, UUID]) -> Callable[[int], bytes]:
    """A random order that its seed repeats, the same on either engine."""
    salt = random.random() if seed is None else seed  # noqa: S311
    return lambda num: hashlib.sha256(f"{salt}:{ids[num]}".encode()).digest()
