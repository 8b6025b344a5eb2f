"""The same passages and questions in qdrant-client's local mode: no server, everything in numpy."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from qdrant_client import QdrantClient, models

from evals.bench.library import Shelf
from retrieval.passages import Passage
from retrieval.store.base import DENSE, SPARSE, Question
from retrieval.word_encoder import SparseVector, WordEncoder

COLLECTION = "bench"
LIMIT = 8
CANDIDATES = 50


class LocalMode:
    """A collection in memory that holds the shelves' passages."""

    def __init__(self, shelves: Iterable[Shelf], words: WordEncoder, dimension: int) -> None:
        self._client = QdrantClient(":memory:")
        self._client.create_collection(
            COLLECTION,
            vectors_config={DENSE: models.VectorParams(size=dimension, distance=models.Distance.COSINE)},
            sparse_vectors_config={SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Local mode is not recommended")
            for _, passages, vectors in shelves:
                made = zip(passages, vectors, strict=True)
                points = [_point(passage, vector.tolist(), words.passage(passage.text)) for passage, vector in made]
                self._client.upsert(COLLECTION, points)

    def search(self, question: Question) -> list[models.ScoredPoint]:
        """The best passages, fused by rank."""
        condition = models.FieldCondition(key="groups", match=models.MatchAny(any=list(question.groups)))
        chosen = models.Filter(must=[condition])
        nearest = [(DENSE, question.dense.tolist()), (SPARSE, _sparse(question.sparse))]
        return self._client.query_points(
            COLLECTION,
            prefetch=[
                models.Prefetch(query=vector, using=name, filter=chosen, limit=CANDIDATES) for name, vector in nearest
            ],
            query=models.FusionQuery(fusion=models.Fusion.RRF),
            limit=LIMIT,
        ).points


def _point(passage: Passage, dense: list[float], sparse: SparseVector) -> models.PointStruct:
    return models.PointStruct(
        id=passage.id, vector={DENSE: dense, SPARSE: _sparse(sparse)}, payload=passage.model_dump(mode="json")
    )


def _sparse(vector: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=vector.indices, values=vector.values)
