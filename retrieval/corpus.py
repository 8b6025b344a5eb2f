"""The corpus: what has been ingested, release by release, and the search over it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np

from retrieval.catalog import Catalog
from retrieval.draft import Draft, Parts
from retrieval.embedding import Embedder, build_embedder
from retrieval.encoders import BuildEmbedder, Encoders, EncoderSource
from retrieval.filters import Filters
from retrieval.originals import Originals
from retrieval.passages import Document, Hit, Passage, Release
from retrieval.readers import Reader, Readers
from retrieval.releases import Releases
from retrieval.rerank import build_reranker
from retrieval.search import Search
from retrieval.settings import RetrievalSettings
from retrieval.store.base import PassageStore
from retrieval.store.factory import build_stores

__all__ = ["Corpus", "Draft"]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Corpus:
    """Reads the published release, and follows to the next one by itself, whichever process publishes it.

    A release is searched with the encoders that it was made with; those of the settings make the next one. Where
    `release` is given, that one is read instead, as long as it is kept. Safe to use from many threads.
    """

    def __init__(self, parts: Parts, settings: RetrievalSettings) -> None:
        self._parts = parts
        self._readers = Readers(parts)
        self._reranker = build_reranker(settings)
        self._within = lru_cache(maxsize=64)(self._document_ids)

    @classmethod
    def open(
        cls,
        settings: RetrievalSettings,
        data_dir: Path,
        embedder: Embedder | None = None,
        *,
        build: BuildEmbedder = build_embedder,
        pinned: Collection[int] = (),
        now: Callable[[], datetime] = _utc_now,
    ) -> Corpus:
        """The corpus of a data directory, which is made where it does not exist yet.

        `build` makes the encoder that settings name, unless `embedder` stands for every one. Releases that are `pinned`
        are never pruned.
        """
        folder = data_dir / "corpus"
        catalog = Catalog(folder / "catalog.db")
        parts = Parts(
            catalog=catalog,
            stores=build_stores(settings, folder / "passages", owner=catalog.corpus_id),
            originals=Originals(folder / "originals"),
            encoders=EncoderSource(settings, (lambda _: embedder) if embedder else build),
            keep_releases=settings.keep_releases,
            pinned=pinned,
            now=now,
        )
        return cls(parts, settings)

    def release(self) -> Release:
        """The release that is answered from: the published one, or the one before while its encoders are loaded."""
        return self._readers.release()

    def published(self) -> Release:
        """The published release, as of now: what the next draft changes."""
        return self._parts.catalog.published().release

    def trouble(self) -> str:
        """Why the published release cannot be answered from; empty where it can, or is being made ready."""
        return self._readers.trouble()

    async def search(
        self,
        question: str,
        *,
        groups: Collection[str],
        where: Filters | None = None,
        limit: int | None = None,
        release: int | None = None,
        rerank: bool = True,
    ) -> list[Hit]:
        """The best passages for a question that one of `groups` may read, best first; in documents as in `where`.

        Without `rerank`, the cross-encoder is spared where there is one.
        """
        return await asyncio.to_thread(
            self.search_now, question, groups=groups, where=where, limit=limit, release=release, rerank=rerank
        )

    def search_now(
        self,
        question: str,
        *,
        groups: Collection[str],
        where: Filters | None = None,
        limit: int | None = None,
        release: int | None = None,
        rerank: bool = True,
    ) -> list[Hit]:
        """`search`, in the calling thread."""
        reader = self._reader(release)
        if reader is None:
            return []
        search = self._search(reader.encoders, reader.store, reader.release.number, rerank=rerank)
        documents = self._within(where, reader.release.number) if where else None
        hits = search.find(question, groups=groups, documents=documents, limit=limit)
        return hits if release is None else self._not_closed_since(hits, groups)

    def search_draft(
        self, draft: Draft, question: str, *, groups: Collection[str], limit: int | None = None
    ) -> list[Hit]:
        """`search_now`, in a draft as it stands."""
        search = self._search(draft.encoders, draft.stored(), draft.number, rerank=True)
        return search.find(question, groups=groups, limit=limit)

    def _search(self, encoders: Encoders, store: PassageStore, release: int, *, rerank: bool) -> Search:
        reranker = self._reranker if rerank else None
        return Search(encoders.embedder, encoders.words, store, release, encoders.settings, reranker)

    def encode(self, texts: Sequence[str], release: int | None = None) -> np.ndarray:
        """Texts as a release's encoder sees them: float32, L2-normalised, (n, dimension)."""
        reader = self._reader(release)
        encoders = reader.encoders if reader else self._parts.encoders.configured
        return encoders.embedder.encode(texts)

    @property
    def embedder(self) -> Embedder:
        """The sentence encoder that the next draft is made with."""
        return self._parts.encoders.configured.embedder

    def warm(self, releases: Collection[int] = ()) -> None:
        """Open the published release and the given ones now, and load their encoders. Raises `RetrievalError`."""
        for release in (None, *releases):
            self.encode(["warm"], release)
        if self._reranker:
            self._reranker.load()

    def documents(self, release: int | None = None) -> dict[str, Document]:
        """A release's documents, by source."""
        return self._parts.catalog.documents(self._number(release))

    def document(self, document_id: str, release: int | None = None) -> Document | None:
        """One document of a release."""
        return self._parts.catalog.document(document_id, self._number(release))

    def passage(self, passage_id: str, release: int | None = None) -> Passage | None:
        """One passage of a release."""
        reader = self._reader(release)
        return reader.store.passage(passage_id, reader.release.number) if reader else None

    def added_since(self, release: int) -> Iterator[Passage]:
        """The passages that are answered from and that an earlier `release` does not hold, in no order."""
        return self.releases().added(self._number(None), release)

    def original(self, document_id: str, release: int | None = None) -> Path | None:
        """The stored copy of a document's file."""
        document = self.document(document_id, release)
        return self._parts.originals.path(document.content_hash) if document else None

    def to_reencode(self) -> int:
        """Passages that the next draft encodes anew, as the settings name other encoders than those that made them."""
        published = self._parts.catalog.published()
        same = published.index in (None, self._parts.encoders.configured.index)
        return 0 if same else published.release.passages

    def draft(self) -> Draft:
        """Begin the next release; raises `CorpusBusy` where another draft is open, in any process."""
        return Draft(self._parts)

    def releases(self) -> Releases:
        """The kept releases: to compare, publish again, roll back and prune."""
        return Releases(self._parts)

    def close(self) -> None:
        """Let go of files and connections."""
        self._readers.close()
        self._parts.stores.close()
        self._parts.catalog.close()

    def _document_ids(self, where: Filters, release: int) -> list[str]:
        return where.ids(self._parts.catalog.documents(release).values())

    def _not_closed_since(self, hits: list[Hit], groups: Collection[str]) -> list[Hit]:
        """Those of documents that the published release leaves to these readers, or does not hold."""
        now = {hit.passage.document_id: self.document(hit.passage.document_id) for hit in hits}
        closed = {key for key, document in now.items() if document and not set(document.groups) & set(groups)}
        return [hit for hit in hits if hit.passage.document_id not in closed]

    def _reader(self, release: int | None) -> Reader | None:
        return self._readers.current() if release is None else self._readers.at(release)

    def _number(self, release: int | None) -> int:
        return self.release().number if release is None else release
