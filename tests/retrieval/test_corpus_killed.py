"""A process that is killed in the middle of a draft costs nothing but the draft."""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from retrieval.corpus import Corpus
from retrieval.embedding import HashingEmbedder
from retrieval.passages import EVERYONE, Document, Passage
from retrieval.settings import RetrievalSettings

DOCUMENTS = 20
PASSAGES = 60

CHILD = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_corpus_killed import DOCUMENTS, version
from retrieval.corpus import Corpus
from retrieval.embedding import HashingEmbedder
from retrieval.settings import RetrievalSettings

point = sys.argv[3]

def die(here):
    if here == point:
        os.kill(os.getpid(), signal.SIGKILL)

class Embedder(HashingEmbedder):
    batches = 0
    def encode(self, texts):
        self.batches += 1
        if self.batches == 3:
            die("between two batches")
        return super().encode(texts)

def now():
    die("before the commit")
    return datetime.now(UTC)

corpus = Corpus.open(RetrievalSettings(), Path(sys.argv[2]), Embedder(), now=now)
print("ready", flush=True)
with corpus.draft() as draft:
    die("at the start")
    for number in range(DOCUMENTS):
        draft.put(*version(2, number))
    die("before publishing")
    draft.publish()
    die("after publishing")
"""


def version(release: int, number: int) -> tuple[Document, list[Passage], bytes]:
    """One of the documents, as it stands in a release."""
    name = f"{number}.md"
    document_id = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
    content = f"release {release} of {name}".encode()
    document = Document(
        id=document_id,
        source=f"/{name}",
        name=name,
        title=name,
        content_hash=hashlib.sha256(content).hexdigest(),
        media_type="text/markdown",
        size_bytes=len(content),
    )
    passages = [
        Passage(
            id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{position}")),
            document_id=document_id,
            document=name,
            title=name,
            page=None,
            heading="",
            text=f"rule {position} of release{release}",
            position=position,
        )
        for position in range(PASSAGES)
    ]
    return document, passages, content


def open_corpus(folder: Path) -> Corpus:
    return Corpus.open(RetrievalSettings(), folder, HashingEmbedder())


def ingest(corpus: Corpus, release: int) -> None:
    with corpus.draft() as draft:
        for number in range(DOCUMENTS):
            draft.put(*version(release, number))
        draft.publish()


def assert_whole(corpus: Corpus, release: int) -> None:
    """Every document, passage and original is of this release, and none is missing."""
    assert corpus.release().number == release
    hits = corpus.search_now(f"rule release{release}", groups=[EVERYONE], limit=1000)
    assert {hit.passage.text.split()[-1] for hit in hits} == {f"release{release}"}
    documents = corpus.documents()
    assert len(documents) == DOCUMENTS
    for document in documents.values():
        original = corpus.original(document.id)
        assert original is not None
        assert original.read_bytes().startswith(f"release {release} ".encode())
    everything = corpus.release().passages
    assert everything == DOCUMENTS * PASSAGES
    for number in range(DOCUMENTS):
        for passage in version(release, number)[1]:
            assert corpus.passage(passage.id) == passage


def start(folder: Path, point: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(folder), point]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("point", "release"),
    [
        ("at the start", 1),
        ("between two batches", 1),
        ("before publishing", 1),
        ("before the commit", 1),
        ("after publishing", 2),
    ],
)
def test_a_draft_killed_at(point: str, release: int, tmp_path: Path) -> None:
    corpus = open_corpus(tmp_path)
    ingest(corpus, 1)
    assert start(tmp_path, point).wait(timeout=60) == -signal.SIGKILL
    assert_whole(corpus, release)
    assert_whole(open_corpus(tmp_path), release)
    ingest(corpus, release + 1)
    assert_whole(corpus, release + 1)


def test_a_draft_killed_at_any_moment(tmp_path: Path) -> None:
    corpus = open_corpus(tmp_path)
    ingest(corpus, 1)
    moments = random.Random(7)
    for _ in range(6):
        child = start(tmp_path, "never")
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(moments.uniform(0, 0.8))
        child.kill()
        child.wait()
        if corpus.release().number > 1:
            break
        assert_whole(open_corpus(tmp_path), 1)
    release = corpus.release().number
    ingest(corpus, release + 1)
    assert_whole(corpus, release + 1)


def test_the_first_draft_killed_leaves_the_empty_corpus(tmp_path: Path) -> None:
    assert start(tmp_path, "between two batches").wait(timeout=60) == -signal.SIGKILL
    corpus = open_corpus(tmp_path)
    assert corpus.release().number == 0
    assert corpus.search_now("rule", groups=[EVERYONE]) == []
    ingest(corpus, 1)
    assert_whole(corpus, 1)


MOVE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_corpus_killed import open_corpus

releases = open_corpus(Path(sys.argv[2])).releases()
print("ready", flush=True)
while True:
    releases.publish(1)
    releases.publish(2)
"""


def test_a_pointer_killed_at_any_moment_names_a_whole_release(tmp_path: Path) -> None:
    corpus = open_corpus(tmp_path)
    for release in (1, 2):
        ingest(corpus, release)
    moments = random.Random(11)
    for _ in range(3):
        command = [sys.executable, "-c", MOVE, str(Path(__file__).parent), str(tmp_path)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(moments.uniform(0, 0.3))
        child.kill()
        assert child.wait() == -signal.SIGKILL
        assert_whole(corpus, corpus.release().number)


@pytest.mark.parametrize("point", ["at the start", "between two batches", "before the commit"])
def test_a_draft_on_a_rolled_back_release_killed_at(point: str, tmp_path: Path) -> None:
    corpus = open_corpus(tmp_path)
    for release in (1, 2):
        ingest(corpus, release)
    corpus.releases().rollback()
    assert start(tmp_path, point).wait(timeout=60) == -signal.SIGKILL
    assert_whole(corpus, 1)
    corpus.releases().publish(2)
    assert_whole(corpus, 2)
    ingest(corpus, 3)
    assert_whole(corpus, 3)
