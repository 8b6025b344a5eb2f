"""The kept releases of a corpus: which there are, what sets two of them apart, and which one readers see."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, suppress
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Literal

from pydantic import BaseModel, ConfigDict, computed_field

from retrieval.catalog import CatalogDraft
from retrieval.draft import Parts, clear_remains
from retrieval.errors import CorpusBusy, NoSuchRelease
from retrieval.passages import Document, KeptRelease, Passage

Change = Literal["added", "changed", "removed"]


class PassageChange(BaseModel):
    """One passage that differs: what it said before, and what it says now."""

    model_config = ConfigDict(frozen=True)

    before: str | None
    """None where it was added."""
    after: str | None
    """None where it was removed."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def change(self) -> Change:
        """What became of it."""
        return _change(self.before, self.after)


class DocumentChange(BaseModel):
    """One document that differs, and its passages that do."""

    model_config = ConfigDict(frozen=True)

    document: str
    """Its name."""
    source: str
    change: Change
    passages: dict[Change, int]
    """How many were added, changed and removed."""
    texts: list[PassageChange]
    """These passages, in their order."""


class ReleaseDiff(BaseModel):
    """What sets a release apart from another one."""

    model_config = ConfigDict(frozen=True)

    before: int
    after: int
    documents: list[DocumentChange]


class Releases:
    """The releases that are kept. Publishing moves one pointer, which every reader follows with its next search."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._catalog = parts.catalog

    def kept(self) -> list[KeptRelease]:
        """The kept releases, newest first."""
        return self._catalog.releases()

    def publish(self, number: int) -> KeptRelease:
        """Let readers see a kept release; raises `NoSuchRelease`, or `CorpusBusy` while a draft is open."""
        with closing(self._catalog.draft()) as draft:
            return _publish(draft, number)

    def rollback(self) -> KeptRelease:
        """Let readers see the release that the published one was built on; raises as `publish` does."""
        with closing(self._catalog.draft()) as draft:
            return _publish(draft, _published(draft.releases()).built_on)

    def prune(self, keep: int) -> list[int]:
        """Forget all but the newest `keep` releases, at least 1, the pinned ones and the published one.

        Indexes and files that only they needed are deleted; what they share an index with, the next draft frees.
        Returns the numbers of those forgotten; raises `CorpusBusy`.
        """
        if keep < 1:
            raise ValueError("keep must be at least 1: the newest release gives the next one its number")
        with closing(self._catalog.draft()) as draft:
            forgotten = draft.prune(keep, self._parts.pinned)
            draft.commit()
        # Not before the commit: a release that is still named must be whole. A draft that came in between does it too.
        with suppress(CorpusBusy), closing(self._catalog.draft()) as draft:
            clear_remains(self._parts, draft)
        return forgotten

    def diff(self, before: int | None = None, after: int | None = None) -> ReleaseDiff:
        """What `after`, the published release by default, changed against `before`, by default what it was built on.

        Raises `NoSuchRelease`.
        """
        kept = self.kept()
        newer = _published(kept) if after is None else _find(kept, after)
        older = _find(kept, newer.built_on if before is None else before)
        old_documents, new_documents = self._catalog.documents(older.number), self._catalog.documents(newer.number)
        pairs = [
            (old_documents.get(source), new_documents.get(source))
            for source in sorted(old_documents.keys() | new_documents.keys())
        ]
        pairs = [(old, new) for old, new in pairs if old != new]
        differing = {document.id for pair in pairs for document in pair if document}
        old_texts = self._texts(older, newer.number, kept, differing)
        new_texts = self._texts(newer, older.number, kept, differing)
        changes = [_compare(old, new, old_texts, new_texts) for old, new in pairs]
        return ReleaseDiff(before=older.number, after=newer.number, documents=changes)

    def added(self, number: int, since: int) -> Iterator[Passage]:
        """Passages of release `number` that `since` does not hold, in no order; where that is not kept, newer ones."""
        kept = self.kept()
        older = next((release for release in kept if release.number == since), None)
        held = {_content(passage) for passage in self._only_in(older, number, kept)} if older else set()
        added = self._only_in(_find(kept, number), since, kept) if number else iter(())
        return (passage for passage in added if _content(passage) not in held)

    def _texts(
        self, release: KeptRelease, other: int, kept: list[KeptRelease], documents: Collection[str]
    ) -> dict[str, list[str]]:
        """Texts of these documents' passages that `other` may not hold, by document and in their order."""
        found: dict[str, list[Passage]] = defaultdict(list)
        for passage in self._only_in(release, other, kept):
            if passage.document_id in documents:
                found[passage.document_id].append(passage)
        return {
            document: [passage.text for passage in sorted(passages, key=lambda passage: passage.position)]
            for document, passages in found.items()
        }

    def _only_in(self, release: KeptRelease, other: int, kept: list[KeptRelease]) -> Iterator[Passage]:
        """Passages of `release` that `other` does not hold; all of them where its own lie in another store."""
        apart = any(one.number == other and one.store != release.store for one in kept)
        with closing(self._parts.stores.open(release.store)) as store:
            yield from store.only_in(release.number, 0 if apart else other)


def _content(passage: Passage) -> bytes:
    """The same for passages that do not differ in anything."""
    return hashlib.blake2b(passage.model_dump_json().encode(), digest_size=16).digest()


def _publish(draft: CatalogDraft, number: int) -> KeptRelease:
    release = _find(draft.releases(), number)
    draft.publish(number)
    draft.commit()
    return release.model_copy(update={"published": True})


def _published(kept: Iterable[KeptRelease]) -> KeptRelease:
    for release in kept:
        if release.published:
            return release
    raise NoSuchRelease("Nothing has been published yet. Run `parley ingest FOLDER` first.")


def _find(kept: list[KeptRelease], number: int) -> KeptRelease:
    for release in kept:
        if release.number == number:
            return release
    if number == 0:
        raise NoSuchRelease("There is no release before the first one.")
    pruned = 0 < number < max((release.number for release in kept), default=0)
    fate = f"Release {number} has been pruned" if pruned else f"There never was a release {number}"
    raise NoSuchRelease(f"{fate}. `parley releases` lists those that are kept.")


def _compare(
    before: Document | None, after: Document | None, old_texts: dict[str, list[str]], new_texts: dict[str, list[str]]
) -> DocumentChange:
    document = after or before
    assert document is not None
    texts = list(_changes(old_texts.get(document.id, []), new_texts.get(document.id, [])))
    counted = Counter(text.change for text in texts)
    return DocumentChange(
        document=document.name,
        source=document.source,
        change=_change(before, after),
        passages={"added": counted["added"], "changed": counted["changed"], "removed": counted["removed"]},
        texts=texts,
    )


def _changes(before: list[str], after: list[str]) -> Iterable[PassageChange]:
    """The passages that differ; one that only moved because of another does not."""
    for kind, old, old_end, new, new_end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind != "equal":
            for was, now in zip_longest(before[old:old_end], after[new:new_end]):
                yield PassageChange(before=was, after=now)


def _change(before: object | None, after: object | None) -> Change:
    if before is None:
        return "added"
    return "removed" if after is None else "changed"
