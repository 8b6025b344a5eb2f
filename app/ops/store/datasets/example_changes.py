"""What an example says after it was made or changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json
from sqlalchemy import Connection, select

from app.ops.store.datasets.example_rows import with_splits
from app.ops.store.datasets.models import (
    BASE_SPLIT,
    SPLIT_KEY,
    Example,
    ExampleChange,
    ExampleFields,
    MetadataOperation,
)
from app.ops.store.errors import InvalidRecord, NotFound
from app.ops.store.models import Attachment
from app.ops.store.tables import run_bodies, runs
from app.ops.store.tables.base import chunks


class SourceRun(BaseModel):
    """What a run has that an example may take over."""

    model_config = ConfigDict(frozen=True)

    inputs: dict[str, Any]
    outputs: dict[str, Any] | None
    attachments: dict[str, Attachment]


def source_runs(db: Connection, batch: Iterable[ExampleFields]) -> dict[UUID, SourceRun]:
    """The runs that examples take something from. Raises NotFound."""
    wanted = {one.source_run_id for one in batch if one.use_source_run_io or one.use_source_run_attachments} - {None}
    joined = select(runs.c.id, run_bodies.c.inputs, run_bodies.c.outputs, run_bodies.c.attachments).join(run_bodies)
    rows = [row for some in chunks(wanted) for row in db.execute(joined.where(runs.c.id.in_(some)))]
    if missing := wanted - {row.id for row in rows}:
        raise NotFound(f"There is no run {missing.pop()} to take an example from. It may still be on its way.")
    return {
        row.id: SourceRun(
            inputs=from_json(row.inputs or "{}"),
            outputs=from_json(row.outputs) if row.outputs else None,
            attachments=row.attachments or {},
        )
        for row in rows
    }


def made(dataset_id: UUID, fields: ExampleFields, sources: Mapping[UUID, SourceRun], as_of: datetime) -> Example:
    """The new example that a client describes. Raises InvalidRecord."""
    source = sources.get(fields.source_run_id) if fields.source_run_id else None
    taken = source if fields.use_source_run_io else None
    return Example(
        id=fields.id or uuid4(),
        dataset_id=dataset_id,
        created_at=fields.created_at or as_of,
        modified_at=as_of,
        inputs=taken.inputs if taken else fields.inputs or {},
        outputs=taken.outputs if taken else fields.outputs,
        metadata=with_splits(fields.metadata or {}, fields.split),
        source_run_id=fields.source_run_id,
        attachments=_taken_attachments(fields, source) if source else fields.attachments,
    )


def changed(before: Example, change: ExampleChange, as_of: datetime) -> Example:
    """The example after a change. Raises InvalidRecord."""
    metadata = before.metadata if change.metadata is None else change.metadata
    return before.model_copy(
        update={
            "modified_at": as_of,
            "inputs": before.inputs if change.inputs is None else change.inputs,
            "outputs": before.outputs if change.outputs is None else change.outputs,
            "metadata": with_splits(metadata, change.split or metadata.get(SPLIT_KEY) or before.splits),
            "attachments": _kept_attachments(before.attachments, change),
        }
    )


def operated(before: Example, operations: Sequence[MetadataOperation], as_of: datetime) -> Example:
    """The example after changes of its metadata, made one after the other. Raises InvalidRecord."""
    metadata = dict(before.metadata)
    for operation in operations:
        metadata[operation.key] = _OPERATIONS[operation.operation](metadata.get(operation.key), operation)
    try:
        change = ExampleChange(id=before.id, metadata=metadata)
    except ValidationError as error:
        raise InvalidRecord(f"{SPLIT_KEY} is a list of at most 100 names of at most 100 characters.") from error
    return changed(before, change.model_copy(update={"split": metadata.get(SPLIT_KEY) or [BASE_SPLIT]}), as_of)


def require_distinct(ids: Collection[UUID]) -> None:
    """Make sure that no example comes twice. Raises InvalidRecord."""
    if len(set(ids)) < len(ids):
        raise InvalidRecord("The same example comes twice in one request. Send it once.")


def _taken_attachments(fields: ExampleFields, source: SourceRun) -> dict[str, Attachment]:
    if fields.use_source_run_io:
        return source.attachments
    wanted = fields.use_source_run_attachments or []
    if missing := [name for name in wanted if name not in source.attachments]:
        raise InvalidRecord(f"The source run has no attachment {missing[0]!r}.")
    return fields.attachments | {name: source.attachments[name] for name in wanted}


def _kept_attachments(before: Mapping[str, Attachment], change: ExampleChange) -> Mapping[str, Attachment]:
    operations = change.attachments_operations
    if operations is None:
        return change.attachments or before
    names = {name: name for name in operations.retain} | operations.rename
    if missing := [name for name in names if name not in before]:
        raise InvalidRecord(f"The example has no attachment {missing[0]!r} to keep or rename.")
    if len(set(names.values())) < len(names):
        raise InvalidRecord("Two attachments cannot be renamed to one name.")
    return {new: before[old] for old, new in names.items()} | change.attachments


def _add(value: Any, operation: MetadataOperation) -> Any:
    items = _items(value, operation.key)
    return [*items, *(one for one in dict.fromkeys(operation.values) if one not in items)]


def _remove(value: Any, operation: MetadataOperation) -> Any:
    return [one for one in _items(value, operation.key) if one not in operation.values]


def _items(value: Any, key: str) -> list[Any]:
    if isinstance(value, list):
        return value
    return [BASE_SPLIT] if key == SPLIT_KEY else []


_OPERATIONS: dict[str, Callable[[Any, MetadataOperation], Any]] = {
    "SET": lambda value, operation: operation.value,
    "ARRAY_ADD": _add,
    "ARRAY_REMOVE": _remove,
}
