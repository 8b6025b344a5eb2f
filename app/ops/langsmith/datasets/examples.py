"""Routes of examples, as JSON."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from app.ops.langsmith.datasets.wire import example_v1, json_object
from app.ops.langsmith.errors import Unprocessable
from app.ops.langsmith.request import Store, read_json, read_value
from app.ops.store import OpsStore
from app.ops.store.datasets.models import (
    MAX_EXAMPLES,
    ExampleChange,
    ExampleFields,
    ExampleOrder,
    ExampleQuery,
    ExamplesWritten,
    MetadataOperation,
)

router = APIRouter()


class _NewExample(ExampleFields):
    dataset_id: UUID

    def without_files(self) -> ExampleFields:
        """Files come in forms only: in JSON they could name what the client never sent."""
        return self.model_copy(update={"attachments": {}})


class _Change(ExampleChange):
    def without_files(self) -> ExampleChange:
        """Files come in forms only."""
        return self.model_copy(update={"attachments": {}})


_NEW: TypeAdapter[list[_NewExample]] = TypeAdapter(
    Annotated[list[_NewExample], Field(min_length=1, max_length=MAX_EXAMPLES)]
)
_CHANGES: TypeAdapter[list[_Change]] = TypeAdapter(
    Annotated[list[_Change], Field(min_length=1, max_length=MAX_EXAMPLES)]
)


class ExampleParams(BaseModel):
    """The query of `/examples`; unknown parameters are left out."""

    model_config = ConfigDict(extra="ignore")

    id: list[UUID] | None = None
    dataset: UUID | None = None
    as_of: str | None = None
    splits: list[str] | None = None
    metadata: str | None = None
    filter: str | None = None
    full_text_contains: list[str] | None = None
    order: ExampleOrder = "recent"
    descending: bool | None = None
    random_seed: float | None = None
    select: list[str] | None = None
    exclude_default_fields: bool = False
    offset: int = Field(default=0, ge=0, le=2**31)
    limit: int = Field(default=100, ge=1, le=100)

    def to_store(self, dataset_id: UUID | None = None) -> ExampleQuery:
        """The same question to the store."""
        return ExampleQuery(
            dataset_id=dataset_id or self.dataset,
            ids=self.id,
            as_of=self.as_of or None,
            splits=self.splits,
            metadata=json_object("metadata", self.metadata),
            filter=self.filter or None,
            contains=self.full_text_contains,
            order=self.order,
            descending=self.descending,
            random_seed=self.random_seed,
            offset=self.offset,
            limit=self.limit,
        )


Params = Annotated[ExampleParams, Query()]


class _Erase(BaseModel):
    model_config = ConfigDict(extra="ignore")

    example_ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_EXAMPLES)]
    hard_delete: bool = False


class _MetadataChange(BaseModel):
    model_config = ConfigDict(extra="ignore")

    example_ids: Annotated[list[UUID], Field(max_length=10_000)]
    operations: Annotated[list[MetadataOperation], Field(min_length=1, max_length=50)]


@router.post("/examples")
async def create_example(request: Request, store: Store) -> dict[str, Any]:
    """Make one example."""
    fields = await read_json(request, _NewExample)
    (example,) = await run_in_threadpool(_create, store, [fields])
    return example_v1(request, store, example)


@router.post("/examples/bulk")
async def create_examples(request: Request, store: Store) -> list[dict[str, Any]]:
    """Make examples of one dataset."""
    batch = await read_value(request, _NEW)
    created = await run_in_threadpool(_create, store, batch)
    return [example_v1(request, store, one) for one in created]


@router.patch("/examples/bulk")
async def update_examples(request: Request, store: Store) -> dict[str, Any]:
    """Change examples of one dataset."""
    batch = await read_value(request, _CHANGES)
    changes = [one.without_files() for one in batch]
    return _written(await run_in_threadpool(store.examples.change, batch[0].dataset_id, changes))


@router.post("/examples/validate")
async def validate_example(request: Request, store: Store) -> dict[str, Any]:
    """The example that would be made of this; nothing is stored."""
    fields = await read_json(request, _NewExample)
    return example_v1(request, store, await run_in_threadpool(_check, store, fields))


@router.post("/examples/validate/bulk")
async def validate_examples(request: Request, store: Store) -> list[dict[str, Any]]:
    """The examples that would be made of this; nothing is stored."""
    batch = await read_value(request, _NEW)
    return [example_v1(request, store, await run_in_threadpool(_check, store, one)) for one in batch]


@router.get("/examples")
def list_examples(request: Request, store: Store, params: Params) -> list[dict[str, Any]]:
    """Examples, in the order that is asked for."""
    return listed(request, store, params, params.to_store())


@router.get("/examples/count")
def count_examples(store: Store, params: Params) -> int:
    """How many examples there are."""
    return store.examples.count(params.to_store())


@router.get("/examples/{example_id}")
def read_example(request: Request, example_id: UUID, store: Store, as_of: str | None = None) -> dict[str, Any]:
    """One example, with its files."""
    return example_v1(request, store, store.examples.get(example_id, as_of or None))


@router.patch("/examples/{example_id}")
async def update_example(example_id: UUID, request: Request, store: Store) -> dict[str, Any]:
    """Change what is sent, and only that."""
    change = await read_json(request, _Change, id=example_id)
    return _written(await run_in_threadpool(store.examples.change, change.dataset_id, [change.without_files()]))


@router.delete("/examples")
def delete_examples(
    store: Store, example_ids: Annotated[list[UUID], Query(min_length=1, max_length=MAX_EXAMPLES)]
) -> dict[str, str]:
    """Take examples out of the newest version."""
    store.examples.delete(example_ids)
    return {"message": "deleted"}


@router.delete("/examples/{example_id}")
def delete_example(example_id: UUID, store: Store) -> dict[str, str]:
    """Take an example out of the newest version."""
    store.examples.delete([example_id])
    return {"message": "deleted"}


@router.post("/datasets/examples/delete")
async def erase_examples(request: Request, store: Store) -> dict[str, Any]:
    """Delete examples, from all versions where that is asked for."""
    body = await read_json(request, _Erase)
    await run_in_threadpool(store.examples.erase if body.hard_delete else store.examples.delete, body.example_ids)
    return {"message": "deleted", "count": len(body.example_ids)}


@router.patch("/datasets/{dataset_id}/examples/metadata")
async def update_metadata(dataset_id: UUID, request: Request, store: Store) -> JSONResponse:
    """Make the same changes to the metadata of many examples, and say for each whether it was there."""
    body = await read_json(request, _MetadataChange)
    known = await run_in_threadpool(store.examples.change_metadata, dataset_id, body.example_ids, body.operations)
    missing = {"status": "NOT_FOUND", "description": "The example is not in the dataset, or was deleted."}
    statuses = [{"id": str(one), **({"status": "UPDATED"} if one in known else missing)} for one in body.example_ids]
    return JSONResponse({"statuses": statuses}, 207)


@router.delete("/datasets/{dataset_id}/examples/{example_id}", status_code=204)
def delete_example_of_dataset(dataset_id: UUID, example_id: UUID, store: Store) -> Response:
    """Take an example out of the newest version; one that is out already stays out."""
    store.examples.delete([example_id], dataset_id=dataset_id)
    return Response(status_code=204)


def listed(request: Request, store: OpsStore, params: ExampleParams, query: ExampleQuery) -> list[dict[str, Any]]:
    """A page of examples with the fields that the parameters select.

    Without a selection it is everything but links to files: whoever gets those downloads them all.
    """
    select = params.select or ["metadata", "outputs", "source_run_id"]
    exclude = params.exclude_default_fields
    found = store.examples.find(query)
    return [example_v1(request, store, one, select, exclude_default_fields=exclude) for one in found]


def _create(store: OpsStore, batch: list[_NewExample]) -> Any:
    dataset_ids = {one.dataset_id for one in batch}
    if len(dataset_ids) > 1:
        raise Unprocessable("Send examples of one dataset at a time.")
    written = store.examples.create(dataset_ids.pop(), [one.without_files() for one in batch])
    found = store.examples.find(ExampleQuery(ids=written.example_ids))
    by_id = {one.id: one for one in found}
    return [by_id[one] for one in written.example_ids]


def _check(store: OpsStore, fields: _NewExample) -> Any:
    return store.examples.check(fields.dataset_id, fields.without_files())


def _written(done: ExamplesWritten) -> dict[str, Any]:
    return {"message": f"{done.count} examples updated"} | done.model_dump(mode="json")
