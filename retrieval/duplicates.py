"""Passages and documents that say nearly the same: MinHash signatures over runs of words, compared band by band.

The work grows with the number of passages, not of their pairs. Two passages are as similar as the share of their runs
of words that both hold; the signatures tell that within about 0.07.
"""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from pydantic import BaseModel, ConfigDict

from retrieval.passages import Document, Passage
from retrieval.words import words

_SIMILARITY = 0.8
"""Less similar passages say different things."""
_RUN = 3
"""Words in a row that are compared as one."""
_FEWEST_WORDS = 8
"""Shorter passages, which are titles mostly, are not compared."""
_BANDS, _ROWS = 21, 6
_SIGNS = _BANDS * _ROWS
_WIDESPREAD = 50
"""A passage that is in more documents is boilerplate, and tells nothing of two of them."""
_CHANCE = np.random.default_rng(20)
_FACTORS = _CHANCE.integers(1, 2**63, _SIGNS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_OFFSETS = _CHANCE.integers(0, 2**63, _SIGNS, dtype=np.uint64)


class Place(BaseModel):
    """Where a passage stands."""

    model_config = ConfigDict(frozen=True)

    passage_id: str
    document_id: str
    document: str
    position: int

    @classmethod
    def of(cls, passage: Passage) -> Place:
        """The place of a passage."""
        named = {"document_id": passage.document_id, "document": passage.document}
        return cls(passage_id=passage.id, position=passage.position, **named)


class CopiedDocument(BaseModel):
    """A document of which passages are found elsewhere too."""

    model_config = ConfigDict(frozen=True)

    document: str
    source: str
    owner: str
    passages: int
    copied: int
    """Its passages that another document holds too, nearly the same."""
    share: float
    """`copied` of `passages`."""
    mostly_in: str
    """Name of the document that holds most of them; empty where they are boilerplate only."""
    mostly_in_owner: str


class Duplicates(BaseModel):
    """What the corpus says more than once."""

    release: int
    passages: int
    """All that were looked at."""
    documents: list[CopiedDocument]
    """The most copied first."""
    groups: list[list[Place]]
    """Passages that are nearly the same, the largest groups first."""


def find_duplicates(release: int, passages: Iterable[Passage], documents: Mapping[str, Document]) -> Duplicates:
    """What the passages of a release say more than once, by documents under their id."""
    places: list[Place] = []
    counts: Counter[str] = Counter()
    signatures: list[np.ndarray] = []
    for passage in passages:
        counts[passage.document_id] += 1
        signature = _signature(passage.text)
        if signature is not None:
            signatures.append(signature)
            places.append(Place.of(passage))
    found = [sorted((places[at] for at in group), key=_order) for group in _groups(signatures)]
    return Duplicates(
        release=release,
        passages=counts.total(),
        documents=_documents(found, counts, documents),
        groups=sorted(found, key=lambda group: (-len(group), _order(group[0]))),
    )


def _order(place: Place) -> tuple[str, int]:
    return place.document, place.position


def _signature(text: str) -> np.ndarray | None:
    """For each of many orders of all runs of words, the first run that the text holds."""
    ids = np.fromiter(map(zlib.crc32, map(str.encode, words(text))), dtype=np.uint64)
    if len(ids) < _FEWEST_WORDS:
        return None
    runs = ids[: 1 - _RUN]
    for step in range(1, _RUN):
        runs = runs * np.uint64(0x9E3779B97F4A7C15) + ids[step : len(ids) - _RUN + 1 + step]
    ordered = (runs ^ (runs >> np.uint64(29)))[:, None] * _FACTORS + _OFFSETS
    return (ordered.min(axis=0) >> np.uint64(32)).astype(np.uint32)


def _groups(signatures: list[np.ndarray]) -> list[list[int]]:
    """Places of those that are alike, at least two in each group."""
    if not signatures:
        return []
    table = np.stack(signatures)
    leaders = list(range(len(table)))
    for one, other in _alike(table):
        leaders[_leader(leaders, other)] = _leader(leaders, one)
    groups: dict[int, list[int]] = defaultdict(list)
    for at in range(len(table)):
        groups[_leader(leaders, at)].append(at)
    return [group for group in groups.values() if len(group) > 1]


def _leader(leaders: list[int], at: int) -> int:
    """The first of the group that it belongs to."""
    while leaders[at] != at:
        leaders[at] = leaders[leaders[at]]
        at = leaders[at]
    return at


def _alike(table: np.ndarray) -> Iterator[tuple[int, int]]:
    """Pairs whose signatures agree well enough, among those that agree wholly in a band."""
    for band in range(_BANDS):
        part = np.ascontiguousarray(table[:, band * _ROWS : (band + 1) * _ROWS])
        keys = part.view([("", part.dtype)] * _ROWS).ravel()
        order = np.argsort(keys, kind="stable")
        same = keys[order][1:] == keys[order][:-1]
        # Neighbours only: within a band's group, each is compared with the one before it, which is linear.
        left, right = order[:-1][same], order[1:][same]
        agreement = (table[left] == table[right]).mean(axis=1)
        alike = agreement >= _SIMILARITY
        yield from zip(left[alike].tolist(), right[alike].tolist(), strict=True)


def _documents(
    groups: list[list[Place]], counts: Mapping[str, int], documents: Mapping[str, Document]
) -> list[CopiedDocument]:
    """Of each document, how much of it is found in others, and in which most."""
    copied: Counter[str] = Counter()
    partners: dict[str, Counter[str]] = defaultdict(Counter)
    for group in groups:
        holders = Counter(place.document_id for place in group)
        if len(holders) > 1:
            copied.update(holders)
            for one in holders if len(holders) <= _WIDESPREAD else ():
                partners[one].update({other: holders[one] for other in holders if other != one})
    rows = [_row(documents[one], counts[one], number, partners[one], documents) for one, number in copied.items()]
    return sorted(rows, key=lambda row: (-row.share, -row.copied, row.document))


def _row(
    document: Document, passages: int, copied: int, partners: Counter[str], documents: Mapping[str, Document]
) -> CopiedDocument:
    mostly = documents[partners.most_common(1)[0][0]] if partners else None
    return CopiedDocument(
        document=document.name,
        source=document.source,
        owner=document.owner,
        passages=passages,
        copied=copied,
        share=copied / passages,
        mostly_in=mostly.name if mostly else "",
        mostly_in_owner=mostly.owner if mostly else "",
    )
