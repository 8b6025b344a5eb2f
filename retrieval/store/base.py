"""The seam between retrieval and the engine that holds the passages.

A passage belongs to the releases from `valid_from` up to, not including, `valid_to`, so that one store serves
several releases, and the passages of a draft are invisible until its release is published.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from retrieval.passages import Passage
from retrieval.word_encoder import SparseVector

OPEN = 2**31 - 1
"""`valid_to` of a passage that no release has retired."""
DENSE = "dense"
SPARSE = "bm25"
KEYWORD_FIELDS = ("id", "document_id", "groups")
NUMBER_FIELDS = ("valid_from", "valid_to")
PAGE_POINTS = 256
"""Points that are read at once where many are."""


PointId = int
"""What engines call a version of a passage. In an index of an earlier version they give UUIDs back, and take them."""


def point_id(passage_id: str, valid_from: int) -> PointId:
    """Differs between the versions of a passage, so that a draft never overwrites what readers see.

    63 bits of a UUID: engines hand out whole numbers ten times as fast as UUIDs, and a search takes up hundreds.
    """
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{passage_id}@{valid_from}").int >> 65


@dataclass(frozen=True)
class Entry:
    """A passage on its way into a store."""

    passage: Passage
    valid_from: int
    dense: np.ndarray
    sparse: SparseVector

    @property
    def point_id(self) -> PointId:
        """What the engine is to call it."""
        return point_id(self.passage.id, self.valid_from)

    @property
    def payload(self) -> dict[str, Any]:
        """The passage and its releases, as JSON."""
        return {**self.passage.model_dump(mode="json"), "valid_from": self.valid_from, "valid_to": OPEN}


@dataclass(frozen=True)
class Question:
    """A question as both encoders see it, and what it may find."""

    dense: np.ndarray
    sparse: SparseVector
    release: int
    groups: Collection[str]
    documents: Collection[str] | None = None
    """Ids of the documents that it is asked of; None for all."""


Quantization = Literal["none", "scalar", "binary"]


@dataclass(frozen=True)
class Compression:
    """How dense vectors are compressed for the search; the best candidates are compared again in full."""

    kind: Quantization = "none"
    oversampling: float = 4.0
    """How many times as many candidates are compared again."""


class Found(NamedTuple):
    """What a search proposes, with both of its scores."""

    point: PointId
    dense: float
    """Cosine similarity."""
    sparse: float | None
    """BM25 score; None where no word is shared."""
    dense_rank: int | None = None
    """Place among the nearest by meaning, from 1; None where it was found by words alone."""
    sparse_rank: int | None = None
    """Place among the nearest by words, from 1; None where it was found by meaning alone."""


@dataclass(frozen=True)
class Held:
    """A passage as a store holds it."""

    passage: Passage
    words: frozenset[int]
    """Ids of its words."""


class PassageStore(Protocol):
    """Passages of one or more releases. Searches may run in many threads; writes come from one draft."""

    def search(self, question: Question, candidates: int) -> list[Found]:
        """The `candidates` nearest by meaning and by words, in no order: at most twice as many."""

    def read(self, points: Sequence[PointId]) -> dict[PointId, Held]:
        """The passages of what a search has found; without those that have been deleted since."""

    def around(self, passages: Sequence[Passage], reach: int, question: Question) -> list[Passage]:
        """Those of the same sections, up to `reach` places before or after, that the question may find; in no order."""

    def passage(self, passage_id: str, release: int) -> Passage | None:
        """One passage, as it was in `release`."""

    def count(self, release: int) -> int:
        """Passages in `release`."""

    def only_in(self, release: int, other: int) -> Iterator[Passage]:
        """The passages of `release` that were put after `other`, or that it holds no longer, in no order.

        One that was put anew with the same words is among them.
        """

    def embedded(self, release: int) -> Iterator[tuple[Passage, np.ndarray]]:
        """The passages of `release` with their embeddings, in no order."""

    def add(self, entries: Sequence[Entry]) -> None:
        """Store passages of a draft."""

    def retire(self, document_id: str, release: int) -> None:
        """End the document's passages before `release`; those that began with it are deleted."""

    def rebase(self, base: int, release: int) -> None:
        """Let the draft of `release` begin with what `base` holds: end what came after, hold again what had ended."""

    def prune(self, kept: Collection[int]) -> None:
        """Delete the passages that ended before the newest of the `kept` releases and that none of them holds."""

    def flush(self) -> None:
        """Make all that was written durable and quick to search."""

    def discard(self, release: int) -> None:
        """Undo all that the draft of `release` wrote, and close."""

    def close(self) -> None:
        """Let go of files and connections."""


class Stores(Protocol):
    """Where passage stores live. Published ones are only read; a draft writes to a fork."""

    def open(self, name: str) -> PassageStore:
        """A published store, to search."""

    def fork(self, base: str | None, release: int, dimension: int) -> tuple[str, PassageStore]:
        """Name and store for the draft of `release`: all that `base` holds, or a new, empty one beside the rest."""

    def prune(self, keep: Collection[str]) -> None:
        """Delete the stores that are not named, such as those of killed drafts."""

    def close(self) -> None:
        """Let go of connections."""


Ranking = dict[PointId, float]
"""Scores by point, best first."""


Rescore = Callable[[set[PointId], set[PointId]], Sequence[Ranking]]
"""Scores the first points by meaning, and the second by words."""


def join(near: Ranking, matched: Ranking, rescore: Rescore) -> list[Found]:
    """Both rankings as one list, with the scores that one of them lacks."""
    nearness, matches = rescore(matched.keys() - near.keys(), near.keys() - matched.keys())
    dense, sparse = near | nearness, matched | matches
    dense_places, sparse_places = _places(near), _places(matched)
    return [
        Found(point, score, sparse.get(point), dense_places.get(point), sparse_places.get(point))
        for point, score in dense.items()
    ]


def _places(ranking: Ranking) -> dict[PointId, int]:
    return dict(zip(ranking, range(1, len(ranking) + 1), strict=True))


def read_passage(payload: Mapping[str, Any] | None) -> Passage:
    """The passage in a stored payload."""
    return Passage.model_validate(payload or {})


def reopened(payload: Mapping[str, Any] | None, release: int) -> tuple[PointId, dict[str, Any]]:
    """Point id and payload under which a passage that had ended lives again from `release` on."""
    payload = {**(payload or {}), "valid_from": release, "valid_to": OPEN}
    return point_id(payload["id"], release), payload


def gaps(kept: Collection[int]) -> list[tuple[int, int]]:
    """Between which releases lie the ones that are not kept: what began after one and ended by the next is unneeded."""
    return list(pairwise([0, *sorted(kept)]))
