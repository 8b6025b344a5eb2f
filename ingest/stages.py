"""What becomes of one file, stage by stage: read and compare, parse and split, encode, put.

Plain functions, so that every engine calls the same ones, in this process or in another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from ingest.errors import Gone, RefusedFile
from ingest.parsers import media_type
from ingest.report import FileReport, Status
from ingest.run_log import Failure
from ingest.sandbox import Sandbox
from ingest.settings import IngestSettings
from ingest.sources.base import Content, Found
from ingest.splitting import fingerprint, passages
from retrieval.corpus import Draft
from retrieval.embedding import Embedder, indexed_text
from retrieval.passages import Document, Passage

_NAMED = 5
_PASSAGE_BYTES = 4_000


@dataclass(frozen=True, slots=True)
class Intent:
    """What an ingest wants of every file that it finds."""

    settings: IngestSettings
    origin: str = ""
    """Name of the source; empty for a place named on the spot, whose documents keep the source that they have."""
    groups: tuple[str, ...] | None = None
    """None keeps those of a known document and gives a new one those of the settings."""
    owner: str | None = None
    """As `groups`."""

    def for_document(self, known: Document | None) -> dict[str, Any]:
        """What the document is to be, whatever its bytes."""
        owner = (known.owner if known else self.settings.owner) if self.owner is None else self.owner
        return {
            "origin": self.origin or (known.origin if known else ""),
            "groups": self.groups or (known.groups if known else self.settings.groups),
            "owner": owner,
            "pipeline": fingerprint(self.settings),
        }


@dataclass(frozen=True, slots=True)
class Task:
    """A file to look at, and what is known of it."""

    file: Found
    known: Document | None = None
    held: Failure | None = None
    """Why it was refused; it is so again, untried, as long as it has that version."""


@dataclass(frozen=True, slots=True)
class Put:
    """A document to hold in place of its earlier version."""

    document: Document
    passages: list[Passage]
    original: bytes
    vectors: np.ndarray | None = None
    """The passages' embeddings, once they are made."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is to become of one file: the report of it, and the change to the draft if there is one."""

    report: FileReport
    put: Put | None = None
    removed: Document | None = None

    @property
    def changes(self) -> bool:
        """Whether the draft is to change."""
        return bool(self.put or self.removed)

    @property
    def weight(self) -> int:
        """About how much memory it holds, in bytes."""
        return len(self.put.original if self.put else b"") + _PASSAGE_BYTES * (1 + self.report.passages)


def prepare(task: Task, intent: Intent, sandbox: Sandbox) -> Step:
    """Read, compare, and parse where the file is new or has changed."""
    known = task.known
    if known and not intent.origin:
        task = replace(task, file=replace(task.file, name=known.name))  # by itself, it would lose the folders above it
    try:
        return _compared(task, intent, sandbox)
    except Gone as gone:
        return removal(known) if known else refusal(task, gone)
    except RefusedFile as refused:
        return refusal(task, refused, task.file.version)


def encode(steps: Sequence[Step], embedder: Embedder) -> list[Step]:
    """The steps with the embeddings of their passages, made at once across documents."""
    texts = [[indexed_text(passage) for passage in step.put.passages] if step.put else [] for step in steps]
    if not any(texts):
        return list(steps)
    vectors = embedder.encode([text for its_texts in texts for text in its_texts])
    ends = accumulate(map(len, texts))
    return [
        replace(step, put=replace(step.put, vectors=vectors[end - len(its_texts) : end])) if step.put else step
        for step, its_texts, end in zip(steps, texts, ends, strict=True)
    ]


def store(step: Step, draft: Draft) -> None:
    """Make the step's change in the draft."""
    if step.removed:
        draft.remove(step.removed.id)
    if step.put:
        draft.put(step.put.document, step.put.passages, step.put.original, step.put.vectors)


def refusal(task: Task, refused: RefusedFile, version: str = "") -> Step:
    """A file that is left out; what was known of it stays."""
    kept = " Its earlier version stays." if task.known else ""
    status: Status = "empty" if refused.reason == "empty" else "refused"
    figures = {"reason": refused.reason, "finding": refused.finding, "version": version}
    return Step(_report(task.file, status, detail=f"{refused}{kept}", **figures))


def removal(document: Document) -> Step:
    """A document whose file has gone."""
    report = FileReport(name=document.name, source=document.source, status="removed")
    return Step(report, removed=document)


def _compared(task: Task, intent: Intent, sandbox: Sandbox) -> Step:
    file, known, held = task.file, task.known, task.held
    meant = intent.for_document(known)
    if held and file.version == held.version:
        raise held.refused()
    as_before = known if known and _alike(known, meant) else None
    content = _read(file, intent.settings.max_file_bytes, as_before.version if as_before else "")
    content_hash = hashlib.sha256(content.data).hexdigest() if content else ""
    if as_before and (content is None or content_hash == as_before.content_hash):
        return Step(_report(file, "unchanged", pages=as_before.pages))
    assert content is not None
    version = content.version or content_hash
    try:
        if held and version == held.version:
            raise held.refused()
        return _parsed(task, content, {**meant, "content_hash": content_hash}, sandbox)
    except RefusedFile as refused:
        return refusal(task, refused, version)


def _parsed(task: Task, content: Content, meant: dict[str, Any], sandbox: Sandbox) -> Step:
    file = task.file
    kind = media_type(content.name)
    extract = sandbox.extract(content.name, content.data)
    document = Document(
        id=str(uuid5(NAMESPACE_URL, file.uri)),
        source=file.source,
        name=content.name,
        title=extract.title,
        media_type=kind,
        size_bytes=len(content.data),
        pages=extract.pages,
        version=content.version,
        **meant,
    )
    made = passages(document, extract.pieces)
    figures = {"passages": len(made), "pages": extract.pages, "detail": _left_out(extract.left_out)}
    report = _report(replace(file, name=content.name), "changed" if task.known else "added", **figures)
    return Step(report, Put(document, made, content.data))


def _alike(known: Document, meant: dict[str, Any]) -> bool:
    """Whether all but the bytes is as it is meant to be; the order of the groups does not count."""
    return set(known.groups) == set(meant["groups"]) and all(
        getattr(known, name) == value for name, value in meant.items() if name != "groups"
    )


def _read(file: Found, max_bytes: int, known: str) -> Content | None:
    """The file, or None where its version is still `known`."""
    return None if known and file.version == known else file.read(max_bytes, known)


def _left_out(files: list[str]) -> str:
    """A sentence on the files inside a file that could not be read; the first few are named."""
    return f"Files inside it that were left out: {len(files)}. {' '.join(files[:_NAMED])}" if files else ""


def _report(file: Found, status: Status, **figures: Any) -> FileReport:
    return FileReport(name=file.name, source=file.source, status=status, **figures)
