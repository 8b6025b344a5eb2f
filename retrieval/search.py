"""The search: the best passages of one release for a question."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from retrieval.diversity import Different
from retrieval.embedding import Embedder, indexed_text
from retrieval.fusion import fuse
from retrieval.passages import Hit
from retrieval.rerank import Reranker
from retrieval.settings import RetrievalSettings
from retrieval.store.base import Found, Held, PassageStore, Question
from retrieval.word_encoder import AskedWords, WordEncoder

Ranked = Sequence[tuple[float, Found]]


@dataclass(frozen=True)
class Search:
    """Searches `release` in `store`, whose passages `embedder` and `words` have encoded."""

    embedder: Embedder
    words: WordEncoder
    store: PassageStore
    release: int
    settings: RetrievalSettings
    reranker: Reranker | None = None

    def find(
        self,
        text: str,
        *,
        groups: Collection[str],
        documents: Collection[str] | None = None,
        limit: int | None = None,
    ) -> list[Hit]:
        """The best passages for a question that one of `groups` may read, best first; blocks.

        Where `documents` (ids) are given, only theirs. Neighbours of what was found come behind it, beyond `limit`.
        """
        nowhere = documents is not None and not documents
        if not groups or not text.strip() or nowhere:
            return []
        asked = self.words.asked(text)
        question = Question(self.embedder.encode([text])[0], asked.vector, self.release, groups, documents)
        hits = self._best(text, asked, question, limit or self.settings.limit)
        return [*hits, *self._neighbours(hits, question)]

    def _best(self, text: str, asked: AskedWords, question: Question, limit: int) -> list[Hit]:
        read_again = self.settings.rerank_candidates if self.reranker else 0
        wanted = max(limit, read_again)
        found = self.store.search(question, max(wanted, self.settings.candidates))
        ranked = fuse(found, dense_weight=self._dense_weight(asked))
        return self._reranked(text, self._different(ranked, asked, wanted))[:limit]

    def _dense_weight(self, asked: AskedWords) -> float:
        """Half of what the settings say where the encoder does not know the question's language."""
        known = self.settings.encoder_languages
        weight = self.settings.dense_weight
        return weight if not known or set(known).intersection(asked.languages) else weight / 2

    def _different(self, ranked: Ranked, asked: AskedWords, wanted: int) -> list[Hit]:
        """The first `wanted` hits, those that repeat a better one behind the others."""
        kept = Different()
        for at in range(0, len(ranked), wanted):
            batch = ranked[at : at + wanted]
            held = self.store.read([found.point for _, found in batch])
            for score, found in batch:
                if found.point in held:
                    kept.add(_hit(score, found, held[found.point], asked), held[found.point].words)
            if len(kept.hits) >= wanted:
                break
        return [*kept.hits, *kept.repeats][:wanted]

    def _reranked(self, text: str, hits: list[Hit]) -> list[Hit]:
        """In the cross-encoder's order, where there is one and it is in time."""
        if self.reranker is None or not hits:
            return hits
        scores = self.reranker.scores(text, [indexed_text(hit.passage) for hit in hits])
        if scores is None:
            return hits
        read = zip(hits, scores, strict=True)
        rescored = [hit.model_copy(update={"score": score, "rerank": score}) for hit, score in read]
        return sorted(rescored, key=lambda hit: -hit.score)

    def _neighbours(self, hits: Sequence[Hit], question: Question) -> list[Hit]:
        """The passages next to the hits in the same section, which only complete them: they score 0."""
        reach = self.settings.neighbours
        if not reach or not hits:
            return []
        found = {hit.passage.id for hit in hits}
        near = self.store.around([hit.passage for hit in hits], reach, question)
        near.sort(key=lambda passage: (passage.document, passage.position))
        return [Hit(passage=passage, score=0.0) for passage in near if passage.id not in found]


def _hit(score: float, found: Found, held: Held, asked: AskedWords) -> Hit:
    """What was found, with the question's words that it holds."""
    return Hit(
        passage=held.passage,
        score=score,
        dense=found.dense,
        sparse=found.sparse,
        dense_rank=found.dense_rank,
        sparse_rank=found.sparse_rank,
        fused=score,
        words=asked.held(held.words),
    )
