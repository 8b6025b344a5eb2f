"""Routes of datasets: themselves, their versions, tags and splits, and who may read them."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from app.ops.langsmith.datasets.wire import dataset_v1, example_v1, json_object, version_v1
from app.ops.langsmith.errors import Unprocessable
from app.ops.langsmith.request import Store, read_json
from app.ops.store import NotFound
from app.ops.store.datasets.models import (
    MAX_EXAMPLES,
    DatasetChange,
    DatasetFields,
    DatasetOrder,
    DataType,
    MetadataOperation,
    Split,
)
from app.ops.store.models import CleanText

router = APIRouter()

Offset = Annotated[int, Query(ge=0, le=2**31)]
Limit = Annotated[int, Query(ge=1, le=100)]
Ids = Annotated[list[UUID] | None, Query()]


class _Clone(BaseModel):
    model_config = ConfigDict(extra="ignore")

    source_dataset_id: UUID
    target_dataset_id: UUID
    as_of: str | None = None
    examples: Annotated[list[UUID], Field(max_length=MAX_EXAMPLES)] | None = None


class _Tag(BaseModel):
    model_config = ConfigDict(extra="ignore")

    as_of: str
    tag: Annotated[CleanText, Field(min_length=1, max_length=500)]


class _SplitChange(BaseModel):
    model_config = ConfigDict(extra="ignore")

    split_name: Split
    examples: Annotated[list[UUID], Field(max_length=MAX_EXAMPLES)]
    remove: bool = False


@router.post("/datasets")
async def create_dataset(request: Request, store: Store) -> dict[str, Any]:
    """Make a dataset."""
    fields = await read_json(request, DatasetFields)
    return dataset_v1(store, await run_in_threadpool(store.datasets.create, fields))


@router.get("/datasets")
def list_datasets(
    store: Store,
    id: Ids = None,
    name: CleanText | None = None,
    name_contains: CleanText | None = None,
    data_type: Annotated[list[DataType] | None, Query()] = None,
    metadata: str | None = None,
    sort_by: DatasetOrder = "last_session_start_time",
    sort_by_desc: bool = True,
    offset: Offset = 0,
    limit: Limit = 100,
) -> list[dict[str, Any]]:
    """Datasets, in the order that is asked for."""
    found = store.datasets.find(
        ids=id,
        name=name,
        name_contains=name_contains,
        data_types=data_type,
        metadata=json_object("metadata", metadata),
        order=sort_by,
        descending=sort_by_desc,
        offset=offset,
        limit=limit,
    )
    return [dataset_v1(store, one) for one in found]


@router.get("/v2/datasets")
def list_datasets_v2(
    store: Store,
    id: Ids = None,
    name: CleanText | None = None,
    name_contains: CleanText | None = None,
    data_type: Annotated[list[DataType] | None, Query()] = None,
    metadata: str | None = None,
    sort_by: DatasetOrder = "created_at",
    sort_order: Literal["asc", "desc"] = "desc",
    cursor: str | None = None,
    page_size: Limit = 20,
) -> dict[str, Any]:
    """A page of datasets, as the second version of the API asks for it."""
    offset = read_cursor(cursor)
    found = store.datasets.find(
        ids=id,
        name=name,
        name_contains=name_contains,
        data_types=data_type,
        metadata=json_object("metadata", metadata),
        order=sort_by,
        descending=sort_order == "desc",
        offset=offset,
        limit=page_size + 1,
    )
    items = [dataset_v1(store, one) for one in found[:page_size]]
    return {"items": items, "next_cursor": next_cursor(offset, page_size, len(found))}


@router.post("/datasets/clone")
async def clone_dataset(request: Request, store: Store) -> list[dict[str, Any]]:
    """Copy examples from one dataset to another."""
    body = await read_json(request, _Clone)
    copies = await run_in_threadpool(
        store.datasets.copy_examples,
        body.source_dataset_id,
        body.target_dataset_id,
        as_of=body.as_of,
        ids=body.examples,
    )
    return [example_v1(request, store, one) for one in copies]


@router.get("/datasets/{dataset_id}")
def read_dataset(dataset_id: UUID, store: Store) -> dict[str, Any]:
    """One dataset."""
    return dataset_v1(store, store.datasets.get(dataset_id))


@router.patch("/datasets/{dataset_id}")
async def update_dataset(dataset_id: UUID, request: Request, store: Store) -> dict[str, Any]:
    """Change what is sent, and only that."""
    change = await read_json(request, DatasetChange)
    return dataset_v1(store, await run_in_threadpool(store.datasets.change, dataset_id, change))


@router.delete("/datasets/{dataset_id}")
def delete_dataset(dataset_id: UUID, store: Store) -> dict[str, str]:
    """Delete a dataset with its examples and experiments."""
    store.datasets.delete(dataset_id)
    return {"message": "deleted"}


@router.get("/datasets/{dataset_id}/versions")
def list_versions(
    dataset_id: UUID,
    store: Store,
    search: CleanText | None = None,
    example: UUID | None = None,
    offset: Offset = 0,
    limit: Limit = 100,
) -> list[dict[str, Any]]:
    """Versions, newest first."""
    found = store.versions.find(dataset_id, search=search, example_id=example, limit=limit, offset=offset)
    return [version_v1(one) for one in found]


@router.get("/datasets/{dataset_id}/version")
def read_version(dataset_id: UUID, store: Store, as_of: str | None = None, tag: str | None = None) -> dict[str, Any]:
    """The version at a moment, or with a tag."""
    if (as_of is None) == (tag is None):
        raise Unprocessable("Send either as_of or tag.")
    return version_v1(store.versions.get(dataset_id, as_of or tag or ""))


@router.get("/datasets/{dataset_id}/versions/diff")
def diff_versions(dataset_id: UUID, store: Store, from_version: str, to_version: str) -> dict[str, Any]:
    """What happened to examples between two versions."""
    return store.versions.diff(dataset_id, from_version, to_version).model_dump(mode="json")


@router.put("/datasets/{dataset_id}/tags")
async def tag_version(dataset_id: UUID, request: Request, store: Store) -> dict[str, Any]:
    """Name a version."""
    body = await read_json(request, _Tag)
    return version_v1(await run_in_threadpool(store.versions.tag, dataset_id, body.as_of, body.tag))


@router.get("/datasets/{dataset_id}/splits")
def list_splits(dataset_id: UUID, store: Store, as_of: str | None = None) -> list[str]:
    """The splits that examples belong to."""
    return store.versions.splits(dataset_id, as_of)


@router.put("/datasets/{dataset_id}/splits")
async def change_split(dataset_id: UUID, request: Request, store: Store) -> list[str]:
    """Add examples to a split, or take them out of it."""
    body = await read_json(request, _SplitChange)
    kind = "ARRAY_REMOVE" if body.remove else "ARRAY_ADD"
    operation = MetadataOperation(key="dataset_split", operation=kind, values=[body.split_name])

    await run_in_threadpool(store.examples.change_metadata, dataset_id, body.examples, [operation], require_all=True)
    return await run_in_threadpool(store.versions.splits, dataset_id)


@router.put("/datasets/{dataset_id}/share")
def share_dataset(dataset_id: UUID, store: Store) -> dict[str, str]:
    """Let everybody who knows the token read the dataset."""
    return {"dataset_id": str(dataset_id), "share_token": str(store.datasets.share(dataset_id))}


@router.get("/datasets/{dataset_id}/share")
def read_share(dataset_id: UUID, store: Store) -> dict[str, str]:
    """The token of a shared dataset."""
    token = store.datasets.share_token(dataset_id)
    if token is None:
        raise NotFound("The dataset is not shared.")
    return {"dataset_id": str(dataset_id), "share_token": str(token)}


@router.delete("/datasets/{dataset_id}/share")
def unshare_dataset(dataset_id: UUID, store: Store) -> dict[str, str]:
    """Make the token useless."""
    store.datasets.unshare(dataset_id)
    return {"message": "unshared"}


def read_cursor(cursor: str | None) -> int:
    """The place where a page begins. Raises Unprocessable."""
    try:
        offset = int(urlsafe_b64decode(cursor.encode())) if cursor else 0
    except ValueError as error:
        raise Unprocessable("The cursor is not one that an earlier page gave.") from error
    if not 0 <= offset <= 2**31:
        raise Unprocessable("The cursor is not one that an earlier page gave.")
    return offset


def next_cursor(offset: int, page_size: int, found: int) -> str | None:
    """Where the next page begins; None on the last, which found no more than its size."""
    return urlsafe_b64encode(str(offset + page_size).encode()).decode() if found > page_size else None
