"""Compares what answers rest on with each new release."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from app.evidence.ledger import Compared, Kept, Ledger, text_hash
from retrieval.corpus import Corpus
from retrieval.passages import Document

log = logging.getLogger(__name__)

EVERY_S = 5.0
GONE = ""
"""The version of a document that is not in the corpus."""


class Watch:
    """Marks the passages that a new release no longer holds, and unmarks those that it holds again.

    Only passages of documents that have changed since they were last compared are looked up. A passage's id follows
    from its place and its text, so one whose text merely moved within its document is known by the hash of its text.
    `on_stale` is told the ids of those that changed or went.
    """

    def __init__(
        self, ledger: Ledger, corpus: Corpus, on_stale: Callable[[Collection[str]], object] = lambda passages: None
    ) -> None:
        self._ledger = ledger
        self._corpus = corpus
        self._on_stale = on_stale

    async def run(self) -> None:
        """Compare after each release, for ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await asyncio.to_thread(self.compare)
            except Exception:  # whatever fails now is tried again; the task must outlive it
                log.exception("answers could not be compared with the new release; it is tried again")

    def compare(self) -> int:
        """Compare with the published release, once for each; gives back how many passages were looked at. Blocks."""
        release = self._corpus.release().number
        if not self._ledger.is_behind(release):
            return 0
        documents = self._corpus.documents().values()
        versions = {document.id: _version(document) for document in documents}
        due = list(self._due(release, versions))
        missing = [passage for passage, version in due if version != GONE and self._corpus.passage(passage.id) is None]
        changed = self._without_moved(missing)
        if self._corpus.release().number != release:
            return 0  # the next look compares with one release, not with parts of two
        self._ledger.keep_readers({document.id: document.groups for document in documents})
        compared = [_compared(passage, version, changed) for passage, version in due]
        self._ledger.settle(release, compared)
        self._on_stale({passage.id for passage in compared if passage.state})
        return len(due)

    def _due(self, release: int, versions: Mapping[str, str]) -> Iterator[tuple[Kept, str]]:
        """The passages to be looked at, each with the version of its document that is published now."""
        for document_id, before in self._ledger.versions(release):
            version = versions.get(document_id, GONE)
            if version != before:
                yield from ((passage, version) for passage in self._ledger.passages(document_id, before))

    def _without_moved(self, missing: Sequence[Kept]) -> set[str]:
        """The ids of those whose text doesn't stand anywhere else in its document."""
        oldest = min((passage.drawn for passage in missing), default=0)
        added = self._corpus.added_since(oldest) if missing else ()
        texts = {(passage.document_id, text_hash(passage.text)) for passage in added}
        return {passage.id for passage in missing if (passage.document_id, passage.text_hash) not in texts}


def _version(document: Document) -> str:
    """Whatever decides which passages a document has."""
    return f"{document.content_hash} {document.pipeline}"


def _compared(passage: Kept, version: str, changed: set[str]) -> Compared:
    if version == GONE:
        return Compared(passage.id, version, "gone")
    return Compared(passage.id, version, "changed" if passage.id in changed else None)
