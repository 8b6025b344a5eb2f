"""The corpus: releases, drafts, and search, on both engines."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from retrieval.corpus import Corpus
from retrieval.embedding import HashingEmbedder
from retrieval.errors import CorpusBusy, EncoderUnavailable, StoreUnavailable
from retrieval.passages import EVERYONE, Document, Passage, Release
from retrieval.settings import RetrievalSettings

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
File = tuple[Document, list[Passage], bytes]


def file(name: str, *texts: str, groups: tuple[str, ...] = (EVERYONE,)) -> File:
    """A document with one passage for each text."""
    content = "\n".join(texts).encode()
    document = Document(
        id=str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
        source=f"/handbook/{name}",
        name=name,
        title=name.removesuffix(".md"),
        content_hash=hashlib.sha256(content).hexdigest(),
        media_type="text/markdown",
        size_bytes=len(content),
        groups=groups,
    )
    passages = [
        Passage(
            id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{position}/{text}")),
            document_id=document.id,
            document=name,
            title=document.title,
            page=None,
            heading="",
            text=text,
            position=position,
            groups=groups,
        )
        for position, text in enumerate(texts)
    ]
    return document, passages, content


def open_corpus(folder: Path, **settings: object) -> Corpus:
    return Corpus.open(RetrievalSettings.model_validate(settings), folder, HashingEmbedder(), now=lambda: NOW)


def ingest(corpus: Corpus, *files: File, remove: tuple[str, ...] = ()) -> Release:
    with corpus.draft() as draft:
        for one in files:
            draft.put(*one)
        for document_id in remove:
            draft.remove(document_id)
        return draft.publish()


def answers(corpus: Corpus, question: str, groups: tuple[str, ...] = (EVERYONE,)) -> list[str]:
    return [hit.passage.text for hit in corpus.search_now(question, groups=groups)]


@pytest.fixture(params=["", ":memory:"], ids=["edge", "server"])
def corpus(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Corpus]:
    corpus = open_corpus(tmp_path, url=request.param)
    yield corpus
    corpus.close()


LEAVE = file("leave.md", "Five days of leave carry over.", "Parental leave is twelve weeks.")
TRAVEL = file("travel.md", "Trains are booked by the office.")


async def test_the_corpus_before_the_first_ingest_is_empty(corpus: Corpus) -> None:
    assert corpus.release() == Release(number=0)
    assert await corpus.search("anything", groups=[EVERYONE]) == []
    assert corpus.documents() == {}
    assert corpus.passage(LEAVE[1][0].id) is None
    assert corpus.original(LEAVE[0].id) is None


async def test_what_was_published_is_found(corpus: Corpus) -> None:
    release = ingest(corpus, LEAVE, TRAVEL)
    assert release == Release(number=1, published_at=NOW.isoformat(), documents=2, passages=3)
    assert corpus.release() == release
    hits = await corpus.search("how many days of leave carry over", groups=[EVERYONE])
    assert hits[0].passage == LEAVE[1][0]
    assert hits == sorted(hits, key=lambda hit: -hit.score)
    assert list(corpus.documents()) == [LEAVE[0].source, TRAVEL[0].source]
    assert corpus.document(LEAVE[0].id) == LEAVE[0]
    assert corpus.passage(LEAVE[1][1].id) == LEAVE[1][1]
    original = corpus.original(LEAVE[0].id)
    assert original is not None
    assert original.read_bytes() == LEAVE[2]


def test_the_limit_bounds_the_hits(corpus: Corpus) -> None:
    ingest(corpus, file("many.md", *(f"rule number {i}" for i in range(40))))
    assert len(corpus.search_now("rule", groups=[EVERYONE], limit=3)) == 3
    assert len(corpus.search_now("rule", groups=[EVERYONE])) == RetrievalSettings().limit


def test_only_the_askers_groups_are_searched(corpus: Corpus) -> None:
    ingest(corpus, LEAVE, file("minutes.md", "The board discussed leave.", groups=("board",)))
    assert "The board discussed leave." not in answers(corpus, "board leave")
    assert answers(corpus, "board leave", groups=("board",)) == ["The board discussed leave."]
    assert answers(corpus, "board leave", groups=()) == []


def test_a_changed_document_replaces_its_passages(corpus: Corpus) -> None:
    ingest(corpus, LEAVE, TRAVEL)
    changed = file("leave.md", "Seven days of leave carry over.")
    release = ingest(corpus, changed)
    assert (release.number, release.documents, release.passages) == (2, 2, 2)
    assert set(answers(corpus, "leave trains")) == {"Seven days of leave carry over.", TRAVEL[1][0].text}
    assert corpus.document(LEAVE[0].id) == changed[0]
    assert corpus.passage(LEAVE[1][0].id) is None


def test_a_removed_document_is_gone(corpus: Corpus) -> None:
    ingest(corpus, LEAVE, TRAVEL)
    release = ingest(corpus, remove=(LEAVE[0].id,))
    assert (release.documents, release.passages) == (1, 1)
    assert answers(corpus, "leave") == [TRAVEL[1][0].text]
    assert corpus.document(LEAVE[0].id) is None
    assert corpus.original(LEAVE[0].id) is None


def test_a_document_put_and_removed_in_one_draft_never_was(corpus: Corpus) -> None:
    with corpus.draft() as draft:
        draft.put(*TRAVEL)
        draft.put(*LEAVE)
        draft.put(*file("leave.md", "Nine days."))
        draft.remove(TRAVEL[0].id)
        release = draft.publish()
    assert (release.documents, release.passages) == (1, 1)
    assert answers(corpus, "days trains leave") == ["Nine days."]


def test_a_draft_is_invisible_until_it_is_published(corpus: Corpus) -> None:
    ingest(corpus, LEAVE)
    with corpus.draft() as draft:
        assert draft.number == 2
        draft.put(*file("many.md", *(f"leave rule {i}" for i in range(300))))
        draft.remove(LEAVE[0].id)
        assert corpus.release().number == 1
        assert set(answers(corpus, "leave rule")) == {passage.text for passage in LEAVE[1]}
        assert set(corpus.documents()) == {LEAVE[0].source}
        draft.publish()
    assert corpus.release().number == 2
    assert "leave rule 7" in answers(corpus, "leave rule 7")


@pytest.mark.parametrize("leave", ["quietly", "by an error"])
def test_leaving_a_draft_without_publishing_discards_it(corpus: Corpus, leave: str) -> None:
    ingest(corpus, LEAVE)

    def abandon() -> None:
        with corpus.draft() as draft:
            draft.put(*file("many.md", *(f"leave rule {i}" for i in range(300))))
            draft.remove(LEAVE[0].id)
            if leave == "by an error":
                raise KeyError("broken")

    if leave == "by an error":
        with pytest.raises(KeyError):
            abandon()
    else:
        abandon()
    assert corpus.release().number == 1
    assert set(answers(corpus, "leave rule")) == {passage.text for passage in LEAVE[1]}
    assert ingest(corpus, TRAVEL).number == 2
    assert set(corpus.documents()) == {LEAVE[0].source, TRAVEL[0].source}
    assert "leave rule 7" not in answers(corpus, "leave rule 7")


def test_a_discarded_draft_leaves_no_files(tmp_path: Path) -> None:
    corpus = open_corpus(tmp_path)
    ingest(corpus, LEAVE)
    with corpus.draft() as draft:
        draft.put(*TRAVEL)
    assert [path.name for path in (tmp_path / "corpus" / "passages").iterdir()] == ["1"]


def test_a_release_that_cannot_be_committed_is_discarded(tmp_path: Path) -> None:
    def broken_clock() -> datetime:
        raise OSError("no clock")

    ingest(open_corpus(tmp_path), LEAVE)
    corpus = Corpus.open(RetrievalSettings(), tmp_path, HashingEmbedder(), now=broken_clock)
    with pytest.raises(OSError, match="no clock"):
        ingest(corpus, TRAVEL)
    assert corpus.release().number == 1
    assert set(answers(corpus, "leave trains")) == {passage.text for passage in LEAVE[1]}
    assert ingest(open_corpus(tmp_path), TRAVEL).number == 2


def test_a_second_draft_is_refused_until_the_first_ends(corpus: Corpus, tmp_path: Path) -> None:
    with corpus.draft():
        with pytest.raises(CorpusBusy, match="Wait"):
            corpus.draft()
        other = open_corpus(tmp_path)
        with pytest.raises(CorpusBusy):
            other.draft()
        other.close()
    assert ingest(corpus, LEAVE).number == 1


def test_a_draft_that_cannot_begin_lets_the_next_one_in(tmp_path: Path) -> None:
    corpus = open_corpus(tmp_path)
    ingest(corpus, LEAVE)
    folder = tmp_path / "corpus" / "passages" / "1"
    folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(StoreUnavailable, match="backup"):
        corpus.draft()
    with pytest.raises(StoreUnavailable):
        corpus.draft()


def test_wrong_bytes_are_refused(corpus: Corpus) -> None:
    document, passages, _ = LEAVE
    with corpus.draft() as draft, pytest.raises(ValueError, match="SHA-256"):
        draft.put(document, passages, b"other bytes")


def test_a_hash_cannot_name_a_path(corpus: Corpus) -> None:
    document, passages, content = LEAVE
    hostile = document.model_copy(update={"content_hash": "../../../../tmp/escape"})
    with corpus.draft() as draft, pytest.raises(ValueError, match="SHA-256"):
        draft.put(hostile, passages, content)


def test_another_documents_passages_are_refused(corpus: Corpus) -> None:
    with corpus.draft() as draft, pytest.raises(ValueError, match="id of the document"):
        draft.put(LEAVE[0], TRAVEL[1])


def test_an_encoder_that_is_not_the_one_of_the_release_is_refused_with_the_remedy(tmp_path: Path) -> None:
    corpus = open_corpus(tmp_path)
    ingest(corpus, LEAVE)
    other = Corpus.open(RetrievalSettings(), tmp_path, HashingEmbedder(dimension=64))
    with pytest.raises(EncoderUnavailable, match="Put the encoder back"):
        other.search_now("leave", groups=[EVERYONE])
    assert ingest(corpus, TRAVEL).number == 2


def test_releases_and_originals_that_nothing_needs_are_deleted(tmp_path: Path) -> None:
    corpus = open_corpus(tmp_path, keep_releases=2)
    for number in range(1, 7):
        ingest(corpus, file("leave.md", f"{number} days of leave carry over."))
    stores = {path.name for path in (tmp_path / "corpus" / "passages").iterdir()}
    originals = list((tmp_path / "corpus" / "originals").glob("*/*"))
    assert stores == {"5", "6"}
    assert len(originals) <= 4
    assert answers(corpus, "leave") == ["6 days of leave carry over."]


def test_many_searches_go_on_while_releases_come(tmp_path: Path) -> None:
    """Every answer is one release's: never empty, never a mixture."""
    corpus = open_corpus(tmp_path)
    ingest(corpus, file("a.md", "version 1 of a"), file("b.md", "version 1 of b"))
    done, seen, wrong = threading.Event(), set(), []

    def search() -> None:
        while not done.is_set():
            found = answers(corpus, "version")
            versions = {text.split()[1] for text in found}
            seen.update(versions)
            if len(found) != 2 or len(versions) != 1:
                wrong.append(found)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(2, 6):
        ingest(corpus, file("a.md", f"version {number} of a"), file("b.md", f"version {number} of b"))
    while "5" not in seen:
        time.sleep(0.01)
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []


PUBLISH = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from test_corpus import file, ingest, open_corpus
ingest(open_corpus(Path(sys.argv[2])), file("leave.md", "Another process wrote this."))
"""


def test_a_release_of_another_process_is_seen_at_once(tmp_path: Path) -> None:
    corpus = open_corpus(tmp_path)
    ingest(corpus, LEAVE)
    assert answers(corpus, "leave")
    command = [sys.executable, "-c", PUBLISH, str(Path(__file__).parent), str(tmp_path)]
    subprocess.run(command, check=True, timeout=60)
    assert corpus.release().number == 2
    assert answers(corpus, "leave") == ["Another process wrote this."]


def test_two_readers_share_a_release(tmp_path: Path) -> None:
    first, second = open_corpus(tmp_path), open_corpus(tmp_path)
    ingest(first, LEAVE)
    assert answers(first, "leave") == answers(second, "leave") != []


async def test_the_event_loop_runs_on_during_a_search(tmp_path: Path) -> None:
    gate = threading.Event()

    class WaitingEmbedder(HashingEmbedder):
        def encode(self, texts):
            assert gate.wait(timeout=10)
            return super().encode(texts)

    ingest(open_corpus(tmp_path), LEAVE)
    corpus = Corpus.open(RetrievalSettings(), tmp_path, WaitingEmbedder())
    search = asyncio.create_task(corpus.search("leave", groups=[EVERYONE]))
    await asyncio.sleep(0.05)
    gate.set()
    assert await search
