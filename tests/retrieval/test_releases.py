"""Releases: compared, published again, rolled back, built on after that, and pruned, on both engines."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval.catalog_schema import connect
from retrieval.corpus import Corpus
from retrieval.embedding import HashingEmbedder
from retrieval.errors import CorpusBusy, NoSuchRelease
from retrieval.passages import EVERYONE, Document, Passage
from retrieval.releases import ReleaseDiff
from retrieval.settings import RetrievalSettings

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")

File = tuple[Document, list[Passage], bytes]


def file(name: str, *texts: str, owner: str = "") -> File:
    """A document with one passage for each text."""
    content = "\n".join(texts).encode()
    document = Document(
        id=str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
        source=f"/handbook/{name}",
        name=name,
        title=name,
        content_hash=hashlib.sha256(content).hexdigest(),
        media_type="text/plain",
        size_bytes=len(content),
        owner=owner,
    )
    passages = [
        Passage(
            id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{position}/{text}")),
            document_id=document.id,
            document=name,
            title=name,
            page=None,
            heading="",
            text=text,
            position=position,
        )
        for position, text in enumerate(texts)
    ]
    return document, passages, content


def open_corpus(folder: Path, **settings: object) -> Corpus:
    return Corpus.open(RetrievalSettings.model_validate(settings), folder, HashingEmbedder())


def ingest(corpus: Corpus, *files: File, remove: tuple[File, ...] = ()) -> int:
    with corpus.draft() as draft:
        for one in files:
            draft.put(*one)
        for one in remove:
            draft.remove(one[0].id)
        return draft.publish().number


def assert_holds(corpus: Corpus, *files: File) -> None:
    """The published release is these documents and their passages: no more, no less, and each can be found."""
    passages = {passage.id: passage for _, made, _ in files for passage in made}
    hits = corpus.search_now("rule", groups=[EVERYONE], limit=1000)
    assert sorted(hit.passage.id for hit in hits) == sorted(passages)
    assert all(corpus.passage(passage_id) == passage for passage_id, passage in passages.items())
    assert corpus.documents() == {document.source: document for document, _, _ in files}
    release = corpus.release()
    assert (release.documents, release.passages) == (len(files), len(passages))
    for document, _, content in files:
        original = corpus.original(document.id)
        assert original is not None
        assert original.read_bytes() == content


def numbers(corpus: Corpus) -> list[int]:
    return [release.number for release in corpus.releases().kept()]


@pytest.fixture(params=["", ":memory:"], ids=["edge", "server"])
def corpus(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Corpus]:
    corpus = open_corpus(tmp_path, url=request.param)
    yield corpus
    corpus.close()


STAYS = file("stays.txt", "rule of what stays")
CHANGES = file("changes.txt", "rule one", "rule two")
CHANGED = file("changes.txt", "rule one", "rule two of the second release")
LEAVES = file("leaves.txt", "rule of what leaves")
COMES = file("comes.txt", "rule of what comes")
LATER = file("later.txt", "rule of a later day")


@pytest.fixture
def rolled_back(corpus: Corpus) -> Corpus:
    """Release 2 changed one document, removed one and brought one; readers see release 1 again."""
    ingest(corpus, STAYS, CHANGES, LEAVES)
    ingest(corpus, CHANGED, COMES, remove=(LEAVES,))
    corpus.releases().rollback()
    return corpus


def test_releases_are_listed_newest_first(corpus: Corpus) -> None:
    assert corpus.releases().kept() == []
    ingest(corpus, STAYS, CHANGES)
    ingest(corpus, LEAVES)
    newest, first = corpus.releases().kept()
    assert (newest.number, newest.documents, newest.passages, newest.built_on, newest.published) == (2, 3, 4, 1, True)
    assert (first.number, first.documents, first.passages, first.built_on, first.published) == (1, 2, 3, 0, False)
    assert newest.encoder == HashingEmbedder().name


def test_a_rollback_shows_readers_the_release_before(rolled_back: Corpus) -> None:
    assert rolled_back.release().number == 1
    assert_holds(rolled_back, STAYS, CHANGES, LEAVES)


def test_a_release_is_published_again_after_a_rollback(rolled_back: Corpus) -> None:
    assert rolled_back.releases().publish(2).published
    assert_holds(rolled_back, STAYS, CHANGED, COMES)
    assert rolled_back.releases().rollback().number == 1


def test_an_ingest_after_a_rollback_builds_on_what_readers_see(rolled_back: Corpus) -> None:
    assert ingest(rolled_back, LATER) == 3
    assert_holds(rolled_back, STAYS, CHANGES, LEAVES, LATER)
    assert rolled_back.releases().kept()[0].built_on == 1


def test_an_ingest_after_a_rollback_leaves_the_older_releases_as_they_were(rolled_back: Corpus) -> None:
    ingest(rolled_back, LATER)
    rolled_back.releases().publish(2)
    assert_holds(rolled_back, STAYS, CHANGED, COMES)
    rolled_back.releases().publish(1)
    assert_holds(rolled_back, STAYS, CHANGES, LEAVES)
    rolled_back.releases().publish(3)
    assert_holds(rolled_back, STAYS, CHANGES, LEAVES, LATER)


def test_what_lives_again_can_be_changed_and_removed(rolled_back: Corpus) -> None:
    ingest(rolled_back, CHANGED, remove=(LEAVES,))
    assert_holds(rolled_back, STAYS, CHANGED)
    ingest(rolled_back, LEAVES)
    assert_holds(rolled_back, STAYS, CHANGED, LEAVES)


def test_rolling_back_goes_behind_a_release_that_was_rolled_back(rolled_back: Corpus) -> None:
    ingest(rolled_back, LATER)
    assert rolled_back.releases().rollback().number == 1
    ingest(rolled_back, COMES)
    assert_holds(rolled_back, STAYS, CHANGES, LEAVES, COMES)
    for release, files in {2: (STAYS, CHANGED, COMES), 3: (STAYS, CHANGES, LEAVES, LATER)}.items():
        rolled_back.releases().publish(release)
        assert_holds(rolled_back, *files)


def test_a_draft_on_a_rolled_back_release_is_invisible_and_leaves_nothing_behind(rolled_back: Corpus) -> None:
    with rolled_back.draft() as draft:
        draft.put(*LATER)
        assert_holds(rolled_back, STAYS, CHANGES, LEAVES)
    assert_holds(rolled_back, STAYS, CHANGES, LEAVES)
    rolled_back.releases().publish(2)
    assert_holds(rolled_back, STAYS, CHANGED, COMES)


def test_what_lives_again_scores_as_before(rolled_back: Corpus) -> None:
    def scores() -> dict[str, float | None]:
        hits = rolled_back.search_now("rule of what leaves", groups=[EVERYONE])
        return {hit.passage.id: hit.dense for hit in hits}

    before = scores()
    ingest(rolled_back, remove=(STAYS,))
    after = scores()
    assert after == pytest.approx({passage: before[passage] for passage in after}, abs=1e-5)
    assert LEAVES[1][0].id in after


def test_another_reader_follows_the_pointer(tmp_path: Path) -> None:
    server, owner = open_corpus(tmp_path), open_corpus(tmp_path)
    ingest(owner, CHANGES)
    ingest(owner, CHANGED)
    assert_holds(server, CHANGED)
    owner.releases().rollback()
    assert_holds(server, CHANGES)
    owner.releases().publish(2)
    assert_holds(server, CHANGED)


def test_a_search_under_way_ends_in_the_release_that_it_began_with(tmp_path: Path) -> None:
    encoding, moved = threading.Event(), threading.Event()

    class WaitingEmbedder(HashingEmbedder):
        def encode(self, texts):
            encoding.set()
            assert moved.wait(timeout=30)
            return super().encode(texts)

    owner = open_corpus(tmp_path)
    ingest(owner, CHANGES)
    ingest(owner, CHANGED)
    server = Corpus.open(RetrievalSettings(), tmp_path, WaitingEmbedder())
    found: list[str] = []
    search = threading.Thread(
        target=lambda: found.extend(hit.passage.id for hit in server.search_now("rule", groups=[EVERYONE]))
    )
    search.start()
    assert encoding.wait(timeout=30)
    owner.releases().rollback()
    ingest(owner, LATER)
    moved.set()
    search.join()
    assert sorted(found) == sorted(passage.id for passage in CHANGED[1])
    assert_holds(server, CHANGES, LATER)


@pytest.mark.parametrize(("number", "reason"), [(9, "never was"), (1, "pruned")])
def test_a_release_that_is_not_there_cannot_be_published(corpus: Corpus, number: int, reason: str) -> None:
    for _ in range(3):
        ingest(corpus, STAYS)
    corpus.releases().prune(1)
    with pytest.raises(NoSuchRelease, match=reason):
        corpus.releases().publish(number)
    with pytest.raises(NoSuchRelease, match="pruned"):
        corpus.releases().rollback()
    assert corpus.release().number == 3


def test_there_is_nothing_to_roll_back_to_before_the_first_release(corpus: Corpus) -> None:
    with pytest.raises(NoSuchRelease, match="Nothing has been published"):
        corpus.releases().rollback()
    ingest(corpus, STAYS)
    with pytest.raises(NoSuchRelease, match="before the first"):
        corpus.releases().rollback()
    assert_holds(corpus, STAYS)


def test_the_pointer_stays_while_a_draft_is_open(rolled_back: Corpus) -> None:
    with rolled_back.draft():
        for change in (rolled_back.releases().rollback, lambda: rolled_back.releases().prune(1)):
            with pytest.raises(CorpusBusy):
                change()
    assert numbers(rolled_back) == [2, 1]


def test_pruning_keeps_the_newest_and_the_published_one(corpus: Corpus) -> None:
    versions = [file("changes.txt", f"rule {number}") for number in range(1, 6)]
    for version in versions:
        ingest(corpus, version)
    corpus.releases().publish(2)
    assert corpus.releases().prune(1) == [1, 3, 4]
    assert numbers(corpus) == [5, 2]
    assert corpus.releases().prune(1) == []
    assert_holds(corpus, versions[1])
    assert ingest(corpus, LATER) == 6
    assert_holds(corpus, versions[1], LATER)
    corpus.releases().publish(5)
    assert_holds(corpus, versions[4])


def test_pruning_never_takes_the_newest(corpus: Corpus) -> None:
    ingest(corpus, STAYS)
    with pytest.raises(ValueError, match="at least 1"):
        corpus.releases().prune(0)


def test_what_only_pruned_releases_held_is_deleted_by_the_next_draft(tmp_path: Path) -> None:
    corpus = open_corpus(tmp_path)
    for number in range(1, 4):
        ingest(corpus, file("changes.txt", f"rule {number}"))
    corpus.releases().prune(1)
    ingest(corpus, LATER)
    corpus.draft().__exit__(None, None, None)
    originals = {path.read_text() for path in (tmp_path / "corpus" / "originals").glob("*/*")}
    assert originals == {"rule 3", "rule of a later day"}


def test_pruning_frees_files_and_whole_indexes_at_once(tmp_path: Path) -> None:
    corpus = open_corpus(tmp_path)
    for number in range(1, 4):
        ingest(corpus, file("changes.txt", f"rule {number}"))
    assert corpus.releases().prune(1) == [1, 2]
    assert {path.read_text() for path in (tmp_path / "corpus" / "originals").glob("*/*")} == {"rule 3"}
    assert [path.name for path in (tmp_path / "corpus" / "passages").iterdir()] == ["3"]
    assert_holds(corpus, file("changes.txt", "rule 3"))


def test_pruning_leaves_an_ingest_alone_that_is_under_way(corpus: Corpus) -> None:
    """It would take the new index for one that no release needs."""
    ingest(corpus, STAYS)
    with corpus.draft() as draft:
        with pytest.raises(CorpusBusy):
            corpus.releases().prune(1)
        draft.put(*LATER)
        draft.publish()
    assert_holds(corpus, STAYS, LATER)


def test_an_ingest_after_a_rollback_keeps_the_release_that_it_built_on(tmp_path: Path) -> None:
    corpus = open_corpus(tmp_path, keep_releases=2)
    for number in range(1, 4):
        ingest(corpus, file("changes.txt", f"rule {number}"))
    assert numbers(corpus) == [3, 2]
    corpus.releases().rollback()
    for number in (4, 5):
        ingest(corpus, file("changes.txt", f"rule {number}"))
        corpus.releases().publish(2)
    assert numbers(corpus) == [5, 4, 2]
    assert_holds(corpus, file("changes.txt", "rule 2"))


def test_a_catalog_from_before_rollbacks_can_be_rolled_back(tmp_path: Path) -> None:
    corpus = open_corpus(tmp_path)
    ingest(corpus, CHANGES)
    ingest(corpus, CHANGED)
    corpus.close()
    db = connect(tmp_path / "corpus" / "catalog.db", wait_s=0)
    for column in ("built_on", "analysis", "recipe"):
        db.execute(f"ALTER TABLE releases DROP COLUMN {column}")
    db.execute("PRAGMA user_version = 1")
    db.close()
    corpus = open_corpus(tmp_path)
    assert corpus.releases().rollback().number == 1
    assert_holds(corpus, CHANGES)


def changes(found: ReleaseDiff) -> dict[str, tuple[str, dict[str, int]]]:
    """What became of each document, and how many of its passages differ."""
    return {
        document.document: (document.change, {change: count for change, count in document.passages.items() if count})
        for document in found.documents
    }


def test_a_diff_says_what_the_published_release_changed(corpus: Corpus) -> None:
    ingest(corpus, STAYS, CHANGES, LEAVES)
    ingest(corpus, CHANGED, COMES, remove=(LEAVES,))
    found = corpus.releases().diff()
    assert (found.before, found.after) == (1, 2)
    assert changes(found) == {
        "changes.txt": ("changed", {"changed": 1}),
        "comes.txt": ("added", {"added": 1}),
        "leaves.txt": ("removed", {"removed": 1}),
    }
    (text,) = found.documents[0].texts
    assert (text.before, text.after) == ("rule two", "rule two of the second release")


def test_a_diff_reads_backwards_too(corpus: Corpus) -> None:
    ingest(corpus, STAYS)
    ingest(corpus, COMES)
    ingest(corpus, LATER)
    assert changes(corpus.releases().diff(3, 1)) == {
        "comes.txt": ("removed", {"removed": 1}),
        "later.txt": ("removed", {"removed": 1}),
    }
    assert changes(corpus.releases().diff(2, 2)) == {}


def test_passages_that_only_moved_are_not_in_the_diff(corpus: Corpus) -> None:
    ingest(corpus, file("long.txt", "rule a", "rule b", "rule c", "rule d"))
    ingest(corpus, file("long.txt", "rule new", "rule a", "rule b", "rule d"))
    (document,) = corpus.releases().diff().documents
    assert [(text.change, text.before, text.after) for text in document.texts] == [
        ("added", None, "rule new"),
        ("removed", "rule c", None),
    ]


def test_a_document_may_change_without_its_passages(corpus: Corpus) -> None:
    ingest(corpus, STAYS)
    ingest(corpus, file("stays.txt", "rule of what stays", owner="People team"))
    assert changes(corpus.releases().diff()) == {"stays.txt": ("changed", {})}


def test_what_lives_again_is_no_difference(rolled_back: Corpus) -> None:
    ingest(rolled_back, LATER)
    found = rolled_back.releases().diff()
    assert (found.before, found.after) == (1, 3)
    assert changes(found) == {"later.txt": ("added", {"added": 1})}
    assert changes(rolled_back.releases().diff(2, 3)) == {
        "changes.txt": ("changed", {"changed": 1}),
        "comes.txt": ("removed", {"removed": 1}),
        "later.txt": ("added", {"added": 1}),
        "leaves.txt": ("added", {"added": 1}),
    }


def test_what_lives_again_was_not_added(rolled_back: Corpus) -> None:
    ingest(rolled_back, LATER)
    assert {passage.text for passage in rolled_back.added_since(1)} == {"rule of a later day"}
    assert {passage.text for passage in rolled_back.added_since(2)} == {
        "rule two",
        "rule of what leaves",
        "rule of a later day",
    }
    rolled_back.releases().prune(1)
    assert "rule of a later day" in {passage.text for passage in rolled_back.added_since(2)}


def test_many_passages_live_again(corpus: Corpus) -> None:
    """More than are read at once."""
    many = file("many.txt", *(f"rule {i}" for i in range(600)))
    ingest(corpus, many)
    ingest(corpus, LATER, remove=(many,))
    corpus.releases().rollback()
    ingest(corpus, COMES)
    assert_holds(corpus, many, COMES)
    assert sum(changes(corpus.releases().diff(2, 3))["many.txt"][1].values()) == 600
