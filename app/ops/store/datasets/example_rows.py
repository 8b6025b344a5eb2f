"""Versions of examples in the tables: written with what finds them, read as they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.ops.store.datasets.models import BASE_SPLIT, SPLIT_KEY, Example
from app.ops.store.errors import Conflict
from app.ops.store.runs.labels import label_text
from app.ops.store.tables import example_labels, example_versions, examples
from app.ops.store.tables.base import chunks

LABELLED_ITEMS = 1000
"""Of a list in metadata, so many items find their example."""
READ: Select[Any] = select(example_versions)
"""Whole versions of examples, for `example_of`."""


def example_of(row: Row[Any]) -> Example:
    """The example that a row of `READ` holds."""
    fields = row._asdict()
    return Example.model_validate(fields | {"id": row.example_id, "modified_at": row.as_of})


def read_examples(db: Connection, nums: Sequence[int]) -> list[Example]:
    """The versions with these numbers, in their order."""
    rows = (row for some in chunks(nums) for row in db.execute(READ.where(example_versions.c.num.in_(some))))
    found = {row.num: example_of(row) for row in rows}
    return [found[num] for num in nums]


def current(db: Connection, example_ids: Collection[UUID]) -> dict[UUID, Example]:
    """Those of the examples that are not deleted."""
    rows = (
        row
        for some in chunks(example_ids)
        for row in db.execute(READ.where(example_versions.c.example_id.in_(some), example_versions.c.until.is_(None)))
    )
    return {row.example_id: example_of(row) for row in rows}


def owners(db: Connection, example_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """The dataset of each example, deleted ones too."""
    wanted = select(examples.c.id, examples.c.dataset_id)
    rows = (row for some in chunks(example_ids) for row in db.execute(wanted.where(examples.c.id.in_(some))))
    return {row.id: row.dataset_id for row in rows}


def put_examples(db: Connection, written: Sequence[Example]) -> None:
    """Write what examples say from their `modified_at` on; new ones are made. Raises Conflict."""
    known = owners(db, [one.id for one in written])
    new = [one for one in written if one.id not in known]
    if new:
        try:
            db.execute(insert(examples), [{"id": one.id, "dataset_id": one.dataset_id} for one in new])
        except IntegrityError as error:  # made by another process in the meantime
            raise Conflict("There already is an example with one of these ids.") from error
    for some in chunks(written):
        end_versions(db, [one.id for one in some], some[0].modified_at)
        inserted = insert(example_versions).returning(example_versions.c.num, sort_by_parameter_order=True)
        nums = db.scalars(inserted, [_row(one) for one in some]).all()
        labels = [label for num, one in zip(nums, some, strict=True) for label in _labels(num, one.metadata)]
        db.execute(insert(example_labels), labels)


def end_versions(db: Connection, example_ids: Collection[UUID], as_of: datetime) -> None:
    """End what these examples said until now."""
    for some in chunks(example_ids):
        is_current = (example_versions.c.example_id.in_(some), example_versions.c.until.is_(None))
        db.execute(update(example_versions).where(*is_current).values(until=as_of))


def erase(db: Connection, example_ids: Collection[UUID]) -> None:
    """Delete these examples and everything they ever said."""
    for some in chunks(example_ids):
        db.execute(delete(examples).where(examples.c.id.in_(some)))


def with_splits(metadata: dict[str, Any], splits: Sequence[str] | None) -> dict[str, Any]:
    """The metadata, with splits in it: those given, or those it names, or the base split."""
    chosen = list(splits or metadata.get(SPLIT_KEY) or [BASE_SPLIT])
    return metadata | {SPLIT_KEY: chosen}


def _row(example: Example) -> dict[str, Any]:
    return {
        "example_id": example.id,
        "dataset_id": example.dataset_id,
        "as_of": example.modified_at,
        "created_at": example.created_at,
        "inputs": example.inputs,
        "outputs": example.outputs,
        "metadata": example.metadata,
        "source_run_id": example.source_run_id,
        "attachments": {name: file.model_dump() for name, file in example.attachments.items()},
    }


def _labels(num: int, metadata: dict[str, Any]) -> Iterable[dict[str, Any]]:
    found = {(label_text(key), label_text(item), True) for key, items in _lists(metadata) for item in items}
    found |= {(label_text(key), label_text(value), False) for key, value in metadata.items()}
    return ({"key": key, "value": value, "is_item": is_item, "num": num} for key, value, is_item in found)


def _lists(metadata: dict[str, Any]) -> Iterable[tuple[str, list[Any]]]:
    return ((key, value[:LABELLED_ITEMS]) for key, value in metadata.items() if isinstance(value, list))
