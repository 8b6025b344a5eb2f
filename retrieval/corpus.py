"""The corpus: what has been ingested, release by release, and the search over it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from retrieval.catalog import Catalog, Published
from retrieval.draft import Draft, Parts
from retrieval.embedding import Embedder, WordEncoder, build_embedder
from retrieval.errors import EncoderChanged
from retrieval.fusion import fuse
from retrieval.originals import Originals
from retrieval.passages import Document, Hit, Passage, Release
from retrieval.releases import Releases
from retrieval.settings import RetrievalSettings
from retrieval.store.base import Found, PassageStore, Question
from retrieval.store.factory import build_stores

__all__ = ["Corpus", "Draft"]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Corpus:
    """Reads the published release, and follows to the next one by itself, whichever process publishes it.

    Safe to use from many threads.
    """

    def __init__(self, parts: Parts, settings: RetrievalSettings) -> None:
        self._parts = parts
        self._settings = settings
        self._lock = threading.Lock()
        self._open: tuple[str, PassageStore] | None = None

    @classmethod
    def open(
        cls,
        settings: RetrievalSettings,
        data_dir: Path,
        embedder: Embedder | None = None,
        *,
        now: Callable[[], datetime] = _utc_now,
    ) -> Corpus:
        """The corpus of a data directory, which is made where it does not exist yet."""
        folder = data_dir / "corpus"
        catalog = Catalog(folder / "catalog.db")
        parts = Parts(
            catalog=catalog,
            stores=build_stores(settings, folder / "passages", owner=catalog.corpus_id),
            originals=Originals(folder / "originals"),
            embedder=embedder or build_embedder(settings),
            words=WordEncoder(settings.language),
            keep_releases=settings.keep_releases,
            now=now,
        )
        return cls(parts, settings)

    def release(self) -> Release:
        """The published release, as of now."""
        return self._parts.catalog.published().release

    async def search(self, question: str, *, groups: Collection[str], limit: int | None = None) -> list[Hit]:
        """The best passages for a question that one of `groups` may read, best first."""
        return await asyncio.to_thread(self.search_now, question, groups=groups, limit=limit)

    def search_now(self, question: str, *, groups: Collection[str], limit: int | None = None) -> list[Hit]:
        """`search`, in the calling thread."""
        published, store = self._published_store()
        if store is None:
            return []
        if published.encoder != self._parts.embedder.name:
            raise EncoderChanged(str(published.encoder), self._parts.embedder.name)
        return self._search(store, published.release.number, question, groups, limit)

    def search_draft(
        self, draft: Draft, question: str, *, groups: Collection[str], limit: int | None = None
    ) -> list[Hit]:
        """`search_now`, in a draft as it stands."""
        return self._search(draft.stored(), draft.number, question, groups, limit)

    def _search(
        self, store: PassageStore, release: int, question: str, groups: Collection[str], limit: int | None
    ) -> list[Hit]:
        if not groups or not question.strip():
            return []
        wanted = limit or self._settings.limit
        found = store.search(
            Question(
                dense=self._parts.embedder.encode([question])[0],
                sparse=self._parts.words.question(question),
                release=release,
                groups=groups,
            ),
            max(wanted, self._settings.candidates),
        )
        return _hits(store, fuse(found, dense_weight=self._settings.dense_weight, limit=wanted))

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Texts as the encoder sees them: float32, L2-normalised, (n, dimension)."""
        return self._parts.embedder.encode(texts)

    def warm(self) -> None:
        """Load the encoder and open the published release now; blocks. Raises `RetrievalError`."""
        self.encode(["warm"])
        self._published_store()

    def documents(self) -> dict[str, Document]:
        """The published release's documents, by source."""
        return self._parts.catalog.documents(self.release().number)

    def document(self, document_id: str) -> Document | None:
        """One document of the published release."""
        return self._parts.catalog.document(document_id, self.release().number)

    def passage(self, passage_id: str) -> Passage | None:
        """One passage of the published release."""
        published, store = self._published_store()
        return store.passage(passage_id, published.release.number) if store else None

    def added_since(self, release: int) -> Iterator[Passage]:
        """The published release's passages that an earlier `release` does not hold, in no order."""
        published, store = self._published_store()
        return store.only_in(published.release.number, release) if store else iter(())

    def original(self, document_id: str) -> Path | None:
        """The stored copy of a document's file."""
        document = self.document(document_id)
        return self._parts.originals.path(document.content_hash) if document else None

    def draft(self) -> Draft:
        """Begin the next release; raises `CorpusBusy` where another draft is open, in any process."""
        return Draft(self._parts)

    def releases(self) -> Releases:
        """The kept releases: to compare, publish again, roll back and prune."""
        return Releases(self._parts.catalog, self._parts.stores)

    def close(self) -> None:
        """Let go of files and connections."""
        with self._lock:
            if self._open:
                self._open[1].close()
            self._open = None
        self._parts.stores.close()
        self._parts.catalog.close()

    def _published_store(self) -> tuple[Published, PassageStore | None]:
        """The published release and its store, opened anew when a newer release has come.

        The earlier store is not closed here but when the last search that still uses it lets go of it.
        """
        with self._lock:
            published = self._parts.catalog.published()
            if published.store is None:
                return published, None
            if self._open is None or self._open[0] != published.store:
                self._open = published.store, self._parts.stores.open(published.store)
            return published, self._open[1]


def _hits(store: PassageStore, ranked: Sequence[tuple[float, Found]]) -> list[Hit]:
    passages = store.read([found.point for _, found in ranked])
    return [
        Hit(passage=passages[found.point], score=score, dense=found.dense, sparse=found.sparse)
        for score, found in ranked
        if found.point in passages
    ]
