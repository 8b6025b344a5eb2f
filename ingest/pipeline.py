"""Files to a corpus release: find, read, compare, parse, split, put, and publish once."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar
from uuid import NAMESPACE_URL, uuid5

from ingest.discovery import Found, discover, read
from ingest.errors import IngestError, MovedOn, RefusedFile
from ingest.gate import Gate
from ingest.parsers import media_type
from ingest.report import FileReport, IngestReport, Status
from ingest.sandbox import Sandbox
from ingest.settings import IngestSettings
from ingest.splitting import fingerprint, passages
from retrieval.corpus import Corpus, Draft
from retrieval.passages import Document, Release

OnProgress = Callable[[FileReport, int, int], None]
"""Called after each file with its report, how many are done, and how many there are."""

_NAMED = 5
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class _Step:
    """What is to become of one file: the report of it, and the change to the draft if there is one."""

    report: FileReport
    change: Callable[[Draft], None] | None = None


def ingest(
    paths: Iterable[Path],
    corpus: Corpus,
    settings: IngestSettings,
    *,
    groups: tuple[str, ...] | None = None,
    owner: str | None = None,
    dry_run: bool = False,
    allow_empty: bool = False,
    gate: Gate | None = None,
    on_progress: OnProgress = lambda report, done, total: None,
) -> IngestReport:
    """Bring the corpus up to date with the files below `paths`, and publish a release if anything changed.

    Files whose bytes, groups and owner are as before are not parsed again; documents whose files have gone are removed.
    A changed file that is refused keeps its earlier version. `groups` and `owner` of None keep those of a known
    document and give new ones those of the settings. Interrupted at any point, the published release stays as it was.

    Raises IngestError where a path does not exist, or where a folder whose documents are known holds no file
    (an unmounted disk, say) and `allow_empty` is not set; GateFailed where the new release does not pass `gate`, and
    MovedOn where another one was published meanwhile.
    """
    started = time.monotonic()
    found = discover(paths, settings)
    base = corpus.release()
    known = corpus.documents()
    gone = [known[source] for source in found.gone(known)]
    if gone and not found.files and not allow_empty:
        raise IngestError(
            f"No file is left in the folder, but {len(gone)} documents are known from it. Check that it is the right "
            "folder and mounted."
        )
    reports: list[FileReport] = []
    total = len(found.files) + len(found.refused) + len(gone)
    with ExitStack() as stack:
        preparation = _Preparation(known, settings, groups, owner, stack.enter_context(Sandbox(settings)))
        refusals = (preparation.refusal(file, refused) for file, refused in found.refused)
        steps = chain(refusals, _ahead(preparation.step, found.files, settings.read_ahead), map(_removal, gone))
        draft: Draft | None = None
        for step in steps:
            if step.change and not dry_run:
                draft = draft or _draft(corpus, base, stack)
                step.change(draft)
            reports.append(step.report)
            on_progress(step.report, len(reports), total)
        release = _publish(corpus, draft, gate) if draft else corpus.release()
    return IngestReport(
        files=sorted(reports, key=lambda report: report.source),
        dry_run=dry_run,
        release=release.number,
        published=draft is not None,
        seconds=time.monotonic() - started,
    )


def _draft(corpus: Corpus, base: Release, stack: ExitStack) -> Draft:
    """A draft that changes the release which the files were compared with."""
    draft = stack.enter_context(corpus.draft())
    if draft.base != base.number:
        raise MovedOn(f"Release {draft.base} was published while the files were read. Run the ingest again.")
    return draft


def _publish(corpus: Corpus, draft: Draft, gate: Gate | None) -> Release:
    if gate:
        gate.check(corpus, draft)
    return draft.publish()


@dataclass(frozen=True, slots=True)
class _Preparation:
    """Turns a file into a step; runs ahead of the encoder, in a thread of its own."""

    known: dict[str, Document]
    settings: IngestSettings
    groups: tuple[str, ...] | None
    owner: str | None
    sandbox: Sandbox

    def step(self, file: Found) -> _Step:
        """Read, compare, and parse where the file is new or has changed."""
        known = self.known.get(file.source)
        file = Found(file.path, known.name) if known else file
        groups = self.groups or (known.groups if known else self.settings.groups)
        owner = (known.owner if known else self.settings.owner) if self.owner is None else self.owner
        try:
            kind = media_type(file.name)
            data = read(file, self.settings.max_file_bytes)
            content_hash = hashlib.sha256(data).hexdigest()
            pipeline = fingerprint(self.settings)
            same_readers = known is not None and (set(known.groups), known.owner) == (set(groups), owner)
            if known and same_readers and (known.content_hash, known.pipeline) == (content_hash, pipeline):
                return _Step(_report(file, "unchanged", pages=known.pages))
            extract = self.sandbox.extract(file.name, data)
        except RefusedFile as refused:
            return self.refusal(file, refused)
        document = Document(
            id=str(uuid5(NAMESPACE_URL, file.path.as_uri())),
            source=file.source,
            name=file.name,
            title=extract.title,
            content_hash=content_hash,
            media_type=kind,
            size_bytes=len(data),
            pages=extract.pages,
            pipeline=pipeline,
            groups=groups,
            owner=owner,
        )
        made = passages(document, extract.pieces)
        status: Status = "changed" if known else "added"
        report = _report(file, status, passages=len(made), pages=extract.pages, detail=_left_out(extract.left_out))
        return _Step(report, lambda draft: draft.put(document, made, data))

    def refusal(self, file: Found, refused: RefusedFile) -> _Step:
        """A file that is left out; what was known of it stays."""
        kept = " Its earlier version stays." if file.source in self.known else ""
        status: Status = "empty" if refused.reason == "empty" else "refused"
        return _Step(_report(file, status, reason=refused.reason, detail=f"{refused}{kept}"))


def _left_out(files: list[str]) -> str:
    """A sentence on the files inside a file that could not be read; the first few are named."""
    return f"Files inside it that were left out: {len(files)}. {' '.join(files[:_NAMED])}" if files else ""


def _removal(document: Document) -> _Step:
    report = FileReport(name=document.name, source=document.source, status="removed")
    return _Step(report, lambda draft: draft.remove(document.id))


def _report(file: Found, status: Status, **figures: Any) -> FileReport:
    return FileReport(name=file.name, source=file.source, status=status, **figures)


def _ahead(function: Callable[[_Item], _Result], items: Iterable[_Item], depth: int) -> Iterator[_Result]:
    """Like `map`, but up to `depth` results are prepared in a thread while the caller is busy with an earlier one."""
    pool = ThreadPoolExecutor(max_workers=1)
    waiting: deque[Future[_Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
