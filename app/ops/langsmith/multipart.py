"""The multipart form that the SDK sends runs and feedback in.

`post.{run}` and `patch.{run}` hold a run without its large fields, each followed by `post.{run}.inputs` and the like;
`feedback.{id}` holds a judgement; `attachment.{run}.{name}` the bytes of a file, of which only type and size are kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import ValidationError
from pydantic_core import from_json
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.ops.langsmith.body import explain
from app.ops.langsmith.errors import BadRequest, TooLarge, Unprocessable
from app.ops.store.models import Ingest

_SPLIT_FIELDS = ("inputs", "outputs", "events", "extra", "error", "serialized")
_MAX_PARTS = 20_000


@dataclass
class Part:
    """One part of a form. Of an attachment the content is counted, not kept."""

    name: str
    media_type: str
    content: bytearray = field(default_factory=bytearray)
    size_bytes: int = 0

    def add(self, data: bytes) -> None:
        self.size_bytes += len(data)
        if not self.name.startswith("attachment."):
            self.content += data


def parse_form(content_type: str, chunks: Iterable[bytes]) -> list[Part]:
    """The parts of a form in their order. Raises BadRequest, TooLarge."""
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise BadRequest("Send multipart/form-data with a boundary.")
    reader = _PartReader()
    try:
        parser = MultipartParser(options[b"boundary"], reader.callbacks())
        for chunk in chunks:
            parser.write(chunk)
    except FormParserError as error:
        raise BadRequest(f"The form cannot be read: {error}.") from error
    if not reader.ended:
        raise BadRequest("The form ends before its last boundary.")
    return reader.parts


class _PartReader:
    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.ended = False
        self._headers: dict[bytes, bytes] = {}
        self._field = b""
        self._value = b""

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._headers.clear,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_end": self._on_end,
        }

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def _on_headers_finished(self) -> None:
        if len(self.parts) == _MAX_PARTS:
            raise TooLarge(f"The form has more than {_MAX_PARTS} parts. Send fewer runs at once.")
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        media_type, _ = parse_options_header(self._headers.get(b"content-type"))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        self.parts.append(Part(name, media_type.decode("latin-1")))

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].add(data[start:end])

    def _on_end(self) -> None:
        self.ended = True


@dataclass
class _Change:
    kind: Literal["post", "patch"]
    fields: dict[str, Any]


def read_form(parts: Iterable[Part]) -> Ingest:
    """The records in a form. Raises Unprocessable that names the part at fault."""
    form = _FormReader()
    for part in parts:
        form.add(part)
    try:
        return Ingest.model_validate(
            {
                "posts": [change.fields for change in form.changes if change.kind == "post"],
                "patches": [change.fields for change in form.changes if change.kind == "patch"],
                "feedback": form.feedback,
            }
        )
    except ValidationError as error:
        raise Unprocessable(explain(error)) from error


class _FormReader:
    def __init__(self) -> None:
        self.changes: list[_Change] = []
        self.feedback: list[dict[str, Any]] = []
        self._latest: dict[str, _Change] = {}

    def add(self, part: Part) -> None:
        kind, _, rest = part.name.partition(".")
        record_id, _, name = rest.partition(".")
        if kind in ("post", "patch"):
            self._add_run_part(part, kind, record_id, name)
        elif kind == "feedback":
            self.feedback.append(_object(part) | {"id": record_id})
        elif kind == "attachment":
            self._add_attachment(part, record_id, name)
        else:
            raise Unprocessable(f"The part {part.name!r} is not post., patch., feedback. or attachment.")

    def _add_run_part(self, part: Part, kind: Any, run_id: str, name: str) -> None:
        if not name:
            change = _Change(kind, _object(part))
            self.changes.append(change)
            self._latest[f"{kind}.{run_id}"] = self._latest[run_id] = change
            if str(change.fields.get("id", "")).lower() != run_id.lower():
                raise Unprocessable(f"The part {part.name!r} holds a run with another id.")
        elif name not in _SPLIT_FIELDS:
            raise Unprocessable(f"The part {part.name!r} ends in none of {', '.join(_SPLIT_FIELDS)}.")
        elif f"{kind}.{run_id}" not in self._latest:
            raise Unprocessable(f"The part {part.name!r} comes before {kind}.{run_id}.")
        else:
            self._latest[f"{kind}.{run_id}"].fields[name] = _json(part)

    def _add_attachment(self, part: Part, run_id: str, name: str) -> None:
        if run_id not in self._latest:
            raise Unprocessable(f"The part {part.name!r} comes before its run.")
        attachments = self._latest[run_id].fields.setdefault("attachments", {})
        attachments[name] = {"mime_type": part.media_type, "size_bytes": part.size_bytes}


def _object(part: Part) -> dict[str, Any]:
    value = _json(part)
    if not isinstance(value, dict):
        raise Unprocessable(f"The part {part.name!r} is not a JSON object.")
    return value


def _json(part: Part) -> Any:
    try:
        return from_json(bytes(part.content))
    except ValueError as error:
        raise Unprocessable(f"The part {part.name!r} is not JSON: {error}.") from error
