"""Search latency beside raw Qdrant Edge: the same shard, the same vectors, the same filter."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import qdrant_edge as edge
from rich.progress import Progress

from evals.bench.figures import Figure, Target, alternately, quantile
from evals.setup import DOCS, Paragraph, passage, publish, trial_settings, xquad
from retrieval.corpus import Corpus
from retrieval.embedding import Embedder, WordEncoder, build_embedder
from retrieval.fusion import fuse
from retrieval.passages import EVERYONE, Passage
from retrieval.settings import RetrievalSettings
from retrieval.store.base import DENSE, SPARSE, Question
from retrieval.store.edge import EdgeStore

WORDS_PER_PASSAGE = 14
WORDS_PER_QUESTION = 8


def measure(folder: Path, progress: Progress, *, passages: int = 5000, questions: int = 400) -> list[Figure]:
    """Each question once to every side, in turns."""
    settings = trial_settings(folder).retrieval
    embedder, known = build_embedder(settings), xquad()
    words = _Words(random.Random(7))  # noqa: S311
    corpus = Corpus.open(settings, folder, embedder)
    publish(corpus, _passages(known, words, passages))
    parts = _Parts.open(corpus, folder, embedder, settings)
    asked = [question for paragraph in known for question, _ in paragraph.questions]
    asked = (
        words.chance.sample(asked, questions) if asked else [words.some(WORDS_PER_QUESTION) for _ in range(questions)]
    )
    times = _times(parts, asked, progress)
    parts.close()
    note = f"{passages:,} passages, " + (
        f"{len(known)} from XQuAD" if known else "synthetic: no XQuAD at ../shared/data"
    )
    return [*_figures(times, "store", f"store ({note})"), *_figures(times, "whole", "whole, question encoded too")]


def _times(parts: _Parts, asked: list[str], progress: Progress) -> dict[str, list[float]]:
    """Milliseconds of each side for each question; the store's sides get their vectors ready-made."""
    ready = [parts.encode(text) for text in asked]
    sides: dict[str, Callable[[int], object]] = {
        "store": lambda at: parts.store_part(ready[at]),
        "raw store": lambda at: parts.raw_edge(ready[at]),
        "whole": lambda at: parts.corpus.search_now(asked[at], groups=[EVERYONE]),
        "raw whole": lambda at: parts.raw_edge(parts.encode(asked[at])),
    }
    times: dict[str, list[float]] = {name: [] for name in sides}
    for at, name in progress.track(alternately(list(sides), len(asked)), description="search"):
        began = time.perf_counter()
        sides[name](at)
        times[name].append((time.perf_counter() - began) * 1000)
    return times


def _figures(times: dict[str, list[float]], side: str, what: str) -> list[Figure]:
    against = "Edge, fused by the engine" if side == "store" else "encoder and Edge"
    target = Target("ratio", "≤", 1.3)
    return [
        Figure(
            f"{name}, {what}",
            "ms",
            quantile(times[side], share),
            quantile(times[f"raw {side}"], share),
            against,
            target,
        )
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]


@dataclass(frozen=True)
class _Parts:
    """Parley's corpus and store, and the bare shard, over one folder."""

    corpus: Corpus
    store: EdgeStore
    shard: edge.EdgeShard
    embedder: Embedder
    words: WordEncoder
    settings: RetrievalSettings
    release: int

    @classmethod
    def open(cls, corpus: Corpus, folder: Path, embedder: Embedder, settings: RetrievalSettings) -> _Parts:
        release = corpus.release().number
        shard = folder / "corpus" / "passages" / str(release)
        store = EdgeStore(shard, settings.optimize_above)
        bare = edge.EdgeShard.load(str(shard))
        return cls(corpus, store, bare, embedder, WordEncoder(settings.language), settings, release)

    def encode(self, text: str) -> Question:
        dense, sparse = self.embedder.encode([text])[0], self.words.question(text)
        return Question(dense=dense, sparse=sparse, release=self.release, groups=[EVERYONE])

    def store_part(self, question: Question) -> object:
        """What `Corpus.search_now` does once the question is encoded."""
        found = self.store.search(question, self.settings.candidates)
        ranked = fuse(found, dense_weight=self.settings.dense_weight, limit=self.settings.limit)
        return self.store.read([each.point for _, each in ranked])

    def raw_edge(self, question: Question) -> object:
        """The same question in one call of the engine, fused by rank there."""
        nearest = [(DENSE, question.dense.tolist()), (SPARSE, edge.SparseVector(*question.sparse))]
        return self.shard.query(
            edge.QueryRequest(
                limit=self.settings.limit,
                query=edge.Fusion.Rrf(k=60),  # type: ignore[arg-type]
                prefetches=[
                    edge.Prefetch(limit=self.settings.candidates, query=edge.Query.Nearest(vector, using=name))
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
        for opened in (self.corpus, self.store, self.shard):
            opened.close()


class _Words:
    """Texts made of the sample documents' words."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        text = " ".join(path.read_text(encoding="utf-8") for path in DOCS.glob("*.md"))
        self._known = sorted(set(re.findall(r"[a-z]{3,}", text.lower())))

    def some(self, count: int) -> str:
        return " ".join(self.chance.choices(self._known, k=count))


def _passages(known: list[Paragraph], words: _Words, count: int) -> list[Passage]:
    """XQuAD's paragraphs, and synthetic ones up to `count`."""
    texts = [(paragraph.title, paragraph.text) for paragraph in known[:count]]
    texts += [("Synthetic", words.some(WORDS_PER_PASSAGE)) for _ in range(count - len(texts))]
    return [passage(number, title, text) for number, (title, text) in enumerate(texts)]
