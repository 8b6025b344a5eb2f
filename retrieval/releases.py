"""The kept releases of a corpus: which there are, what sets two of them apart, and which one readers see."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import closing
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Literal

from pydantic import BaseModel, ConfigDict, computed_field

from retrieval.catalog import Catalog, CatalogDraft
from retrieval.errors import NoSuchRelease
from retrieval.passages import Document, KeptRelease, Passage
from retrieval.store.base import Stores

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

    def __init__(self, catalog: Catalog, stores: Stores) -> None:
        self._catalog = catalog
        self._stores = stores

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
        """Forget all but the newest `keep` releases, at least 1, and the published one; raises `CorpusBusy`.

        Returns the numbers of those forgotten. The next draft deletes what only they held.
        """
        if keep < 1:
            raise ValueError("keep must be at least 1: the newest release gives the next one its number")
        with closing(self._catalog.draft()) as draft:
            forgotten = draft.prune(keep)
            draft.commit()
        return forgotten

    def diff(self, before: int | None = None, after: int | None = None) -> ReleaseDiff:
        """What `after`, the published release by default, changed against `before`, by default what it was built on.

        Raises `NoSuchRelease`.
        """
        kept = self.kept()
        newer = _published(kept) if after is None else _find(kept, after)
        older = _find(kept, newer.built_on if before is None else before)
        old_documents, new_documents = self._catalog.documents(older.number), self._catalog.documents(newer.number)
        old_texts, new_texts = self._only_in(older, newer), self._only_in(newer, older)
        changes = [
            _compare(old_documents.get(source), new_documents.get(source), old_texts, new_texts)
            for source in sorted(old_documents.keys() | new_documents.keys())
            if old_documents.get(source) != new_documents.get(source)
        ]
        return ReleaseDiff(before=older.number, after=newer.number, documents=changes)

    def _only_in(self, release: KeptRelease, other: KeptRelease) -> dict[str, list[str]]:
        """Texts of the passages that `other` does not hold, by document and in their order."""
        with closing(self._stores.open(release.store)) as store:
            found: dict[str, list[Passage]] = defaultdict(list)
            for passage in store.only_in(release.number, other.number):
                found[passage.document_id].append(passage)
        return {
            document: [passage.text for passage in sorted(passages, key=lambda passage: passage.position)]
            for document, passages in found.items()
        }


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
