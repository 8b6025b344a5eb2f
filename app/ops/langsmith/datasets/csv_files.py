"""Examples as rows of CSV: read from a form, written as a download."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from app.ops.langsmith.datasets.wire import json_object
from app.ops.langsmith.errors import Unprocessable
from app.ops.langsmith.request import explain
from app.ops.langsmith.runs.multipart import Part
from app.ops.store.datasets.models import MAX_EXAMPLES, Example, ExampleFields
from app.ops.store.tables.base import json_text

_FILE_NAME = re.compile(rb'content-disposition:[^\r\n]*\bfilename="([^"\r\n]*)"', re.IGNORECASE)
_SIDES = ("input", "output", "metadata")


class CsvForm:
    """A form with a CSV file and the columns to take from it. Raises Unprocessable where it cannot be read."""

    def __init__(self, parts: Iterable[Part], body: bytes) -> None:
        self._fields: dict[str, list[bytes]] = {}
        for part in parts:
            self._fields.setdefault(part.name, []).append(part.content)
        name = _FILE_NAME.search(body)
        self.file_name = name[1].decode("utf-8", "replace") if name else ""

    def text(self, name: str) -> str | None:
        """The last value of a field, None where there is none."""
        return _decoded(name, self._fields[name][-1]) if name in self._fields else None

    def json(self, name: str) -> dict[str, Any] | None:
        """The JSON object in a field, None where there is none."""
        text = self.text(name)
        return json_object(name, text) if text else None

    def examples(self) -> list[ExampleFields]:
        """The rows of the file as examples."""
        if "file" not in self._fields:
            raise Unprocessable("The form has no file.")
        columns = {side: self._columns(side) for side in _SIDES}
        if not columns["input"]:
            raise Unprocessable("Name at least one column in input_keys.")
        rows = self._rows({column for chosen in columns.values() for column in chosen})
        try:
            return [
                ExampleFields(
                    inputs=_picked(row, columns["input"]),
                    outputs=_picked(row, columns["output"]) if columns["output"] else None,
                    metadata=_picked(row, columns["metadata"]),
                )
                for row in rows
            ]
        except ValidationError as error:
            raise Unprocessable(explain(error)) from error

    def _columns(self, side: str) -> dict[str, str]:
        """The keys that columns go to."""
        names = [_decoded(f"{side}_keys", content) for content in self._fields.get(f"{side}_keys", [])]
        renamed = self.json(f"{side}_key_mappings") or {}
        return {name: name for name in names} | {str(column): str(key) for column, key in renamed.items()}

    def _rows(self, columns: set[str]) -> Sequence[Mapping[str, Any]]:
        reader = csv.DictReader(io.StringIO(_decoded("file", self._fields["file"][-1]), newline=""))
        try:
            if missing := columns - set(reader.fieldnames or []):
                raise Unprocessable(f"The file has no column {min(missing)!r}.")
            rows = list(reader)
        except csv.Error as error:
            raise Unprocessable(f"The file is not CSV: {error}.") from error
        if not 0 < len(rows) <= MAX_EXAMPLES:
            raise Unprocessable(f"The file needs at least one row below its header, and at most {MAX_EXAMPLES}.")
        return rows


def written(examples: Sequence[Example]) -> str:
    """Examples as CSV: one column for each key of their inputs and outputs."""
    inputs = _keys(one.inputs for one in examples)
    outputs = _keys(one.outputs or {} for one in examples)
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(["id", *(f"input_{key}" for key in inputs), *(f"output_{key}" for key in outputs), "metadata"])
    for one in examples:
        sides = [*(_cell(one.inputs, key) for key in inputs), *(_cell(one.outputs or {}, key) for key in outputs)]
        writer.writerow([str(one.id), *sides, json_text(one.metadata)])
    return out.getvalue()


def _picked(row: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    return {key: row[column] or "" for column, key in columns.items()}


def _keys(objects: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for one in objects for key in one))


def _cell(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key, "")
    return value if isinstance(value, str) else json_text(value)


def _decoded(name: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unprocessable(f"{name} is not text in UTF-8.") from error
