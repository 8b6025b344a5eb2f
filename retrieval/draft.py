"""A draft: the next release of the corpus, in the making."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from types import TracebackType

import numpy as np

from retrieval.catalog import Catalog, CatalogDraft
from retrieval.embedding import indexed_text
from retrieval.encoders import EncoderSource
from retrieval.originals import Originals
from retrieval.passages import Document, Passage, Release
from retrieval.store.base import Entry, PassageStore, Stores

BATCH_PASSAGES = 256
OnProgress = Callable[[int, int], None]
"""Called with how many passages are done, and how many there are."""


@dataclass(frozen=True)
class Parts:
    """What a corpus is made of."""

    catalog: Catalog
    stores: Stores
    originals: Originals
    encoders: EncoderSource
    keep_releases: int
    pinned: Collection[int]
    """Releases that are kept whatever their age."""
    now: Callable[[], datetime]


class Draft:
    """Invisible to readers until `publish`; leaving the `with` block without it discards everything.

    It begins with all that the published release holds, in a copy of its index; in a new index beside it where the
    settings name other encoders by now. A process that is killed leaves the published release as it was, and its
    remains to the next draft to clear.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._waiting: list[tuple[Passage, np.ndarray | None]] = []
        self._published = False
        self._catalog = parts.catalog.draft()
        try:
            self.number = self._catalog.number
            self.encoders = parts.encoders.configured
            self._base = parts.catalog.published()
            same_index = self._base.index == self.encoders.index
            self._copied = self._base.store if same_index else None
            self._left_behind = None if same_index else self._base.store
            self._touched: set[str] = set()
            clear_remains(parts, self._catalog)
            self._name, self._store = parts.stores.fork(self._copied, self.number, self.encoders.embedder.dimension)
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

    def put(
        self,
        document: Document,
        passages: Sequence[Passage],
        original: bytes | None = None,
        vectors: np.ndarray | None = None,
    ) -> None:
        """Hold a document with these passages, in place of its earlier ones.

        `original` is the file's bytes, `vectors` are the passages' embeddings where they are made already. Raises
        ValueError where the SHA-256 of the bytes is not `document.content_hash`, or where a passage is another
        document's.
        """
        if any(passage.document_id != document.id for passage in passages):
            raise ValueError("every passage must carry the id of the document that it is put with")
        if original is not None:
            self._parts.originals.keep(document.content_hash, original)
        self._retire(document.id)
        self._catalog.put(document, len(passages))
        self._wait(passages, vectors)

    def remove(self, document_id: str) -> None:
        """Hold the document no longer."""
        self._retire(document_id)
        self._catalog.remove(document_id)

    @property
    def base(self) -> int:
        """Number of the release that it changes."""
        return self._base.release.number

    def carry_over(self, on_progress: OnProgress = lambda done, total: None) -> int:
        """Encode anew what the release before holds and was neither put nor removed; gives back how many passages.

        Where only the word analysis has changed, their embeddings are taken over. 0 where the index is a copy, which
        holds them already, and when it is called again.
        """
        if self._left_behind is None:
            return 0
        name, self._left_behind = self._left_behind, None
        by_document = self._catalog.passages_by_document()
        total = sum(count for document_id, count in by_document.items() if document_id not in self._touched)
        same_encoder = self._base.index is not None and self._base.index.encoder == self.encoders.index.encoder
        self._store_waiting()
        done = 0
        with closing(self._parts.stores.open(name)) as store:
            for passage, vector in store.embedded(self.base):
                if passage.document_id not in self._touched:
                    self._wait([passage], [vector] if same_encoder else None)
                    done += 1
                    on_progress(done - len(self._waiting), total)
        self._store_waiting()
        on_progress(done, total)
        return done

    def stored(self) -> PassageStore:
        """Where its passages lie, all that were put and carried over included."""
        self.carry_over()
        self._store_waiting()
        return self._store

    def publish(self) -> Release:
        """Make this the release that every reader sees from now on, in one step."""
        store = self.stored()
        store.flush()
        store.close()
        release = self._catalog.complete(
            store=self._name,
            copied=self._copied,
            built_on=self.base,
            index=self.encoders.index,
            published_at=self._parts.now().isoformat(),
        )
        self._catalog.prune(self._parts.keep_releases, self._parts.pinned)
        self._catalog.publish(self.number)
        self._catalog.commit()
        self._published = True
        return release

    def _begin_with_the_published(self) -> None:
        """Drop the passages of pruned releases; where a newer release was rolled back, go back behind it."""
        self._store.prune([one.number for one in self._catalog.releases() if one.store == self._copied])
        self._store.rebase(self.base, self.number)
        self._catalog.rebase(self.base)

    def _retire(self, document_id: str) -> None:
        self._touched.add(document_id)
        self._waiting = [waiting for waiting in self._waiting if waiting[0].document_id != document_id]
        if self._catalog.holds(document_id):  # a first load of a server would ask it twice for each document
            self._store.retire(document_id, self.number)

    def _wait(self, passages: Sequence[Passage], vectors: Iterable[np.ndarray] | None = None) -> None:
        """Have passages stored, in full batches across documents."""
        made = repeat(None, len(passages)) if vectors is None else vectors
        self._waiting.extend(zip(passages, made, strict=True))
        while len(self._waiting) >= BATCH_PASSAGES:
            self._store_batch()

    def _store_waiting(self) -> None:
        while self._waiting:
            self._store_batch()

    def _store_batch(self) -> None:
        batch, self._waiting = self._waiting[:BATCH_PASSAGES], self._waiting[BATCH_PASSAGES:]
        texts = [indexed_text(passage) for passage, _ in batch]
        missing = [text for text, (_, vector) in zip(texts, batch, strict=True) if vector is None]
        made = iter(self.encoders.embedder.encode(missing)) if missing else iter(())
        self._store.add(
            [
                Entry(passage, self.number, next(made) if vector is None else vector, self.encoders.words.passage(text))
                for text, (passage, vector) in zip(texts, batch, strict=True)
            ]
        )


def clear_remains(parts: Parts, catalog: CatalogDraft) -> None:
    """Delete what no release needs: what pruned releases held, and what drafts whose process was killed left."""
    parts.stores.prune(catalog.stores())
    parts.originals.prune(catalog.content_hashes())
