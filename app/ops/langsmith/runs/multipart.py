"""The multipart form that the SDK sends runs and feedback in.

`post.{run}` and `patch.{run}` hold a run without its large fields, each followed by `post.{run}.inputs` and the like;
`feedback.{id}` holds a judgement; `attachment.{run}.{name}` the bytes of a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from app.ops.langsmith.errors import BadRequest, TooLarge, Unprocessable
from app.ops.langsmith.request import explain
from app.ops.store.models import Attachment, CleanText, Document, FeedbackFields, Ingest, RunFields, SentRun

MAX_PARTS = 50_000
_OBJECTS = frozenset({"inputs", "outputs", "extra", "serialized"})
_SPLIT_FIELDS = (*sorted(_OBJECTS), "events", "error")
_BOUNDARY = re.compile(r'multipart/form-data\s*;.*\bboundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_NAME = re.compile(rb'content-disposition:[^\r\n]*?\bname="((?:[^"\r\n])*)"', re.IGNORECASE)
_TYPE = re.compile(rb"content-type:\s*([^\s;,\r\n]+)", re.IGNORECASE)
_RUN: TypeAdapter[SentRun] = TypeAdapter(SentRun)
_CLEAN_ERROR: TypeAdapter[str | None] = TypeAdapter(CleanText | None)

Store = Callable[[bytes], str]
"""Keeps a file and gives back its digest."""


class Part(NamedTuple):
    """One part of a form."""

    name: str
    head: bytes
    content: bytes

    @property
    def media_type(self) -> str:
        """Its Content-Type without parameters, or nothing."""
        found = _TYPE.search(self.head)
        return found[1].decode("latin-1").lower() if found else ""


def parse_form(content_type: str, body: bytes) -> list[Part]:
    """The parts of a form in their order. Raises BadRequest, TooLarge.

    The whole body is at hand, so it is cut at the boundary in one go: a parser that walks through it costs more than
    everything else that is done with a run.
    """
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise BadRequest("Send multipart/form-data with a boundary.")
    boundary = (match[1] or match[2]).encode("latin-1", "replace")
    preamble, *sections = (b"\r\n" + body).split(b"\r\n--" + boundary, MAX_PARTS + 2)
    if len(sections) > MAX_PARTS + 1:
        raise TooLarge(f"The form has more than {MAX_PARTS} parts. Send fewer records at once.")
    if preamble.strip() or not sections or not sections[-1].startswith(b"--"):
        raise BadRequest("The form does not begin or end with its boundary; it may have been cut off on its way.")
    return [_part(section) for section in sections[:-1]]


def _part(section: bytes) -> Part:
    head, blank, content = section.partition(b"\r\n\r\n")
    name = _NAME.search(head)
    if not head.startswith(b"\r\n") or not blank or name is None:
        raise BadRequest("A part of the form has no name, or no line between its headers and its content.")
    return Part(name[1].decode("utf-8", "replace"), head, content)


def read_runs(parts: Iterable[Part], store_file: Store) -> Ingest:
    """The records in a form. Raises Unprocessable that names the part at fault."""
    form = _RunForm(store_file)
    for part in parts:
        form.add(part)
    return form.ingest


class _RunForm:
    def __init__(self, store_file: Store) -> None:
        self.ingest = Ingest()
        self._store_file = store_file
        self._changes: dict[str, Any] = {}
        self._latest: dict[str, Any] = {}

    def add(self, part: Part) -> None:
        kind, _, rest = part.name.partition(".")
        record_id, _, name = rest.partition(".")
        if kind in ("post", "patch"):
            self._add_run(part, kind, record_id) if not name else self._add_field(part, kind, record_id, name)
        elif kind == "feedback":
            self._add_feedback(part, record_id)
        elif kind == "attachment":
            self._add_attachment(part, record_id, name)
        else:
            raise Unprocessable(f"The part {part.name!r} is not post., patch., feedback. or attachment.")

    def _add_run(self, part: Part, kind: str, run_id: str) -> None:
        try:
            fields = cast(RunFields, _RUN.validate_json(part.content))
        except ValidationError as error:
            raise Unprocessable(f"The part {part.name!r}: {explain(error)}") from error
        if str(fields["id"]) != run_id.lower():
            raise Unprocessable(f"The part {part.name!r} holds a run with another id.")
        (self.ingest.posts if kind == "post" else self.ingest.patches).append(fields)
        self._changes[f"{kind}.{run_id}"] = self._latest[run_id] = fields

    def _add_field(self, part: Part, kind: str, run_id: str, name: str) -> None:
        fields = self._changes.get(f"{kind}.{run_id}")
        if name not in _SPLIT_FIELDS:
            raise Unprocessable(f"The part {part.name!r} ends in none of {', '.join(_SPLIT_FIELDS)}.")
        if fields is None:
            raise Unprocessable(f"The part {part.name!r} comes before {kind}.{run_id}.")
        fields[name] = _error(part) if name == "error" else _document(part, dict if name in _OBJECTS else list)

    def _add_feedback(self, part: Part, feedback_id: str) -> None:
        try:
            fields = _document(part, dict)
            self.ingest.feedback.append(
                FeedbackFields.model_validate((fields.value if fields else {}) | {"id": feedback_id})
            )
        except ValidationError as error:
            raise Unprocessable(f"The part {part.name!r}: {explain(error)}") from error

    def _add_attachment(self, part: Part, run_id: str, name: str) -> None:
        if run_id not in self._latest or not name:
            raise Unprocessable(f"The part {part.name!r} comes before its run, or has no name.")
        fields = self._latest[run_id]
        kept = Attachment(
            mime_type=part.media_type or "application/octet-stream",
            size_bytes=len(part.content),
            digest=self._store_file(part.content),
        )
        fields["attachments"] = (fields.get("attachments") or {}) | {
            name.replace("\x00", "\ufffd")[:1000]: kept.model_dump()
        }


def _document(part: Part, kind: type) -> Document | None:
    try:
        document = Document.read(part.content)
    except ValueError as error:
        raise Unprocessable(f"The part {part.name!r} is not JSON: {error}.") from error
    if document.value is None:
        return None
    if not isinstance(document.value, kind):
        raise Unprocessable(f"The part {part.name!r} is not a JSON {'object' if kind is dict else 'list'}.")
    return document


def _error(part: Part) -> str | None:
    try:
        return _CLEAN_ERROR.validate_python(from_json(part.content))
    except ValueError as error:
        raise Unprocessable(f"The part {part.name!r} is not text as JSON.") from error
