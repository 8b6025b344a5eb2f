"""Passages in a Qdrant server: one collection for all releases of an index.

A draft writes into the collection that readers use. It stays invisible because its passages begin with a release
that is not published yet.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException

from retrieval.errors import StoreUnavailable
from retrieval.passages import Passage
from retrieval.settings import RetrievalSettings
from retrieval.store.base import (
    DENSE,
    KEYWORD_FIELDS,
    NUMBER_FIELDS,
    OPEN,
    PAGE_POINTS,
    SPARSE,
    Compression,
    Entry,
    Found,
    Held,
    PointId,
    Question,
    Ranking,
    gaps,
    join,
    read_passage,
    reopened,
)
from retrieval.store.bulk import DEFERRED, settle, upload
from retrieval.word_encoder import SparseVector

_STREAMS = 4
"""Uploads side by side."""
_UNCOMPRESSED = Compression()


class ServerStore:
    """One collection of a server."""

    def __init__(self, client: QdrantClient, collection: str, compression: Compression, streams: int) -> None:
        self._client = client
        self._collection = collection
        self._compression = compression
        self._streams = streams

    def search(self, question: Question, candidates: int) -> list[Found]:
        meaning, words = question.dense.tolist(), _sparse(question.sparse)

        def rank(by_meaning: models.Filter, by_words: models.Filter) -> list[Ranking]:
            return self._query(
                [
                    self._nearest(DENSE, meaning, by_meaning, candidates),
                    self._nearest(SPARSE, words, by_words, candidates),
                ]
            )

        scope = models.Filter(must=[*_scope(question)])
        near, matched = rank(scope, scope)
        return join(near, matched, lambda unranked, unmatched: rank(_only(unranked), _only(unmatched)))

    def read(self, points: Sequence[PointId]) -> dict[PointId, Held]:
        with _translated():
            records = self._client.retrieve(self._collection, list(points), with_vectors=[SPARSE])
        return {cast("PointId", record.id): Held(read_passage(record.payload), _words(record)) for record in records}

    def around(self, passages: Sequence[Passage], reach: int, question: Question) -> list[Passage]:
        chosen = models.Filter(must=[*_scope(question)], should=[_section(passage, reach) for passage in passages])
        return [read_passage(record.payload) for records in self._scroll(chosen) for record in records]

    def passage(self, passage_id: str, release: int) -> Passage | None:
        chosen = models.Filter(must=[_is("id", passage_id), *_valid_at(release)])
        with _translated():
            records, _ = self._client.scroll(self._collection, scroll_filter=chosen, limit=1)
        return read_passage(records[0].payload) if records else None

    def count(self, release: int) -> int:
        with _translated():
            return self._client.count(self._collection, models.Filter(must=_valid_at(release)), exact=True).count

    def only_in(self, release: int, other: int) -> Iterator[Passage]:
        outside = [_range("valid_from", gt=other), _range("valid_to", lte=other)]
        for records in self._scroll(models.Filter(must=[*_valid_at(release)], should=[*outside])):
            yield from (read_passage(record.payload) for record in records)

    def embedded(self, release: int) -> Iterator[tuple[Passage, np.ndarray]]:
        for records in self._scroll(models.Filter(must=[*_valid_at(release)]), with_vectors=True):
            yield from ((read_passage(record.payload), _dense(record)) for record in records)

    def add(self, entries: Sequence[Entry]) -> None:
        points = [
            models.PointStruct(
                id=entry.point_id,
                vector={DENSE: entry.dense.tolist(), SPARSE: _sparse(entry.sparse)},
                payload=entry.payload,
            )
            for entry in entries
        ]
        self._upsert(points)

    def retire(self, document_id: str, release: int) -> None:
        ours = _is("document_id", document_id)
        self._delete(ours, _is("valid_from", release))
        self._end(release, ours, _is("valid_to", OPEN))

    def rebase(self, base: int, release: int) -> None:
        self._end(release, _range("valid_from", gt=base), _is("valid_to", OPEN))
        ended = models.Filter(must=[*_valid_at(base), _range("valid_to", lt=OPEN)])
        for records in self._scroll(ended, with_vectors=True):
            self._upsert([_reopened(record, release) for record in records])

    def prune(self, kept: Collection[int]) -> None:
        for after, until in gaps(kept):
            self._delete(_range("valid_from", gt=after), _range("valid_to", lte=until))

    def flush(self) -> None:
        """Every write has waited for the server already; its optimiser is waited for here."""
        with _translated():
            settle(self._client, self._collection)

    def discard(self, release: int) -> None:
        self._delete(_is("valid_from", release))
        self._end(OPEN, _is("valid_to", release))

    def close(self) -> None:
        """The connection is shared; `ServerStores` closes it."""

    def _nearest(self, name: str, vector: Any, chosen: models.Filter, limit: int) -> models.QueryRequest:
        params = self._in_full if name == DENSE else None
        return models.QueryRequest(query=vector, using=name, filter=chosen, limit=limit, params=params)

    @property
    def _in_full(self) -> models.SearchParams | None:
        """Have the candidates that compressed vectors propose compared again in full."""
        if self._compression.kind == "none":
            return None
        again = models.QuantizationSearchParams(rescore=True, oversampling=self._compression.oversampling)
        return models.SearchParams(quantization=again)

    def _query(self, requests: list[models.QueryRequest]) -> list[Ranking]:
        with _translated():
            responses = self._client.query_batch_points(self._collection, requests)
        return [{cast("PointId", point.id): point.score for point in response.points} for response in responses]

    def _scroll(self, chosen: models.Filter, *, with_vectors: bool = False) -> Iterator[list[models.Record]]:
        """The chosen points, page by page."""
        offset: Any = None
        while True:
            with _translated():
                records, offset = self._client.scroll(
                    self._collection, chosen, limit=PAGE_POINTS, offset=offset, with_vectors=with_vectors
                )
            if records:
                yield records
            if offset is None:
                return

    def _upsert(self, points: list[models.PointStruct]) -> None:
        with _translated():
            upload(self._client, self._collection, points, streams=self._streams)

    def _delete(self, *conditions: models.FieldCondition) -> None:
        chosen = models.FilterSelector(filter=models.Filter(must=list(conditions)))
        with _translated():
            self._client.delete(self._collection, chosen, wait=True)

    def _end(self, release: int, *conditions: models.FieldCondition) -> None:
        """Let the passages that meet the conditions end before `release`."""
        chosen = models.Filter(must=list(conditions))
        with _translated():
            self._client.set_payload(self._collection, {"valid_to": release}, chosen, wait=True)


class ServerStores:
    """Collections named after the first release in them, and marked with the corpus that they belong to."""

    def __init__(
        self,
        client: QdrantClient,
        collection: str,
        owner: str,
        compression: Compression = _UNCOMPRESSED,
        streams: int = 1,
    ) -> None:
        self._client = client
        self._collection = collection
        self._owner = owner
        self._compression = compression
        self._streams = streams

    @classmethod
    def connect(cls, settings: RetrievalSettings, owner: str, compression: Compression) -> ServerStores:
        """The server at `settings.url`; `:memory:` keeps everything in this process, for trials."""
        if settings.url == ":memory:":
            return cls(QdrantClient(":memory:"), settings.collection, owner, compression)
        key = settings.api_key.get_secret_value() or None
        client = QdrantClient(
            url=settings.url, api_key=key, timeout=max(1, round(settings.timeout_s)), check_compatibility=False
        )
        return cls(client, settings.collection, owner, compression, _STREAMS)

    def open(self, name: str) -> ServerStore:
        if not self._is_named_ours(name):
            raise StoreUnavailable(
                f"The corpus lies in {name!r}, which is no collection of {self._collection!r}. "
                "Set retrieval.url and retrieval.collection back, or move the corpus folder away and ingest again."
            )
        return ServerStore(self._client, name, self._compression, self._streams)

    def fork(self, base: str | None, release: int, dimension: int) -> tuple[str, ServerStore]:
        name = base or f"{self._collection}-{release}"
        if base is None:
            self._create(name, dimension)
        store = self.open(name)
        store.discard(release)
        return name, store

    def prune(self, keep: Collection[str]) -> None:
        with _translated():
            names = [collection.name for collection in self._client.get_collections().collections]
            for name in names:
                if self._is_named_ours(name) and name not in keep and self._is_ours(name):
                    self._client.delete_collection(name)

    def close(self) -> None:
        self._client.close()

    def _create(self, name: str, dimension: int) -> None:
        """Make the collection, or take up one that this corpus made for a draft that was killed."""
        with _translated():
            if not self._client.collection_exists(name):
                self._client.create_collection(
                    name,
                    vectors_config={DENSE: models.VectorParams(size=dimension, distance=models.Distance.COSINE)},
                    sparse_vectors_config={SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
                    hnsw_config=DEFERRED,
                    quantization_config=_quantization(self._compression),
                    metadata={"corpus": self._owner},
                )
            elif not self._is_ours(name):
                raise StoreUnavailable(
                    f"The collection {name!r} belongs to something else. "
                    "Set retrieval.collection to another name, or delete that collection."
                )
            self._index(name, KEYWORD_FIELDS, models.PayloadSchemaType.KEYWORD)
            self._index(name, NUMBER_FIELDS, models.PayloadSchemaType.INTEGER)

    def _is_named_ours(self, name: str) -> bool:
        """Earlier versions had one collection, without a number."""
        return re.fullmatch(rf"{re.escape(self._collection)}(-\d+)?", name) is not None

    def _is_ours(self, name: str) -> bool:
        metadata = self._client.get_collection(name).config.metadata or {}
        return metadata.get("corpus") == self._owner

    def _index(self, name: str, fields: Sequence[str], kind: models.PayloadSchemaType) -> None:
        for field in fields:
            self._client.create_payload_index(name, field, kind, wait=True)


@contextmanager
def _translated() -> Iterator[None]:
    """Turn the client's failures into `StoreUnavailable`."""
    try:
        yield
    except (ApiException, ConnectionError) as error:
        raise StoreUnavailable(
            f"The Qdrant server failed: {error}. Check that it runs, and retrieval.url and retrieval.api_key."
        ) from error


def _quantization(compression: Compression) -> models.ScalarQuantization | models.BinaryQuantization | None:
    if compression.kind == "scalar":
        scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.99, always_ram=True)
        return models.ScalarQuantization(scalar=scalar)
    if compression.kind == "binary":
        return models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True))
    return None


def _reopened(record: models.Record, release: int) -> models.PointStruct:
    point, payload = reopened(record.payload, release)
    return models.PointStruct(id=point, vector=record.vector or {}, payload=payload)


def _dense(record: models.Record) -> np.ndarray:
    vectors: Any = record.vector
    return np.asarray(vectors[DENSE], dtype=np.float32)


def _words(record: models.Record) -> frozenset[int]:
    vectors: Any = record.vector
    return frozenset(vectors[SPARSE].indices if vectors and SPARSE in vectors else ())


def _sparse(vector: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=vector.indices, values=vector.values)


def _only(points: set[PointId]) -> models.Filter:
    return models.Filter(must=[models.HasIdCondition(has_id=list(points))])


def _is(field: str, value: str | int) -> models.FieldCondition:
    return models.FieldCondition(key=field, match=models.MatchValue(value=value))


def _any_of(field: str, values: Collection[str]) -> models.FieldCondition:
    return models.FieldCondition(key=field, match=models.MatchAny(any=list(values)))


def _range(field: str, **bounds: float) -> models.FieldCondition:
    return models.FieldCondition(key=field, range=models.Range(**bounds))


def _valid_at(release: int) -> list[models.FieldCondition]:
    return [_range("valid_from", lte=release), _range("valid_to", gt=release)]


def _scope(question: Question) -> list[models.FieldCondition]:
    """What a question may find."""
    everywhere = [*_valid_at(question.release), _any_of("groups", question.groups)]
    if question.documents is None:
        return everywhere
    return [*everywhere, _any_of("document_id", question.documents)]


def _section(passage: Passage, reach: int) -> models.Filter:
    """The passages of the same section, up to `reach` places away."""
    near = _range("position", gte=passage.position - reach, lte=passage.position + reach)
    return models.Filter(must=[_is("document_id", passage.document_id), _is("heading", passage.heading), near])
