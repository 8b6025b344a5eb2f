"""A corpus of judged documents in a folder of its own, split, published and searched as the product does it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import numpy as np
from rich.progress import Progress, TaskID

from evals.beir import BeirDocument, Collection
from evals.bench.figures import quantile
from evals.ranking import Grades, ndcg, recall, reciprocal_rank
from ingest.parsers.base import Block
from ingest.settings import IngestSettings
from ingest.splitting import passages, split
from retrieval.corpus import Corpus
from retrieval.embedding import Embedder
from retrieval.passages import EVERYONE, Document, Hit, Passage
from retrieval.settings import RetrievalSettings

STAGES: dict[str, dict[str, object]] = {
    "dense": {"dense_weight": 1.0, "reranker": ""},
    "sparse": {"dense_weight": 0.0, "reranker": ""},
    "fusion": {"reranker": ""},
    "rerank": {},
}
"""What each stage changes in the settings of the search; the last one is what readers get."""
DEPTH = 100
BATCH = 64

Scores = dict[str, float]
"""Means over the queries, and milliseconds of a search, by the name of the measure."""


class Trial:
    """Documents that are published once and searched stage by stage."""

    def __init__(self, folder: Path, settings: RetrievalSettings, embedder: Embedder, progress: Progress) -> None:
        self._folder = folder
        self._settings = settings
        self._embedder = embedder
        self._progress = progress
        self._names: dict[str, str] = {}

    def publish(self, documents: Sequence[BeirDocument], sizes: IngestSettings) -> None:
        """Split the documents into passages and publish them; raises `RetrievalError`."""
        self._names = publish(documents, self._folder, self._settings, sizes, self._embedder, self._progress)

    def measure(self, collection: Collection, stage: str) -> Scores:
        """Ask every query, and compare what is found with the judgements; raises `RetrievalError`."""
        settings = self._settings.model_copy(update=STAGES[stage] | {"neighbours": 0})
        corpus = Corpus.open(settings, self._folder, self._embedder)
        try:
            corpus.search_now(collection.queries[0].text, groups=[EVERYONE])  # the first one opens the index
            asked = self._progress.track(collection.queries, description=stage)
            found = [_timed_search(corpus, query.text) for query in asked]
        finally:
            corpus.close()
        rankings = [self._ranked(hits, stage) for hits, _ in found]
        latency = {f"latency_ms_p{share}": quantile([ms for _, ms in found], share / 100) for share in (50, 99)}
        return score(rankings, [collection.judgements[query.id] for query in collection.queries]) | latency

    def _ranked(self, hits: Sequence[Hit], stage: str) -> list[str]:
        """The documents of the hits, each where its best passage stands; by words only those that share one."""
        counted = [hit for hit in hits if hit.sparse] if stage == "sparse" else hits
        return list(dict.fromkeys(self._names[hit.passage.document_id] for hit in counted))


def publish(
    documents: Sequence[BeirDocument],
    folder: Path,
    settings: RetrievalSettings,
    sizes: IngestSettings,
    embedder: Embedder,
    progress: Progress,
    readers: Callable[[BeirDocument], tuple[str, ...]] = lambda document: (EVERYONE,),
) -> dict[str, str]:
    """Split documents into passages for their reader groups, and publish them; gives their `_id` by document id.

    Raises `RetrievalError`.
    """
    held = [_held(each, sizes, readers(each)) for each in documents]
    task = progress.add_task("encoding", total=sum(len(each) for _, each in held))
    corpus = Corpus.open(settings, folder, _Shown(embedder, progress, task))
    try:
        with corpus.draft() as draft:
            for document, its_passages in held:
                draft.put(document, its_passages)
            draft.publish()
    finally:
        corpus.close()
    return {document.id: document.source for document, _ in held}


class _Shown:
    """An encoder that moves a progress bar as it goes."""

    def __init__(self, embedder: Embedder, progress: Progress, task: TaskID) -> None:
        self.name = embedder.name
        self._embedder = embedder
        self._progress = progress
        self._task = task

    @property
    def dimension(self) -> int:
        return self._embedder.dimension

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.concatenate([self._batch(texts[at : at + BATCH]) for at in range(0, len(texts), BATCH)])

    def _batch(self, texts: Sequence[str]) -> np.ndarray:
        vectors = self._embedder.encode(texts)
        self._progress.advance(self._task, len(texts))
        return vectors


def score(rankings: Sequence[Sequence[str]], judged: Sequence[Grades]) -> Scores:
    """The means over all queries."""
    pairs = list(zip(rankings, judged, strict=True))
    return {
        "ndcg@10": _mean([ndcg(*pair, 10) for pair in pairs]),
        **{f"recall@{depth}": _mean([recall(*pair, depth) for pair in pairs]) for depth in (1, 5, 10, DEPTH)},
        "mrr@10": _mean([reciprocal_rank(*pair, 10) for pair in pairs]),
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _timed_search(corpus: Corpus, text: str) -> tuple[list[Hit], float]:
    """The passages of about `DEPTH` documents, and the milliseconds that it took to find them."""
    release = corpus.release()
    limit = DEPTH * max(1, ceil(release.passages / release.documents))
    began = time.perf_counter()
    hits = corpus.search_now(text, groups=[EVERYONE], limit=limit)
    return hits, (time.perf_counter() - began) * 1000


def _held(source: BeirDocument, sizes: IngestSettings, groups: tuple[str, ...]) -> tuple[Document, list[Passage]]:
    """A document and its passages; one without a text is found by its title."""
    content = source.text.encode()
    document = Document(
        id=str(uuid5(NAMESPACE_URL, source.id)),
        source=source.id,
        name="",
        title=source.title,
        content_hash=hashlib.sha256(content).hexdigest(),
        media_type="text/plain",
        size_bytes=len(content),
        groups=groups,
    )
    return document, passages(document, split([Block(source.text.strip() or source.title)], sizes))
