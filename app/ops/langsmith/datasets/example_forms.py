"""Routes that take examples as multipart forms, which may carry files.

`{id}` holds what is said about an example, `{id}.inputs` and `{id}.outputs` its two sides, `{id}.attachment.{name}` the
bytes of a file, and `{id}.attachments_operations` what becomes of the files that it had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from app.ops.langsmith.errors import Unprocessable
from app.ops.langsmith.request import Store, expanded, explain, limits, read_body
from app.ops.langsmith.runs.multipart import Part, parse_form
from app.ops.store import OpsStore
from app.ops.store.datasets.models import MAX_EXAMPLES, ExampleChange, ExampleFields, ExamplesWritten
from app.ops.store.models import Attachment

router = APIRouter()

M = TypeVar("M", bound=BaseModel)
_SIDES = ("inputs", "outputs", "attachments_operations")


@router.post("/datasets/{dataset_id}/examples", status_code=201)
async def create_examples(dataset_id: UUID, request: Request, store: Store) -> dict[str, Any]:
    """Make examples."""
    return await _take(request, store, lambda form: store.examples.create(dataset_id, _read(form, ExampleFields)))


@router.patch("/datasets/{dataset_id}/examples")
async def update_examples(dataset_id: UUID, request: Request, store: Store) -> dict[str, Any]:
    """Change examples."""
    return await _take(request, store, lambda form: store.examples.change(dataset_id, _read(form, ExampleChange)))


@router.post("/examples/multipart", status_code=201)
async def upsert_examples(request: Request, store: Store) -> dict[str, Any]:
    """Make examples, over those with the same ids."""
    return await _take(
        request, store, lambda form: store.examples.upsert(_dataset_of(form), _read(form, ExampleFields))
    )


Form = dict[str, dict[str, Any]]
"""What a form says about each example, by its id as it was written."""


async def _take(request: Request, store: OpsStore, write: Callable[[Form], ExamplesWritten]) -> dict[str, Any]:
    body = await read_body(request)
    encoding = request.headers.get("content-encoding", "").lower()
    content_type = request.headers.get("content-type", "")
    limit_bytes = limits(request).expanded_limit_bytes

    def take() -> ExamplesWritten:
        parts = parse_form(content_type, expanded(body, encoding, limit_bytes))
        return write(_form(parts, store.blobs.put))

    return (await run_in_threadpool(take)).model_dump(mode="json")


def _form(parts: Iterable[Part], keep: Callable[[bytes], str]) -> Form:
    form: Form = {}
    for part in parts:
        example_id, _, rest = part.name.partition(".")
        if not rest:
            form[example_id] = _object(part) | {"id": example_id, "attachments": {}}
        elif example_id not in form:
            raise Unprocessable(f"The part {part.name!r} comes before the part {example_id!r}.")
        else:
            _add(form[example_id], part, rest, keep)
    if not 0 < len(form) <= MAX_EXAMPLES:
        raise Unprocessable(f"A form holds at least one example and at most {MAX_EXAMPLES}.")
    return form


def _add(fields: dict[str, Any], part: Part, rest: str, keep: Callable[[bytes], str]) -> None:
    kind, _, name = rest.partition(".")
    if rest in _SIDES:
        fields[rest] = _object(part)
    elif kind == "attachment" and name:
        media_type = part.media_type or "application/octet-stream"
        file = Attachment(mime_type=media_type, size_bytes=len(part.content), digest=keep(part.content))
        fields["attachments"][name] = file
    else:
        raise Unprocessable(f"The part {part.name!r} ends in none of {', '.join(_SIDES)} and attachment.{{name}}.")


def _read(form: Form, model: type[M]) -> list[M]:
    try:
        return [model.model_validate(fields) for fields in form.values()]
    except ValidationError as error:
        raise Unprocessable(explain(error)) from error


def _dataset_of(form: Form) -> UUID:
    try:
        ids = {UUID(str(fields.get("dataset_id"))) for fields in form.values()}
    except ValueError as error:
        raise Unprocessable("Each example of this form needs the dataset_id of its dataset.") from error
    if len(ids) > 1:
        raise Unprocessable("Send examples of one dataset at a time.")
    return ids.pop()


def _object(part: Part) -> dict[str, Any]:
    try:
        value = from_json(part.content)
    except ValueError as error:
        raise Unprocessable(f"The part {part.name!r} is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise Unprocessable(f"The part {part.name!r} is not a JSON object.")
    return value
