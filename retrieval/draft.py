"""A draft: the next release of the corpus, in the making."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType

from retrieval.catalog import Catalog
from retrieval.embedding import Embedder, WordEncoder, indexed_text
from retrieval.errors import EncoderChanged
from retrieval.originals import Originals
from retrieval.passages import Document, Passage, Release
from retrieval.store.base import Entry, PassageStore, Stores

BATCH_PASSAGES = 256


@dataclass(frozen=True)
class Parts:
    """What a corpus is made of."""

    catalog: Catalog
    stores: Stores
    originals: Originals
    embedder: Embedder
    words: WordEncoder
    keep_releases: int
    now: Callable[[], datetime]


class Draft:
    """Invisible to readers until `publish`; leaving the `with` block without it discards everything.

    A process that is killed leaves the published release as it was, and its remains to the next draft to clear.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._waiting: list[Passage] = []
        self._published = False
        self._catalog = parts.catalog.draft()
        try:
            self.number = self._catalog.number
            self._base = parts.catalog.published()
            self._check_encoder()
            self._clear_remains()
            self._name, self._store = parts.stores.fork(self._base.store, self.number, parts.embedder.dimension)
            self._begin_with_the_published()
        except BaseException:
            self._catalog.close()
            raise

    def __enter__(self) -> Draft:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not self._published:
                self._store.discard(self.number)
        finally:
            self._catalog.close()

    def put(self, document: Document, passages: Sequence[Passage], original: bytes | None = None) -> None:
        """Hold a document with these passages, in place of its earlier ones.

        `original` is the file's bytes; raises ValueError where their SHA-256 is not `document.content_hash`, or
        where a passage is another document's.
        """
        if any(passage.document_id != document.id for passage in passages):
            raise ValueError("every passage must carry the id of the document that it is put with")
        if original is not None:
            self._parts.originals.keep(document.content_hash, original)
        self._retire(document.id)
        self._catalog.put(document, len(passages))
        self._waiting.extend(passages)
        while len(self._waiting) >= BATCH_PASSAGES:
            self._store_waiting()

    def remove(self, document_id: str) -> None:
        """Hold the document no longer."""
        self._retire(document_id)
        self._catalog.remove(document_id)

    @property
    def base(self) -> int:
        """Number of the release that it changes."""
        return self._base.release.number

    def stored(self) -> PassageStore:
        """Where its passages lie, all that were put included."""
        while self._waiting:
            self._store_waiting()
        return self._store

    def publish(self) -> Release:
        """Make this the release that every reader sees from now on, in one step."""
        store = self.stored()
        store.flush()
        store.close()
        release = self._catalog.complete(
            store=self._name,
            base=self._base,
            encoder=self._parts.embedder.name,
            published_at=self._parts.now().isoformat(),
        )
        self._catalog.prune(self._parts.keep_releases)
        self._catalog.publish(self.number)
        self._catalog.commit()
        self._published = True
        return release

    def _check_encoder(self) -> None:
        stored, configured = self._base.encoder, self._parts.embedder.name
        if stored not in (None, configured):
            raise EncoderChanged(str(stored), configured)

    def _clear_remains(self) -> None:
        """Delete what no release needs: pruned releases, and drafts whose process was killed."""
        self._parts.stores.prune(self._catalog.stores())
        self._parts.originals.prune(self._catalog.content_hashes())

    def _begin_with_the_published(self) -> None:
        """Drop the passages of pruned releases; where a newer release was rolled back, go back behind it."""
        self._store.prune([release.number for release in self._catalog.releases()])
        self._store.rebase(self.base, self.number)
        self._catalog.rebase(self.base)

    def _retire(self, document_id: str) -> None:
        self._waiting = [passage for passage in self._waiting if passage.document_id != document_id]
        self._store.retire(document_id, self.number)

    def _store_waiting(self) -> None:
        """Embed and store one batch, across documents."""
        batch, self._waiting = self._waiting[:BATCH_PASSAGES], self._waiting[BATCH_PASSAGES:]
        texts = [indexed_text(passage) for passage in batch]
        vectors = self._parts.embedder.encode(texts)
        self._store.add(
            [
                Entry(passage, self.number, vector, self._parts.words.passage(text))
                for passage, vector, text in zip(batch, vectors, texts, strict=True)
            ]
        )
