"""Another encoder, or another word analysis: a new index beside the old one, which readers follow without a pause."""

from __future__ import annotations

import hashlib
import logging
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from qdrant_client import QdrantClient

from retrieval.catalog import Catalog
from retrieval.catalog_schema import connect
from retrieval.corpus import Corpus
from retrieval.draft import Parts
from retrieval.embedding import Embedder, HashingEmbedder, indexed_text
from retrieval.encoders import EncoderSource
from retrieval.errors import EncoderUnavailable
from retrieval.originals import Originals
from retrieval.passages import EVERYONE, Document, Passage
from retrieval.settings import RetrievalSettings
from retrieval.store.base import PassageStore, Stores
from retrieval.store.factory import build_stores
from retrieval.store.server import ServerStores

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")

File = tuple[Document, list[Passage], bytes]
WAIT_S = 60.0


def hashing(settings: RetrievalSettings) -> Embedder:
    """`hashing-64` and the like, by name."""
    return HashingEmbedder(int(settings.encoder.removeprefix("hashing-")))


class Recording(HashingEmbedder):
    """Remembers what it was asked to encode."""

    def __init__(self, dimension: int) -> None:
        super().__init__(dimension)
        self.texts: list[str] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.texts.extend(texts)
        return super().encode(texts)


def open_corpus(
    folder: Path, dimension: int, build: Callable[[RetrievalSettings], Embedder] = hashing, **settings: object
) -> Corpus:
    chosen = RetrievalSettings.model_validate({"encoder": f"hashing-{dimension}", **settings})
    return Corpus.open(chosen, folder, build=build)


def file(name: str, *texts: str) -> File:
    """A document with one passage for each text."""
    content = "\n".join(texts).encode()
    document = Document(
        id=str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
        source=f"/{name}",
        name=name,
        title=name,
        content_hash=hashlib.sha256(content).hexdigest(),
        media_type="text/plain",
        size_bytes=len(content),
    )
    passages = [
        Passage(
            id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{position}/{text}")),
            document_id=document.id,
            document=name,
            title=name,
            page=position + 1,
            heading="",
            text=text,
            position=position,
        )
        for position, text in enumerate(texts)
    ]
    return document, passages, content


STAYS = file("stays.txt", "rule of what stays", "rule of what stays as well")
CHANGES = file("changes.txt", "rule that changes")
CHANGED = file("changes.txt", "rule that has changed")
LEAVES = file("leaves.txt", "rule of what leaves")
COMES = file("comes.txt", "rule of what comes")


def ingest(corpus: Corpus, *files: File, remove: tuple[File, ...] = ()) -> int:
    with corpus.draft() as draft:
        for one in files:
            draft.put(*one)
        for one in remove:
            draft.remove(one[0].id)
        return draft.publish().number


def found(corpus: Corpus, release: int | None = None) -> set[str]:
    return {hit.passage.text for hit in corpus.search_now("rule", groups=[EVERYONE], limit=1000, release=release)}


def assert_holds(corpus: Corpus, *files: File) -> None:
    """The release that is answered from is these documents and passages, no more and no less."""
    passages = [passage for _, made, _ in files for passage in made]
    assert found(corpus) == {passage.text for passage in passages}
    assert all(corpus.passage(passage.id) == passage for passage in passages)
    assert corpus.documents() == {document.source: document for document, _, _ in files}
    release = corpus.release()
    assert (release.documents, release.passages) == (len(files), len(passages))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """Where release 1 of three documents lies, encoded in 64 dimensions."""
    corpus = open_corpus(tmp_path, 64)
    ingest(corpus, STAYS, CHANGES, LEAVES)
    corpus.close()
    return tmp_path


def stores(folder: Path) -> set[str]:
    return {path.name for path in (folder / "corpus" / "passages").iterdir()}


def test_another_encoder_builds_a_new_index_beside_the_old_one(first: Path) -> None:
    corpus = open_corpus(first, 32)
    assert ingest(corpus, CHANGED, COMES, remove=(LEAVES,)) == 2
    assert_holds(corpus, STAYS, CHANGED, COMES)
    assert stores(first) == {"1", "2"}
    newest, oldest = corpus.releases().kept()
    assert (newest.encoder, oldest.encoder) == ("hashing-32", "hashing-64")


def test_only_what_has_not_changed_is_carried_over_and_the_count_is_true(first: Path) -> None:
    embedder = Recording(32)
    corpus = open_corpus(first, 32, lambda settings: embedder)
    seen: list[tuple[int, int]] = []
    with corpus.draft() as draft:
        draft.put(*CHANGED)
        draft.remove(LEAVES[0].id)
        assert draft.carry_over(lambda done, total: seen.append((done, total))) == len(STAYS[1])
        assert draft.carry_over() == 0
        draft.publish()
    assert sorted(text.splitlines()[-1] for text in embedder.texts) == sorted(
        passage.text for passage in [*STAYS[1], *CHANGED[1]]
    )
    assert seen[-1] == (2, 2)
    assert seen == sorted(seen)


def test_many_passages_are_carried_over(tmp_path: Path) -> None:
    """More than are read or encoded at once."""
    many = file("many.txt", *(f"rule {i}" for i in range(600)))
    ingest(open_corpus(tmp_path, 64), many, STAYS)
    corpus = open_corpus(tmp_path, 32)
    ingest(corpus)
    assert_holds(corpus, many, STAYS)


def test_rolling_back_to_the_older_index_works_at_once_and_forward_again(first: Path) -> None:
    owner = open_corpus(first, 32)
    ingest(owner, CHANGED)
    owner.releases().rollback()
    reader = open_corpus(first, 32)
    assert_holds(reader, STAYS, CHANGES, LEAVES)
    owner.releases().publish(2)
    wait_until(lambda: reader.release().number == 2)
    assert_holds(reader, STAYS, CHANGED, LEAVES)


def test_an_ingest_after_such_a_rollback_builds_on_the_older_release(first: Path) -> None:
    ingest(open_corpus(first, 32), CHANGED, COMES)
    old = open_corpus(first, 64)
    old.releases().rollback()
    assert ingest(old, remove=(LEAVES,)) == 3
    assert_holds(old, STAYS, CHANGES)
    assert stores(first) == {"1", "2", "3"}
    new = open_corpus(first, 32)
    assert ingest(new, COMES) == 4
    assert_holds(new, STAYS, CHANGES, COMES)
    assert found(new, 2) == {passage.text for one in (STAYS, CHANGED, LEAVES, COMES) for passage in one[1]}


def test_another_word_analysis_is_another_index(first: Path) -> None:
    embedder = Recording(64)
    corpus = open_corpus(first, 64, lambda settings: embedder, language="german")
    assert corpus.to_reencode() == 4
    ingest(corpus)
    assert embedder.texts == [], "the embeddings are taken over"
    assert stores(first) == {"1", "2"}
    assert corpus.to_reencode() == 0
    assert {release.encoder for release in corpus.releases().kept()} == {"hashing-64"}
    assert len({release.analysis for release in corpus.releases().kept()}) == 2
    (best, *_) = corpus.search_now("rule that changes", groups=[EVERYONE])
    assert (best.passage.text, best.sparse is not None) == ("rule that changes", True)
    expected = HashingEmbedder(64).encode(["rule that changes", indexed_text(best.passage)])
    assert best.dense == pytest.approx(float(expected[0] @ expected[1]), abs=1e-5)
    assert_holds(corpus, STAYS, CHANGES, LEAVES)


def test_the_same_encoders_make_no_new_index(first: Path) -> None:
    embedder = Recording(64)
    corpus = open_corpus(first, 64, lambda settings: embedder)
    assert corpus.to_reencode() == 0
    with corpus.draft() as draft:
        assert draft.carry_over() == 0
        draft.publish()
    assert embedder.texts == []


def test_a_server_holds_each_index_in_a_collection_of_its_own(tmp_path: Path) -> None:
    client = QdrantClient(":memory:")

    def open_on_server(dimension: int) -> Corpus:
        settings = RetrievalSettings(encoder=f"hashing-{dimension}", keep_releases=1)
        catalog = Catalog(tmp_path / "catalog.db")
        parts = Parts(
            catalog=catalog,
            stores=ServerStores(client, "parley", catalog.corpus_id),
            originals=Originals(tmp_path / "originals"),
            encoders=EncoderSource(settings, hashing),
            keep_releases=1,
            pinned=(),
            now=lambda: datetime.now(UTC),
        )
        return Corpus(parts, settings)

    old, new = open_on_server(64), open_on_server(32)
    ingest(old, STAYS, CHANGES)
    ingest(new, CHANGED)
    assert_holds(new, STAYS, CHANGED)
    assert found(new, 1) == {passage.text for one in (STAYS, CHANGES) for passage in one[1]}
    ingest(new, COMES)
    with new.draft():
        assert {collection.name for collection in client.get_collections().collections} == {"parley-2"}
    assert_holds(new, STAYS, CHANGED, COMES)


def test_what_a_new_index_changed_is_told_by_what_the_passages_say(first: Path) -> None:
    corpus = open_corpus(first, 32)
    ingest(corpus, CHANGED, COMES, remove=(LEAVES,))
    changes = {one.document: (one.change, one.passages) for one in corpus.releases().diff().documents}
    assert changes == {
        "changes.txt": ("changed", {"added": 0, "changed": 1, "removed": 0}),
        "comes.txt": ("added", {"added": 1, "changed": 0, "removed": 0}),
        "leaves.txt": ("removed", {"added": 0, "changed": 0, "removed": 1}),
    }
    assert {passage.text for passage in corpus.added_since(1)} == {CHANGED[1][0].text, COMES[1][0].text}


def test_a_catalog_from_before_the_analysis_was_recorded_answers_and_is_encoded_anew(first: Path) -> None:
    db = connect(first / "corpus" / "catalog.db", wait_s=0)
    for column in ("analysis", "recipe"):
        db.execute(f"ALTER TABLE releases DROP COLUMN {column}")
    db.execute("PRAGMA user_version = 2")
    db.close()
    for dimension in (64, 32):
        assert_holds(open_corpus(first, dimension), STAYS, CHANGES, LEAVES)
    corpus = open_corpus(first, 64)
    assert corpus.to_reencode() == 4
    ingest(corpus)
    assert_holds(corpus, STAYS, CHANGES, LEAVES)


def test_an_index_that_no_release_needs_is_deleted_by_the_next_draft(first: Path) -> None:
    corpus = open_corpus(first, 32, keep_releases=1)
    ingest(corpus)
    ingest(corpus, COMES)
    assert [release.number for release in corpus.releases().kept()] == [3, 2]
    ingest(corpus)
    assert "1" not in stores(first)


def test_pruning_deletes_an_older_index_at_once(first: Path) -> None:
    corpus = open_corpus(first, 32)
    ingest(corpus)
    assert corpus.releases().prune(1) == [1]
    assert stores(first) == {"2"}


# Readers


def test_a_reader_opens_the_index_that_came_in_place_of_one_that_was_just_deleted(tmp_path: Path) -> None:
    """Between its look into the catalog and its opening of the folder, two more releases come."""
    owner = open_corpus(tmp_path, 64)
    ingest(owner, STAYS)
    releases = iter([CHANGES, COMES])

    settings = RetrievalSettings(encoder="hashing-64")
    catalog = Catalog(tmp_path / "corpus" / "catalog.db")
    stores = build_stores(settings, tmp_path / "corpus" / "passages", owner=catalog.corpus_id)

    class Overtaken:
        def open(self, name: str) -> PassageStore:
            for one in releases:
                ingest(owner, one)
            return stores.open(name)

    parts = Parts(
        catalog=catalog,
        stores=cast("Stores", Overtaken()),
        originals=Originals(tmp_path / "corpus" / "originals"),
        encoders=EncoderSource(settings, hashing),
        keep_releases=5,
        pinned=(),
        now=lambda: datetime.now(UTC),
    )
    assert_holds(Corpus(parts, settings), STAYS, CHANGES, COMES)


class Held(HashingEmbedder):
    """Takes as long to load as it is told to."""

    def __init__(self, dimension: int, may_load: threading.Event) -> None:
        super().__init__(dimension)
        self._may_load = may_load

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        assert self._may_load.wait(WAIT_S)
        return super().encode(texts)


def test_a_running_reader_answers_without_a_pause_while_the_next_encoder_is_loaded(first: Path) -> None:
    may_load = threading.Event()

    def build(settings: RetrievalSettings) -> Embedder:
        return Held(32, may_load) if settings.encoder == "hashing-32" else hashing(settings)

    server = open_corpus(first, 64, build)
    server.warm()
    stop, slowest, wrong, failed = threading.Event(), [0.0], [], []
    versions = [
        {passage.text for one in files for passage in one[1]}
        for files in ((STAYS, CHANGES, LEAVES), (STAYS, CHANGED, LEAVES), (STAYS, CHANGED, LEAVES, COMES))
    ]

    def ask() -> None:
        while not stop.is_set():
            began = time.monotonic()
            try:
                answer = found(server)
            except Exception as error:
                failed.append(error)
            else:
                slowest[0] = max(slowest[0], time.monotonic() - began)
                if answer not in versions:
                    wrong.append(answer)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    owner = open_corpus(first, 32)
    ingest(owner, CHANGED)
    wait_until(lambda: server.published().number == 2)
    time.sleep(0.3)
    assert server.release().number == 1
    assert server.trouble() == ""
    assert_holds(server, STAYS, CHANGES, LEAVES)
    may_load.set()
    wait_until(lambda: server.release().number == 2)
    assert_holds(server, STAYS, CHANGED, LEAVES)
    ingest(owner, COMES)
    wait_until(lambda: server.release().number == 3)
    assert_holds(server, STAYS, CHANGED, LEAVES, COMES)
    stop.set()
    for thread in threads:
        thread.join()
    assert (wrong, failed) == ([], [])
    assert slowest[0] < WAIT_S / 2, "a search waited for the encoder"


def test_texts_are_encoded_as_the_release_that_is_answered_from(first: Path) -> None:
    server = open_corpus(first, 64)
    server.warm()
    assert server.encode(["rule"]).shape == (1, 64)
    ingest(open_corpus(first, 32))
    wait_until(lambda: server.release().number == 2)
    assert server.encode(["rule"]).shape == (1, 32)
    assert server.encode(["rule"], release=1).shape == (1, 64)


def test_a_reader_stays_on_what_it_has_where_the_encoder_cannot_be_loaded(
    first: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = [datetime(2026, 1, 2, tzinfo=UTC)]
    installed = [False]

    def build(settings: RetrievalSettings) -> Embedder:
        if settings.encoder == "hashing-32" and not installed[0]:
            raise EncoderUnavailable("The sentence encoder 'hashing-32' cannot be loaded. Install it.")
        return hashing(settings)

    settings = RetrievalSettings(encoder="hashing-64")
    server = Corpus.open(settings, first, build=build, now=lambda: clock[0])
    server.warm()
    ingest(open_corpus(first, 32), CHANGED)
    with caplog.at_level(logging.ERROR):
        wait_until(lambda: bool(server.trouble()))
    assert "Release 2 is published, but cannot be searched yet" in server.trouble()
    assert "Install it" in server.trouble()
    assert "Install it" in caplog.text
    assert_holds(server, STAYS, CHANGES, LEAVES)
    installed[0] = True
    assert server.release().number == 1, "it was tried a moment ago"
    clock[0] += timedelta(minutes=1)
    wait_until(lambda: server.release().number == 2)
    assert server.trouble() == ""
    assert_holds(server, STAYS, CHANGED, LEAVES)


def test_a_rollback_ends_the_trouble(first: Path) -> None:
    server = Corpus.open(RetrievalSettings(), first, HashingEmbedder(64))
    server.warm()
    owner = open_corpus(first, 32)
    ingest(owner)
    wait_until(lambda: "Put the encoder back" in server.trouble())
    owner.releases().rollback()
    assert server.trouble() == ""
    assert_holds(server, STAYS, CHANGES, LEAVES)


def test_a_reader_finds_the_recorded_encoder_whatever_its_own_settings_name(first: Path) -> None:
    reader = open_corpus(first, 16)
    assert_holds(reader, STAYS, CHANGES, LEAVES)
    assert reader.encode(["rule"]).shape == (1, 64)


def test_an_encoder_in_a_folder_is_recorded_by_a_path_that_is_right_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    asked: list[str] = []

    def build(settings: RetrievalSettings) -> Embedder:
        asked.append(settings.encoder)
        return HashingEmbedder(64) if settings.encoder.endswith("model") else HashingEmbedder(32)

    ingest(Corpus.open(RetrievalSettings(encoder="model"), tmp_path, build=build), STAYS)
    monkeypatch.chdir(tmp_path)
    assert found(Corpus.open(RetrievalSettings(encoder="other"), tmp_path, build=build))
    assert asked[-1] == str(tmp_path / "work" / "model")


# Killed

KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_reindexing import HashingEmbedder, open_corpus

class Dies(HashingEmbedder):
    batches = 0
    def encode(self, texts):
        self.batches += 1
        if self.batches == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode(texts)

with open_corpus(Path(sys.argv[2]), 32, lambda settings: Dies(32)).draft() as draft:
    draft.publish()
"""


def test_a_kill_while_passages_are_encoded_anew_leaves_the_old_release_whole(tmp_path: Path) -> None:
    many = file("many.txt", *(f"rule {i}" for i in range(600)))
    ingest(open_corpus(tmp_path, 64), many, STAYS)
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(tmp_path)]
    assert subprocess.run(command, timeout=WAIT_S, check=False).returncode == -signal.SIGKILL
    assert stores(tmp_path) == {"1", "2"}
    for dimension in (64, 32):
        assert_holds(open_corpus(tmp_path, dimension), many, STAYS)
    corpus = open_corpus(tmp_path, 32)
    ingest(corpus, COMES)
    assert corpus.published().number == 2
    assert_holds(corpus, many, STAYS, COMES)
