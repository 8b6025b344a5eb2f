"""Search latency beside raw Qdrant Edge (the same shard, vectors and filter) and beside qdrant-client's local mode."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import qdrant_edge as edge
from rich.progress import Progress

from evals.bench.figures import Figure, Target, alternately, median, quantile
from evals.bench.library import PASSAGES_PER_DOCUMENT, TEAMS, Library, Shelf, team
from evals.bench.local_mode import LocalMode
from evals.setup import trial_settings
from retrieval.corpus import Corpus
from retrieval.embedding import Embedder, build_embedder
from retrieval.passages import EVERYONE
from retrieval.search import Search
from retrieval.settings import RetrievalSettings
from retrieval.store.base import DENSE, SPARSE, Question
from retrieval.store.factory import build_stores
from retrieval.word_encoder import WordEncoder

MEMBERSHIPS = TEAMS // 5
"""Groups of the reader who belongs to many."""
Side = Callable[[int], object]
"""Asks the question of that number."""
Times = dict[str, list[float]]
"""Milliseconds of each question, by side."""


def measure(
    folder: Path, progress: Progress, *, passages: int = 100_000, questions: int = 400, local_questions: int = 10
) -> list[Figure]:
    """Each question once to every side, in turns; fewer to the local mode, which takes seconds for each."""
    settings = trial_settings(folder).retrieval
    embedder = build_embedder(settings)
    library = Library.of(embedder)
    corpus = Corpus.open(settings, folder, embedder)
    _publish(corpus, _shelves(library, passages, progress, "publish"))
    asked = [library.questions[number % len(library.questions)] for number in range(questions)]
    parts = _Parts.open(corpus, folder, embedder, settings, asked)
    local = LocalMode(_shelves(library, passages, progress, "local mode"), parts.words, embedder.dimension)
    everyones = parts.asked_by([EVERYONE])
    members = parts.asked_by([team(number) for number in range(MEMBERSHIPS)])
    times = {
        "everyone": _times(parts.stored(everyones), questions, progress),
        "members": _times(parts.stored(members), questions, progress),
        "whole": _times(parts.whole(everyones), questions, progress),
        "local": _times({"local": lambda at: local.search(everyones[at])}, min(local_questions, questions), progress),
    }
    parts.close()
    return [
        *_beside_edge(times["everyone"], f"of {passages:,} passages, half of them the reader's"),
        *_beside_edge(times["members"], f"by {MEMBERSHIPS} of {TEAMS} groups, which may read a tenth"),
        *_beside_edge(times["whole"], "with the question's encoding"),
        Figure(
            "p50, beside the local mode",
            "ms",
            median(times["everyone"]["parley"]),
            median(times["local"]["local"]),
            "qdrant-client in memory, fused by the client",
            Target("ratio", "≤", 0.1),
        ),
    ]


def _shelves(library: Library, passages: int, progress: Progress, description: str) -> Iterable[Shelf]:
    total = -(-passages // PASSAGES_PER_DOCUMENT)
    return progress.track(library.shelves(passages), total=total, description=description)


def _publish(corpus: Corpus, shelves: Iterable[Shelf]) -> None:
    with corpus.draft() as draft:
        for document, passages, vectors in shelves:
            draft.put(document, passages, vectors=vectors)
        draft.publish()


def _times(sides: dict[str, Side], questions: int, progress: Progress) -> Times:
    times: Times = {name: [] for name in sides}
    for at, name in progress.track(alternately(list(sides), questions), description="search"):
        began = time.perf_counter()
        sides[name](at)
        times[name].append((time.perf_counter() - began) * 1000)
    return times


def _beside_edge(times: Times, what: str) -> list[Figure]:
    return [
        Figure(
            f"{name}, {what}",
            "ms",
            quantile(times["parley"], share),
            quantile(times["raw"], share),
            "Edge, fused by the engine",
            Target("ratio", "≤", 1.3),
        )
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]


@dataclass(frozen=True)
class _Parts:
    """Parley's corpus and search, and the bare shard, over one folder."""

    corpus: Corpus
    search: Search
    """With the questions' vectors ready-made."""
    shard: edge.EdgeShard
    embedder: Embedder
    words: WordEncoder
    asked: Sequence[str]

    @classmethod
    def open(
        cls, corpus: Corpus, folder: Path, embedder: Embedder, settings: RetrievalSettings, asked: Sequence[str]
    ) -> _Parts:
        passages = folder / "corpus" / "passages"
        (shard,) = passages.iterdir()
        words = WordEncoder(settings.language)
        store = build_stores(settings, passages, owner="").open(shard.name)
        search = Search(_Ready(embedder, asked), words, store, corpus.release().number, settings)
        return cls(corpus, search, edge.EdgeShard.load(str(shard)), embedder, words, asked)

    def asked_by(self, groups: Sequence[str]) -> list[Question]:
        """The questions as both encoders see them, by a reader of these groups."""
        vectors = self.search.embedder.encode(self.asked)
        return [
            Question(vector, self.words.question(text), self.search.release, groups)
            for vector, text in zip(vectors, self.asked, strict=True)
        ]

    def stored(self, questions: Sequence[Question]) -> dict[str, Side]:
        """The search without the sentence encoder, beside the engine."""
        return {
            "parley": lambda at: self.search.find(self.asked[at], groups=questions[at].groups),
            "raw": lambda at: self.raw(questions[at]),
        }

    def whole(self, questions: Sequence[Question]) -> dict[str, Side]:
        """All of it, beside the sentence encoder and the engine."""

        def raw(at: int) -> object:
            return self.raw(replace(questions[at], dense=self.embedder.encode([self.asked[at]])[0]))

        return {
            "parley": lambda at: self.corpus.search_now(self.asked[at], groups=questions[at].groups),
            "raw": raw,
        }

    def raw(self, question: Question) -> object:
        """A question in one call of the engine, fused by rank there."""
        settings = self.search.settings
        nearest = [(DENSE, question.dense.tolist()), (SPARSE, edge.SparseVector(*question.sparse))]
        return self.shard.query(
            edge.QueryRequest(
                limit=settings.limit,
                query=edge.Fusion.Rrf(k=60),  # type: ignore[arg-type]
                prefetches=[
                    edge.Prefetch(limit=settings.candidates, query=edge.Query.Nearest(vector, using=name))
                    for name, vector in nearest
                ],
                filter=edge.Filter(
                    must=[
                        edge.FieldCondition("valid_from", range=edge.RangeFloat(lte=question.release)),
                        edge.FieldCondition("valid_to", range=edge.RangeFloat(gt=question.release)),
                        edge.FieldCondition("groups", match=edge.MatchAny(list(question.groups))),
                    ]
                ),
                with_payload=True,
            )
        )

    def close(self) -> None:
        for opened in (self.corpus, self.search.store, self.shard):
            opened.close()


class _Ready:
    """An encoder that has read its texts already."""

    def __init__(self, embedder: Embedder, texts: Sequence[str]) -> None:
        self.name = embedder.name
        self.dimension = embedder.dimension
        self._vectors = dict(zip(texts, embedder.encode(texts), strict=True))

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack([self._vectors[text] for text in texts])
