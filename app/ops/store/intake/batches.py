"""A batch as it waits in the queue: JSON in which each document is a string, so that only who needs it reads it."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic_core import from_json, to_json

from app.ops.store.models import DOCUMENTS, Document, FeedbackFields, Ingest, RunFields

_RUN: TypeAdapter[RunFields] = TypeAdapter(RunFields)


def write_batch(batch: Ingest) -> bytes:
    """The batch for the queue."""
    return to_json(
        {
            "posts": [_texts(fields) for fields in batch.posts],
            "patches": [_texts(fields) for fields in batch.patches],
            "feedback": batch.feedback,
        }
    )


def read_batch(written: bytes) -> Ingest:
    """The batch that was written so."""
    batch = from_json(written)
    return Ingest(
        posts=[_documents(fields) for fields in batch["posts"]],
        patches=[_documents(fields) for fields in batch["patches"]],
        feedback=[FeedbackFields.model_validate(fields) for fields in batch["feedback"]],
    )


def _texts(fields: RunFields) -> dict[str, Any]:
    return {name: value.text if isinstance(value, Document) else value for name, value in fields.items()}


def _documents(fields: dict[str, Any]) -> RunFields:
    for name in DOCUMENTS:
        if fields.get(name) is not None:
            fields[name] = Document(fields[name])
    return _RUN.validate_python(fields)
