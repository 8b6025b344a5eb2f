"""Passages in Qdrant Edge: the engine in this process, one folder for each release.

A published folder is never written to, so it is opened without a write-ahead log: that log would let in one reader
only. A draft needs none either. It works on a copy, which counts only once it is flushed and named in the catalog.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import qdrant_edge as edge

from retrieval.errors import StoreUnavailable
from retrieval.passages import Passage
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
from retrieval.store.folders import copy_folder, remove_folder, sync_folder


class EdgeStore:
    """One shard in one folder."""

    def __init__(
        self, folder: Path, optimize_above: int, compression: Compression, config: edge.EdgeConfig | None = None
    ) -> None:
        self._folder = folder
        self._optimize_above = optimize_above
        self._compression = compression
        with _translated(folder):
            self._shard = edge.EdgeShard.load(str(folder), config)

    @classmethod
    def create(cls, folder: Path, optimize_above: int, compression: Compression, config: edge.EdgeConfig) -> EdgeStore:
        """A new, empty store."""
        with _translated(folder):
            shard = edge.EdgeShard.create(str(folder), config)
            for field in KEYWORD_FIELDS:
                shard.update(edge.UpdateOperation.create_field_index(field, edge.KeywordIndexParams()))
            for field in NUMBER_FIELDS:
                shard.update(edge.UpdateOperation.create_field_index(field, edge.IntegerIndexParams()))
            shard.close()
        return cls(folder, optimize_above, compression)

    def search(self, question: Question, candidates: int) -> list[Found]:
        meaning = edge.Query.Nearest(question.dense.tolist(), using=DENSE)
        words = edge.Query.Nearest(edge.SparseVector(*question.sparse), using=SPARSE)

        def rank(by_meaning: edge.Filter, by_words: edge.Filter) -> list[Ranking]:
            requests = [
                _request(meaning, by_meaning, candidates, self._in_full),
                _request(words, by_words, candidates),
            ]
            return [_ranking(points) for points in self._shard.query_batch(edge.QueryBatchRequest(requests))]

        scope = edge.Filter(must=[*_scope(question)])
        with _translated(self._folder):
            near, matched = rank(scope, scope)
            return join(near, matched, lambda unranked, unmatched: rank(_only(unranked), _only(unmatched)))

    def read(self, points: Sequence[PointId]) -> dict[PointId, Held]:
        with _translated(self._folder):
            records = self._shard.retrieve(list(points), with_payload=True, with_vector=[SPARSE])
        return {cast("PointId", record.id): Held(read_passage(record.payload), _words(record)) for record in records}

    def around(self, passages: Sequence[Passage], reach: int, question: Question) -> list[Passage]:
        chosen = edge.Filter(must=[*_scope(question)], should=[_section(passage, reach) for passage in passages])
        return [read_passage(record.payload) for records in self._scroll(chosen) for record in records]

    def passage(self, passage_id: str, release: int) -> Passage | None:
        chosen = edge.Filter(must=[_is("id", passage_id), *_valid_at(release)])
        with _translated(self._folder):
            records, _ = self._shard.scroll(
                edge.ScrollRequest(limit=1, filter=chosen, with_payload=True, with_vector=False)
            )
        return read_passage(records[0].payload) if records else None

    def count(self, release: int) -> int:
        with _translated(self._folder):
            return self._shard.count(edge.CountRequest(filter=edge.Filter(must=[*_valid_at(release)]), exact=True))

    def only_in(self, release: int, other: int) -> Iterator[Passage]:
        outside = [_range("valid_from", gt=other), _range("valid_to", lte=other)]
        for records in self._scroll(edge.Filter(must=[*_valid_at(release)], should=[*outside])):
            yield from (read_passage(record.payload) for record in records)

    def embedded(self, release: int) -> Iterator[tuple[Passage, np.ndarray]]:
        for records in self._scroll(edge.Filter(must=[*_valid_at(release)]), with_vector=True):
            yield from ((read_passage(record.payload), _dense(record)) for record in records)

    def add(self, entries: Sequence[Entry]) -> None:
        points = [
            edge.Point(
                entry.point_id,
                {DENSE: entry.dense.tolist(), SPARSE: edge.SparseVector(*entry.sparse)},
                entry.payload,
            )
            for entry in entries
        ]
        self._update(edge.UpdateOperation.upsert_points(points))

    def retire(self, document_id: str, release: int) -> None:
        ours = _is("document_id", document_id)
        begun = edge.Filter(must=[ours, _is("valid_from", release)])
        still_open = edge.Filter(must=[ours, _is("valid_to", OPEN)])
        self._update(edge.UpdateOperation.delete_points_by_filter(begun))
        self._update(edge.UpdateOperation.set_payload_by_filter(still_open, {"valid_to": release}))

    def rebase(self, base: int, release: int) -> None:
        newer = edge.Filter(must=[_range("valid_from", gt=base), _is("valid_to", OPEN)])
        self._update(edge.UpdateOperation.set_payload_by_filter(newer, {"valid_to": release}))
        ended = edge.Filter(must=[*_valid_at(base), _range("valid_to", lt=OPEN)])
        for records in self._scroll(ended, with_vector=True):
            points = [_reopened(record, release) for record in records]
            self._update(edge.UpdateOperation.upsert_points(points))

    def prune(self, kept: Collection[int]) -> None:
        for after, until in gaps(kept):
            unneeded = edge.Filter(must=[_range("valid_from", gt=after), _range("valid_to", lte=until)])
            self._update(edge.UpdateOperation.delete_points_by_filter(unneeded))

    def flush(self) -> None:
        with _translated(self._folder):
            if self._shard.info().points_count >= self._optimize_above:
                self._shard.optimize()
            self._shard.flush()
        sync_folder(self._folder)

    def discard(self, release: int) -> None:
        self.close()
        remove_folder(self._folder)

    def close(self) -> None:
        self._shard.close()

    def _scroll(self, chosen: edge.Filter, *, with_vector: bool = False) -> Iterator[list[edge.Record]]:
        """The chosen points, page by page."""
        offset: Any = None
        while True:
            request = edge.ScrollRequest(
                offset=offset, limit=PAGE_POINTS, filter=chosen, with_payload=True, with_vector=with_vector
            )
            with _translated(self._folder):
                records, offset = self._shard.scroll(request)
            if records:
                yield records
            if offset is None:
                return

    @property
    def _in_full(self) -> edge.SearchParams | None:
        """Have the candidates that compressed vectors propose compared again in full."""
        if self._compression.kind == "none":
            return None
        again = edge.QuantizationSearchParams(rescore=True, oversampling=self._compression.oversampling)
        return edge.SearchParams(quantization=again)

    def _update(self, operation: edge.UpdateOperation) -> None:
        with _translated(self._folder):
            self._shard.update(operation)


class EdgeStores:
    """Shards side by side in one folder, named by the release that they were built for."""

    def __init__(self, root: Path, optimize_above: int, compression: Compression) -> None:
        self._root = root
        self._optimize_above = optimize_above
        self._compression = compression

    def open(self, name: str) -> EdgeStore:
        return EdgeStore(self._root / name, self._optimize_above, self._compression)

    def fork(self, base: str | None, release: int, dimension: int) -> tuple[str, EdgeStore]:
        folder = self._root / str(release)
        config = _config(dimension, self._compression)
        if base is None:
            self._root.mkdir(parents=True, exist_ok=True)
            return folder.name, EdgeStore.create(folder, self._optimize_above, self._compression, config)
        with _translated(self._root / base):
            copy_folder(self._root / base, folder)
        return folder.name, EdgeStore(folder, self._optimize_above, self._compression, config)

    def prune(self, keep: Collection[str]) -> None:
        if not self._root.is_dir():
            return
        for folder in self._root.iterdir():
            if folder.name not in keep:
                remove_folder(folder)

    def close(self) -> None:
        """Nothing is shared between the shards."""


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    """Turn the engine's failures, which have no type of their own, into `StoreUnavailable`."""
    try:
        yield
    except (StoreUnavailable, ValueError, TypeError):
        raise
    except Exception as error:
        raise StoreUnavailable(
            f"The passage index in {folder} cannot be used: {error}. "
            "Restore the corpus folder from a backup, or move it away and ingest again."
        ) from error


def _config(dimension: int, compression: Compression) -> edge.EdgeConfig:
    """What a draft is built with, a copy too: a changed compression takes effect when its graph is built.

    With one search thread the engine searches in the thread that asks, and hands nothing over to a pool.
    """
    return edge.EdgeConfig(
        vectors={
            DENSE: edge.EdgeVectorParams(
                size=dimension, distance=edge.Distance.Cosine, quantization_config=_quantization(compression)
            )
        },
        sparse_vectors={SPARSE: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        max_search_threads=1,
        wal_enabled=False,
    )


def _quantization(compression: Compression) -> edge.ScalarQuantizationConfig | edge.BinaryQuantizationConfig | None:
    if compression.kind == "scalar":
        return edge.ScalarQuantizationConfig(edge.ScalarType.Int8, quantile=0.99)
    return edge.BinaryQuantizationConfig() if compression.kind == "binary" else None


def _reopened(record: edge.Record, release: int) -> edge.Point:
    point, payload = reopened(record.payload, release)
    return edge.Point(point, record.vector or {}, payload)


def _words(record: edge.Record) -> frozenset[int]:
    vectors: Any = record.vector
    return frozenset(vectors[SPARSE].indices if vectors and SPARSE in vectors else ())


def _dense(record: edge.Record) -> np.ndarray:
    vectors: Any = record.vector
    return np.asarray(vectors[DENSE], dtype=np.float32)


def _request(
    query: edge.Query, chosen: edge.Filter, limit: int, params: edge.SearchParams | None = None
) -> edge.QueryRequest:
    return edge.QueryRequest(
        limit=limit, query=query, filter=chosen, params=params, with_payload=False, with_vector=False
    )


def _ranking(points: Sequence[edge.ScoredPoint]) -> Ranking:
    return cast("Ranking", {point.id: point.score for point in points})


def _only(points: set[PointId]) -> edge.Filter:
    return edge.Filter(must=[edge.HasIdCondition({*points})])


def _is(field: str, value: str | int) -> edge.FieldCondition:
    return edge.FieldCondition(field, match=edge.MatchValue(value))


def _any_of(field: str, values: Collection[str]) -> edge.FieldCondition:
    return edge.FieldCondition(field, match=edge.MatchAny(list(values)))


def _range(field: str, **bounds: float) -> edge.FieldCondition:
    return edge.FieldCondition(field, range=edge.RangeFloat(**bounds))


def _valid_at(release: int) -> list[edge.FieldCondition]:
    return [_range("valid_from", lte=release), _range("valid_to", gt=release)]


def _scope(question: Question) -> list[edge.FieldCondition]:
    """What a question may find."""
    everywhere = [*_valid_at(question.release), _any_of("groups", question.groups)]
    if question.documents is None:
        return everywhere
    return [*everywhere, _any_of("document_id", question.documents)]


def _section(passage: Passage, reach: int) -> edge.Filter:
    """The passages of the same section, up to `reach` places away."""
    near = _range("position", gte=passage.position - reach, lte=passage.position + reach)
    return edge.Filter(must=[_is("document_id", passage.document_id), _is("heading", passage.heading), near])
