"""Examples from files, and as files: CSV with a header, or a JSON object on each line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from app.ops.langsmith.datasets import csv_files
from app.ops.store import OpsStore, StoreError
from app.ops.store.datasets.models import MAX_EXAMPLES, Example, ExampleFields, ExampleQuery
from app.ops.store.tables.base import json_text
from app.ops.views.addresses import BASE, dataset_url
from app.ops.views.answers import LARGEST_FORM_BYTES, PageRoute, see
from app.ops.views.examples import splits_of
from app.ops.views.json_fields import explained, json_object
from app.ops.views.lists import asked
from app.ops.views.render import page
from app.ops.views.state import OpsState

_KEYS = ("inputs", "outputs", "metadata", "split")


@dataclass(frozen=True)
class Columns:
    """Which columns of a file are inputs, or all others where none is named, and which are expected outputs."""

    inputs: list[str]
    outputs: list[str]

    def is_input(self, name: str) -> bool:
        """Whether this column is an input."""
        return name in self.inputs if self.inputs else name not in self.outputs


def build_example_files(state: OpsState) -> APIRouter:
    """`/datasets/{id}/upload` and `/datasets/{id}/download`."""
    router = APIRouter(prefix=f"{BASE}/datasets/{{dataset_id}}", route_class=PageRoute)

    @router.get("/upload", response_class=HTMLResponse)
    def upload_form(dataset_id: UUID) -> HTMLResponse:
        return _form_page(state.store, dataset_id, {})

    @router.post("/upload", response_model=None)
    async def upload(dataset_id: UUID, request: Request) -> Response:
        fields = await _read(request)
        return await run_in_threadpool(_add, state.store, dataset_id, fields)

    @router.get("/download", response_class=Response)
    def download(dataset_id: UUID, request: Request) -> Response:
        version, kind = (asked(request.query_params, name) for name in ("version", "format"))
        wanted = ExampleQuery(dataset_id=dataset_id, as_of=version or None, descending=False)
        examples = state.store.examples.find(wanted)
        ending = "csv" if kind == "csv" else "jsonl"
        text = csv_files.written(examples) if ending == "csv" else "".join(map(_line, examples))
        name = f'attachment; filename="dataset-{dataset_id}.{ending}"'
        headers = {"Content-Disposition": name, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
        return Response(text, media_type="text/csv" if ending == "csv" else "application/jsonl", headers=headers)

    return router


def examples_in(content: bytes, file_name: str, columns: Columns, splits: list[str] | None) -> list[ExampleFields]:
    """The examples in a file. Raises ValueError with a sentence that names the line."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("The file is not text in UTF-8. Save it as UTF-8 and upload it again.") from error
    rows = _csv_rows(text) if file_name.lower().endswith(".csv") else _json_rows(text)
    examples: list[ExampleFields] = []
    for line, row in rows:
        if len(examples) == MAX_EXAMPLES:
            raise ValueError(f"The file has more than {MAX_EXAMPLES:,} examples. Upload it in parts.")
        try:
            examples.append(_example(row, columns, splits))
        except ValueError as error:
            raise ValueError(f"Line {line}: {explained(error)}") from error
    if not examples:
        raise ValueError("The file has no examples. Choose a CSV file with a header, or one JSON object on each line.")
    return examples


def _add(store: OpsStore, dataset_id: UUID, form: dict[str, Any]) -> Response:
    columns = Columns(*(splits_of(form.get(name, "")) or [] for name in ("input_columns", "output_columns")))
    try:
        examples = examples_in(form["content"], form["file_name"], columns, splits_of(form.get("splits", "")))
        store.examples.create(dataset_id, examples)
    except (ValueError, StoreError) as error:
        return _form_page(store, dataset_id, form, explained(error))
    return see(dataset_url(dataset_id))


async def _read(request: Request) -> dict[str, Any]:
    """The fields of the form, with the file's `content` and `file_name`. Raises HTTPException (400, 413)."""
    size = request.headers.get("content-length", "")
    if not size.isdecimal() or int(size) > LARGEST_FORM_BYTES:
        raise HTTPException(413, f"The file is larger than {LARGEST_FORM_BYTES:,} bytes. Upload it in parts.")
    async with request.form(max_files=1, max_fields=20) as form:
        fields: dict[str, Any] = {
            name: value.replace("\x00", "") for name, value in form.items() if isinstance(value, str)
        }
        file = form.get("file")
        if not isinstance(file, UploadFile):
            return fields | {"content": b"", "file_name": ""}
        return fields | {"content": await file.read(), "file_name": file.filename or ""}


def _form_page(store: OpsStore, dataset_id: UUID, form: dict[str, Any], problem: str = "") -> HTMLResponse:
    values = {"dataset": store.datasets.get(dataset_id), "form": form, "problem": problem}
    return page("upload.html", values, status=422 if problem else 200)


def _csv_rows(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        for row in reader:
            if None in row:
                raise ValueError(f"Line {reader.line_num} has more values than the header has names.")
            yield reader.line_num, {name: value or "" for name, value in row.items()}
    except csv.Error as error:
        raise ValueError(f"Line {reader.line_num} is not CSV: {error}.") from error


def _json_rows(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if row := json_object(f"Line {number}", line):
            yield number, row


def _example(row: dict[str, Any], columns: Columns, splits: list[str] | None) -> ExampleFields:
    """A row that has `inputs` says itself what is what; of others the columns are divided."""
    if isinstance(row.get("inputs"), dict):
        named = {key: row[key] for key in _KEYS if row.get(key) is not None}
        return ExampleFields.model_validate(named | ({"split": splits} if splits else {}))
    if missing := [name for name in (*columns.inputs, *columns.outputs) if name not in row]:
        raise ValueError(f"There is no column “{missing[0]}”; there are {', '.join(row)[:200]}.")
    expected = {name: row[name] for name in columns.outputs}
    given = {name: value for name, value in row.items() if columns.is_input(name)}
    return ExampleFields.model_validate({"inputs": given, "outputs": expected or None, "split": splits})


def _line(example: Example) -> str:
    return json_text(example.model_dump(mode="json", include={"id", "inputs", "outputs", "metadata"})) + "\n"
