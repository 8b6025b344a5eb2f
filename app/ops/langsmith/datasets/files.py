"""Routes that take datasets as CSV files, and give them back as files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError
from pydantic_core import from_json

from app.ops.langsmith.datasets import chat_format, csv_files
from app.ops.langsmith.datasets.csv_files import CsvForm
from app.ops.langsmith.datasets.wire import dataset_v1, example_v1
from app.ops.langsmith.errors import Unprocessable
from app.ops.langsmith.request import Store, explain, read_body
from app.ops.langsmith.runs.multipart import parse_form
from app.ops.store import OpsStore
from app.ops.store.datasets.models import DatasetFields, Example, ExampleQuery
from app.ops.store.tables.base import json_text

router = APIRouter()


@router.post("/datasets/upload")
async def upload_dataset(request: Request, store: Store) -> dict[str, Any]:
    """Make a dataset from a CSV file, whose name it takes where the form names none."""
    form = await _read(request)
    return dataset_v1(store, await run_in_threadpool(_create, store, form))


@router.post("/examples/upload/{dataset_id}")
async def upload_examples(dataset_id: UUID, request: Request, store: Store) -> list[dict[str, Any]]:
    """Add the rows of a CSV file to a dataset."""
    form = await _read(request)

    def add() -> list[Example]:
        written = store.examples.create(dataset_id, form.examples())
        return store.examples.find(ExampleQuery(ids=written.example_ids))

    return [example_v1(request, store, one) for one in await run_in_threadpool(add)]


@router.get("/datasets/{dataset_id}/csv")
def download_csv(dataset_id: UUID, store: Store, as_of: str | None = None) -> Response:
    """The examples as CSV."""
    return _file(dataset_id, "csv", "text/csv", csv_files.written(_all(store, dataset_id, as_of)))


@router.get("/datasets/{dataset_id}/jsonl")
def download_jsonl(dataset_id: UUID, store: Store, as_of: str | None = None) -> Response:
    """The examples as lines of JSON."""
    return _lines(dataset_id, _all(store, dataset_id, as_of), _plain)


@router.get("/datasets/{dataset_id}/openai_ft")
def download_fine_tuning(dataset_id: UUID, store: Store, as_of: str | None = None) -> Response:
    """The examples as OpenAI takes them for fine-tuning."""
    return _lines(dataset_id, _all(store, dataset_id, as_of), chat_format.fine_tuning)


@router.get("/datasets/{dataset_id}/openai")
def download_evaluation(dataset_id: UUID, store: Store, as_of: str | None = None) -> Response:
    """The examples as OpenAI Evals takes them."""
    return _lines(dataset_id, _all(store, dataset_id, as_of), chat_format.evaluation)


async def _read(request: Request) -> CsvForm:
    body = await read_body(request)
    return CsvForm(parse_form(request.headers.get("content-type", ""), body), body)


def _create(store: OpsStore, form: CsvForm) -> Any:
    texts = ("id", "description", "data_type")
    objects = ("inputs_schema_definition", "outputs_schema_definition")
    try:
        fields = DatasetFields.model_validate(
            {name: form.text(name) or None for name in texts}
            | {name: form.json(name) for name in objects}
            | {"name": form.text("name") or form.file_name, "transformations": _list(form.text("transformations"))}
        )
    except ValidationError as error:
        raise Unprocessable(explain(error)) from error
    return store.datasets.create(fields, form.examples())


def _list(text: str | None) -> Any:
    try:
        return from_json(text) if text else None
    except ValueError as error:
        raise Unprocessable("transformations: Send a JSON list.") from error


def _all(store: OpsStore, dataset_id: UUID, as_of: str | None) -> list[Example]:
    return store.examples.find(ExampleQuery(dataset_id=dataset_id, as_of=as_of or None, descending=False))


def _plain(example: Example) -> dict[str, Any]:
    fields: dict[str, Any] = example.model_dump(mode="json", include={"id", "inputs", "outputs", "metadata"})
    return fields


def _lines(dataset_id: UUID, examples: list[Example], line: Callable[[Example], dict[str, Any]]) -> Response:
    text = "".join(json_text(line(one)) + "\n" for one in examples)
    return _file(dataset_id, "jsonl", "application/jsonl", text)


def _file(dataset_id: UUID, ending: str, media_type: str, text: str) -> Response:
    name = f'attachment; filename="dataset-{dataset_id}.{ending}"'
    return Response(text, media_type=media_type, headers={"Content-Disposition": name})
