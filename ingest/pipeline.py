"""Files to a corpus release: find, read, compare, parse, split, put, and publish once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, closing
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from ingest.engines.base import engine
from ingest.errors import GateFailed, IngestError, MovedOn
from ingest.gate import Gate
from ingest.report import FileReport, IngestReport
from ingest.run_log import Failure
from ingest.settings import IngestSettings
from ingest.sources.base import Patterns, Source
from ingest.sources.folder import FolderSource
from ingest.stages import Intent, Task, refusal, removal, store
from retrieval.corpus import Corpus, Draft
from retrieval.passages import Release

OnProgress = Callable[[FileReport | None, int, int], None]
"""Called after each file with its report, how many are done, and how many there are.

After them with None, and so many of the passages that are encoded anew.
"""


def ingest(paths: Iterable[Path], corpus: Corpus, settings: IngestSettings, **options: Any) -> IngestReport:
    """`ingest_from` files and folders."""
    source = FolderSource(tuple(paths), Patterns(settings.include, settings.exclude))
    return ingest_from(source, corpus, settings, **options)


def ingest_from(
    source: Source,
    corpus: Corpus,
    settings: IngestSettings,
    *,
    groups: tuple[str, ...] | None = None,
    owner: str | None = None,
    dry_run: bool = False,
    allow_empty: bool = False,
    gate: Gate | None = None,
    held: Mapping[str, Failure] | None = None,
    on_progress: OnProgress = lambda report, done, total: None,
) -> IngestReport:
    """Bring the corpus up to date with what a source holds, and publish a release if anything changed.

    Files whose bytes or version, groups and owner are as before are not parsed again; documents whose files have gone
    are removed. A changed file that is refused keeps its earlier version. `groups` and `owner` of None keep those of a
    known document and give new ones those of the settings. Interrupted at any point, the published release stays as it
    was. Files that `held` names by their source, and that have not changed since, are refused as they were. Where the
    settings name other encoders than those of the published release, the passages of unchanged files are encoded anew.

    Raises IngestError where the source cannot be listed, or where one whose documents are known holds no file
    (an unmounted disk, say) and `allow_empty` is not set; GateFailed where the new release does not pass `gate`, and
    MovedOn where another one was published meanwhile.
    """
    started = time.monotonic()
    found = source.discover()
    base = corpus.published()
    known = corpus.documents(base.number)
    gone = found.gone(known)
    if gone and not found.files and not allow_empty:
        raise IngestError(
            f"No file is left in it, but {len(gone)} documents are known from it. Check that it is the right place "
            "and, if it is a folder, mounted; if they shall go, add --allow-empty."
        )
    intent = Intent(settings, source.name, groups, owner)
    tasks = [Task(file, known.get(file.source), (held or {}).get(file.source)) for file in found.files]
    reports: list[FileReport] = []
    total = len(found.files) + len(found.refused) + len(gone)
    with ExitStack() as stack:
        embedder = None if dry_run else corpus.embedder
        made = stack.enter_context(closing(engine(settings)(tasks, intent, embedder)))
        refusals = (refusal(Task(file, known.get(file.source)), refused) for file, refused in found.refused)
        steps = chain(refusals, made, map(removal, gone))
        draft: Draft | None = None
        for step in steps:
            if step.changes and not dry_run:
                draft = draft or _draft(corpus, base, stack)
                store(step, draft)
            reports.append(step.report)
            on_progress(step.report, len(reports), total)
        reencoded = corpus.to_reencode()
        if reencoded and not dry_run:
            draft = draft or _draft(corpus, base, stack)
            reencoded = draft.carry_over(partial(on_progress, None))
        report = IngestReport(
            files=sorted(reports, key=lambda report: report.source),
            dry_run=dry_run,
            release=base.number,
            reencoded=reencoded,
        )
        if draft:
            _publish(corpus, draft, gate, report)
    report.seconds = time.monotonic() - started
    return report


def _draft(corpus: Corpus, base: Release, stack: ExitStack) -> Draft:
    """A draft that changes the release which the files were compared with."""
    draft = stack.enter_context(corpus.draft())
    if draft.base != base.number:
        raise MovedOn(f"Release {draft.base} was published while the files were read. Run the ingest again.")
    return draft


def _publish(corpus: Corpus, draft: Draft, gate: Gate | None, report: IngestReport) -> None:
    try:
        if gate:
            gate.check(corpus, draft)
    except GateFailed as failed:
        failed.report = report
        raise
    report.release = draft.publish().number
    report.published = True
