"""Passages in a Qdrant server: one collection for all releases.

A draft writes into the collection that readers use. It stays invisible because its passages begin with a release
that is not published yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException

from retrieval.embedding import SparseVector
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
    Entry,
    Found,
    PointId,
    Question,
    Ranking,
    gaps,
    join,
    read_passage,
    reopened,
)


class ServerStore:
    """One collection of a server."""

    def __init__(self, client: QdrantClient, collection: str) -> None:
        self._client = client
        self._collection = collection

    def search(self, question: Question, candidates: int) -> list[Found]:
        scope = models.Filter(must=[*_valid_at(question.release), _any_of("groups", question.groups)])
        vectors: dict[str, Any] = {DENSE: question.dense.tolist(), SPARSE: _sparse(question.sparse)}

        def rescore(name: str, points: list[PointId]) -> Ranking:
            if not points:
                return {}
            chosen = models.Filter(must=[models.HasIdCondition(has_id=list(points))])
            return self._query([_nearest(name, vectors[name], chosen, len(points))])[0]

        near, matched = self._query([_nearest(name, vectors[name], scope, candidates) for name in vectors])
        return join(near, matched, rescore)

    def read(self, points: Sequence[PointId]) -> dict[PointId, Passage]:
        with _translated():
            records = self._client.retrieve(self._collection, list(points))
        return {str(record.id): read_passage(record.payload) for record in records}

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
        """Every write has waited for the server already."""

    def discard(self, release: int) -> None:
        self._delete(_is("valid_from", release))
        self._end(OPEN, _is("valid_to", release))

    def close(self) -> None:
        """The connection is shared; `ServerStores` closes it."""

    def _query(self, requests: list[models.QueryRequest]) -> list[Ranking]:
        with _translated():
            responses = self._client.query_batch_points(self._collection, requests)
        return [{str(point.id): point.score for point in response.points} for response in responses]

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
            self._client.upsert(self._collection, points, wait=True)

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
    """The one collection that all releases share, marked with the corpus that it belongs to."""

    def __init__(self, client: QdrantClient, collection: str, owner: str) -> None:
        self._client = client
        self._collection = collection
        self._owner = owner

    @classmethod
    def connect(cls, settings: RetrievalSettings, owner: str) -> ServerStores:
        """The server at `settings.url`; `:memory:` keeps everything in this process, for trials."""
        if settings.url == ":memory:":
            return cls(QdrantClient(":memory:"), settings.collection, owner)
        key = settings.api_key.get_secret_value() or None
        client = QdrantClient(
            url=settings.url, api_key=key, timeout=max(1, round(settings.timeout_s)), check_compatibility=False
        )
        return cls(client, settings.collection, owner)

    def open(self, name: str) -> ServerStore:
        if name != self._collection:
            raise StoreUnavailable(
                f"The published corpus lies in {name!r}, not in the collection {self._collection!r}. "
                "Set retrieval.url and retrieval.collection back, or move the corpus folder away and ingest again."
            )
        return ServerStore(self._client, self._collection)

    def fork(self, base: str | None, release: int, dimension: int) -> tuple[str, ServerStore]:
        if base is None:
            self._create(dimension)
        store = self.open(base or self._collection)
        store.discard(release)
        return self._collection, store

    def prune(self, keep: Collection[str]) -> None:
        """There is one collection, and `fork` clears it of killed drafts."""

    def close(self) -> None:
        self._client.close()

    def _create(self, dimension: int) -> None:
        """Make the collection, or take up one that this corpus made before its first release."""
        with _translated():
            if self._client.collection_exists(self._collection):
                self._check_owner()
            else:
                self._client.create_collection(
                    self._collection,
                    vectors_config={DENSE: models.VectorParams(size=dimension, distance=models.Distance.COSINE)},
                    sparse_vectors_config={SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
                    metadata={"corpus": self._owner},
                )
            self._index(KEYWORD_FIELDS, models.PayloadSchemaType.KEYWORD)
            self._index(NUMBER_FIELDS, models.PayloadSchemaType.INTEGER)

    def _check_owner(self) -> None:
        metadata = self._client.get_collection(self._collection).config.metadata or {}
        if metadata.get("corpus") != self._owner:
            raise StoreUnavailable(
                f"The collection {self._collection!r} belongs to something else. "
                "Set retrieval.collection to another name, or delete that collection."
            )

    def _index(self, fields: Sequence[str], kind: models.PayloadSchemaType) -> None:
        for field in fields:
            self._client.create_payload_index(self._collection, field, kind, wait=True)


@contextmanager
def _translated() -> Iterator[None]:
    """Turn the client's failures into `StoreUnavailable`."""
    try:
        yield
    except (ApiException, ConnectionError) as error:
        raise StoreUnavailable(
            f"The Qdrant server failed: {error}. Check that it runs, and retrieval.url and retrieval.api_key."
        ) from error


def _nearest(name: str, vector: Any, chosen: models.Filter, limit: int) -> models.QueryRequest:
    return models.QueryRequest(query=vector, using=name, filter=chosen, limit=limit)


def _reopened(record: models.Record, release: int) -> models.PointStruct:
    point, payload = reopened(record.payload, release)
    return models.PointStruct(id=point, vector=record.vector or {}, payload=payload)


def _sparse(vector: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=vector.indices, values=vector.values)


def _is(field: str, value: str | int) -> models.FieldCondition:
    return models.FieldCondition(key=field, match=models.MatchValue(value=value))


def _any_of(field: str, values: Collection[str]) -> models.FieldCondition:
    return models.FieldCondition(key=field, match=models.MatchAny(any=list(values)))


def _range(field: str, **bounds: float) -> models.FieldCondition:
    return models.FieldCondition(key=field, range=models.Range(**bounds))


def _valid_at(release: int) -> list[models.FieldCondition]:
    return [_range("valid_from", lte=release), _range("valid_to", gt=release)]
